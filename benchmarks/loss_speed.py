"""How fast a training step's losses and a turn are, beside the same of the library's steps with their gradients."""

import math

import torch
import torch.nn.functional as F
from fastai.torch_core import default_device

from xaae.benchmarks.pairs import compare
from xaae.callbacks import DISTANCES, neighbour_means
from xaae.callbacks.perceptual import TINY, feature_distance
from xaae.callbacks.pyramid import LEVELS, MODES, POOLS, SMALLEST
from xaae.factors.sampling import sampled
from xaae.training.feature_network import WIDTHS

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


def composed_features(seen, wanted):
    """`feature_distance` of lists of features (B, W, *places), each divided by its length at every place."""
    scaled = (
        (x / (x.square().sum(1, keepdim=True) + TINY).sqrt() for x in pair) for pair in zip(seen, wanted, strict=True)
    )
    return sum((a - b).square().sum(1).mean() for a, b in scaled)


def losses(size, precision, repeats):
    """The distances in a pyramid and of features, the means of neighbours and a turn, with their gradients.

    Features are of the precision of a training, the others in full precision whatever it is.
    """
    device = default_device()
    x, x_hat = (torch.rand(BATCH, 3, size, size, device=device) for _ in range(2))
    seen, wanted = (_some_features(size, precision, device) for _ in range(2))
    turn = _half_turns(x)
    for each in (x_hat, turn, *seen):
        each.requires_grad_()
    in_full = lambda features: [each.float() for each in features]  # noqa: E731
    rivals = {
        "pyramid": (lambda: DISTANCES["pyramid"](x_hat, x), lambda: composed_pyramid(x_hat, x)),
        "neighbours": (lambda: neighbour_means(x_hat), lambda: composed_means(x_hat)),
        "turn": (lambda: sampled(x_hat, turn, "zeros"), lambda: F.grid_sample(x_hat, turn, align_corners=False)),
        "features": (
            lambda: feature_distance(seen, wanted),
            lambda: composed_features(in_full(seen), in_full(wanted)),
        ),
    }
    says = "{} of {} pictures of {} pixels, with its gradient: as it is here / of the library's steps"
    return [
        compare(f"{name}-{size}", says.format(name, BATCH, size), *(_with_gradient(f) for f in pair), repeats)
        for name, pair in rivals.items()
    ]


def _some_features(size, precision, device):
    """Random features of all depths that a FeatureNetwork has, of pictures of so many pixels."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    shapes = [(BATCH, width, *2 * [size // 2**depth]) for depth, width in enumerate(WIDTHS, 1)]
    return [torch.rand(shape, device=device).to(kind, memory_format=torch.channels_last) for shape in shapes]


def _half_turns(x):
    """Points (B, H, W, 2) of pictures x (B, C, H, W) that are turned by up to half a turn, each a little further."""
    angle = torch.linspace(0, math.pi, len(x), device=x.device)
    nothing = torch.zeros_like(angle)
    rows = [[angle.cos(), -angle.sin(), nothing], [angle.sin(), angle.cos(), nothing]]
    return F.affine_grid(torch.stack([torch.stack(row, 1) for row in rows], 1), x.shape, align_corners=False)


def _with_gradient(function):
    """What computes a function some times, and each time the gradient of its values' sum."""

    def compute():
        for _ in range(TIMES):
            function().sum().backward()

    return compute
