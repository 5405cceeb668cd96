"""What a run leaves in its folder, and what an interrupted one goes on from.

`config.json` says what is there: the config, its runs in order, and fingerprints of data and code;
`ids.npz` which raw ids and domains the numbers in states stand for. While it trains,
`metrics.jsonl` grows by a line an epoch, `runs/` by the result and the best state of every run that
has ended, and `group.npz` holds the group of runs that is training. When all have ended,
`result.json` gathers their results, and `runs.csv` and `auc.png` are made from it. Of more than
`distribution.MOST_LISTED` domains what is of each is in arrays: validation AUC over epochs in
`runs/NNNN.auc`, results in `runs/NNNN.domains.npz` and `result.domains.npz`. `model/` is what
serves each domain after the best run, for those who have neither the data nor use for optimizers.
"""
