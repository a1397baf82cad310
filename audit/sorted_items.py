"""The plain baseline: real items sorted by the model's logit, no explanation at all (Sixt et al., ICLR 2022)."""

import numpy as np
from scipy.stats import rankdata

SUBSET, END = 60, 8  # items sorted at a time, and how many a person looks at on each side


def end_differences(x, logit, subsets):
    """What the two ends of the sorted items differ in: (R, C, *places), one for each subset (R, n) of items x.

    logit (N,): of the target class. Mean of the items with the highest less mean of those with the lowest.
    """
    differences = []
    for rows in subsets:
        order = rows[np.argsort(logit[rows], kind="stable")]
        differences.append(x[order[-END:]].mean(0) - x[order[:END]].mean(0))
    return np.stack(differences)


def draw_subsets(n, rng, times=48):
    """Rows of 0 to n that are sorted together: (times, SUBSET), none twice within one."""
    return np.stack([rng.permutation(n)[: min(SUBSET, n)] for _ in range(times)])


def correlation_within_classes(logit, reading, labels):
    """|Spearman| of logit and reading (N,) within classes, weighted by their size: the class itself does not count."""
    total = 0.0
    for label in np.unique(labels):
        rows = labels == label
        a, b = rankdata(logit[rows]), rankdata(reading[rows])
        total += rows.sum() * (0.0 if not (np.ptp(a) and np.ptp(b)) else np.corrcoef(a, b)[0, 1])
    return float(abs(total) / len(labels))
