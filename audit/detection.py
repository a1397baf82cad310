"""Cross-model detection: can explanations alone tell a biased model from an unbiased one it has never met?

The same items are explained by models of arm `biased` and of arm `irrelevant` that differ in their seed. A small probe
learns the difference from all models but one of each arm and judges the two left out. It works for every kind of
explanation that is an array. What an item's maps have in common is taken away first, so that the probe sees the models
and not the items.
"""

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xaae.experiment.statistics import auroc, aurocs, bootstrap_interval

CELLS = 8  # a side of what the probe sees of a map


@dataclass(frozen=True)
class Detection:
    """auroc: mean over the pairs of models left out; low and high: its 95 % interval, models and items drawn anew.

    p: that there is nothing to detect, from the interval's width (normal approximation). pairs (A, B): of each pair.
    false_alarms: share of pairs of unbiased models (null, their AUROC) of which the probe calls one biased.
    """

    auroc: float
    low: float
    high: float
    p: float
    pairs: np.ndarray
    false_alarms: float
    null: np.ndarray


def pooled(maps, cells=CELLS):
    """Maps (P, C, ...) as at most `cells` means a side, channels summed: (P, F)."""
    found = np.asarray(maps, np.float64).sum(1)
    for axis in range(1, found.ndim):
        parts = np.array_split(np.arange(found.shape[axis]), min(cells, found.shape[axis]))
        found = np.stack([found.take(part, axis).mean(axis) for part in parts], axis)
    return found.reshape(len(found), -1)


def planes(maps):
    """Maps (P, C, ...) as (P, 2, ...): the sum over channels, and the sum of sizes."""
    maps = np.asarray(maps, np.float64)
    return np.stack([maps.sum(1), np.abs(maps).sum(1)], 1)


def probe_features(maps, cells=CELLS):
    """What the probe sees of one model's maps (P, C, ...): `of_planes` of them."""
    return of_planes(planes(maps), cells)


def of_planes(found, cells=CELLS):
    """Planes (P, 2, ...), signed and by size, coarse, in units of the model's own root mean square: (P, 2 F). Never
    normalised per item: how strong a map is beside the model's others counts."""
    found = np.asarray(found, np.float64)
    scale = np.sqrt(np.mean(found[:, 1] ** 2))
    found = found / (scale if scale > 0 else 1)
    return np.concatenate([pooled(found[:, :1], cells), pooled(found[:, 1:], cells)], 1)


def _judged(biased, unbiased, suspects):
    """Scores of suspects, each (P, F), by a probe that learned from the lists `biased` and `unbiased` of such arrays.

    Higher: more like a biased model. Where the maps of all models are the same, every score is 0.
    """
    known = [*biased, *unbiased]
    common = np.mean([*map(np.asarray, known)], 0)
    rows = np.concatenate([each - common for each in known])
    if np.abs(rows).max() < 1e-12:
        return [np.zeros(len(each)) for each in suspects]
    side = np.r_[np.ones(sum(map(len, biased))), np.zeros(sum(map(len, unbiased)))]
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500, class_weight="balanced"))
    probe.fit(rows, side)
    return [probe.decision_function(each - common) for each in suspects]


def _without(models, *left_out):
    """The models but those with these numbers."""
    return [m for i, m in enumerate(models) if i not in left_out]


def detect(biased, unbiased, rng, alarm=0.9, draws=500):
    """The Detection of explanations of P items by each model: lists of arrays (P, C, ...), two or more for each arm;
    arrays (P, F) are taken as features.

    alarm: the AUROC from which a model counts as found biased. The null asks the same of pairs of unbiased models.
    """
    seen = lambda m: m if np.ndim(m) == 2 else probe_features(m)  # noqa: E731
    yes, no = [seen(m) for m in biased], [seen(m) for m in unbiased]
    scores = {}
    for b, u in product(range(len(yes)), range(len(no))):
        scores[b, u] = _judged(_without(yes, b), _without(no, u), [yes[b], no[u]])
    pairs = np.array([[auroc(*scores[b, u]) for u in range(len(no))] for b in range(len(yes))])
    null = (
        np.array([_alarmed(yes, no, *pair) for pair in permutations(range(len(no)), 2)]) if len(no) > 2 else np.empty(0)
    )
    again = _redrawn(scores, pairs.shape, rng, draws)
    p = float(norm.sf((pairs.mean() - 0.5) / max(again.std(), 1e-3)))
    alarms = float(np.mean(null >= alarm)) if len(null) else float("nan")
    return Detection(float(pairs.mean()), *bootstrap_interval(again), p, pairs, alarms, null)


def _alarmed(yes, no, suspect, other):
    """AUROC with which the probe tells the unbiased model `suspect` from `other`, neither of them known to it."""
    return auroc(*_judged(yes, _without(no, suspect, other), [no[suspect], no[other]]))


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
