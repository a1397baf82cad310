"""The explanation methods, a module for each family. This package enters them all into METHODS, in a fixed order."""

from xaae.explain.methods import (
    cams,
    gradients,
    perturbation,
    propagation,
    shapley,
    uncertainty,
    visualisation,
)

__all__ = ["cams", "gradients", "perturbation", "propagation", "shapley", "uncertainty", "visualisation"]
