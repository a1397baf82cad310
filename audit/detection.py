"""Cross-model detection: can explanations alone tell a biased model from an unbiased one it has never met?

The same items are explained by models of arm `biased` and of arm `irrelevant` that differ in their seed. A small
detector learns the difference from all models but one of each arm and judges the two left out. It works for every kind
of explanation that is an array. What an item's maps have in common is taken away first, so that the detector sees the
models and not the items.
"""

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xaae.experiment.statistics import auroc, aurocs, bootstrap_interval

CELLS = 8  # a side of what the detector sees of a map


@dataclass(frozen=True)
class Detection:
    """auroc: mean over the pairs of models left out; low and high: its 95 % interval, models and items drawn anew.

    p: that there is nothing to detect, from the interval's width (normal approximation). pairs (A, B): of each pair.
    false_alarms: share of pairs of unbiased models (null, their AUROC) of which the detector calls one biased.
    """

    auroc: float
    low: float
    high: float
    p: float
    pairs: np.ndarray
    false_alarms: float
    null: np.ndarray


# ---- what the detector sees -------------------------------------------------------------------------------------


def pooled(maps, cells=CELLS):
    """Maps (P, C, *places) as at most `cells` means a side, channels summed: (P, F)."""
    means = np.asarray(maps, np.float64).sum(1)
    for axis in range(1, means.ndim):
        parts = np.array_split(np.arange(means.shape[axis]), min(cells, means.shape[axis]))
        means = np.stack([means.take(part, axis).mean(axis) for part in parts], axis)
    return means.reshape(len(means), -1)


def map_planes(maps):
    """Maps (P, C, *places) as planes (P, 2, *places): the sum over channels, and the sum of sizes."""
    maps = np.asarray(maps, np.float64)
    return np.stack([maps.sum(1), np.abs(maps).sum(1)], 1)


def plane_features(planes, cells=CELLS):
    """Planes (P, 2, *places), signed and by size, coarse, in units of the model's own root mean square: (P, 2 F).

    Never normalised item by item: how strong a map is beside the model's others counts.
    """
    planes = np.asarray(planes, np.float64)
    scale = np.sqrt(np.mean(planes[:, 1] ** 2))
    planes = planes / (scale if scale > 0 else 1)
    return np.concatenate([pooled(planes[:, :1], cells), pooled(planes[:, 1:], cells)], 1)


def map_features(maps, cells=CELLS):
    """What the detector sees of one model's maps (P, C, *places): (P, 2 F), see `plane_features`."""
    return plane_features(map_planes(maps), cells)


# ---- the detector -----------------------------------------------------------------------------------------------


def detect(biased, unbiased, rng, alarm=0.9, draws=500):
    """The Detection of features (P, F) of each model, lists of two or more for each arm.

    alarm: the AUROC from which a model counts as found biased. The null asks the same of pairs of unbiased models.
    """
    scores = {
        (b, u): _scores(_without(biased, b), _without(unbiased, u), [biased[b], unbiased[u]])
        for b, u in product(range(len(biased)), range(len(unbiased)))
    }
    pairs = np.array([[auroc(*scores[b, u]) for u in range(len(unbiased))] for b in range(len(biased))])
    others = permutations(range(len(unbiased)), 2) if len(unbiased) > 2 else ()
    null = np.array([_alarm_auroc(biased, unbiased, *pair) for pair in others])
    redrawn = _redrawn(scores, pairs.shape, rng, draws)
    p = float(norm.sf((pairs.mean() - 0.5) / max(redrawn.std(), 1e-3)))
    false_alarms = float(np.mean(null >= alarm)) if len(null) else float("nan")
    return Detection(float(pairs.mean()), *bootstrap_interval(redrawn), p, pairs, false_alarms, null)


def _scores(biased, unbiased, suspects):
    """Scores of suspects, each (P, F), by a detector that learned from the lists `biased` and `unbiased`.

    Higher: more like a biased model. Where the maps of all models are the same, every score is 0.
    """
    known = [*biased, *unbiased]
    common = np.mean([*map(np.asarray, known)], 0)
    rows = np.concatenate([each - common for each in known])
    if np.abs(rows).max() < 1e-12:
        return [np.zeros(len(each)) for each in suspects]
    side = np.r_[np.ones(sum(map(len, biased))), np.zeros(sum(map(len, unbiased)))]
    detector = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500, class_weight="balanced"))
    detector.fit(rows, side)
    return [detector.decision_function(each - common) for each in suspects]


def _without(models, *left_out):
    """The models but those with these numbers."""
    return [m for i, m in enumerate(models) if i not in left_out]


def _alarm_auroc(biased, unbiased, suspect, other):
    """AUROC with which the detector tells the unbiased model `suspect` from `other`, neither of them known to it."""
    return auroc(*_scores(biased, _without(unbiased, suspect, other), [unbiased[suspect], unbiased[other]]))


def _redrawn(scores, shape, rng, draws):
    """Mean AUROC (draws,) with the models of each arm and the items drawn with replacement. scores: {(b, u): pair}."""
    items = len(next(iter(scores.values()))[0])
    at = rng.integers(0, items, (draws, items))
    table = np.empty((*shape, draws))
    for pair, (suspect, other) in scores.items():
        table[pair] = aurocs(suspect[at], other[at])
    rows, columns = (rng.integers(0, n, (draws, n)) for n in shape)
    each = np.arange(draws)[:, None, None]
    return table[rows[:, :, None], columns[:, None, :], each].mean((1, 2))
