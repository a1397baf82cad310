"""Which few of many are shown."""

import numpy as np


def evenly(number: int, most: int) -> list[int]:
    """At most `most` indices out of `number`, evenly spread, first and last included."""
    return sorted({round(i) for i in np.linspace(0, number - 1, min(number, most))})


def balanced(target: np.ndarray, most: int) -> list[int]:
    """At most `most` rows, taken from the classes `target` (N,) in turn, then ordered by class."""
    turns = [(np.flatnonzero(target == target[row]).searchsorted(row), row) for row in range(len(target))]
    return sorted((row for _, row in sorted(turns)[:most]), key=lambda row: (target[row], row))
