"""The small classifier by whose features the reconstructions of a factored code are compared; see `Perceptual`."""

from itertools import product

import torch
import torch.nn.functional as F
from torch import nn

from xaae.callbacks import half_of
from xaae.experiment.kinds import KINDS
from xaae.model import LAYERS

WIDTHS = (16, 32, 64)


class Cells(nn.Module):
    """x (B, C, *places) -> (B, C 2**axes, *half of the places): the values of 2 places along each axis as channels.

    A convolution of cells is one of places with a stride; its gradient to items of few channels takes half the time so.
    The last place of an odd axis has zeros beside it. memory: the format of what is given.
    """

    def __init__(self, memory):
        super().__init__()
        self.memory = memory

    def forward(self, x):
        if any(side % 2 for side in x.shape[2:]):
            x = F.pad(x, [n for side in x.shape[:1:-1] for n in (0, side % 2)])
        offsets = product((0, 1), repeat=x.ndim - 2)
        return torch.cat([x[(..., *(slice(n, None, 2) for n in some))] for some in offsets], 1).contiguous(
            memory_format=self.memory
        )


class FeatureNetwork(nn.Module):
    """x (B, C, *places) in [0, 1] -> logits (B, K); `features` of three depths. kind: name of the kind of the items.

    After the first step it shrinks by means and not by strides, and the first step's kernels overlap by far: gradients
    of a network with strides draw a lattice into the pictures. shrunk: a power of 2; items are made
    1 / shrunk as large first.
    """

    def __init__(self, kind, channels, classes, shrunk=1):
        super().__init__()
        layers, axes = LAYERS[kind], KINDS[kind].places
        self.shrunk = shrunk
        of_cells = layers.conv(channels * 2**axes, WIDTHS[0], 3, padding=1, bias=False)
        pairs = zip(WIDTHS, WIDTHS[1:], strict=False)
        rest = [
            nn.Sequential(layers.pool(2, ceil_mode=True), layers.conv(*pair, 3, padding=1, bias=False))
            for pair in pairs
        ]
        convolutions = zip([nn.Sequential(Cells(layers.memory), of_cells), *rest], WIDTHS, strict=True)
        self.steps = nn.ModuleList(nn.Sequential(conv, layers.norm(width), nn.ReLU()) for conv, width in convolutions)
        self.answer = nn.Linear(WIDTHS[-1], classes)
        self.to(memory_format=layers.memory)

    def features(self, x):
        """The features of x after each step: a list of (B, W, *fewer places)."""
        found, left = [], self.shrunk
        while left > 1:
            x, left = half_of(x), left // 2
        for step in self.steps:
            x = step(x)
            found.append(x)
        return found

    def answer_by(self, features):
        """Logits (B, K) by the maps that `features` gives."""
        return self.answer(features[-1].flatten(2).amax(2))

    def forward(self, x):
        return self.answer_by(self.features(x))
