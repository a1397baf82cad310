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


def orthogonal(matrices):
    """The matrices, each (R, C), with all singular values near 1, by Newton-Schulz rounds: a list.

    Each round multiplies x by a polynomial of x x'. These polynomials are multiplied with each other first: they have
    the shorter side of the matrix only, so that the rounds cost little, and those of one side are computed together. In
    full precision, since the square of a small singular value would drown in the rounding of another.
    """
    found, alike = [None] * len(matrices), {}
    for i, matrix in enumerate(matrices):
        alike.setdefault((min(matrix.shape), matrix.device), []).append(i)
    for (_, device), places in alike.items():
        with torch.autocast(device.type, enabled=False):
            wide = [_wide(matrices[i]).float() for i in places]
            wide = [x / x.norm().clamp_min(TINY) for x in wide]
            rounds = _all_rounds(torch.stack([x @ x.T for x in wide]))
            for i, x, own in zip(places, wide, rounds, strict=True):
                found[i] = _wide(own @ x, like=matrices[i]).to(matrices[i].dtype)
    return found


def _wide(matrix, like=None):
    """A matrix with its shorter side first; one that was turned to that turned back, if it is to be `like` another."""
    rows, columns = (matrix if like is None else like).shape
    return matrix.T if rows > columns else matrix


def _all_rounds(square):
    """The product (N, R, R) of the polynomials of all rounds, for x x' (N, R, R)."""
    product, (a, b, c) = None, FACTORS_OF_ROUND
    for left in reversed(range(ROUNDS)):
        one = torch.baddbmm(square, square, square, beta=b, alpha=c)
        one.diagonal(dim1=1, dim2=2).add_(a)
        product = one if product is None else one @ product
        square = one @ square @ one if left else None
    return product


class Muon(FusedAdam):
    """The optimiser for a Learner, with the arguments and defaults of Adam."""

    @torch.no_grad()
    def take_steps(self, rows):
        """One step of the weights of rows as `all_params` gives them: of convolutions by Muon, of others by Adam."""
        rows, turned = list(rows), []
        for p, _, state, numbers in rows:
            if _is_convolution(p):
                turned.append((p, numbers["lr"], _direction(p, state, numbers)))
        for (p, lr, ahead), step in zip(turned, orthogonal([ahead for *_, ahead in turned]), strict=True):
            p.add_(step.view_as(p), alpha=-lr * LIKE_ADAM * math.sqrt(max(ahead.shape)))
        super().take_steps(row for row in rows if not _is_convolution(row[0]))


def _is_convolution(p):
    """Are these the weights of a convolution, of one axis of places or more?"""
    return p.ndim > 2


def _direction(p, state, numbers):
    """Where a convolution's step goes, with Nesterov's momentum: (R, C). state: what is remembered of it."""
    if "step" not in state:
        state |= {"grad_avg": torch.zeros_like(p.data), "step": 0}
    state["step"] += 1
    if state.get("do_wd", True):
        p.mul_(1 - numbers["lr"] * numbers["wd"])
    mean = state["grad_avg"].mul_(numbers["mom"]).add_(p.grad, alpha=1 - numbers["mom"])
    return torch.lerp(p.grad, mean, numbers["mom"]).flatten(1)


MAKERS = {"adam": FusedAdam, "muon": Muon}  # name -> what makes the optimiser of a Learner
