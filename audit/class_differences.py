"""What the real pictures of two classes differ in anyway, by every meter that reads a single picture."""

import numpy as np
from scipy.stats import mannwhitneyu

from xaae.experiment.statistics import auroc, aurocs, bootstrap_interval, holm
from xaae.factors.measuring import TURN, measure_all

MEASURED, FEWEST_ITEMS, DRAWS = 1000, 5, 1000  # items read; of a class at least; bootstrap draws
MOST_P, LEAST_AUROC = 0.05, 0.6  # of a difference that counts: after Holm's correction; whichever class reads higher


def ordering_meters(meters):
    """Meters {name: Meter} that read a single item and can order items: an angle such as the hue has no order."""
    return {n: m for n, m in meters.items() if not (m.relative or m.confirms or m.unit == TURN)}


def class_differences(encoded, rng):
    """({meter: as `reading_separation`, and p_holm, differs}, the items' mean variance by value).

    Of held-out items of an EncodedRun's two sides, with the factor as the model saw them; {} if a side has too few.
    """
    valid = encoded.trained.rows("valid")
    sides = encoded.sides.rows(encoded.labels)
    first, last = (rng.permutation(np.intersect1d(rows, valid))[: MEASURED // 2] for rows in sides)
    x = encoded.trained.planted(np.concatenate([first, last])).numpy()
    variance = float(x.var(0).mean()) if len(x) else 0.0
    if min(len(first), len(last)) < FEWEST_ITEMS:
        return {}, variance
    readings = measure_all(x[:, None], ordering_meters(encoded.meters))
    rows = {n: reading_separation(r[: len(first), 0], r[len(first) :, 0], rng) for n, r in readings.items()}
    corrected = holm([row["p"] for row in rows.values()])
    return {n: row | judge_difference(row, p) for (n, row), p in zip(rows.items(), corrected, strict=True)}, variance


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
