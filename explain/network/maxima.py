"""Max pooling written with ReLU: max(a, b) = a + relu(b - a).

captum's rule of DeepLift for max pooling does not share out the whole difference to the baseline where pools overlap or
tie; its rule for ReLU does. So the maximum is taken pair by pair, and the sums come out right.
"""

import copy
import itertools
import math

import torch
import torch.nn.functional as F
from torch import fx, nn

MAXIMA = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)


class ReluMax(nn.Module):
    """The same as `pool` (a MaxPool1d, 2d or 3d) on x (B, C, ...), by ReLUs: one for each halving of the window."""

    def __init__(self, pool):
        super().__init__()
        n = {nn.MaxPool1d: 1, nn.MaxPool2d: 2, nn.MaxPool3d: 3}[type(pool)]
        many = lambda v: (v,) * n if isinstance(v, int) else tuple(v)  # noqa: E731
        self.kernel, self.stride = many(pool.kernel_size), many(pool.stride or pool.kernel_size)
        self.padding, self.dilation, self.up = many(pool.padding), many(pool.dilation), pool.ceil_mode
        self.steps = nn.ModuleList(nn.ReLU() for _ in range(math.ceil(math.log2(max(1, math.prod(self.kernel))))))

    def windows(self, x):
        """The values that compete for each place: (B, window, C, ...). What is padded never wins."""
        sides = zip(x.shape[2:], self.kernel, self.stride, self.padding, self.dilation, strict=True)
        out = [_places(*side, self.up) for side in sides]
        ends = zip(x.shape[2:], out, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        after = [max(0, (o - 1) * s + d * (k - 1) + 1 - n - p) for n, o, k, s, p, d in ends]
        pads = [each for p, a in zip(self.padding[::-1], after[::-1], strict=True) for each in (p, a)]
        x = F.pad(x, pads, value=float(x.detach().min())) if any(pads) else x
        return torch.stack([x[self.cut(at, out)] for at in itertools.product(*map(range, self.kernel))], 1)

    def cut(self, at, out):
        """Where one value of each window lies, in slices."""
        each = zip(at, out, self.stride, self.dilation, strict=True)
        return (..., *(slice(a * d, a * d + (o - 1) * s + 1, s) for a, o, s, d in each))

    def forward(self, x):
        rest = self.windows(x)
        for relu in self.steps:
            half = rest.shape[1] // 2
            a, b = rest[:, :half], rest[:, half : 2 * half]
            rest = torch.cat([a + relu(b - a), rest[:, 2 * half :]], 1)
        return rest[:, 0]


def _places(size, kernel, stride, padding, dilation, up):
    """How many places a pool leaves of `size`, as torch counts them; up: rounded up (ceil_mode)."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    found = (math.ceil if up else math.floor)(room / stride) + 1
    return found - (up and (found - 1) * stride >= size + padding)


def by_relu(unrolled):
    """A copy of an unrolled network (same weights) whose max pools are ReluMax."""
    made = fx.GraphModule(unrolled, copy.deepcopy(unrolled.graph))
    for name, module in list(made.named_modules()):
        if isinstance(module, MAXIMA):
            parent, _, last = name.rpartition(".")
            setattr(made.get_submodule(parent), last, ReluMax(module))
    return made.eval()
