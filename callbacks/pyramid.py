"""The Laplacian pyramid of a difference (Burt and Adelson 1983), and its gradient, in few passes over the values.

Composed of the library's pooling and resizing it took a seventh of a training step at 128 pixels: those are made for
windows of any size and for many channels, and here windows are pairs and channels few. There are no gradients of
gradients.
"""

import math

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from xaae.experiment.device import in_turn

LEVELS = 4  # of the pyramid
SMALLEST = 4  # places along an axis below which there is no coarser band
NEAR, FAR = 0.75, 0.25  # weights of the two coarse values that a fine one lies between
POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}  # by axes of places
MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def pyramid_distance(x_hat, x):
    """Absolute differences of x_hat and x (B, C, *places), band by band from fine to coarse, summed: (B, 1).

    A Laplacian pyramid in L1: each coarser band, with a quarter of the values in pictures, counts twice as much a
    value, so that outlines are not given up for the mean.
    """
    rest, total = (x_hat - x).to(torch.promote_types(x_hat.dtype, torch.float32)), 0.0
    for level in range(LEVELS):
        coarsest = level == LEVELS - 1 or min(rest.shape[2:]) < SMALLEST
        size, coarse = (rest.abs().flatten(1).sum(1, keepdim=True), None) if coarsest else size_of_band(rest)
        total = total + 2**level / math.prod(rest.shape[1:]) * size
        if coarsest:
            return total
        rest = coarse
    return total


def size_of_band(x):
    """What of x (B, C, *places) is lost where it is halved and doubled again: (sum of absolute values (B, 1), half)."""
    if _is_even(x):
        return _Band.apply(x)
    half = half_of(x)
    band = x - F.interpolate(half, x.shape[2:], mode=MODES[x.ndim - 2])
    return band.abs().flatten(1).sum(1, keepdim=True), half


def half_of(x):
    """x (B, C, *places) with each axis half as long: means of pairs, and of an odd axis the last value by itself."""
    return _Half.apply(x) if _is_even(x) else POOLS[x.ndim - 2](x, 2, ceil_mode=True, count_include_pad=False)


def _is_even(x):
    """Is each axis of places of even length?"""
    return not any(side % 2 for side in x.shape[2:])


class _Half(torch.autograd.Function):
    """`half_of` for axes of even length."""

    @staticmethod
    def forward(ctx, x):
        return halved(x)

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        """The gradient of x (B, C, *places)."""
        return F.interpolate(g * 0.5 ** (g.ndim - 2), scale_factor=2.0)


class _Band(torch.autograd.Function):
    """`size_of_band` for axes of even length."""

    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        size, half = x.new_empty(len(x), 1), x.new_empty(*x.shape[:2], *(side // 2 for side in x.shape[2:]))
        signs = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        for some in in_turn(x):
            half[some] = halved(x[some])
            band = torch.sub(x[some], doubled(half[some]), out=None if signs is None else signs[some])
            size[some, 0] = torch.linalg.vector_norm(band.flatten(1), 1, dim=1)
            band.sign_()
        ctx.save_for_backward(signs)
        return size, half

    @staticmethod
    @once_differentiable
    def backward(ctx, of_size, of_half):
        """The gradient of x (B, C, *places)."""
        (signs,) = ctx.saved_tensors
        axes = signs.ndim - 2
        found = torch.empty_like(signs)
        for some in in_turn(signs):
            back = torch.mul(signs[some], of_size[some].view(-1, *[1] * (axes + 1)), out=found[some])
            to_half = (of_half[some] - doubled_backward(back)).mul_(0.5**axes)
            _pairs(back).add_(_for_pairs(to_half))
        return found


def _pairs(x):
    """x (B, C, *places) with each axis of places, of even length, as two: pairs, and the two of a pair."""
    for axis in range(x.ndim - 1, 1, -1):
        x = x.unflatten(axis, (-1, 2))
    return x


def _for_pairs(half):
    """half (B, C, *places) in a shape that goes with `_pairs` of what is twice as long."""
    return half[(..., *[slice(None), None] * (half.ndim - 2))]


def halved(x):
    """x (B, C, *places) with each axis, of even length, half as long: means of pairs."""
    for axis in range(2, x.ndim):
        first, second = x.unflatten(axis, (-1, 2)).unbind(axis + 1)
        x = (first + second).mul_(0.5)
    return x


def doubled(x):
    """x (B, C, *places) with each axis twice as long, as F.interpolate has it: linear between, the same beyond."""
    for axis in range(2, x.ndim):
        n = x.shape[axis]
        grown = x.new_empty(*x.shape[: axis + 1], 2, *x.shape[axis + 1 :])
        for side, inner in zip(grown.unbind(axis + 1), (1, 0), strict=True):  # the two values that each becomes
            nearest, other = x.narrow(axis, inner, n - 1), x.narrow(axis, 1 - inner, n - 1)
            torch.lerp(nearest, other, FAR, out=side.narrow(axis, inner, n - 1))
            edge = 0 if inner else n - 1
            side.select(axis, edge).copy_(x.select(axis, edge))
        x = grown.flatten(axis, axis + 1)
    return x


def doubled_backward(g):
    """The gradient of x where g (B, C, *places) is that of `doubled(x)`: (B, C, *half of the places)."""
    for axis in range(g.ndim - 1, 1, -1):
        sides = g.unflatten(axis, (-1, 2)).unbind(axis + 1)
        n = sides[0].shape[axis]
        shrunk = (sides[0] + sides[1]).mul_(NEAR)
        for side, inner in zip(sides, (1, 0), strict=True):
            shrunk.narrow(axis, 1 - inner, n - 1).add_(side.narrow(axis, inner, n - 1), alpha=FAR)
            edge = 0 if inner else n - 1
            shrunk.select(axis, edge).add_(side.select(axis, edge), alpha=FAR)
        g = shrunk
    return g
