"""How good answers are that are no classes, in words: of severities and of several labels."""


def severity_in_words(model, numbers, target):
    """One line on how well a model answers a severity. numbers: as of `severity_scores`."""
    unit = f" {target.unit}" if target.unit else ""
    line = (
        f"{model}: {target.names[0]} answered within {numbers['mae']:.3g}{unit} on average (always the median:"
        f" {numbers['mae_of_median']:.3g}{unit}), R2 {numbers['r2']:.2f}, Spearman {numbers['spearman']:.2f}."
    )
    return " ".join(filter(None, [line, severity_weakness(model, numbers)]))


def severity_weakness(model, numbers):
    """A sentence on a model that answers all items alike, or is no better than one that does; "" for any other."""
    if numbers.get("constant_answer"):
        return f"The {model} answers the same to every item: it does not tell the severity."
    mae, other = numbers.get("mae"), numbers.get("mae_of_median")
    if mae is not None and other is not None and mae >= other:
        return f"The {model} is off by no less than the median alone would be."
    return ""


def labels_in_words(model, numbers, target=None):
    """One line on how well a model answers several labels. numbers: as of `label_scores`."""
    each = ", ".join(f"{name} {label['auroc']:.2f}" for name, label in numbers["labels"].items())
    return (
        f"{model}: AUROC {numbers['auroc']:.2f} on average ({each}), average precision"
        f" {numbers['average_precision']:.2f}, balanced accuracy {numbers['balanced_accuracy']:.2f}."
    )
