"""The impact curve of the thesis, with the correlation that counts: the one within a class."""

import warnings

import numpy as np
from scipy.stats import ConstantInputWarning, linregress, spearmanr

TENTHS = 10


def _curve(position, value):
    """Mean value in each tenth of the positions (N,) in [0, 1], less that of the first filled tenth.

    Returns bin centres (10,) and differences (10,), NaN where a tenth is empty.
    """
    tenth = np.minimum((position * TENTHS).astype(int), TENTHS - 1)
    mean = np.array([value[tenth == i].mean() if (tenth == i).any() else np.nan for i in range(TENTHS)])
    return (np.arange(TENTHS) + 0.5) / TENTHS, mean - mean[np.isfinite(mean)][0]


def _spearman(position, value):
    """Rank correlation, NaN where one of the two never changes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        return float(spearmanr(position, value)[0])


def within_class(position, value, label):
    """Mean over classes, by their size, of the rank correlation inside each.

    The class decides the range of angles, so the plain correlation is 0.73 for a position that knows the class alone.
    """
    found = [(_spearman(position[label == c], value[label == c]), (label == c).sum()) for c in np.unique(label)]
    return float(np.average([r for r, _ in found], weights=[n for _, n in found]))


def impact(position, value, label):
    """Numbers and curve of one model: positions, planted values and labels of the held-out items (N,)."""
    distance, difference = _curve(position, value)
    numbers = {
        "spearman": _spearman(position, value),
        "within_class_spearman": within_class(position, value, label),
        "slope": float(linregress(position, value).slope) if np.ptp(value) else 0.0,
    }
    return numbers, {"distance": distance, "difference": difference, "position": position}
