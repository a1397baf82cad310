"""Numbers and names in words: the filters of the template."""

DIRECTIONS = {"lda": "LDA", "head": "classifier head", "means": "class means"}
NOTES = {
    "lda": "Fisher's linear discriminant, with shrinkage, of the training codes: it separates the classes best.",
    "head": "The difference between the weights of the classifier head: the direction the classifier itself reads.",
    "means": "From one class's mean code to the other's.",
}
MISSING = "\u2013"


def fixed(value, digits: int = 2) -> str:
    """A number with `digits` decimals and a true minus sign; a dash if there is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return MISSING
    text = f"{value:.{digits}f}"
    text = text.lstrip("-") if not float(text) else text  # no "-0"
    return text.replace("-", "\u2212")


def degrees(value) -> str:
    """A number of degrees, in words."""
    text = fixed(value, 0)
    return f"{text} degree" if text == "1" else f"{text} degrees"


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
    """The name of a direction as the page prints it."""
    return DIRECTIONS.get(name, str(name))


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
