"""Why nothing can learn from data as they are: no items, or no two classes of them, and what to give instead."""

from collections import Counter

from xaae.experiment.amounts import counted
from xaae.experiment.kinds import KINDS, PICTURE
from xaae.sources.foreign_files import foreign_in_words


def why_no_classes(dataset, table, own):
    """Why no classifier can learn from a table's classes, and how to give it some; "" where there are two or more."""
    if table.label.nunique() > 1:
        return ""
    name, path = table.label.iloc[0], table.path.iloc[0]
    place = " Or learn when in the recording an item is: --target start_s --unit s." if "start_s" in table else ""
    others = f" Left out: {_most_left_out(own)}." if own and own.left_out else ""
    if name:
        return f"{dataset} has the one class {name!r}: a classifier needs at least two.{others}{place}"
    items = counted(len(table), KINDS[own.kind].plural)
    return (
        f"Nothing says the class of the {items} of {dataset}, as {path}, and a classifier needs at least two classes:"
        f" put the files into one folder per class, or write a CSV with the columns path and label.{place}"
    )


def nothing_found(dataset, own):
    """Why there are no items, and what was found instead."""
    plural = KINDS[own.kind if own else PICTURE.name].plural
    others = foreign_in_words([path for path, _ in own.left_out]) if own and own.kind == PICTURE.name else []
    if others:
        return f"No pictures were found for {dataset}, but {others[0]}"
    if own and own.left_out:
        others = _most_left_out(own)
        return f"No {plural} were found for {dataset}, but {others}: give one folder of {plural} per class, or a CSV."
    return f"No {plural} were found for {dataset}: give one folder of {plural} per class, or a CSV."


def _most_left_out(own):
    """How many others are left out, and one of them with the most frequent reason."""
    reasons = Counter(reason for _, reason in own.left_out)
    path, reason = next(each for each in own.left_out if each[1] == reasons.most_common(1)[0][0])
    return f"{counted(len(own.left_out), 'others')}, as {path} ({reason})"
