"""How far the items of two classes differ in what one meter reads of them."""

import numpy as np
from scipy.stats import mannwhitneyu

from xaae.experiment.statistics import auroc, aurocs, bootstrap_interval, holm

DRAWS = 1000  # of the bootstrap over items
MOST_P, LEAST_AUROC = 0.05, 0.6  # of a difference that counts: after Holm's correction; whichever class reads higher
FEWEST = 5  # items of a class from which its readings are compared


def reading_separation(first, last, rng):
    """AUROC of readings last (M,) over readings first (N,): above 0.5 the last class reads higher. A dict.

    With a bootstrap interval over items (low, high), and p by Mann-Whitney: 1 where all readings are the same.
    """
    draws = aurocs(*(each[rng.integers(0, len(each), (DRAWS, len(each)))] for each in (last, first)))
    low, high = bootstrap_interval(draws)
    p = float(mannwhitneyu(last, first).pvalue) if np.ptp(np.concatenate([first, last])) else 1.0
    return {"auroc": auroc(last, first), "low": low, "high": high, "p": p}


def judge_difference(row, p):
    """{"p_holm", "differs"}: p after Holm's correction; do the classes differ beyond chance and by enough to matter?"""
    far = max(row["auroc"], 1 - row["auroc"]) >= LEAST_AUROC
    return {"p_holm": float(p), "differs": bool(far and p <= MOST_P)}


def separations(readings, labels, rng):
    """{name: as `reading_separation`, with of, p_holm, differs}; None in place of readings that cannot be had.

    readings {name: (N,) or None}, labels (N,): of the same items. With two classes the last one is compared with the
    first; with more, each with all others, and the one that differs most is told, its p times the number of classes.
    `of` is that class: it reads higher where the AUROC is above 0.5. {} if fewer than two classes have
    enough items.
    """
    classes = [name for name in sorted(set(labels)) if (labels == name).sum() >= FEWEST]
    if len(classes) < 2:
        return {}
    read = {name: reading for name, reading in readings.items() if reading is not None}
    rows = [_most_apart(reading, labels, classes, rng) for reading in read.values()]
    judged = [row | judge_difference(row, p) for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True)]
    return dict.fromkeys(readings) | dict(zip(read, judged, strict=True))


def _most_apart(reading, labels, classes, rng):
    """The separation of the class that differs most from the others."""
    asked = classes[1:] if len(classes) == 2 else classes
    rows = [reading_separation(reading[labels != name], reading[labels == name], rng) | {"of": name} for name in asked]
    best = max(rows, key=lambda row: abs(row["auroc"] - 0.5))
    return best | {"p": min(1.0, best["p"] * len(asked))}
