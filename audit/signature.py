"""Naming: which factor, when planted into real pictures, changes the meters the way a walk does?

Every factor of the battery leaves a signature: the change of every meter when real pictures go from one end of its
range to the other. A walk is named after the factor whose signature its own is most alike (cosine), if at all.
"""

import numpy as np
import torch

from xaae.factors.bias import even_ranges, make_bias
from xaae.factors.measuring import measure_all
from xaae.factors.registry import FACTORS

ALIKE = 0.5  # cosine from which a signature counts as another's


def battery(channels):
    """Names of the factors that can be planted in pictures of so many channels."""
    return [name for name, f in FACTORS.items() if channels >= 3 or not f.needs_colour]


def signatures(x_0, meters, fill="zeros"):
    """Median change of every meter from a factor's first to its last class's middle, on pictures x_0 (P, C, H, W):
    {factor: {meter: float}}, for every factor of the battery."""
    found = {}
    for name in battery(x_0.shape[1]):
        ends = [float(np.mean(e)) for e in even_ranges(("a", "b"), FACTORS[name].whole, FACTORS[name].gap).values()]
        plant = make_bias(("a", "b"), fill=fill, factor=name).plant
        frames = torch.stack([plant(x_0, torch.full((len(x_0),), v)) for v in ends], 1)
        readings = measure_all(frames.numpy(), meters)
        found[name] = {m: float(np.median(meters[m].between(r[:, 0], r[:, 1]))) for m, r in readings.items()}
    return found


def _units(found, spread):
    """The unit of every meter: the most that a factor of the battery, or the run's own items, change it."""
    return {m: max(spread[m], *(abs(each[m]) for each in found.values()), 1e-9) for m in spread}


def name_of(table, found):
    """(name of the factor that a walk's table of meters is most alike, "" if none; {factor: cosine}).

    Only what the walk changes beyond chance counts (rows with `named`). found: as `signatures` gives it.
    """
    unit = _units(found, {row["meter"]: row["spread"] for row in table})
    walk = np.array([row["change"] / unit[row["meter"]] if row["named"] else 0.0 for row in table])
    alike = {}
    for factor, change in found.items():
        own = np.array([change[row["meter"]] / unit[row["meter"]] for row in table])
        size = np.linalg.norm(walk) * np.linalg.norm(own)
        alike[factor] = float(abs(walk @ own) / size) if size > 0 else 0.0
    best = max(alike, key=alike.get)
    return (best if alike[best] >= ALIKE else ""), alike
