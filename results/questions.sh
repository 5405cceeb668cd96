#!/usr/bin/env bash
# Where paper, released code and common sense differ: results/questions.sh ROOT RUNS [NAME...]
# One change at a time to DN or to MAMDR on amazon-small, three seeds each, compared by validation AUC.
set -euo pipefail
root=$1 runs=$2
shift 2

run() { # name, method, overrides
  local name=$1 method=$2
  shift 2
  case " ${names-} " in "  " | *" $name "*) ;; *) return 0 ;; esac
  local deltas=()
  [ "$method" = mamdr ] && deltas=(--config.method.visit_steps=5)
  # A tuple that is given twice on the command line is the two joined, so give it once.
  [[ "$method" = mamdr && "$*" != *specific=* ]] && deltas+=(--config.method.specific="('net',)")
  python launch.py --config=configs/amazon.py:small,mlp,"$method" \
    --config.data.root="$root" --config.data.cache="$runs/cache" \
    --config.model.embedding_size=32 --config.model.hidden="(128, 64)" \
    --config.alpha=1e-2 --config.beta=0.2 --config.gamma=0.01 --config.l2=1e-4 \
    --config.epochs=30 --config.patience=10 --config.sweep.seed="(0, 1, 2)" \
    "${deltas[@]}" "$@" --workdir="$runs/questions/$name"
}

names="$*"
run dn domain_negotiation
run dn_fresh domain_negotiation --config.method.carry=False
run dn_same_minibatches domain_negotiation --config.reshuffle=False
run dn_adagrad domain_negotiation --config.outer.name=adagrad
run dn_adam domain_negotiation --config.outer.name=adam --config.beta=0.001
run dn_no_l2 domain_negotiation --config.l2=0.0
run dn_dense domain_negotiation --config.method.sparse=False
run mamdr mamdr
run mamdr_carried mamdr --config.method.specific_carry=True
run mamdr_random mamdr --config.method.specific_scale=0.01
run mamdr_help_self mamdr --config.method.help_self=True
run mamdr_visits_10 mamdr --config.method.visit_steps=10
run mamdr_tables mamdr --config.method.specific="('tables',)"
run mamdr_both mamdr --config.method.specific="('tables', 'net')"
run mamdr_gamma_0.1 mamdr --config.gamma=0.1
run mamdr_decay mamdr --config.specific_inner.name=adamw --config.specific_inner.options="(('weight_decay', 3.0),)"
run mamdr_whole_visits mamdr --config.method.visit_steps=1000 --config.method.k=1
