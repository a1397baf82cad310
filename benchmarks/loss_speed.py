"""How fast the losses of a training step are, beside the same composed of the library's pooling and resizing."""

import torch
import torch.nn.functional as F
from fastai.torch_core import default_device

from xaae.benchmarks.pairs import compare
from xaae.callbacks import DISTANCES, neighbour_means
from xaae.callbacks.pyramid import LEVELS, MODES, POOLS, SMALLEST

BATCH, TIMES = 64, 5  # pictures; computations that are timed as one


def composed_pyramid(x_hat, x):
    """The pyramid distance (B, 1) of x_hat and x (B, C, *places), of the library's steps with their own gradients."""
    rest, total, axes = x_hat - x, 0.0, x.ndim - 2
    for level in range(LEVELS):
        if level == LEVELS - 1 or min(rest.shape[2:]) < SMALLEST:
            return total + 2**level * rest.abs().flatten(1).mean(1, keepdim=True)
        half = POOLS[axes](rest, 2, ceil_mode=True, count_include_pad=False)
        band = rest - F.interpolate(half, rest.shape[2:], mode=MODES[axes])
        total, rest = total + 2**level * band.abs().flatten(1).mean(1, keepdim=True), half
    return total


def composed_means(x):
    """`neighbour_means` by the library's average pooling."""
    return POOLS[x.ndim - 2](x, 3, 1, 1, count_include_pad=False)


def losses(size, precision, repeats):
    """The distance in a pyramid and the means of neighbours, with their gradients, beside the library's steps.

    Both are computed in full precision, whatever the `precision` of a training.
    """
    x, x_hat = (torch.rand(BATCH, 3, size, size, device=default_device()) for _ in range(2))
    x_hat.requires_grad_()
    rivals = {
        "pyramid": (lambda: DISTANCES["pyramid"](x_hat, x), lambda: composed_pyramid(x_hat, x)),
        "neighbours": (lambda: neighbour_means(x_hat), lambda: composed_means(x_hat)),
    }
    says = "{} of {} pictures of {} pixels, with its gradient: as it is here / of the library's pooling and resizing"
    return [
        compare(f"{name}-{size}", says.format(name, BATCH, size), *(_with_gradient(f) for f in pair), repeats)
        for name, pair in rivals.items()
    ]


def _with_gradient(function):
    """What computes a function some times, and each time the gradient of its values' sum."""

    def compute():
        for _ in range(TIMES):
            function().sum().backward()

    return compute
