"""What an accuracy is set beside: balanced accuracy, the most frequent class's share, one answer to all items."""

import numpy as np

ALIKE = 1e-9  # shares nearer to each other are equal


def class_balance(confusion, classes):
    """Numbers beside an accuracy, from items (K, K) by true class (rows) and answer (columns), with K class names.

    balanced_accuracy: mean share of right answers over the classes that have items. majority_class, majority_share: the
    most frequent class, and how often the answer to name it always would be right. constant_answer: the class that is
    the answer to every item, None if the answers differ.
    """
    confusion = np.asarray(confusion)
    items, answers = confusion.sum(1), confusion.sum(0)
    recall = np.diag(confusion)[items > 0] / items[items > 0]
    most, given = int(items.argmax()), np.flatnonzero(answers)
    return {
        "balanced_accuracy": float(recall.mean()) if len(recall) else float("nan"),
        "majority_class": classes[most],
        "majority_share": float(items[most] / items.sum()) if items.sum() else float("nan"),
        "constant_answer": classes[given[0]] if len(given) == 1 and (items > 0).sum() > 1 else None,
    }


def majority_in_words(numbers):
    """ "always cat, the most frequent class, would be right in 62.0 %". numbers: as of `class_balance`."""
    name, share = numbers["majority_class"], numbers["majority_share"]
    return f"always {name}, the most frequent class, would be right in {100 * share:.1f} %"


def weakness_in_words(model, accuracy, numbers):
    """A sentence on a model that answers all items alike, or is no better than one that does; "" for any other."""
    if numbers.get("constant_answer") is not None:
        return f"The {model} answers {numbers['constant_answer']} to every item: it does not tell the classes apart."
    share = numbers.get("majority_share")
    if accuracy is not None and share is not None and accuracy <= share + ALIKE:
        return f"The {model} is right no more often than the most frequent class alone would be."
    return ""


def accuracy_in_words(model, accuracy, numbers):
    """One line on a model's accuracy and what it has to be set beside. numbers: as of `class_balance`."""
    balanced = f"balanced accuracy {100 * numbers['balanced_accuracy']:.1f} %"
    line = f"{model}: {100 * accuracy:.1f} % right, {balanced}; {majority_in_words(numbers)}."
    return " ".join(filter(None, [line, weakness_in_words(model, accuracy, numbers)]))
