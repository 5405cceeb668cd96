#!/usr/bin/env bash
# The comparison on SYNTHETIC data with the counts of Taobao-10: results/synthetic.sh RUNS STAGE METHOD
#   STAGE  tune: six trials a method on seed 100, chosen between by validation AUC
#          final: the chosen trial on seeds 0-4
set -euo pipefail
runs=$1 stage=$2 method=$3

common=(
  --config=configs/synthetic.py:taobao10,mlp,$method --config.data.feature_size=32
  --config.model.embedding_size=32 --config.model.hidden="(128, 64)" --config.epochs=100 --config.patience=15
)
case $method in
  domain_regularization | mamdr)
    common+=(--config.method.visit_steps=5 --config.method.specific="('net',)") ;;
esac

# What each method tunes, six trials.
case $method in
  alternate)             sweep=(--config.sweep.alpha="(1e-3, 2e-3, 3e-3, 5e-3, 7e-3, 1e-2)") ;;
  domain_negotiation)    sweep=(--config.sweep.alpha="(3e-3, 5e-3)" --config.sweep.beta="(0.3, 0.5, 0.7)") ;;
  domain_regularization) sweep=(--config.sweep.alpha="(3e-3, 5e-3)" --config.sweep.gamma="(0.03, 0.1, 0.3)") ;;
  mamdr)                 sweep=(--config.alpha=3e-3 --config.sweep.beta="(0.5, 0.7)" --config.sweep.gamma="(0.03, 0.1, 0.3)") ;;
esac
# What validation chose.
case $method in
  alternate)             chosen=(--config.alpha=1e-3) ;;
  domain_negotiation)    chosen=(--config.alpha=3e-3 --config.beta=0.7) ;;
  domain_regularization) chosen=(--config.alpha=3e-3 --config.gamma=0.3) ;;
  mamdr)                 chosen=(--config.alpha=3e-3 --config.beta=0.5 --config.gamma=0.3) ;;
esac

case $stage in
  tune) python launch.py "${common[@]}" "${sweep[@]}" --config.seed=100 --workdir="$runs/tune_$method" ;;
  final)
    python launch.py "${common[@]}" "${chosen[@]}" --config.epochs=150 \
      --config.sweep.seed="(0, 1, 2, 3, 4)" --workdir="$runs/$method" ;;
esac
