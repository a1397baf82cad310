"""What the answers to a grid of values say: how far they swing, how many decisions flip, whether the model uses it."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from xaae.experiment.statistics import bootstrap_interval, holm
from xaae.experiment.vocabulary import SCAN_VERDICTS

USED, CANNOT_TELL, NOT_USED = SCAN_VERDICTS
DRAWS = 1000  # of the bootstrap over items


@dataclass(frozen=True)
class ScanRule:
    """When a model is said to use a factor: fixed before any scan, and printed with it.

    used: the swing is at least `swing`, and more decisions flip than by changes of the same size that no factor names,
    with p after Holm's correction of at most p_holm. not used: the interval of the swing ends below no_swing. Else it
    cannot be told, and so if there are fewer items than `items`, or if the range is a usual one that the data may not
    hold.
    """

    swing: float = 0.5
    no_swing: float = 0.2
    p_holm: float = 0.05
    items: int = 20


RULE = ScanRule()


def mean_swing(probability):
    """Largest less smallest mean probability over the places of a grid, of the class where it is largest.

    probability (N, V, K) of items -> a number from 0 to 1.
    """
    return float(np.ptp(probability.mean(0), axis=0).max())


def swing_interval(probability, rng):
    """95 % bootstrap interval (low, high) over items of `mean_swing` of probability (N, V, K).

    A largest less a smallest mean is larger in a sample than in all: where the interval would lie above the swing
    itself, it begins there.
    """
    low, high = bootstrap_interval(_swing_draws(probability, rng))
    return min(low, mean_swing(probability)), high


def _swing_draws(probability, rng):
    """`mean_swing` of DRAWS bootstrap samples of items: (DRAWS,)."""
    n = len(probability)
    weight = rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n
    means = np.tensordot(weight, probability, 1)  # (DRAWS, V, K)
    return np.ptp(means, axis=1).max(-1)


def is_plainly_unmoved(probability, rng, share=1 / 2):
    """Do the answers (N, V, K) of a few items show beyond doubt that a factor is not used?

    Every one of the bootstrap's draws lies below a share of what `not used` asks for.
    """
    return bool(_swing_draws(probability, rng).max() < share * RULE.no_swing)


def swing_ends(probability):
    """(class, place of its lowest mean answer, place of its highest) of the swing of probability (N, V, K): indices."""
    mean = probability.mean(0)
    name = int(np.ptp(mean, axis=0).argmax())
    return name, int(mean[:, name].argmin()), int(mean[:, name].argmax())


def goes_over(decisions, name):
    """Which items are decided for class `name` at the second of two places only: decisions (N, 2) -> (N,) bool.

    One way only, so that a network that is unsure of everything, and flips one way as often as the other, does not pass
    for one that a factor leads.
    """
    return (decisions[:, 0] != name) & (decisions[:, 1] == name)


def flip_p(flips, null_flips):
    """One-sided p of the sign test that more items flip by the factor than by the null: both (N,) bool, by item."""
    only, never = int((flips & ~null_flips).sum()), int((~flips & null_flips).sum())
    return float(binomtest(only, only + never, alternative="greater").pvalue) if only + never else 1.0


def flip_places(decisions, axis):
    """Where on the axis (V,) each item's decision (N, V) first differs from that at its beginning: (N,), NaN: nowhere.

    Half way between the last place that is decided as at the beginning and the next one.
    """
    other = decisions != decisions[:, :1]
    at = other.argmax(1)
    middles = (axis[1:] + axis[:-1]) / 2
    return np.where(other.any(1), middles[np.maximum(at, 1) - 1], np.nan)


def judge_factors(rows, rule=RULE):
    """The rows of a scan, one a factor, with p_holm and `used`: one of USED, NOT_USED, CANNOT_TELL."""
    corrected = holm([row["p"] for row in rows])
    return [row | {"p_holm": float(p), "used": _judge(row, p, rule)} for row, p in zip(rows, corrected, strict=True)]


def _judge(row, p, rule):
    """The verdict of one row."""
    if row["n"] < rule.items or not np.isfinite(row["swing"]):
        return CANNOT_TELL
    if row["swing"] >= rule.swing and p <= rule.p_holm:
        return CANNOT_TELL if row.get("source") == "usual" else USED
    return NOT_USED if row["swing_high"] < rule.no_swing else CANNOT_TELL
