"""More meters: light, contrast, sharpness and colour of walk frames; METERS names every meter with its unit.

Nothing is learned. Inside means inside a soft inscribed disc: turned pictures have black corners.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from latent_nav.meters import COARSE, disc, plane, register, rotation, smooth

LUMA = torch.tensor([0.299, 0.587, 0.114])  # Rec. 601
OPPONENT = torch.tensor([[1, -0.5, -0.5], [0, 0.75**0.5, -(0.75**0.5)]])  # red at 0 degrees, green 120, blue 240
GREY = 1e-3  # mean chroma below which there is no hue
SOFT = 2  # pixels of smoothing before sharpness is read
LAPLACIAN = torch.tensor([[[[0, 1.0, 0], [1, -4, 1], [0, 1, 0]]]])


def mean(quantity):
    """Mean (...) of a quantity (..., n, n) inside the disc."""
    weight = disc(plane(quantity.shape[-1]), quantity.shape[-1])
    return (quantity * weight).sum((-2, -1)) / weight.sum()


@dataclass(frozen=True)
class Sight:
    """One walk x (T, C, H, H) and what several meters need of it, each found once."""

    x: torch.Tensor

    @property
    def size(self):
        """Pixels a side."""
        return self.x.shape[-1]

    @cached_property
    def luma(self):
        """Rec. 601 luma of the first three channels, or the first channel alone: (T, H, H)."""
        return torch.einsum("tchw,c->thw", self.x[:, :3], LUMA) if self.x.shape[1] >= 3 else self.x[:, 0]

    @cached_property
    def chroma(self):
        """Opponent colours, zero for greys: (T, 2, H, H)."""
        if self.x.shape[1] < 3:
            return self.x.new_zeros(len(self.x), 2, self.size, self.size)
        return torch.einsum("tchw,oc->tohw", self.x[:, :3], OPPONENT)

    @cached_property
    def tone(self):
        """Mean chroma vector: (T, 2)."""
        return mean(self.chroma)

    @cached_property
    def degrees(self):
        """Rotation against the first frame: (T,)."""
        return torch.as_tensor(rotation(self.x[None])[0][0])

    @cached_property
    def motion(self):
        """(q (T,), t (T,)) complex: a point z of the first frame has moved to q z + t."""
        return register(self.luma, self.degrees)


def contrast(sight):
    """Standard deviation of luma."""
    return mean((sight.luma - mean(sight.luma)[:, None, None]).square()).sqrt()


def sharpness(sight):
    """log2 of the Laplacian's root mean square over luma's standard deviation: neither light nor contrast counts.

    Fine noise is smoothed away first. One octave more: the bends of luma are twice as strong. Flat frames read -6.6.
    """
    soft = F.pad(smooth(sight.luma, SOFT)[:, None], [1] * 4, mode="replicate")
    bend = mean(F.conv2d(soft, LAPLACIAN).square()[:, 0])
    return torch.log2((bend + 1e-9) / (contrast(sight).square() + 1e-5)) / 2


def hue(sight):
    """Angle of the mean chroma vector in degrees, unwrapped along the walk; 0 for greys."""
    red, green = sight.tone.unbind(1)
    angle = torch.where(sight.tone.norm(dim=1) > GREY, torch.rad2deg(torch.atan2(green, red)), 0.0)
    return torch.from_numpy(np.unwrap(angle.numpy(), period=360))


def saturation(sight):
    """Mean length of the chroma vector, noise smoothed first."""
    soft = smooth(sight.chroma.flatten(0, 1), 1, COARSE).unflatten(0, (-1, 2))
    return mean(soft.square().sum(1).sqrt())


def warmth(sight):
    """Mean of red less blue: the chroma vector along the axis from blue to orange, grown by 2 / sqrt(3)."""
    return sight.tone @ torch.tensor([1, 3**-0.5])


def edge_darkness(sight):
    """Mean luma inside the inscribed disc less that of the corners outside."""
    outside = disc(plane(sight.size), sight.size) == 0
    return mean(sight.luma) - sight.luma[:, outside].mean(1)


@dataclass(frozen=True)
class Meter:
    """A quantity of walk frames: name, unit, whether it needs colour, and how a rise or a fall is said.

    read: from a Sight to (T,). Those with `relative` are against the first frame, which reads 0.
    """

    name: str
    unit: str
    read: Callable
    words: str
    opposite: str
    needs_colour: bool = False
    relative: bool = False

    def measure(self, frames):
        """Frames (S, T, C, H, H) in [0, 1], NumPy or tensor: (S, T) float. ValueError for any other shape."""
        return measure_all(frames, {self.name: self})[self.name]

    def say(self, change):
        """A change in words, such as "gets darker by 0.10"."""
        return (self.words if change >= 0 else self.opposite).format(abs(change))


FULL, SIDE = "of full scale", "% of the side"
METERS = {
    m.name: m
    for m in (
        Meter(
            "rotation",
            "degrees",
            lambda s: s.degrees,
            "turns left by {:.0f} degrees",
            "turns right by {:.0f} degrees",
            relative=True,
        ),
        Meter("luminance", FULL, lambda s: mean(s.luma), "gets brighter by {:.2f}", "gets darker by {:.2f}"),
        Meter("contrast", FULL, contrast, "gains {:.2f} of contrast", "loses {:.2f} of contrast"),
        Meter("sharpness", "octaves", sharpness, "gets sharper by {:.2f} octaves", "gets blurrier by {:.2f} octaves"),
        Meter(
            "hue",
            "degrees",
            hue,
            "shifts by {:.0f} degrees of hue, red to green",
            "shifts by {:.0f} degrees of hue, green to red",
            True,
        ),
        Meter("saturation", FULL, saturation, "gets more colourful by {:.2f}", "gets greyer by {:.2f}", True),
        Meter("warmth", FULL, warmth, "gets warmer by {:.2f}", "gets colder by {:.2f}", True),
        Meter(
            "scale",
            "%",
            lambda s: 100 * (s.motion[0].abs() - 1),
            "grows by {:.0f} %",
            "shrinks by {:.0f} %",
            relative=True,
        ),
        Meter(
            "x",
            SIDE,
            lambda s: 50 * s.motion[1].real,
            "moves right by {:.0f} % of the side",
            "moves left by {:.0f} % of the side",
            relative=True,
        ),
        Meter(
            "y",
            SIDE,
            lambda s: 50 * s.motion[1].imag,
            "moves up by {:.0f} % of the side",
            "moves down by {:.0f} % of the side",
            relative=True,
        ),
        Meter("edge_darkness", FULL, edge_darkness, "gets darker corners by {:.2f}", "gets brighter corners by {:.2f}"),
    )
}


def meters_for(channels):
    """The meters that make sense for pictures of so many channels: {name: Meter}."""
    return {name: meter for name, meter in METERS.items() if channels >= 3 or not meter.needs_colour}


def sights(frames):
    """Each walk of frames (S, T, C, H, H) as a Sight. ValueError for any other shape."""
    walks = torch.as_tensor(np.asarray(frames, dtype=np.float32))
    if walks.ndim != 5 or walks.shape[-1] != walks.shape[-2]:
        raise ValueError(f"frames have the shape {tuple(walks.shape)}: give (S, T, C, H, H), square pictures.")
    return map(Sight, walks)


@torch.inference_mode()
def measure_all(frames, meters=None):
    """Readings (S, T) of frames (S, T, C, H, H) in [0, 1] by name, of all `meters` (those for its channels, if None).

    What meters share is found once. ValueError for any other shape.
    """
    meters = meters_for(np.shape(frames)[2]) if meters is None else meters
    found = [{name: meter.read(sight).double().numpy() for name, meter in meters.items()} for sight in sights(frames)]
    return {name: np.stack([walk[name] for walk in found]) for name in meters}
