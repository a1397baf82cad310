"""Pictures read between their pixels: as torch does it, in memory that is near.

A picture that is turned is read, and its gradient written, along lines that cross its rows. Where it is large, each of
these values comes from far away. Some pictures at a time that were copied just before lie in the caches of the cores.
"""

from math import prod

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from xaae.experiment.device import in_turn

LARGE = 2**15  # values of a picture: smaller ones are near enough
PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}  # as the library's own functions count them
BILINEAR = 0


def sampled(x, grid, padding):
    """`F.grid_sample` of pictures x (B, C, H, W) at points grid (B, H', W', 2), bilinear, without aligned corners.

    padding: a name in PADDINGS, of what lies beyond the border. There are no gradients of gradients.
    """
    exact = {x.dtype, grid.dtype} <= {torch.float32, torch.float64}  # others are cast by the library
    far = x.device.type == "cpu" and exact and prod(x.shape[1:]) >= LARGE
    if far and len(in_turn(x)) > 1:
        return _InTurn.apply(x, grid, padding)
    return F.grid_sample(x, grid, "bilinear", padding, align_corners=False)


class _InTurn(torch.autograd.Function):
    """`sampled`, of some pictures after the other."""

    @staticmethod
    def forward(ctx, x, grid, padding):
        ctx.save_for_backward(x, grid)
        ctx.padding = padding
        found = x.new_empty(*x.shape[:2], *grid.shape[1:3])
        for some in in_turn(x):
            found[some] = F.grid_sample(_near(x[some]), grid[some], "bilinear", padding, align_corners=False)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx, of_found):
        """The gradients of x (B, C, H, W) and of grid (B, H', W', 2)."""
        x, grid = ctx.saved_tensors
        wanted, backward = list(ctx.needs_input_grad[:2]), torch.ops.aten.grid_sampler_2d_backward
        gradients = [a.new_empty(a.shape) if needed else None for a, needed in zip((x, grid), wanted, strict=True)]
        for some in in_turn(x):
            found = backward(of_found[some], _near(x[some]), grid[some], BILINEAR, PADDINGS[ctx.padding], False, wanted)
            for gradient, part in zip(gradients, found, strict=True):
                if gradient is not None:
                    gradient[some] = part
        return *gradients, None


def _near(x):
    """A copy of pictures x (B, C, H, W) whose rows lie in one piece."""
    return x.clone(memory_format=torch.contiguous_format)
