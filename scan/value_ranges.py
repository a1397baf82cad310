"""Which values of a factor the scan asks about: only such as the data hold, since beyond them every network is lost."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from xaae.experiment.kinds import KINDS, kind_of
from xaae.factors.bias import Bias
from xaae.factors.measuring import TURN, measure_all
from xaae.factors.meters import meter_named
from xaae.factors.placement import PLACEMENT
from xaae.factors.registry import FACTORS

VALUES = 9  # of a grid
SHARE = (5, 95)  # percentiles of the training items' readings between which a scan asks
DENSE = np.linspace(0, 1, 8) ** 2  # shares of the way from neutral that are planted, to learn what then is read
CLOSER, FINE = 9, 30  # values that are tried in the second round; values between two tried ones
MOVES_NOTHING = 1e-6  # readings that differ by less are one reading


@dataclass(frozen=True)
class ValueGrid:
    """What a factor is set to in a scan.

    factor: its name. values (N, V): for each item. axis (V,): what the V places are called: values of the factor, or
    readings of its meter that the values give each item. unit: of the axis. source: planted, data, spread, usual or
    given, see `grid_of`. reached: share of items and places at which the reading could be given; 1 if axis holds
    values.
    """

    factor: str
    values: np.ndarray
    axis: np.ndarray
    unit: str
    source: str
    reached: float = 1.0

    def part(self, rows):
        """The same for a slice of the items."""
        return replace(self, values=self.values[rows])


def grid_of(name, x, readings, planted=None, given=None, rate=None):
    """The ValueGrid of one factor for items x (N, C, *places), upright.

    given (low, high): values that the user asked for. planted: the run's Bias if this factor is the planted one: its
    whole range. Else the range is that of the data, as `readings` (M,) of training items without what the run plants
    tell it: from their 5th to their 95th percentile. Every item is given the value that makes it read so; where the
    factor's meter only compares items, all are moved as far as the training items differ, at most by the usual range.
    readings None: the data cannot tell, and the usual range is asked about. rate: samples a second of signals.
    """
    factor = FACTORS[name]
    if given is not None:
        return _grid_of_values(factor, x, given, "given")
    if planted is not None:
        return _grid_of_values(factor, x, planted.whole(), "planted")
    if readings is None:
        return _grid_of_values(factor, x, factor.usual, "usual")
    if only_compares(factor):
        differ = np.percentile(readings - np.median(readings), SHARE)
        return _grid_of_values(factor, x, np.clip(differ, *factor.usual), "spread")
    axis = np.linspace(*np.percentile(readings, SHARE), VALUES)
    values, reached = _values_that_read(factor, x, axis, rate)
    return ValueGrid(name, values, axis, _meter_of(factor, kind_of(x.shape)).unit, "data", reached)


def _meter_of(factor, kind=None, rate=None):
    """The Meter that reads a Factor in items of a Kind, by default its first. rate: samples a second of signals."""
    return meter_named(factor.meter, kind or KINDS[factor.kind], rate)


def _grid_of_values(factor, x, bounds, source):
    """The ValueGrid in which all items get the same values between two bounds."""
    axis = np.linspace(*bounds, VALUES)
    return ValueGrid(factor.name, np.tile(axis, (len(x), 1)), axis, factor.unit, source)


def only_compares(factor):
    """Does the factor's meter read no single item, but only how two differ? It is so in every kind that can have it."""
    meter = _meter_of(factor)
    return meter.relative or meter.unit == TURN


def readings_of(factor, x, rate=None):
    """What is read of a factor in training items x (M, C, *places): (M,); None if nothing can read it.

    By its meter; where that only compares items, by `placement`, which reads single items roughly. rate: samples a
    second of signals.
    """
    if only_compares(factor):
        read = PLACEMENT[kind_of(x.shape).name].get(factor.meter)
        readings = read and read(x)
        return None if readings is None else np.asarray(readings, float)
    meter = _meter_of(factor, kind_of(x.shape), rate)
    return measure_all(x[:, None].numpy(), {meter.name: meter})[meter.name][:, 0]


def _values_that_read(factor, x, axis, rate):
    """(values (N, V) at which the items read as axis (V,) says, the share of places at which they can).

    Found between values that are tried: first over all that is allowed, then again, closer together, where the first
    answers lie. An item that the factor cannot take so far gets the value that comes nearest: a blur takes sharpness
    away and adds none.
    """
    tried = np.unique(np.concatenate([factor.neutral + (end - factor.neutral) * DENSE for end in factor.allowed]))
    values = _inverses(tried, _read(factor, x, tried, rate), axis, factor.neutral)
    ends = np.append(np.percentile(values, (2, 98)), factor.neutral)
    tried = np.unique(np.append(np.linspace(ends.min(), ends.max(), CLOSER), tried[[0, -1]]))
    readings = _read(factor, x, tried, rate)
    low, high = readings.min(1, keepdims=True), readings.max(1, keepdims=True)
    slack = 0.02 * max(float(np.ptp(axis)), MOVES_NOTHING)
    reached = ((axis >= low - slack) & (axis <= high + slack)).mean()
    return _inverses(tried, readings, axis, factor.neutral), float(reached)


def _read(factor, x, tried, rate):
    """What the factor's meter reads of every item with each of the values tried (M,): (N, M)."""
    meter = _meter_of(factor, kind_of(x.shape), rate)
    frames = [factor.plant(x, torch.full((len(x),), float(v)), "reflect", rate) for v in tried]
    return np.stack([measure_all(f[:, None].numpy(), {meter.name: meter})[meter.name][:, 0] for f in frames], 1)


def _inverses(tried, readings, axis, neutral):
    """`_inverse` for every item: readings (N, M) -> values (N, V)."""
    return np.stack([_inverse(tried, row, axis, neutral) for row in readings])


def _inverse(tried, readings, axis, neutral):
    """The values (V,) between those tried (M,), with readings (M,), at which the reading is nearest to axis (V,).

    Of values that read alike the one nearest to neutral.
    """
    fine = np.append(
        np.interp(np.linspace(0, len(tried) - 1, FINE * len(tried)), np.arange(len(tried)), tried), neutral
    )
    off = np.abs(np.interp(fine, tried, readings)[None] - axis[:, None])
    slack = off.min(1, keepdims=True) + 0.01 * max(float(np.ptp(axis)), MOVES_NOTHING)
    return fine[np.where(off <= slack, np.abs(fine - neutral), np.inf).argmin(1)]


def random_values(planted: Bias, n, rng):
    """Values (n,) of the planted factor from its whole range, whatever the class: its tie to the class is broken."""
    return rng.uniform(*planted.whole(), n)
