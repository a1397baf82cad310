"""A scan in words, for the terminal, the figures and the page. Needs no torch."""

import numpy as np

from xaae.experiment.factor_questions import SAME, unit_beside, verdict_of
from xaae.factors.registry import FACTORS
from xaae.scan.verdicts import CANNOT_TELL, NOT_USED, RULE, USED

SOURCES = {
    "planted": "the range that was planted",
    "data": "what nine tenths of the training items hold",
    "spread": "as far as nine tenths of the training items differ in it, at most a usual range",
    "usual": "a usual range, for the data cannot tell theirs",
    "given": "the range that was asked for",
}
NOT_ASKED = "not asked about"  # how a factor is told of which the items hold one value
MOSTLY = 0.9  # share of the changes that could be made, from which none is said to be missing
LIMIT = (
    "A scan knows the factors of its list only: a shortcut that is not on it does not show here. It says what moves "
    "the answer of this classifier on these items, not why it learned that."
)


def limit_in_words(hum=None):
    """What a scan cannot tell. hum: of signals, (the frequency that is asked about, its unit)."""
    if hum is None:
        return LIMIT
    return f"{LIMIT} The mains hum that is asked about has {hum[0]:.3g} {hum[1]}: another one is not found."


def one_answer(base, classes):
    """That a network decides all items alike, by its probabilities (N, K) of them as they are; else ""."""
    only = set(base.argmax(1).tolist())
    if len(only) > 1 or not np.allclose(base.sum(1), 1, atol=0.01):  # several labels may be right at once
        return ""
    return f"it answers {classes[only.pop()]} to every item as it is, so that it may tell nothing apart"


def tell_row(row):
    """A row of a scan with its words: noun, scale (what its axis is), places (V texts), range, words (a sentence)."""
    factor = FACTORS[row["factor"]]
    by_meter = row["source"] == "data"
    scale = f"what its meter reads, {factor.meter} ({row['unit']})" if by_meter else row["unit"]
    told = (lambda v: f"{v:.3g}") if by_meter else (lambda v: f"{v:.{factor.digits}f}{factor.sign}")
    places = [told(value) for value in row["axis"]]
    about = {
        "noun": factor.noun,
        "meter": factor.meter,
        "scale": scale,
        "places": places,
        "range": SOURCES[row["source"]],
    }
    return row | about | {"words": row_in_words(row | about)}


def row_in_words(row):
    """A row of a scan as a sentence: swing with its interval, flips beside the null, where they flip."""
    if row.get("one_value"):
        return f"{NOT_ASKED}: {row['noun']}, as good as the {SAME}: {_range_in_words(row)} is {row['range']}"
    swing = f"swing {row['swing']:.2f} [{row['swing_low']:.2f}, {row['swing_high']:.2f}]"
    if row["n"] < RULE.items:
        few = f"{row['n']} items are too few, {RULE.items} at least are asked for"
        return f"{row['used']}: {row['noun']}, {swing}: {few}"
    unchanged = row.get("unchanged")
    left_out = f"; {unchanged} further items, which none of the values changes, are left out" if unchanged else ""
    p = "p < 0.001" if row["p_holm"] < 0.001 else f"p = {row['p_holm']:.3f}"
    null = f"changes of the same size that no factor names: {row['null_flips']:.0%}, {p}"
    text = f"{row['used']}: {row['noun']}, {swing}, flips {row['flips']:.0%} of the decisions ({null})"
    if row["source"] == "usual" and row["used"] == CANNOT_TELL:
        text += "; the data do not tell whether they hold such a range"
    if row["reached"] < MOSTLY:
        text += f"; {row['reached']:.0%} of the changes could be made"
    at = row["flips_at"]
    flips_at = "" if at is None else f"; where one flips it is at {at:.3g} {row['unit']} in the median"
    return text + flips_at + left_out


def _range_in_words(row):
    """The places of a row from end to end: "0 % of the side", "-0.023 to 0.00446 of full opacity"."""
    ends = " to ".join(dict.fromkeys((row["places"][0], row["places"][-1])))
    return f"{ends} {unit_beside(ends, row['unit'])}".strip()


def headline(model, whole=True):
    """One phrase on a model: "goes by the angle", "goes by no factor of the list".

    whole: whether it was asked about every factor that its items can have.
    """
    used, unclear = (nouns(model, verdict) for verdict in (USED, CANNOT_TELL))
    asked = "no factor of the list" if whole else "none of what was asked about"
    said = f"goes by the {_in_a_row(used)}" if used else f"goes by {asked}, as far as can be told"
    return said + (f"; of the {_in_a_row(unclear)} it cannot be told" if unclear else "")


def _in_a_row(names):
    """Names in a sentence whose first article is written already: "hum, the drift and the delay"."""
    *most, last = names
    return f"{', the '.join(most)} and the {last}" if most else last


def nouns(model, verdict):
    """The nouns of a model's factors with a verdict, with their range where the user gave one."""
    return [_asked_noun(row) for row in model["factors"] if row["used"] == verdict]


def _asked_noun(row):
    """What was asked about: "angle", "angle between -20° and 20°"."""
    if row.get("source") != "given":
        return row["noun"]
    return f"{row['noun']} between {row['places'][0]} and {row['places'][-1]}"


def scan_in_words(results):
    """Lines for the terminal: for each model what it uses, what it does not, what cannot be told or was not asked."""
    return "\n".join(line for model in results["models"].values() for line in _model_in_words(model))


def _model_in_words(model):
    """The lines of one model."""
    yield f"  {model['title']}: {model['headline']}"
    for row in model["factors"]:
        if verdict_of(row) not in (NOT_USED, SAME):
            yield f"    {row['words']}"
    for word, begins in ((NOT_USED, NOT_USED), (SAME, f"{NOT_ASKED}, for all items hold the same")):
        if quiet := [_asked_noun(row) for row in model["factors"] if verdict_of(row) == word]:
            yield f"    {begins}: {', '.join(quiet)}"
    if model["remark"]:
        yield f"    note: {model['remark']}"
