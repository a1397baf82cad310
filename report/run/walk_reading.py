"""What the scores of a walk say of the planted factor: it changes, it does not change, or it is undecided."""

from xaae.experiment.walk_words import no_glide
from xaae.report.shared.quantity import Quantity, meter_quantity, planted_quantity
from xaae.report.shared.words import fixed

CLEAR_SPEARMAN, CLEAR_P = 0.8, 0.01  # needed for a clear change, beside the limit "clear" of its size
USED = 0.85  # least spurious score of a model that is said to use the factor (protocol, gate 0)


def quantities(summary: dict) -> tuple[Quantity, Quantity]:
    """(the planted quantity, the quantity that its meter reads) of a summary."""
    about = summary["factor_about"] or {}
    return planted_quantity(about), meter_quantity(about.get("meter"), summary["planted"]["unit"])


def reading(walk: dict, planted: dict, meter: dict | None = None) -> str | None:
    """ "changes", "does not change" or "undecided".

    walk: its scores. planted: the planted shift with its limits, in the meter's unit. meter: its error on
    reconstructions. None if nothing was measured, or if there are no limits to compare with.
    """
    change, limits = walk.get("change"), planted.get("limits") or {}
    if change is None or limits.get("clear") is None:
        return None
    if not missing_clauses(walk, limits, meter_quantity(planted.get("meter"), planted.get("unit"))):
        return "changes"
    return "does not change" if is_small(change, limits) and not is_blind(limits, meter) else "undecided"


def understood_reading(summary: dict) -> str | None:
    """The reading of the main walk; "unused" for a change in arm biased of a factor that the AAE does not use."""
    score, walk_says = (summary.get("spurious_score") or {}).get("aae"), summary["walk"]["reading"]
    unused = (summary["arm"], walk_says) == ("biased", "changes") and score is not None and score < USED
    return "unused" if unused else walk_says


def is_small(change: float, limits: dict) -> bool:
    """Does a change of this size count as none?"""
    return limits.get("none") is not None and abs(change) <= limits["none"]


def is_blind(limits: dict, meter: dict | None) -> bool:
    """Is the meter so far off on reconstructions that the decoder cannot show the factor (protocol, gate 1)?"""
    error, most = (meter or {}).get("reconstruction_error"), limits.get("meter_error")
    return error is not None and most is not None and error > most


def missing_clauses(walk: dict, limits: dict, measured: Quantity) -> list[str]:
    """The conditions of a clear change that the walk does not meet, as phrases; the last, if all are met: it glides."""
    change, spearman, p = (walk.get(key) for key in ("change", "spearman", "p_value"))
    size, clear = abs(change or 0), limits["clear"]
    conditions = [
        (
            change is not None and size >= clear,
            f"the {measured.change} is {measured.long(size)}, but must be at least {measured.long(clear)}",
        ),
        (
            spearman is not None and abs(spearman) >= CLEAR_SPEARMAN,
            f"the {measured.noun} follows the walk with Spearman {fixed(spearman, 2)}, but needs {CLEAR_SPEARMAN}",
        ),
        (
            p is not None and p <= CLEAR_P,
            f"p against random directions is {fixed(p, 3)}, but must be at most {CLEAR_P}",
        ),
    ]
    missing = [phrase for met, phrase in conditions if not met]
    return missing or [phrase for phrase in [no_glide(walk, measured.long, measured.noun)] if phrase]
