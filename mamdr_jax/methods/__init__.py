"""The columns of the paper's Table X and later ones: a learning framework a file, in `METHODS`.

Each is a constructor `(*, loss, inner, ...) -> Method`; see `mamdr_jax.core.Method`. The info of
an epoch holds at least `loss`, a mean over steps, and `passes`: how many gradients of a
minibatch's loss it took, which is what the epochs of different methods can be compared by.

`finetune` can follow any of them. Fish (Shi et al. 2022) is `domain_negotiation` with
`round_steps=1`.
"""

from mamdr_jax.methods.aligned_mtl import aligned_mtl
from mamdr_jax.methods.alternate import alternate
from mamdr_jax.methods.cagrad import cagrad
from mamdr_jax.methods.domain_negotiation import domain_negotiation
from mamdr_jax.methods.domain_regularization import domain_regularization
from mamdr_jax.methods.equal_weighting import equal_weighting
from mamdr_jax.methods.famo import famo
from mamdr_jax.methods.gradnorm import gradnorm
from mamdr_jax.methods.gradvac import gradvac
from mamdr_jax.methods.imtl_g import imtl_g
from mamdr_jax.methods.joint import joint
from mamdr_jax.methods.mamdr import mamdr
from mamdr_jax.methods.maml import maml
from mamdr_jax.methods.mgda import mgda
from mamdr_jax.methods.mldg import mldg
from mamdr_jax.methods.nash_mtl import nash_mtl
from mamdr_jax.methods.pcgrad import pcgrad
from mamdr_jax.methods.random_weighting import random_weighting
from mamdr_jax.methods.reptile import reptile
from mamdr_jax.methods.separate import separate
from mamdr_jax.methods.upgrad import upgrad
from mamdr_jax.methods.weighted_loss import weighted_loss

METHODS = {
  "alternate": alternate,
  "joint": joint,
  "separate": separate,
  "weighted_loss": weighted_loss,
  "pcgrad": pcgrad,
  "gradvac": gradvac,
  "mgda": mgda,
  "cagrad": cagrad,
  "imtl_g": imtl_g,
  "aligned_mtl": aligned_mtl,
  "upgrad": upgrad,
  "nash_mtl": nash_mtl,
  "gradnorm": gradnorm,
  "famo": famo,
  "equal_weighting": equal_weighting,
  "random_weighting": random_weighting,
  "maml": maml,
  "reptile": reptile,
  "mldg": mldg,
  "domain_negotiation": domain_negotiation,
  "domain_regularization": domain_regularization,
  "mamdr": mamdr,
}
