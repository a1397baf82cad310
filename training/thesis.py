"""The thesis's own AAE, its three stages and its losses, to be compared with ours in one run."""

import torch
from torch import nn

from xaae.callbacks import Adversarial
from xaae.experiment.item_sizes import check_thesis_size
from xaae.model import AAE, NONLINEARITIES
from xaae.training.learner import Stage


class BatchMoments(nn.Module):
    """The thesis's discriminator: it sees only the batch's mean and standard deviation (its fault, kept)."""

    def __init__(self, encoding_dims):
        super().__init__()
        widths = [2 * encoding_dims, 64, 16]
        self.body = nn.Sequential(
            *[nn.Sequential(nn.Linear(i, o), nn.LeakyReLU(0.2)) for i, o in zip(widths, widths[1:], strict=False)]
        )
        self.score = nn.Linear(16, 1)

    def forward(self, z, y=None):
        moments = torch.cat([z.mean(0), z.std(0)])
        return self.score(self.body(moments)).expand(len(z))


def _thesis_decoder(input_size, input_channels, step_channels, act):
    """Transposed convolutions, four-fold each; the channels grow towards the output."""
    layers, channels, size = [], step_channels, 1
    while size < input_size // 2:
        grow = nn.ConvTranspose2d(channels, channels * 4, 5, 4, 2, 3)
        layers += [grow, nn.BatchNorm2d(channels * 4), act()]
        channels, size = channels * 4, size * 4
    return nn.Sequential(*layers, nn.ConvTranspose2d(channels, input_channels, 5, 2, 2, 1))


def _thesis_encoder(input_size, input_channels, step_channels, act):
    """Strided convolutions to 1 x 1; returns them and their number of channels."""
    layers = [nn.Conv2d(input_channels, step_channels, 5, 2, 2), act()]
    channels, size = step_channels, input_size // 2
    while size > 1:
        layers += [nn.Conv2d(channels, channels * 4, 5, 4, 2), nn.BatchNorm2d(channels * 4), act()]
        channels, size = channels * 4, (size + 3) // 4
    return nn.Sequential(*layers), channels


class ThesisAAE(AAE):
    """The architecture of the thesis as it was, for comparison only.

    Its faults: the decoder hangs on `Linear(D -> step_channels)`, so that at least D - step_channels latent
    dimensions cannot reach the picture; its channels grow towards the output, about 80 times the arithmetic of a
    mirrored decoder; the code is ReLU(BatchNorm(.)), never negative, yet has to match N(0, I); the discriminator
    sees only the batch's moments. Input sizes are 2 * 4^n (32, 128, 512): others raise InputError.
    """

    def __init__(
        self,
        input_size=128,
        input_channels=3,
        encoding_dims=128,
        step_channels=16,
        nonlinearity="leaky_relu",
        classes=2,
        noise=0.0,
        prior="normal",
    ):
        check_thesis_size(input_size)
        super().__init__(16, input_channels, encoding_dims, 1, nonlinearity, classes, noise, prior)
        self.arguments |= {"input_size": input_size, "step_channels": step_channels}
        self.arguments = {
            k: v for k, v in self.arguments.items() if k not in ("kind", "task", "first_step")
        }  # pictures, classes only
        self.input_size = input_size
        act = NONLINEARITIES[nonlinearity] if isinstance(nonlinearity, str) else lambda: nonlinearity
        convolutions, channels = _thesis_encoder(input_size, input_channels, step_channels, act)
        code = [nn.Flatten(), nn.Linear(channels, encoding_dims), nn.BatchNorm1d(encoding_dims), nn.ReLU()]
        self.encoder = nn.Sequential(*convolutions, *code)
        self.decoder = nn.Sequential(
            nn.Linear(encoding_dims, step_channels),
            nn.Unflatten(1, (step_channels, 1, 1)),
            _thesis_decoder(input_size, input_channels, step_channels, act),
        )
        self.discriminator = BatchMoments(encoding_dims)


def thesis_stages(epochs):
    """The thesis's three stages with its weights and learning rates, early stopping and the best model kept."""
    return [
        Stage("autoencoder", epochs, None, 1.0, 0.0, 0.001, patience=10),
        Stage("adversarial", epochs, 5e-3, 0.1, 1.0, 0.001, accumulate=64, patience=10),
        Stage("classifier", epochs, 1e-2, 0.01, 0.24, 0.75, patience=10),
    ]


def thesis_game():
    """The thesis's adversarial losses: binary cross entropy, 0.6 on the prior and 0.4 on the codes."""
    bce = torch.nn.functional.binary_cross_entropy_with_logits

    def towards(target, weight):
        return lambda score: weight * bce(score, torch.full_like(score, target))

    return Adversarial(real=towards(1.0, 0.6), fake=towards(0.0, 0.4), lead=towards(1.0, 1.0))
