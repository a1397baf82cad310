"""Muon (Jordan et al. 2024): convolutions take steps that move all directions of their weights alike.

The running mean of a convolution's gradient, as a matrix with one row for each of its first axis, is replaced by the
nearest matrix whose rows (or columns) are orthonormal. A few directions of the gradient, such as brightness and large
shapes, outweigh all others by far; with this a step moves the faint ones, such as outlines, as much. Biases and the
weights of other layers take the steps of Adam. torch's own Muon takes matrices alone, no convolutions.
"""

import math

import torch

from xaae.training.fused_adam import FusedAdam

ROUNDS = 5  # of Newton and Schulz
FACTORS_OF_ROUND = (3.4445, -4.7750, 2.0315)  # of x, x^3, x^5: singular values end near 1, from 0.7 to 1.2
LIKE_ADAM = 0.2  # root mean square of a step's values at a learning rate of 1, about that of Adam (Liu et al. 2025)
TINY = 1e-7


def orthogonal(matrix):
    """The matrix (R, C) with all singular values near 1, by Newton-Schulz rounds.

    Each round multiplies x by a polynomial of x x'. These polynomials are multiplied with each other first: they have
    the shorter side of the matrix only, so that the rounds cost little. In full precision, since the square of a small
    singular value would drown in the rounding of another.
    """
    with torch.autocast(matrix.device.type, enabled=False):
        x = matrix.float()
        x = x.T if len(x) > x.shape[1] else x
        x = x / x.norm().clamp_min(TINY)
        square, all_rounds, (a, b, c) = x @ x.T, None, FACTORS_OF_ROUND
        for left in reversed(range(ROUNDS)):
            one = torch.addmm(square, square, square, beta=b, alpha=c)
            one.diagonal().add_(a)
            all_rounds = one if all_rounds is None else one @ all_rounds
            square = one @ square @ one if left else None
        x = all_rounds @ x
    return (x.T if len(matrix) > matrix.shape[1] else x).to(matrix.dtype)


class Muon(FusedAdam):
    """The optimiser for a Learner, with the arguments and defaults of Adam."""

    def take_steps(self, rows):
        """One step of the weights of rows as `all_params` gives them: of convolutions by Muon, of others by Adam."""
        for p, _, state, numbers in rows:
            if _is_convolution(p):
                _step(p, state, numbers)
        super().take_steps(row for row in rows if not _is_convolution(row[0]))


def _is_convolution(p):
    """Are these the weights of a convolution, of one axis of places or more?"""
    return p.ndim > 2


@torch.no_grad()
def _step(p, state, numbers):
    """One step of a convolution with Nesterov's momentum; state: what is remembered of it."""
    if "step" not in state:
        state |= {"grad_avg": torch.zeros_like(p.data), "step": 0}
    state["step"] += 1
    lr, mom = numbers["lr"], numbers["mom"]
    if state.get("do_wd", True):
        p.mul_(1 - lr * numbers["wd"])
    mean = state["grad_avg"].mul_(mom).add_(p.grad, alpha=1 - mom)
    ahead = torch.lerp(p.grad, mean, mom).flatten(1)
    size = LIKE_ADAM * math.sqrt(max(ahead.shape))
    p.add_(orthogonal(ahead).view_as(p), alpha=-lr * size)


MAKERS = {"adam": FusedAdam, "muon": Muon}  # name -> what makes the optimiser of a Learner
