"""A scan in words, for the terminal and the page. Needs no torch."""

from xaae.factors.registry import FACTORS
from xaae.scan.verdicts import CANNOT_TELL, NOT_USED, USED

SOURCES = {
    "planted": "the range that was planted",
    "data": "what nine tenths of the training items hold",
    "usual": "a usual range, for the data cannot tell theirs",
    "given": "the range that was asked for",
}
LIMIT = "A scan knows the factors of its list only: a shortcut that is not on it does not show here."


def scan_in_words(results):
    """Lines for the terminal: for each model what it uses, what it does not, what cannot be told."""
    return "\n".join(line for model in results["models"].values() for line in _model_in_words(model))


def _model_in_words(model):
    """The lines of one model."""
    yield f"  {model['title']}: {headline(model)}"
    for row in model["factors"]:
        if row["used"] != NOT_USED:
            yield f"    {row_in_words(row)}"
    quiet = [FACTORS[row["factor"]].noun for row in model["factors"] if row["used"] == NOT_USED]
    if quiet:
        yield f"    not used: {', '.join(quiet)}"
    if model["remark"]:
        yield f"    note: {model['remark']}"


def headline(model):
    """One phrase on a model: "goes by the angle", "goes by no factor of the list"."""
    used, unclear = (nouns(model, verdict) for verdict in (USED, CANNOT_TELL))
    said = f"goes by the {' and the '.join(used)}" if used else "goes by no factor of the list"
    return said + (f"; whether by the {' or the '.join(unclear)} cannot be told" if unclear and not used else "")


def nouns(model, verdict):
    """The nouns of a model's factors with a verdict."""
    return [FACTORS[row["factor"]].noun for row in model["factors"] if row["used"] == verdict]


def row_in_words(row):
    """A row of a scan as a sentence: swing with its interval, flips beside the null, where they flip."""
    text = (
        f"{row['used']}: {FACTORS[row['factor']].noun}, swing {row['swing']:.2f} [{row['swing_low']:.2f}, "
        f"{row['swing_high']:.2f}], flips {row['flips']:.0%} of the decisions (changes of the same size that no factor "
        f"names: {row['null_flips']:.0%}, p = {row['p_holm']:.3f})"
    )
    return text + (f", half of them at {row['flips_at']:.3g} {row['unit']}" if row["flips_at"] is not None else "")
