"""The meters of volumes: turn about the axis of depth, light, contrast, sharpness, the tag; of items alone, noise.

Nothing is learned. Inside means inside a soft cylinder along the depth: turned volumes have black edges.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F

from xaae.factors.acquisition import noise_level
from xaae.factors.geometry import disc_weight, plane, rotation
from xaae.factors.measuring import TURN, Meter
from xaae.factors.photometry import FULL, OPACITY, TURNS
from xaae.factors.picture_plants import marker
from xaae.factors.volume_plants import tagged_part

SMOOTH = torch.tensor([0.25, 0.5, 0.25])  # over neighbours along each axis, before sharpness is read


@dataclass(frozen=True)
class VolumeSight:
    """Walks x (S, T, C, D, H, H) and what several meters need of them, each found once. ValueError for other shapes."""

    x: torch.Tensor

    def __post_init__(self):
        if self.x.ndim != 6 or self.x.shape[-1] != self.x.shape[-2]:
            raise ValueError(f"frames have the shape {tuple(self.x.shape)}: give (S, T, C, D, H, H), volumes.")

    @property
    def size(self):
        """Voxels a side."""
        return self.x.shape[-1]

    @cached_property
    def light(self):
        """The mean of the channels: (S, T, D, H, H)."""
        return self.x.mean(2)

    @cached_property
    def luminance(self):
        """Mean light: (S, T)."""
        return _mean(self.light)

    @cached_property
    def contrast(self):
        """Standard deviation of light: (S, T)."""
        return _mean((self.light - self.luminance[..., None, None, None]).square()).sqrt()


def _mean(quantity):
    """Mean (...) of a quantity (..., D, n, n) inside the cylinder."""
    weight = disc_weight(plane(quantity.shape[-1]), quantity.shape[-1])
    return (quantity * weight).sum((-2, -1)).mean(-1) / weight.sum()


def _sharpness(sight):
    """log2 of the Laplacian's root mean square over light's standard deviation: neither light nor contrast counts.

    Fine noise is smoothed away first. One octave more: the bends of light are twice as strong.
    """
    soft = sight.light.flatten(0, 1)[:, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = 3
        pad = [0] * 6
        pad[4 - 2 * axis] = pad[5 - 2 * axis] = 1
        soft = F.conv3d(F.pad(soft, pad, mode="replicate"), SMOOTH.view(shape))
    bend = sum(_bend(soft[:, 0], axis) for axis in (1, 2, 3))
    bend = _mean(bend.square()).view(sight.light.shape[:2])
    return torch.log2((bend + 1e-9) / (sight.contrast.square() + 1e-5)) / 2


def _bend(x, axis):
    """Second differences of x along an axis, of the same shape: 0 beyond the first and the last value's neighbours."""
    first, last = x.narrow(axis, 0, 1), x.narrow(axis, x.shape[axis] - 1, 1)
    return torch.cat([first, x, last], axis).diff(n=2, dim=axis)


def _tag(sight):
    """Opacity of the tag that the bias plants: light of its cube along the tag's own light and dark."""
    sign = marker(sight.size)
    light = sign - sign.mean()
    return (tagged_part(sight.light) * light).sum((-2, -1)).mean(-1) / light.square().sum()


def _noise(sight):
    """Noise in % of full scale, read in every slice of the depth: the mean."""
    return noise_level(sight.light.flatten(0, 2)).view(sight.light.shape[:3]).mean(-1)


def _entered(rows):
    """{name: Meter} of rows (name, unit, read, words of a rise, words of a fall, more)."""
    return {name: Meter(name, unit, read, *words, sight=VolumeSight, **more) for name, unit, read, words, more in rows}


VOLUME_METERS = _entered((
    ("rotation", TURN, lambda s: torch.as_tensor(rotation(s.x.flatten(2, 3))[0]), TURNS,
     {"digits": 0, "relative": True}),
    ("luminance", FULL, lambda s: s.luminance, ("gets brighter by {}", "gets darker by {}"), {}),
    ("contrast", FULL, lambda s: s.contrast, ("gains {} of contrast", "loses {} of contrast"), {}),
    ("sharpness", "octaves", _sharpness, ("gets sharper by {} octaves", "gets blurrier by {} octaves"), {}),
    ("tag", OPACITY, _tag, ("gains {} of the tag", "loses {} of the tag"), {}),
))  # fmt: skip
VOLUME_ITEM_METERS = _entered((
    ("noise", "% of full scale", _noise, ("gains {} % of noise", "loses {} % of noise"), {"digits": 1}),
))  # fmt: skip
