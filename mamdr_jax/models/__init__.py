"""The rows of the paper's Table V, and other structures: one flax module a file, named in `MODELS`.

A model is a module with `vocab` (trainable field -> number of ids) among its attributes and
`__call__(batch, train) -> logits [B]`. It keeps no mutable state. One that normalises the rows of a
domain says so itself, by `needs_moments`: then `inputs(batch) -> [B, n]` is what it normalises, and
`keep_moments(params, domain, moments)` puts the moments of a domain's training rows where it looks
for them when it serves.

Args of several models; those of one alone are in its own docstring:
  embedding_size: width of the vector of a field, with which given features enter as they are.
  hidden: widths of the layers over the concatenated vectors.
  expert: widths of the layers of an expert.
  gate: widths of the hidden layers of a gate; () is a linear one.
  tower: widths of the layers of a domain's tower.
  num_shared: experts that all domains share, at a level.
  num_specific: experts of each domain, at a level.
  dropout: rate after each layer, rounded to a multiple of 1/256.
  domain_feature: whether the domain is a field like user and item.
"""

from mamdr_jax.models.adaptdhm import AdaptDHM
from mamdr_jax.models.adasparse import AdaSparse
from mamdr_jax.models.autoint import AutoInt
from mamdr_jax.models.cgc import CGC
from mamdr_jax.models.dcn import DCN
from mamdr_jax.models.deepfm import DeepFM
from mamdr_jax.models.fm import FM
from mamdr_jax.models.hinet import HiNet
from mamdr_jax.models.lr import LR
from mamdr_jax.models.m2m import M2M
from mamdr_jax.models.m3oe import M3oE
from mamdr_jax.models.mlora import MLoRA
from mamdr_jax.models.mlp import MLP
from mamdr_jax.models.mmoe import MMOE
from mamdr_jax.models.neurfm import NeurFM
from mamdr_jax.models.pepnet import PEPNet
from mamdr_jax.models.ple import PLE
from mamdr_jax.models.sarnet import SARNet
from mamdr_jax.models.shared_bottom import SharedBottom
from mamdr_jax.models.star import STAR
from mamdr_jax.models.wdl import WDL

MODELS = {
  "mlp": MLP,
  "wdl": WDL,
  "neurfm": NeurFM,
  "autoint": AutoInt,
  "deepfm": DeepFM,
  "shared_bottom": SharedBottom,
  "mmoe": MMOE,
  "cgc": CGC,
  "ple": PLE,
  "star": STAR,
  # not of the paper: without anything of a domain's own but its vector,
  "lr": LR,
  "fm": FM,
  "dcn": DCN,
  # and for several domains.
  "sarnet": SARNet,
  "m2m": M2M,
  "adasparse": AdaSparse,
  "adaptdhm": AdaptDHM,
  "pepnet": PEPNet,
  "hinet": HiNet,
  "m3oe": M3oE,
  "mlora": MLoRA,
}
