"""The theory of §III-B and §IV-C of Luo et al. 2023 as functions: conflict, InnerGrad, a probe."""
