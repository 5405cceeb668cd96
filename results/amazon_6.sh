#!/usr/bin/env bash
# The whole path at 6.5 million rows: results/amazon_6.sh ROOT RUNS METHOD
# Rates near those that validation chose on amazon-small, not tuned here; one seed.
set -euo pipefail
root=$1 runs=$2 method=$3

common=(
  --config=configs/amazon.py:6,mlp,$method --config.data.root="$root" --config.data.cache="$runs/cache"
  --config.model.embedding_size=32 --config.model.hidden="(128, 64)" --config.epochs=8 --config.patience=3
  --config.alpha=1e-2 --config.beta=0.1 --config.gamma=0.01 --config.l2=1e-4
)
case $method in
  domain_regularization | mamdr)
    common+=(--config.method.visit_steps=20 --config.method.specific="('net',)") ;;
esac
python - launch.py "${common[@]}" --workdir="$runs/amazon_6_$method" <<'PYTHON'
import resource, subprocess, sys
status = subprocess.run([sys.executable, *sys.argv[1:]]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
print(f"peak resident memory: {peak:.2f} GiB")
sys.exit(status)
PYTHON
