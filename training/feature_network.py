"""The small classifier by whose features the reconstructions of a factored code are compared; see `Perceptual`."""

from torch import nn

from xaae.callbacks import half_of
from xaae.model import LAYERS

WIDTHS = (16, 32, 64)


class FeatureNetwork(nn.Module):
    """x (B, C, *places) in [0, 1] -> logits (B, K); `features` of three depths. kind: name of the kind of the items.

    After the first step it shrinks by means and not by strides, and the first step's kernels overlap by far: gradients
    of a network with strides draw a lattice into the pictures. shrunk: a power of 2; items are made
    1 / shrunk as large first.
    """

    def __init__(self, kind, channels, classes, shrunk=1):
        super().__init__()
        layers = LAYERS[kind]
        self.shrunk = shrunk
        first = layers.conv(channels, WIDTHS[0], 6, stride=2, padding=2, bias=False)
        pairs = zip(WIDTHS, WIDTHS[1:], strict=False)
        rest = [
            nn.Sequential(layers.pool(2, ceil_mode=True), layers.conv(*pair, 3, padding=1, bias=False))
            for pair in pairs
        ]
        convolutions = zip([first, *rest], WIDTHS, strict=True)
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
