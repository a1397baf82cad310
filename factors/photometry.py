"""The meters of pictures: turn, light, contrast, sharpness, colour, size, place and the corner tag of walk frames.

Nothing is learned. Inside means inside a soft inscribed disc: turned pictures have black corners.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from xaae.factors.geometry import COARSE, disc_weight, plane, register, rotation, smooth, undone_shares
from xaae.factors.measuring import TURN, Meter
from xaae.factors.picture_plants import marker

LUMA = torch.tensor([0.299, 0.587, 0.114])  # Rec. 601
OPPONENT = torch.tensor([[1, -0.5, -0.5], [0, 0.75**0.5, -(0.75**0.5)]])  # red at 0 degrees, green 120, blue 240
GREY = 1e-3  # mean chroma below which there is no hue
SOFT = 2  # pixels of smoothing before sharpness is read


def _mean(quantity):
    """Mean (...) of a quantity (..., n, n) inside the disc."""
    weight = disc_weight(plane(quantity.shape[-1]), quantity.shape[-1])
    return (quantity * weight).sum((-2, -1)) / weight.sum()


@dataclass(frozen=True)
class Sight:
    """Walks x (S, T, C, H, H) and what several meters need of them, each found once. ValueError for other shapes."""

    x: torch.Tensor

    def __post_init__(self):
        if self.x.ndim != 5 or self.x.shape[-1] != self.x.shape[-2]:
            raise ValueError(f"frames have the shape {tuple(self.x.shape)}: give (S, T, C, H, H), square pictures.")

    @property
    def size(self):
        """Pixels a side."""
        return self.x.shape[-1]

    @cached_property
    def luma(self):
        """Rec. 601 luma of the first three channels, or the first channel alone: (S, T, H, H)."""
        return torch.einsum("stchw,c->sthw", self.x[:, :, :3], LUMA) if self.x.shape[2] >= 3 else self.x[:, :, 0]

    @cached_property
    def chroma(self):
        """Opponent colours, zero for greys: (S, T, 2, H, H)."""
        if self.x.shape[2] < 3:
            return self.x.new_zeros(*self.x.shape[:2], 2, self.size, self.size)
        return torch.einsum("stchw,oc->stohw", self.x[:, :, :3], OPPONENT)

    @cached_property
    def tone(self):
        """Mean chroma vector: (S, T, 2)."""
        return _mean(self.chroma)

    @cached_property
    def contrast(self):
        """Standard deviation of luma: (S, T)."""
        return _mean((self.luma - _mean(self.luma)[..., None, None]).square()).sqrt()

    @cached_property
    def degrees(self):
        """Rotation against the first frame: (S, T)."""
        return torch.as_tensor(rotation(self.x)[0])

    @cached_property
    def motion(self):
        """(q (S, T), t (S, T)) complex: a point z of the first frame has moved to q z + t."""
        return register(self.luma, self.degrees)

    @cached_property
    def undone(self):
        """{"scale", "x", "y": (S,)}: the share of what is unlike in the last frame that undoing this motion takes."""
        return undone_shares(self.luma, *self.motion)


def _sharpness(sight):
    """log2 of the Laplacian's root mean square over luma's standard deviation: neither light nor contrast counts.

    Fine noise is smoothed away first. One octave more: the bends of luma are twice as strong. Flat frames read -6.6.
    """
    soft = F.pad(smooth(sight.luma.flatten(0, 1), SOFT)[:, None], [1] * 4, mode="replicate")[:, 0]
    cross = soft[:, :-2, 1:-1] + soft[:, 2:, 1:-1] + soft[:, 1:-1, :-2] + soft[:, 1:-1, 2:]
    bend = _mean((cross - 4 * soft[:, 1:-1, 1:-1]).square()).view(sight.luma.shape[:2])
    return torch.log2((bend + 1e-9) / (sight.contrast.square() + 1e-5)) / 2


def _hue(sight):
    """Angle of the mean chroma vector in degrees, unwrapped along the walk; 0 for greys."""
    red, green = sight.tone.unbind(-1)
    angle = torch.where(sight.tone.norm(dim=-1) > GREY, torch.rad2deg(torch.atan2(green, red)), 0.0)
    return torch.from_numpy(np.unwrap(angle.numpy(), period=360, axis=1))


def _saturation(sight):
    """Mean length of the chroma vector, noise smoothed first."""
    soft = smooth(sight.chroma.flatten(0, 2), 1, COARSE).unflatten(0, sight.chroma.shape[:3])
    return _mean(soft.square().sum(2).sqrt())


def _warmth(sight):
    """Mean of red less blue: the chroma vector along the axis from blue to orange, grown by 2 / sqrt(3)."""
    return sight.tone @ torch.tensor([1, 3**-0.5])


def _edge_darkness(sight):
    """Mean luma inside the inscribed disc less that of the corners outside."""
    outside = disc_weight(plane(sight.size), sight.size) == 0
    return _mean(sight.luma) - sight.luma[..., outside].mean(-1)


def _tag(sight):
    """Opacity of the corner tag that the bias plants: luma of the corner along the tag's own light and dark."""
    sign = marker(sight.size)
    light, side = sign - sign.mean(), len(sign)
    return (sight.luma[..., :side, :side] * light).sum((-2, -1)) / light.square().sum()


FULL, SIDE, OPACITY = "of full scale", "% of the side", "of full opacity"
TURNS = "turns left by {} degrees", "turns right by {} degrees"
GROWS = "grows by {} %", "shrinks by {} %"
RIGHT, UP = (tuple(f"moves {way} by {{}} {SIDE}" for way in ways) for ways in (("right", "left"), ("up", "down")))
COLOUR, RELATIVE = {"needs_colour": True}, {"digits": 0, "relative": True}
HUE = COLOUR | {"digits": 0}


def _part(name, digits):
    """What the meters of size and place have in common: of any two frames some motion is found, so it is checked."""
    return RELATIVE | {"digits": digits, "accounts": lambda sight: sight.undone[name]}


PICTURE_METERS = {
    name: Meter(name, unit, read, *words, sight=Sight, **more)
    for name, unit, read, words, more in (
        ("rotation", TURN, lambda s: s.degrees, TURNS, RELATIVE),
        ("luminance", FULL, lambda s: _mean(s.luma), ("gets brighter by {}", "gets darker by {}"), {}),
        ("contrast", FULL, lambda s: s.contrast, ("gains {} of contrast", "loses {} of contrast"), {}),
        ("sharpness", "octaves", _sharpness, ("gets sharper by {} octaves", "gets blurrier by {} octaves"), {}),
        ("hue", TURN, _hue, ("turns its hue to green by {} degrees", "turns its hue to red by {} degrees"), HUE),
        ("saturation", FULL, _saturation, ("gets more colourful by {}", "gets greyer by {}"), COLOUR),
        ("warmth", FULL, _warmth, ("gets warmer by {}", "gets colder by {}"), COLOUR),
        ("scale", "%", lambda s: 100 * (s.motion[0].abs() - 1), GROWS, _part("scale", 0)),
        ("x", SIDE, lambda s: 50 * s.motion[1].real, RIGHT, _part("x", 1)),
        ("y", SIDE, lambda s: 50 * s.motion[1].imag, UP, _part("y", 1)),
        ("edge_darkness", FULL, _edge_darkness, ("gets darker corners by {}", "gets brighter corners by {}"), {}),
        ("tag", OPACITY, _tag, ("gains {} of the corner tag", "loses {} of the corner tag"), {}),
    )
}  # fmt: skip
