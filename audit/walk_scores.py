"""Scores of one model's walk, and of the walks of several models together (protocol, section 5)."""

from collections import Counter

import numpy as np

from xaae.audit.factor_signatures import name_factor
from xaae.experiment.statistics import largest_steps, median_of_known
from xaae.experiment.walk_words import TELLING
from xaae.latent_nav.walk_results import SHARES
from xaae.latent_nav.walks import rank_correlation

SUMMED = ("spearman", "span", "slope", "p_random", "largest_step", "ends_explain", "non_trivial", "flips", "realism")


def score_walk(arrays, table, meter, shift, alpha, rows, signatures):
    """What one model's walk says of the planted factor, over the starts `rows` (P,) bool: a dict.

    arrays, table: of a WalksAnswer. meter: the Meter that reads the factor. shift: how far the factor was planted
    between the classes, in the meter's unit. alpha (T,): steps of a walk of the usual reach. signatures: see
    `factor_signatures`. slope: change for each step of alpha, by the walk's own reach.
    largest_step: of the reading, as a share of the whole change, None where there is none; ends_explain: R2 of the test
    for cross-fades, None where it says nothing, see `latent_nav.gliding`.
    """
    reading = arrays[f"meter.{meter.name}"][rows]
    change = meter.along(reading)
    own = next(row for row in table if row["meter"] == meter.name)
    name, cosines = name_factor(table, signatures)
    flips = arrays["flips"][rows]
    return {
        "spearman": rank_correlation(alpha, reading),
        "span": float(np.median(change) / shift),
        "slope": float(np.median(change) / np.median(arrays.get("alpha_span", alpha[-1] - alpha[0]))),
        "p_random": own["p"],
        "largest_step": (step := _largest_step(reading, shift)),
        "ends_explain": None if step is None else _ends_explain(arrays, rows, reading, shift),
        "non_trivial": float((flips & ~arrays["oracle_flips"][rows]).mean()),
        "flips": float(flips.mean()),
        "realism": float(arrays["realism"][rows].mean()),
        "name": name,
        "cosines": cosines,
        "changes": [row["meter"] for row in table if row["named"]],
    }


def _largest_step(reading, shift):
    """The largest step of readings (P, T) as a share of the whole change, the median; None where that is no change."""
    least = SHARES["none"] * abs(shift)
    changes = np.median(np.abs(reading[:, -1] - reading[:, 0])) > least
    return median_of_known(largest_steps(reading, least)[1]) if changes else None


def _ends_explain(arrays, rows, reading, shift):
    """Median R2 of the starts `rows` that change; None where a real change is a mixture of its ends too, or unknown.

    Answers of versions before the test hold no R2.
    """
    if "ends_explain" not in arrays or not arrays["real_ends_explain"] <= TELLING:
        return None
    changed = np.isfinite(largest_steps(reading, SHARES["none"] * abs(shift))[0])
    return median_of_known(arrays["ends_explain"][rows][changed])


def sum_up_walks(scored, factor):
    """scores (medians), named and naming of the walks of some models, from what `score_walk` gives of each."""
    medians = {key: median_of_known([scores[key] for scores in scored]) for key in SUMMED}
    names = [scores["name"] for scores in scored]
    named = float(np.mean([name == factor for name in names])) > 0.5
    return {"scores": medians, "named": named, "naming": what_is_named(names)}


def what_is_named(names):
    """A sentence: which factor the meters name in how many of the models' walks; names: "" where they name none."""
    (first, n), *rest = Counter(name or "nothing" for name in names).most_common()
    return f"its meters name {first} in {n} of {len(names)} models" + "".join(f", {name} in {k}" for name, k in rest)


def shows_factor(scores, factor, thresholds):
    """Does a walk show the factor as one of a biased model has to?"""
    return bool(
        abs(scores["spearman"]) >= thresholds.spearman
        and scores["span"] >= thresholds.span
        and scores["p_random"] <= thresholds.p
        and scores["name"] == factor
        and glides(scores, thresholds)
    )


def glides(scores, thresholds):
    """Does a walk glide, neither jump nor cross-fade, as far as that was measured?"""
    step, explained = scores["largest_step"], scores["ends_explain"]
    return (step is None or step <= thresholds.largest_step) and (explained is None or explained <= thresholds.fade)
