"""Statistics that several rooms share: areas under the ROC curve, corrected p values, bootstrap intervals."""

import numpy as np
from scipy.stats import rankdata


def auroc(positive, negative):
    """Area under the ROC curve of scores of positives (P,) and negatives (N,): 0.5 is chance, or all are equal."""
    return float(aurocs(np.asarray(positive)[None], np.asarray(negative)[None])[0])


def aurocs(positive, negative):
    """`auroc` of each row of positives (D, P) and negatives (D, N): (D,), from ranks (Mann-Whitney)."""
    p, n = positive.shape[1], negative.shape[1]
    ranks = rankdata(np.concatenate([positive, negative], 1), axis=1)
    return (ranks[:, :p].sum(1) - p * (p + 1) / 2) / (p * n)


def rank_correlations(order, values):
    """Spearman's correlation of order (T,) with each row of values (S, T): (S,), 0 where nothing changes."""
    ranks = rankdata(np.concatenate([np.asarray(order)[None], values]), axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    size = np.sqrt(np.square(ranks).sum(1))
    together, scale = ranks[1:] @ ranks[0], size[0] * size[1:]
    return np.divide(together, scale, out=np.zeros(len(together)), where=scale > 0).clip(-1, 1)


def holm(p):
    """p values (M,) corrected for their number by Holm's step-down rule (Holm 1979): (M,).

    Each is at least as large as before and at most 1. NaN stays NaN and counts for no test.
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p)[: np.isfinite(p).sum()]  # NaN sorts last
    corrected = np.full(len(p), np.nan)
    factor = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factor), 1)
    return corrected


def bootstrap_interval(draws, level=0.95):
    """(low, high) that hold the middle `level` of bootstrap draws (R,) without NaN; (NaN, NaN) if nothing is left."""
    draws = np.asarray(draws, float)
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return float("nan"), float("nan")
    tail = 100 * (1 - level) / 2
    return tuple(float(v) for v in np.percentile(draws, [tail, 100 - tail]))


def largest_steps(readings, least=0.0):
    """The largest change between neighbouring frames of unwrapped readings (S, T): steps (S,) and their shares (S,).

    A share is of the change from end to end: 1 for a pure jump, 1 / (T - 1) for even steps, at most 1 (a reading that
    swings further than it gets). NaN for starts that change by at most `least`; unknown readings (NaN) are left out.
    """
    known = [row[np.isfinite(row)] for row in np.asarray(readings, float)]
    whole = np.array([abs(row[-1] - row[0]) if len(row) > 1 else 0.0 for row in known])
    steps = np.array([np.abs(np.diff(row)).max() if len(row) > 1 else 0.0 for row in known])
    steps[whole <= least] = np.nan
    return steps, np.minimum(1, steps / np.maximum(whole, 1e-300))


def median_of_known(values):
    """Median of the finite values (N,); None if there is none."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else None
