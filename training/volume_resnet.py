"""What the AAE of volumes is set beside: a small 3-D residual network (He et al. 2016, Hara et al. 2018)."""

import torch
from torch import nn

from xaae.experiment.device import exact
from xaae.experiment.errors import InputError

WIDTHS = (1, 1, 2, 4)  # of the stem and of the three blocks, in steps; each block halves all axes
LEAST = 4  # places a side: of so few, halved to 2 or 1, oneDNN's bf16 reads unset memory for a weight's gradient
MOMENTUM = 0.3  # of the norms' running statistics: with the usual 0.1 they are not there yet after a short training


class VolumeResNet(nn.Module):
    """x (B, C, D, H, W) in [0, 1] -> answers (B, K): stem, three residual blocks, mean over places, a linear layer.

    classes: K. input_channels: C. width: channels of the stem and the first block; the others have twice and four times
    as many. Any size of eight voxels or more. InputError for settings that make no sense.
    """

    def __init__(self, classes=2, input_channels=1, width=16):
        super().__init__()
        if min(classes, input_channels, width) < 1:
            raise InputError("Answers, channels and width start at 1: correct these settings.")
        self.arguments = {"classes": classes, "input_channels": input_channels, "width": width}
        widths = [width * step for step in WIDTHS]
        self.stem = nn.Sequential(*_conv(input_channels, widths[0], 3, 1), nn.ReLU())
        self.blocks = nn.Sequential(*(_Halving(i, o) for i, o in zip(widths[:-1], widths[1:], strict=True)))
        self.head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(widths[-1], classes))
        self.to(memory_format=torch.channels_last_3d)

    def forward(self, x):
        return self.head(self.blocks(self.stem(2 * x - 1)))


class _Halving(nn.Module):
    """Two convolutions with batch norm, the first of which halves all axes, beside a shortcut of one."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.body = nn.Sequential(*_conv(c_in, c_out, 3, 2), nn.ReLU(), *_conv(c_out, c_out, 3, 1))
        self.shortcut = nn.Sequential(*_conv(c_in, c_out, 1, 2))
        self.act = nn.ReLU()

    def forward(self, x):
        if not self.training or min(x.shape[2:]) > LEAST:  # only training needs the gradients of weights
            return self.act(self.body(x) + self.shortcut(x))
        with exact():
            return self.act(self.body(x.float()) + self.shortcut(x.float()))


def _conv(c_in, c_out, kernel, stride):
    """A convolution and its norm."""
    conv = nn.Conv3d(c_in, c_out, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, nn.BatchNorm3d(c_out, momentum=MOMENTUM)
