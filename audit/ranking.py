"""The plain baseline: real pictures sorted by the model's logit, no explanation at all (Sixt et al., ICLR 2022)."""

import numpy as np
from scipy.stats import rankdata

SUBSET, END = 60, 8  # pictures sorted at a time, and how many a person looks at on each side


def ends(x, logit, subsets):
    """What both ends of the sorted pictures differ in: (R, C, H, W), one for each subset (R, n) of pictures x.

    logit (N,): of the last class. Mean of those with the highest less mean of those with the lowest.
    """
    found = []
    for rows in subsets:
        order = rows[np.argsort(logit[rows], kind="stable")]
        found.append(x[order[-END:]].mean(0) - x[order[:END]].mean(0))
    return np.stack(found)


def subsets(n, rng, times=48):
    """Pictures 0 to n that are sorted together: (times, SUBSET) without repetition within one."""
    return np.stack([rng.permutation(n)[: min(SUBSET, n)] for _ in range(times)])


def within_classes(logit, reading, labels):
    """|Spearman| of logit and reading (N,) within classes, weighted by their size: the class itself does not count."""
    total = 0.0
    for label in np.unique(labels):
        mine = labels == label
        a, b = rankdata(logit[mine]), rankdata(reading[mine])
        total += mine.sum() * (0.0 if not (np.ptp(a) and np.ptp(b)) else np.corrcoef(a, b)[0, 1])
    return float(abs(total) / len(labels))
