#!/usr/bin/env bash
# As results/synthetic.sh, but the model does not see which domain a row is of: the MLP of the paper's
# words, a single-domain model, so that shared parameters have to compromise.
#   results/synthetic_blind.sh RUNS STAGE METHOD
#   STAGE  tune: four trials a method on seed 100;  final: the chosen trial on seeds 0-4
set -euo pipefail
runs=$1 stage=$2 method=$3

common=(
  --config=configs/synthetic.py:taobao10,mlp,$method --config.data.feature_size=32 --config.model.domain_feature=False
  --config.model.embedding_size=32 --config.model.hidden="(128, 64)" --config.epochs=60 --config.patience=10
)
case $method in
  domain_regularization | mamdr)
    common+=(--config.method.visit_steps=5 --config.method.specific="('net',)") ;;
esac

# What each method tunes, four trials.
case $method in
  alternate)             sweep=(--config.sweep.alpha="(3e-4, 1e-3, 3e-3, 1e-2)") ;;
  domain_negotiation)    sweep=(--config.sweep.alpha="(1e-3, 3e-3)" --config.sweep.beta="(0.3, 0.7)") ;;
  domain_regularization) sweep=(--config.sweep.alpha="(1e-3, 3e-3)" --config.sweep.gamma="(0.1, 0.5)") ;;
  mamdr)                 sweep=(--config.beta=0.7 --config.sweep.alpha="(1e-3, 3e-3)" --config.sweep.gamma="(0.1, 0.5)") ;;
esac

case $stage in
  tune) python launch.py "${common[@]}" "${sweep[@]}" --config.seed=100 --workdir="$runs/tune_$method" ;;
  final) # the rates that validation chose, read from the trials
    chosen=$(python -c "
import sys; from pathlib import Path; from mamdr_jax import record, report
best = report.best_setting(record.read(Path(sys.argv[1]) / record.RESULT))[0]
print(*(f'--config.{rate}={best[rate]:g}' for rate in report.RATES))" "$runs/tune_$method")
    python launch.py "${common[@]}" $chosen --config.sweep.seed="(0, 1, 2, 3, 4)" --workdir="$runs/$method" ;;
esac
