"""Corruption in training: the model sees items with noise and gaps and has to give back what they were."""

import torch
import torch.nn.functional as F
from fastai.callback.core import Callback

CELLS = 8  # along each axis, of the grid whose cells are hidden


def with_noise(x, deviation):
    """Items x (B, C, *places) with Gaussian noise of this standard deviation, kept within [0, 1]."""
    return (x + deviation * torch.randn_like(x)).clamp(0, 1)


def with_gaps(x, share):
    """Items x (B, C, *places) of which about this share of the places, in cells of a grid, is the item's own mean."""
    cells = [min(CELLS, size) for size in x.shape[2:]]
    hidden = (torch.rand(len(x), 1, *cells, device=x.device) < share).to(x.dtype)
    hidden = F.interpolate(hidden, size=x.shape[2:], mode="nearest")
    return x + hidden * (x.flatten(2).mean(2).view(*x.shape[:2], *[1] * len(cells)) - x)


class Corrupt(Callback):
    """Training only: noise and gaps in what the model sees, not in what its reconstruction is compared with.

    A denoising autoencoder (Vincent et al. 2008). noise: standard deviation, of values in [0, 1]. masked: share of the
    places that is hidden.
    """

    order = -4  # after KeepInput, which hands the items as they are to the loss

    def __init__(self, noise=0.0, masked=0.0):
        self.deviation, self.masked = noise, masked

    def before_batch(self):
        if self.training:
            self.learn.xb = tuple(self._corrupted(x) for x in self.xb)

    def _corrupted(self, x):
        """The items with gaps, then noise."""
        plain = x.as_subclass(torch.Tensor)
        plain = with_gaps(plain, self.masked) if self.masked else plain
        plain = with_noise(plain, self.deviation) if self.deviation else plain
        return plain.as_subclass(type(x))
