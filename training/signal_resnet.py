"""The network that the AAE of signals is set beside: the residual network of Wang, Yan and Oates (IJCNN 2017)."""

from torch import nn

from xaae.experiment.errors import InputError

KERNELS, WIDTHS = (8, 5, 3), (1, 2, 2)  # of a block's three convolutions; of the three blocks, in steps
MOMENTUM = 0.3  # of the norms' running statistics: with the usual 0.1 they are not there yet after a short training


class SignalResNet(nn.Module):
    """x (B, C, T) in [0, 1] -> answers (B, K): three residual blocks, the mean over time, a linear layer.

    classes: K. input_channels: C. width: channels of the first block; the others have twice as many. Any length T of
    eight samples or more. InputError for settings that make no sense.
    """

    def __init__(self, classes=2, input_channels=1, width=64):
        super().__init__()
        if min(classes, input_channels, width) < 1:
            raise InputError("Answers, channels and width start at 1: correct these settings.")
        self.arguments = {"classes": classes, "input_channels": input_channels, "width": width}
        widths = [input_channels, *(width * step for step in WIDTHS)]
        self.blocks = nn.Sequential(*(_Residual(i, o) for i, o in zip(widths[:-1], widths[1:], strict=True)))
        self.head = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(widths[-1], classes))

    def forward(self, x):
        return self.head(self.blocks(2 * x - 1))


class _Residual(nn.Module):
    """Three convolutions with batch norm beside a shortcut of one; ReLU between them and after their sum."""

    def __init__(self, c_in, c_out):
        super().__init__()
        channels = [c_in, c_out, c_out, c_out]
        steps = zip(channels[:-1], channels[1:], KERNELS, strict=True)
        layers = [layer for i, o, kernel in steps for layer in (*_same_length(i, o, kernel), nn.ReLU())]
        self.body, self.shortcut = nn.Sequential(*layers[:-1]), nn.Sequential(*_same_length(c_in, c_out, 1))
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.body(x) + self.shortcut(x))


def _same_length(c_in, c_out, kernel):
    """A convolution that leaves the length of a signal as it is, and its norm."""
    around = nn.ConstantPad1d(((kernel - 1) // 2, kernel // 2), 0.0)
    return around, nn.Conv1d(c_in, c_out, kernel, bias=False), nn.BatchNorm1d(c_out, momentum=MOMENTUM)
