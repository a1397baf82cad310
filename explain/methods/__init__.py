"""Attribution methods by family. Importing this package enters them all into METHODS, in the order of the table."""

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
