"""Numbers and names in words: the filters of the template."""

import math

DIRECTIONS = {
    "lda": "LDA",
    "head": "classifier head",
    "means": "class means",
    "pca": "PCA",
    "dim": "dimension",
    "gradient": "own gradient",
}
NOTES = {
    "lda": "Fisher's linear discriminant, with shrinkage, of the training codes: it separates the classes best.",
    "logistic": "The weights of a logistic regression of the class on the training codes.",
    "head": "The difference between the weights of the classifier head: the direction the classifier itself reads.",
    "means": "From one class's mean code to the other's.",
    "gradient": "Each start has its own direction, found anew after each step.",
    "pca": "A principal component of the training codes: it knows nothing of the classes.",
    "dim": "A single dimension of the latent space.",
}
MISSING = "\u2013"


def fixed(value, digits: int = 2) -> str:
    """A number with `digits` decimals and a true minus sign; a dash if there is none, or if it is not finite."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    text = text.lstrip("-") if not float(text) else text  # no "-0"
    return text.replace("-", "\u2212")


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


def direction_name(name) -> str:
    """How the page calls a direction: "lda" -> "LDA", "dim_7" -> "dimension 7", "lda.cat" -> "LDA, cat"."""
    name, _, label = str(name).partition(".")
    kind, number = numbered(name)
    return ", ".join(filter(None, [f"{DIRECTIONS.get(kind, kind)} {number}".strip(), label]))


def direction_note(name) -> str:
    """One sentence on what a direction is; "" for an unknown one."""
    return NOTES.get(numbered(str(name).partition(".")[0])[0], "")


def numbered(name: str) -> tuple[str, str]:
    """ "pca_1" -> ("pca", "1"); a name without a number keeps itself."""
    kind, _, number = name.rpartition("_")
    return (kind, number) if kind and number.isdigit() else (name, "")


def column_name(name, noun: str) -> str:
    """A column of items.csv as the page prints it; `noun` is what is planted."""
    return f"planted {noun}" if name == "value" else str(name).replace("_", " ")


def capital(text: str) -> str:
    """A text with a capital letter first; names further on keep theirs."""
    return text[:1].upper() + text[1:]


def as_sentence(text) -> str:
    """A text with a capital letter first and a full stop last; "" stays ""."""
    text = str(text or "").strip().rstrip(".")
    return f"{capital(text)}." if text else ""


def and_list(parts, last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    *front, end = list(parts) or [""]
    return f"{', '.join(front)} {last} {end}" if front else end


def setting(value) -> str:
    """A setting's value on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {setting(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(setting, value))
    return (
        {None: "none", True: "yes", False: "no"}.get(value, str(value))
        if isinstance(value, (bool, type(None)))
        else str(value)
    )
