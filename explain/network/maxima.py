"""Max pooling written with ReLU: max(a, b) = a + relu(b - a).

Where pools overlap or have equal maxima, captum's DeepLift rule for max pooling does not distribute the whole
difference to the baseline; its rule for ReLU does. With the maximum taken pair by pair by ReLUs, the sums are right.
"""

import copy
import itertools
import math

import torch
import torch.nn.functional as F
from torch import fx, nn

MAXIMA = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)


class ReluMax(nn.Module):
    """The same function of x (B, C, *places) as `pool` (MaxPool1d, 2d or 3d), by ReLUs: one each time the window is
    halved."""

    def __init__(self, pool):
        super().__init__()
        n = MAXIMA.index(type(pool)) + 1
        per_side = lambda v: (v,) * n if isinstance(v, int) else tuple(v)  # noqa: E731
        self.kernel, self.stride = per_side(pool.kernel_size), per_side(pool.stride or pool.kernel_size)
        self.padding, self.dilation, self.ceil_mode = per_side(pool.padding), per_side(pool.dilation), pool.ceil_mode
        self.steps = nn.ModuleList(nn.ReLU() for _ in range(math.ceil(math.log2(max(1, math.prod(self.kernel))))))

    def windows(self, x):
        """The values of each window: (B, window, C, *places of the output).

        Padding has the smallest value of x, so that it is never larger than a value of the window.
        """
        sides = list(zip(x.shape[2:], self.kernel, self.stride, self.padding, self.dilation, strict=True))
        out = [_output_places(*side, self.ceil_mode) for side in sides]
        ends = zip(sides, out, strict=True)
        after = [max(0, (o - 1) * s + d * (k - 1) + 1 - n - p) for (n, k, s, p, d), o in ends]
        pads = [each for p, a in zip(self.padding[::-1], after[::-1], strict=True) for each in (p, a)]
        x = F.pad(x, pads, value=float(x.detach().min())) if any(pads) else x
        return torch.stack([x[self.slices(at, out)] for at in itertools.product(*map(range, self.kernel))], 1)

    def slices(self, at, out):
        """The slices that take the value at the position `at` of every window; out: places of the output."""
        each = zip(at, out, self.stride, self.dilation, strict=True)
        return (..., *(slice(a * d, a * d + (o - 1) * s + 1, s) for a, o, s, d in each))

    def forward(self, x):
        rest = self.windows(x)
        for relu in self.steps:
            half = rest.shape[1] // 2
            a, b = rest[:, :half], rest[:, half : 2 * half]
            rest = torch.cat([a + relu(b - a), rest[:, 2 * half :]], 1)
        return rest[:, 0]


def _output_places(size, kernel, stride, padding, dilation, ceil_mode):
    """How many places along one side a pool gives for `size` places, as torch counts them."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    windows = (math.ceil if ceil_mode else math.floor)(room / stride) + 1
    return windows - (ceil_mode and (windows - 1) * stride >= size + padding)


def by_relu(unrolled):
    """A copy of an unrolled network, with the same weights, in which each max pool is a ReluMax."""
    copied = fx.GraphModule(unrolled, copy.deepcopy(unrolled.graph))
    for name, module in list(copied.named_modules()):
        if isinstance(module, MAXIMA):
            parent, _, last = name.rpartition(".")
            setattr(copied.get_submodule(parent), last, ReluMax(module))
    return copied.eval()
