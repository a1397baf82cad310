"""Numbers and names in words: the filters of the templates."""

import math
import re

import numpy as np
from markupsafe import Markup, escape

from xaae.experiment.kinds import PICTURE
from xaae.experiment.settings import CODES
from xaae.experiment.vocabulary import ARMS, SPLIT_WAYS, models_of

DIRECTION_NAMES = {  # short, as on a tab; the run itself holds the full titles
    "lda": "LDA",
    "head": "classifier head",
    "ridge": "ridge regression",
    "means": "class means",
    "pca": "PCA",
    "dim": "dimension",
    "gradient": "own gradient",
    "led_network": "led by your network",
    "led_gradient_network": "gradient, your network",
}
COLUMN_NAMES = {  # of drawn pictures
    "item": "number in the order of drawing",
    "seed": "seed of the drawing",
    "x": "place, left to right",
    "y": "place, bottom to top",
}
MISSING = "\u2013"
VALUES = (*ARMS, *SPLIT_WAYS, *CODES, "loss", "dataset", "file-name")
OPTION = re.compile(rf"--[a-z-]*[a-z](?: (?:{'|'.join(VALUES)})\b)?")  # an option with its value
ANSWERS = {None: "none", True: "yes", False: "no"}


def fixed(value, digits: int = 2) -> str:
    """A number with `digits` decimals and a true minus sign; a dash if there is none, or if it is not finite."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    text = text.lstrip("-") if not float(text) else text  # no "-0"
    return text.replace("-", "\u2212")


def rounded(values, digits: int):
    """Nested lists of rounded floats, None for what is not finite."""
    if np.ndim(values):
        return [rounded(value, digits) for value in values]
    return round(float(values), digits) if np.isfinite(values) else None


def percent(share, digits: int = 0) -> str:
    """A share from 0 to 1 as per cent: "98 %"; a dash if there is none."""
    text = fixed(share if share is None else 100 * share, digits)
    return text if text == MISSING else f"{text}\u202f%"


def count(value) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,.0f}".replace(",", "\u202f") if isinstance(value, (int, float)) else MISSING


def duration(seconds) -> str:
    """Seconds as hours, minutes and seconds."""
    if not isinstance(seconds, (int, float)):
        return MISSING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def direction_name(name, kind_of_items=PICTURE.name) -> str:
    """The short name of a direction: "lda" -> "LDA", "dim_7" -> "dimension 7", "lda.cat" -> "LDA, cat".

    kind_of_items: on which it depends what the baseline is called that leads it.
    """
    name, _, label = str(name).partition(".")
    kind, number = numbered(name)
    models = models_of(kind_of_items).items()
    names = DIRECTION_NAMES | {f"led_{model}": f"led by {title}" for model, title in models}
    names |= {f"led_gradient_{model}": f"gradient, {title}" for model, title in models}
    return ", ".join(filter(None, [f"{names.get(kind, kind)} {number}".strip(), label]))


def numbered(name: str) -> tuple[str, str]:
    """A name and its number: "pca_1" -> ("pca", "1"), "lda" -> ("lda", "")."""
    kind, _, number = name.rpartition("_")
    return (kind, number) if kind and number.isdigit() else (name, "")


def column_name(name, noun: str) -> str:
    """A column of items.csv as the page prints it; `noun` is the planted quantity."""
    if name == "value":
        return f"planted {noun}"
    words = COLUMN_NAMES.get(name) or str(name).replace("_", " ")
    return f"{words.removesuffix(' deg')} (degrees)" if words.endswith(" deg") else words


def capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def as_sentence(text) -> str:
    """The text with a capital letter first and a full stop last; "" stays ""."""
    text = str(text or "").strip().rstrip(".")
    return f"{capital(text)}." if text else ""


def and_list(parts) -> str:
    """ "a", "a and b", "a, b and c"."""
    *front, end = list(parts) or [""]
    return f"{', '.join(front)} and {end}" if front else end


def p_in_words(p) -> str:
    """A p value with three decimals; "below 0.001" where that would be 0."""
    text = fixed(p, 3)
    return text if text == MISSING or p >= 0.001 else "below 0.001"


def with_code(text: str) -> Markup:
    """The text as HTML, its options of the command line (--arm normal) as code."""
    return Markup(re.sub(OPTION, r"<code>\g<0></code>", str(escape(text))))


def setting_text(value) -> str:
    """A setting's value on one line."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {setting_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(setting_text, value))
    return ANSWERS[value] if value is None or isinstance(value, bool) else str(value)
