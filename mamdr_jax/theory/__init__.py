"""The theory of §III-B and §IV-C of Luo et al. 2023 as functions: conflict, InnerGrad, a probe.

All of it is in full precision (`core.full_precision`), whatever training has.
"""
