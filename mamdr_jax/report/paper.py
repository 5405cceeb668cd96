"""The paper's own figures (Luo et al. 2023, Tables V, VI, VII, X), by the names of the configs."""

from collections.abc import Mapping

DATA = ("Amazon-6", "Amazon-13", "Taobao-10", "Taobao-20", "Taobao-30")

# (AUC, RANK) on each of `DATA`, trained alternately unless the method is named.
TABLE_V = {
  ("mlp", "alternate"): (
    (0.7464, 9.0), (0.7016, 8.6), (0.7022, 11.3), (0.7255, 9.9), (0.7416, 10.7)),
  ("wdl", "alternate"): (
    (0.7449, 9.0), (0.7026, 7.9), (0.7154, 8.9), (0.7235, 10.6), (0.7559, 8.4)),
  ("neurfm", "alternate"): (
    (0.6505, 10.7), (0.6152, 10.2), (0.7374, 4.1), (0.7461, 6.4), (0.7673, 6.1)),
  ("autoint", "alternate"): (
    (0.7531, 8.2), (0.7214, 6.4), (0.7302, 5.8), (0.7471, 6.3), (0.7623, 6.5)),
  ("deepfm", "alternate"): (
    (0.7333, 10.0), (0.6976, 8.5), (0.7271, 6.6), (0.7347, 8.8), (0.7484, 9.4)),
  ("shared_bottom", "alternate"): (
    (0.7794, 3.0), (0.7088, 5.0), (0.7197, 7.7), (0.7572, 4.3), (0.7714, 6.1)),
  ("mmoe", "alternate"): (
    (0.7816, 2.7), (0.7381, 4.2), (0.7250, 5.9), (0.7494, 6.0), (0.7717, 4.2)),
  ("ple", "alternate"): (
    (0.7801, 3.5), (0.7114, 6.3), (0.7287, 5.3), (0.7603, 3.3), (0.7725, 4.0)),
  ("star", "alternate"): (
    (0.7719, 5.8), (0.7209, 7.1), (0.7202, 8.0), (0.7324, 8.9), (0.7483, 9.4)),
  ("mlp", "mamdr"): (
    (0.7957, 2.5), (0.7577, 3.5), (0.7445, 2.7), (0.7613, 3.2), (0.7750, 3.1)),
}  # fmt: skip

# The same of the MLP, by method.
TABLE_VI = {
  "mamdr": ((0.7957, 2.5), (0.7577, 3.5), (0.7445, 2.7), (0.7613, 3.2), (0.7750, 3.1)),
  "domain_regularization": (
    (0.7822, 5.2), (0.7507, 4.8), (0.7407, 4.0), (0.7596, 3.9), (0.7501, 3.8)),
  "domain_negotiation": (
    (0.7678, 8.5), (0.7331, 5.4), (0.7204, 7.7), (0.7501, 6.5), (0.7619, 6.3)),
  "alternate": ((0.7464, 9.0), (0.7016, 8.6), (0.7022, 11.3), (0.7255, 9.9), (0.7416, 10.7)),
}  # fmt: skip

# AUC of the MLP on the domains of Amazon-6, by method.
TABLE_VII_DOMAINS = (
  *("Musical_Instruments", "Office_Products", "Patio_Lawn_and_Garden"),
  *("Prime_Pantry", "Toys_and_Games", "Video_Games"),
)
TABLE_VII = {
  "mamdr": (0.7753, 0.8116, 0.7579, 0.7579, 0.8108, 0.8394),
  "domain_regularization": (0.7617, 0.7940, 0.7583, 0.7498, 0.7918, 0.8371),
  "domain_negotiation": (0.7544, 0.7840, 0.7533, 0.7140, 0.7602, 0.7763),
  "alternate": (0.7223, 0.7257, 0.7509, 0.7171, 0.7423, 0.7804),
}

# AUC on Taobao-10, by model, of each of these methods.
TABLE_X_METHODS = (
  *("alternate", "alternate+finetune", "weighted_loss", "pcgrad", "maml", "reptile", "mldg"),
  *("domain_negotiation", "domain_regularization", "mamdr"),
)
TABLE_X = {
  "mlp": (0.7022, 0.7126, 0.7157, 0.7254, 0.6896, 0.7117, 0.7074, 0.7204, 0.7407, 0.7445),
  "wdl": (0.7154, 0.7040, 0.7098, 0.7153, 0.6945, 0.7212, 0.7182, 0.7295, 0.7346, 0.7376),
  "neurfm": (0.7154, 0.7465, 0.7393, 0.7526, 0.7479, 0.7579, 0.7543, 0.7572, 0.7553, 0.7609),
  "deepfm": (0.7271, 0.7280, 0.7259, 0.7562, 0.7237, 0.7402, 0.7480, 0.7352, 0.7466, 0.7581),
  "shared_bottom": (
    0.7197, 0.7225, 0.7171, 0.7269, 0.6816, 0.7255, 0.7195, 0.7233, 0.7244, 0.7339),
  "star": (0.7202, 0.7303, 0.7297, 0.7221, 0.7228, 0.7353, 0.7181, 0.7328, 0.7255, 0.7520),
}  # fmt: skip


def data_of(section: Mapping) -> str | None:
  """The paper's data set in whose place `config.data` stands, real or synthetic, if any."""
  which = section.get("domains") or section.get("preset") or section.get("num_domains")
  number = str(which).removeprefix("paper").removeprefix("taobao")
  family = "Amazon" if section["name"] == "amazon" else "Taobao"
  known = section["name"] in ("amazon", "taobao", "synthetic") and f"{family}-{number}" in DATA
  return f"{family}-{number}" if known else None


def average(section: Mapping, model: str, method: str) -> tuple[float, float] | None:
  """(mean AUC, RANK) of Tables V and VI in the place of a model, a method and a data set."""
  row = TABLE_V.get((model, method)) or (TABLE_VI.get(method) if model == "mlp" else None)
  data = data_of(section)
  return row[DATA.index(data)] if row and data else None


def domain(section: Mapping, model: str, method: str, name: str) -> float | None:
  """AUC of Table VII in the place of a domain."""
  known = data_of(section) == "Amazon-6" and model == "mlp" and method in TABLE_VII
  found = known and name in TABLE_VII_DOMAINS
  return TABLE_VII[method][TABLE_VII_DOMAINS.index(name)] if found else None


def framework(model: str, method: str) -> float | None:
  """Mean AUC of Table X in the place of a model and a method; whatever the data, on Taobao-10."""
  known = model in TABLE_X and method in TABLE_X_METHODS
  return TABLE_X[model][TABLE_X_METHODS.index(method)] if known else None
