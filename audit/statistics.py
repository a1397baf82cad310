"""Intervals, corrections and ranks that the verdict rests on."""

import numpy as np
from scipy.stats import rankdata


def auroc(positive, negative):
    """How well scores tell (P,) positives from (N,) negatives: 0.5 is chance, also where all scores are the same."""
    return float(aurocs(np.asarray(positive)[None], np.asarray(negative)[None])[0])


def aurocs(positive, negative):
    """The same for each row of (D, P) positives and (D, N) negatives: (D,), from ranks (Mann-Whitney)."""
    p, n = positive.shape[1], negative.shape[1]
    ranks = rankdata(np.concatenate([positive, negative], 1), axis=1)
    return (ranks[:, :p].sum(1) - p * (p + 1) / 2) / (p * n)


def holm(p):
    """p values (M,) corrected for their number (Holm 1979): (M,), each at least as large as before, at most 1."""
    p = np.asarray(p, float)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1)
    return corrected


def bootstrap_interval(draws, level=0.95):
    """The middle `level` of bootstrap draws (R,): (low, high); NaN are left out."""
    draws = np.asarray(draws, float)
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return float("nan"), float("nan")
    tail = 100 * (1 - level) / 2
    return tuple(float(v) for v in np.percentile(draws, [tail, 100 - tail]))
