"""Scores of one model's walk, and of the walks of several models together (protocol, section 5)."""

from collections import Counter

import numpy as np

from xaae.audit.factor_signatures import name_factor
from xaae.latent_nav.walks import rank_correlation

SUMMED = ("spearman", "span", "slope", "p_random", "non_trivial", "flips", "realism")


def score_walk(arrays, table, meter, shift, alpha, rows, signatures):
    """What one model's walk says of the planted factor, over the starts `rows` (P,) bool: a dict.

    arrays, table: of a WalksAnswer. meter: the Meter that reads the factor. shift: how far the factor was planted
    between the classes, in the meter's unit. alpha (T,): steps of the walk. signatures: see `factor_signatures`.
    """
    reading = arrays[f"meter.{meter.name}"][rows]
    change = meter.between(reading[:, 0], reading[:, -1])
    own = next(row for row in table if row["meter"] == meter.name)
    name, cosines = name_factor(table, signatures)
    flips = arrays["flips"][rows]
    return {
        "spearman": rank_correlation(alpha, reading),
        "span": float(np.median(change) / shift),
        "slope": float(np.median(change) / (alpha[-1] - alpha[0])),
        "p_random": own["p"],
        "non_trivial": float((flips & ~arrays["oracle_flips"][rows]).mean()),
        "flips": float(flips.mean()),
        "realism": float(arrays["realism"][rows].mean()),
        "name": name,
        "cosines": cosines,
        "changes": [row["meter"] for row in table if row["named"]],
    }


def sum_up_walks(scored, factor):
    """scores (medians), named and naming of the walks of some models, from what `score_walk` gives of each."""
    medians = {key: float(np.median([scores[key] for scores in scored])) for key in SUMMED}
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
    )
