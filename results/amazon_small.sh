#!/usr/bin/env bash
# The amazon-small comparison: results/amazon_small.sh ROOT RUNS STAGE METHOD
#   ROOT   folder of the Amazon files;  RUNS  folder for workdirs
#   STAGE  tune: eight trials a method on seed 100, chosen between by validation AUC
#          final: the chosen trial on seeds 0-4
set -euo pipefail
root=$1 runs=$2 stage=$3 method=$4

common=(
  --config=configs/amazon.py:small,mlp,$method --config.data.root="$root" --config.data.cache="$runs/cache"
  --config.model.embedding_size=32 --config.model.hidden="(128, 64)" --config.epochs=100 --config.patience=15
)
case $method in
  domain_regularization | mamdr)
    common+=(--config.method.visit_steps=5 --config.method.specific="('net',)") ;;
esac

# What each method tunes, eight trials: rates, with and without L2 on embeddings.
case $method in
  alternate)             sweep=(--config.sweep.alpha="(1e-3, 3e-3, 1e-2, 3e-2)") ;;
  domain_negotiation)    sweep=(--config.sweep.alpha="(3e-3, 1e-2)" --config.sweep.beta="(0.05, 0.2)") ;;
  domain_regularization) sweep=(--config.sweep.alpha="(3e-3, 1e-2)" --config.sweep.gamma="(0.001, 0.01)") ;;
  mamdr)                 sweep=(--config.alpha=1e-2 --config.sweep.beta="(0.05, 0.2)" --config.sweep.gamma="(0.001, 0.01)") ;;
esac
# What validation chose.
case $method in
  alternate)             chosen=(--config.alpha=1e-2 --config.l2=1e-4) ;;
  domain_negotiation)    chosen=(--config.alpha=1e-2 --config.l2=1e-4 --config.beta=0.05) ;;
  domain_regularization) chosen=(--config.alpha=1e-2 --config.l2=1e-4 --config.gamma=0.001) ;;
  mamdr)                 chosen=(--config.alpha=1e-2 --config.l2=1e-4 --config.beta=0.2 --config.gamma=0.001) ;;
esac

case $stage in
  tune)
    for l2 in 0.0 1e-4; do
      python launch.py "${common[@]}" "${sweep[@]}" --config.seed=100 --config.l2=$l2 --workdir="$runs/tune_${method}_l2_$l2"
    done ;;
  final)
    python launch.py "${common[@]}" "${chosen[@]}" --config.sweep.seed="(0, 1, 2, 3, 4)" --workdir="$runs/$method" ;;
esac
