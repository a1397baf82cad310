"""A meter reads a physical quantity, with its unit, off decoded frames; several meters are read in one pass."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

TURN = "degrees"  # the unit of angles: their changes are taken within half a turn


def wrap(degrees):
    """Degrees as the same turn in [-180, 180)."""
    return (np.asarray(degrees) + 180) % 360 - 180


def as_they_are(frames):
    """Frames for meters that need no preparation in common."""
    return frames


@dataclass(frozen=True)
class Meter:
    """A quantity of the frames of walks.

    name, unit: as in files and sentences. read: what `sight` returns -> readings (S, T), a tensor. words, opposite: a
    rise and a fall in words, with one {} for the amount, which is told with so many `digits`. sight: frames
    (S, T, C, *places) -> what `read` takes; meters with the same sight share it. needs_colour: three channels or more.
    relative: read against the first frame, which reads 0. confirms: name of the meter whose second opinion this is.
    accounts: what `sight` returns -> (S,), the share of the difference between first and last frame that goes where
    this change alone is undone; None where the reading needs no such check.
    """

    name: str
    unit: str
    read: Callable
    words: str
    opposite: str
    digits: int = 2
    sight: Callable = as_they_are
    needs_colour: bool = False
    relative: bool = False
    confirms: str = ""
    accounts: Callable | None = None

    def measure(self, frames):
        """Frames (S, T, C, *places), NumPy or tensor -> readings (S, T). ValueError for a shape it cannot read."""
        return measure_all(frames, {self.name: self})[self.name]

    def between(self, first, last):
        """Change from readings `first` to `last`, any shape; turns in [-180, 180) degrees."""
        return wrap(last - first) if self.unit == TURN else last - first

    def along(self, readings):
        """Change from the first to the last of readings (S, T), followed from frame to frame: (S,).

        So a turn may pass half of a circle, which the two ends alone cannot tell from one the other way round.
        """
        return self.between(readings[:, :-1], readings[:, 1:]).sum(1)

    def say(self, change):
        """A change in words, such as "gets darker by 0.10", or "keeps its luminance" if it rounds to nothing."""
        amount = f"{abs(change):.{self.digits}f}"
        if not float(amount):
            return f"keeps its {self.name.replace('_', ' ')}"
        return (self.words if change >= 0 else self.opposite).format(amount)

    def interval(self, ends):
        """An interval of changes in words, such as "[81, 95]", in the direction of the change that `say` says."""
        low, high = (
            round(e, self.digits) + 0.0 for e in (sorted(ends) if sum(ends) >= 0 else sorted(-e for e in ends))
        )
        return f"[{low:.{self.digits}f}, {high:.{self.digits}f}]"


@torch.inference_mode()
def measure_all(frames, meters, values=2**19):
    """Readings {name: (S, T)} of frames (S, T, C, *places) by all `meters`.

    What meters have in common (their sight) is found once for a group of walks that hold about `values` places.
    ValueError for a shape that the meters cannot read.
    """
    walks = torch.as_tensor(np.asarray(frames, dtype=np.float32))
    groups = walks.split(max(1, values // max(1, walks.shape[1] * walks.shape[3:].numel())))
    with torch.autocast("cpu", enabled=False):  # frames are NumPy arrays: a caller's bf16 is not for measuring
        found = [_read_group(group, meters) for group in groups]
    return {name: np.concatenate([group[name] for group in found]) for name in meters}


@torch.inference_mode()
def measure_accounts(frames, meters):
    """What `accounts` of each of the meters says of frames (S, T, C, *places): {name: (S,)}; {} of no meters."""
    if not meters:
        return {}
    ends = torch.as_tensor(np.asarray(frames, dtype=np.float32))[:, [0, -1]]
    with torch.autocast("cpu", enabled=False):
        sights = _sights(ends, meters)
        return {name: meter.accounts(sights[meter.sight]).double().numpy() for name, meter in meters.items()}


def _sights(walks, meters):
    """{sight: what it finds in walks} of the meters, each made once."""
    return {sight: sight(walks) for sight in {meter.sight for meter in meters.values()}}


def _read_group(walks, meters):
    """Readings {name: (S, T)} of a few walks."""
    sights = _sights(walks, meters)
    return {name: meter.read(sights[meter.sight]).double().numpy() for name, meter in meters.items()}
