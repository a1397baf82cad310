"""Factors as coordinates of a code: one number each beside the content, from which a decoder plants them.

A coordinate is a factor's value in standard deviations of an even distribution over the factor's whole range, so that
steps in coordinates and in the content, which has mean 0 and variance 1, are of like size. It is a plain number for an
angle too: a straight way in the code is a way along the circle.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from xaae.experiment.errors import InputError
from xaae.experiment.seeds import generator
from xaae.factors.registry import FACTORS, factors_for


@dataclass(frozen=True)
class Coordinate:
    """One factor of a code. value = centre + scale * coordinate, in the factor's unit.

    centre: the mean value of the factor in the training items. Nothing in an item says what is upright, or of usual
    brightness; this fixes it, so that what the decoder draws before planting is as the data were before planting.
    limits: lowest and highest value that is planted, those of the training items; None for no limits. rate: samples a
    second of signals, None where it is not known.
    """

    name: str
    centre: float = 0.0
    limits: tuple[float, float] | None = None
    rate: float | None = None

    @property
    def factor(self):
        """The Factor of the registry."""
        return FACTORS[self.name]

    @property
    def scale(self):
        """How many of the factor's units one coordinate is."""
        return float(np.ptp(self.factor.whole)) / 12**0.5

    @property
    def turn(self):
        """The coordinate's own period, None for a factor that has none."""
        return None if self.factor.period is None else self.factor.period / self.scale

    @property
    def width(self):
        """How many numbers an encoder gives for it: two, a point of the circle, for a factor with a period."""
        return 1 if self.factor.period is None else 2

    def read(self, points, middle):
        """The coordinate (B,) of `points` (B, width), counted from their `middle` (width,)."""
        if self.turn is None:
            return points[:, 0] - middle[0]
        angle = torch.atan2(points[:, 1], points[:, 0]) - torch.atan2(middle[1], middle[0])
        return torch.remainder(angle + math.pi, 2 * math.pi).sub(math.pi) * self.turn / (2 * math.pi)

    def point(self, numbers):
        """The numbers (B, width) of an encoder's last layer as points of the unit circle, or as they are."""
        return numbers if self.turn is None else torch.nn.functional.normalize(numbers, dim=1)

    def values(self, coordinate):
        """Values (B,) in the factor's unit, within the limits and what can be planted."""
        value = self.centre + self.scale * coordinate
        value = value if self.limits is None else value.clamp(*self.limits)
        return value if self.turn is not None else value.clamp(*self.factor.allowed)

    def plant(self, x, values, fill):
        """Items x (B, C, *places) with the factor at `values` (B,)."""
        return self.factor.plant(x, values, fill, self.rate)

    def penalty(self, residual):
        """Half the square of a small residual (B,), and what grows less for large ones; periodic where it has to be."""
        if self.turn is None:
            return torch.nn.functional.huber_loss(residual, torch.zeros_like(residual), reduction="none")
        radian = self.turn / (2 * math.pi)
        return (1 - torch.cos(residual / radian)) * radian**2


def plant_coordinates(x, coordinates, z, fill):
    """Items x (B, C, *places) with all coordinates z (B, P) planted, in full precision, one after the other."""
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        for i, coordinate in enumerate(coordinates):
            x = coordinate.plant(x, coordinate.values(z[:, i].float()), fill)
    return x


def undo_coordinates(x, coordinates, z, fill):
    """Items x (B, C, *places) with those coordinates z (B, P) taken back that moved their places; the last one first.

    What changed light or sharpness stays: an encoder sees past it, and it cannot be taken back without loss.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        for i, coordinate in reversed(list(enumerate(coordinates))):
            if coordinate.factor.opposite is not None:
                value = coordinate.factor.opposite(coordinate.values(z[:, i].float()))
                x = coordinate.plant(x, value, fill)
    return x


def check_coordinates(names, kind, channels):
    """InputError unless a decoder can plant every named factor in items of a Kind with so many channels."""
    able = [name for name in factors_for(kind, channels) if FACTORS[name].smooth]
    if wrong := [name for name in names if name not in able]:
        raise InputError(f"{wrong[0]!r} cannot be a coordinate of these items: choose from {', '.join(able)}.")


class Moves:
    """Draws a second version of each item: every coordinate's factor at another value, whatever the class.

    planted: the factor that the items have values of already; the others start from their neutral value. The values are
    drawn evenly: of the circle for a factor with a period, else of `whole` for the planted one, and of the factor's
    own whole range for others.
    """

    def __init__(self, coordinates, planted, whole, seed=0):
        self.coordinates, self.planted, self.whole = coordinates, planted, whole
        self.rng = generator(seed, "moves")

    def draw(self, value):
        """Values (P,) for one item whose planted factor is at `value`."""
        return np.array([self._one(c, value if c.name == self.planted else c.factor.neutral) for c in self.coordinates])

    def _one(self, coordinate, value):
        """A value of one coordinate's factor for an item that is at `value`."""
        if period := coordinate.factor.period:
            return value + self.rng.uniform(-period / 2, period / 2)
        return self.rng.uniform(*(self.whole if coordinate.name == self.planted else coordinate.factor.whole))

    def apply(self, x, before, values, bias):
        """Items x (B, C, *places), nothing planted, at values (B, P); `bias` plants its own factor last.

        before (B,): its values in the first version, which stay where it is no coordinate.
        """
        values = torch.as_tensor(np.stack(values), dtype=torch.float32)
        for i, coordinate in enumerate(self.coordinates):
            if coordinate.name != self.planted:
                x = coordinate.plant(x, values[:, i], bias.fill)
        names = [coordinate.name for coordinate in self.coordinates]
        own = values[:, names.index(self.planted)] if self.planted in names else torch.as_tensor(before)
        return bias.plant(x, own.float())

    def differences(self, before, values):
        """By how many coordinates (B, P) the items moved: before (B,) of the planted factor, values (B, P) after."""
        start = [before if c.name == self.planted else np.full(len(before), c.factor.neutral) for c in self.coordinates]
        scale = np.array([c.scale for c in self.coordinates])
        return torch.as_tensor((np.stack(values) - np.stack(start, 1)) / scale, dtype=torch.float32)
