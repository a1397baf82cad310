"""Muon (Jordan et al. 2024): convolutions take steps that move all directions of their weights alike.

The running mean of a convolution's gradient, as a matrix with one row for each of its first axis, is replaced by the
nearest matrix whose rows (or columns) are orthonormal. A few directions of the gradient, such as brightness and large
shapes, outweigh all others by far; with this a step moves the faint ones, such as outlines, as much. Biases and the
weights of other layers take the steps of Adam. torch's own Muon takes matrices alone, no convolutions.
"""

import math
from contextlib import contextmanager, nullcontext

import torch

from xaae.experiment.device import quick_products
from xaae.training.fused_adam import FusedAdam

ROUNDS = 5  # of Newton and Schulz
FACTORS_OF_ROUND = (3.4445, -4.7750, 2.0315)  # of x, x^3, x^5: singular values end near 1, from 0.7 to 1.2
LIKE_ADAM = 0.2  # root mean square of a step's values at a learning rate of 1, about that of Adam (Liu et al. 2025)
LARGE = 128  # the shorter side of a matrix from which quicker products pay for what it takes to begin them
TINY = 1e-7


def orthogonalisers(matrices):
    """By what each of the matrices (R, C), R <= C, is multiplied for all singular values near 1: a list of (R, R).

    Each of the Newton-Schulz rounds multiplies x by a polynomial of x x'. These polynomials are multiplied with each
    other: they have the shorter side of the matrix only, so that the rounds cost little, and those of one side are
    computed together. In full precision, since the square of a small singular value would drown in the rounding of
    another.
    """
    found, alike = [None] * len(matrices), {}
    for i, matrix in enumerate(matrices):
        alike.setdefault((len(matrix), matrix.device), []).append(i)
    for (side, device), places in alike.items():
        with _full_precision(side, device):
            square = torch.stack([x @ x.T for x in (matrices[i].float() for i in places)])
            length = square.diagonal(dim1=1, dim2=2).sum(1).sqrt().clamp_min(TINY)[:, None, None]
            rounds = _all_rounds(square / length**2) / length
            for i, own in zip(places, rounds, strict=True):
                found[i] = own.to(matrices[i].dtype)
    return found


@contextmanager
def _full_precision(side, device):
    """A context for products of matrices with this shorter side on a device."""
    with torch.autocast(device.type, enabled=False), quick_products(device) if side >= LARGE else nullcontext():
        yield


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
        rows = list(rows)
        own = [(p, numbers, state) for p, _, state, numbers in rows if _is_convolution(p)]
        ahead = [_matrix(_direction(p, state, numbers), like=p) for p, numbers, state in own]
        for (p, numbers, state), x, left in zip(own, ahead, orthogonalisers(ahead), strict=True):
            kept = 1 - numbers["lr"] * numbers["wd"] if state.get("do_wd", True) else 1
            far = numbers["lr"] * LIKE_ADAM * math.sqrt(max(x.shape))
            with _full_precision(len(x), p.device):
                _matrix(p, like=p).addmm_(left, x, beta=kept, alpha=-far)
        super().take_steps(row for row in rows if not _is_convolution(row[0]))


def _is_convolution(p):
    """Are these the weights of a convolution, of one axis of places or more?"""
    return p.ndim > 2


def _matrix(values, like):
    """values, in the shape of weights `like` (I, ...), as a matrix of I rows, or its transpose if that is wider.

    Its columns are in the order in which `like` lies in memory: Muon does not depend on it, and nothing is copied. Of
    `like` itself it is a view, which can be changed in place.
    """
    order = sorted(range(1, like.ndim), key=like.stride, reverse=True)
    matrix = values.permute(0, *order)
    matrix = matrix.view(len(like), -1) if values is like else matrix.flatten(1)
    return matrix.T if matrix.shape[0] > matrix.shape[1] else matrix


def _direction(p, state, numbers):
    """Where a convolution's step goes, with Nesterov's momentum, shaped like its weights p. state: of p."""
    if "step" not in state:
        state |= {"grad_avg": torch.zeros_like(p.data), "step": 0}
    state["step"] += 1
    mean = state["grad_avg"].lerp_(p.grad, 1 - numbers["mom"])
    return torch.lerp(p.grad, mean, numbers["mom"])


MAKERS = {"adam": FusedAdam, "muon": Muon}  # name -> what makes the optimiser of a Learner
