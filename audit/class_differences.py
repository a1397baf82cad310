"""What the real items of two classes differ in anyway, by every meter that reads a single item."""

import numpy as np

from xaae.experiment.statistics import holm
from xaae.factors.class_separation import judge_difference, reading_separation
from xaae.factors.measuring import TURN, measure_all

MEASURED, FEWEST_ITEMS = 1000, 5  # items read; of a class at least


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
