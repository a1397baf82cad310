"""The planted bias: which values of a factor the items of each class get."""

from dataclasses import dataclass

import numpy as np
import torch

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import kind_of
from xaae.experiment.seeds import generator
from xaae.factors.registry import FACTORS


@dataclass(frozen=True)
class Bias:
    """Which values of the factor each class gets. ranges: {class: (low, high)} in the factor's unit; see ARMS, FILLS.

    biased: from the range of the item's own class; irrelevant: from the whole range, whatever the class; normal: the
    neutral value. contamination: the share of a biased arm's items that obey; the others are as in irrelevant. rate:
    samples a second of signals, None where it is not known.
    """

    ranges: dict
    arm: str = "biased"
    fill: str = "zeros"
    factor: str = "rotation"
    contamination: float = 1.0
    rate: float | None = None

    def whole(self):
        """(low, high) of all classes' ranges together."""
        bounds = np.array(list(self.ranges.values()))
        return float(bounds.min()), float(bounds.max())

    def of(self, label):
        """(low, high) of the values that an item of class `label` gets in this arm."""
        if self.arm == "biased":
            return self.ranges[label]
        return self.whole() if self.arm == "irrelevant" else (FACTORS[self.factor].neutral,) * 2

    def draw_obeying(self, n, rng):
        """Which of n items obey the bias, (N,) bool, drawn from the NumPy generator `rng`; None where all do."""
        return rng.random(n) < self.contamination if self.arm == "biased" and self.contamination < 1 else None

    def draw(self, labels, rng, obeys=None):
        """One value for each label, drawn from the NumPy generator `rng`: (N,) float.

        obeys (N,) bool: which items have a value of their class, the others any value; None: all of them.
        """
        bounds = np.array([self.of(label) for label in labels], dtype=float)
        if obeys is not None:
            bounds[~obeys] = self.whole()
        return rng.uniform(*bounds.T)

    def draw_one(self, label, rng, obeys=True):
        """The value that `draw` would give one label: a number, in a seventh of the time."""
        return rng.uniform(*(self.of(label) if obeys else self.whole()))

    def plant(self, x, values):
        """Items x (B, C, *places) given the factor's `values` (B,), in full precision whatever the caller's."""
        factor = FACTORS[self.factor]
        if not factor.fits(kind_of(x.shape)) and (torch.as_tensor(values) == factor.neutral).all():
            return x  # nothing is planted in items that cannot have the factor
        with torch.autocast(x.device.type, enabled=False):
            return factor.plant(x, values, self.fill, self.rate)

    def grid(self, n=13):
        """n values that cover all the classes' ranges evenly: (n,)."""
        return np.linspace(*self.whole(), n)

    def middles(self):
        """The value in the middle of each class's range, whatever the arm: {class: value}."""
        return {label: float(np.mean(bounds)) for label, bounds in self.ranges.items()}


def even_ranges(classes, whole=(0, 180), gap=0.0, strength=1.0):
    """The thesis's ranges for any number of classes: equal slices of the whole range in the order given.

    gap: the share of the range that stays empty, evenly between the classes. strength: the whole range shrunk about
    its middle to this share.
    """
    low, high = np.mean(whole) + (np.array(whole) - np.mean(whole)) * strength
    n, part = len(classes), (high - low) * (1 - gap) / len(classes)
    starts, ends = np.linspace(low, high - part, n), np.linspace(low + part, high, n)
    return {c: (float(a), float(b)) for c, a, b in zip(classes, starts, ends, strict=True)}


def make_bias(classes, ranges=None, arm="biased", fill="zeros", factor="rotation", strength=1.0, contamination=1.0):
    """The bias for `classes`; `ranges` replaces the default slices. InputError for ranges that make no sense."""
    about = FACTORS[factor]
    whole, (least, most) = even_ranges(classes, about.whole, about.gap, strength), about.allowed
    ranges = whole | (ranges or {})
    for label, (low, high) in ranges.items():
        if label not in classes:
            raise InputError(
                f"--range names the class {label!r}, but the classes are {', '.join(classes)}: correct it."
            )
        if not least <= low <= high <= most:
            raise InputError(
                f"--range {label}={low:g}:{high:g} is no range of {factor} ({about.unit}): "
                f"give {least:g} <= LOW <= HIGH <= {most:g}."
            )
    return Bias(ranges, arm, fill, factor, contamination)


def mislabel(table, share, seed=0):
    """The table (columns label, split) with this share of its training items labelled as another class, from `seed`.

    Content then tells less than a factor that is planted by label, as in the coloured MNIST of Arjovsky et al. 2019
    (arXiv 1907.02893). Held-out items keep their label.
    """
    rng, label = generator(seed, "label noise"), table.label.to_numpy(object, copy=True)
    for row in np.flatnonzero((table.split == "train") & (rng.random(len(table)) < share)):
        label[row] = rng.choice(sorted(set(table.label) - {label[row]}))
    return table.assign(label=label)
