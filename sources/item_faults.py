"""What makes items unfit to learn from, found before training: one and the same item, flat ones, few values.

Up to MOST items are looked at, spread over the classes; what is said of all of them is said of those.
"""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd

from xaae.sources import picture_files

MOST, AT_ONCE = 4000, 64  # items that are looked at, and how many of them at a time
FEW_VALUES = 3  # in all files together; photographs have hundreds
NARROW = 8 / 255  # values of all items within so small a range look black, or grey, throughout
VALUES = {"picture": picture_files.file_values}  # kind -> files, most -> the values in them, None for more than `most`


@dataclass(frozen=True)
class Fault:
    """sentence: what is wrong with the items, and the cure. fatal: can nothing be learned from them?"""

    sentence: str
    fatal: bool = False


def find_faults(table, items):
    """The Faults of the items of a table with path, label and split, in the order of their weight; mostly none."""
    looked = spread_over_classes(table.label, MOST)
    seen = _look(table.iloc[looked].reset_index(drop=True), items, looked)
    word = items.kind.plural
    whole = _all_alike(seen, word)
    if whole:
        return whole
    checks = (_flat_items, _alike_classes, _both_labels, _in_both_splits)
    faults = [fault for check in checks for fault in check(seen, word)]
    return faults + list(_few_values(seen, items.kind))


def spread_over_classes(labels, most):
    """At most `most` row numbers, as many of each class as there is room for, spread over it."""
    share = max(1, most // labels.nunique())
    groups = labels.reset_index(drop=True).groupby(labels.to_numpy(), sort=False).indices.values()
    return np.sort(np.concatenate([evenly_spread(rows, share) for rows in groups]))


def evenly_spread(rows, most):
    """At most `most` of these rows, spread over them."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))]


def _look(table, items, rows):
    """The table with low, high (of an item's values) and content, the same text for items that are equal."""
    parts = [rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE)]
    found = [each for part in parts for each in _facts(items[part].flatten(1).numpy())]
    return table.assign(**pd.DataFrame(found, columns=["low", "high", "content"]))


def _facts(values):
    """(lowest, highest, digest) of each item (B, values)."""
    return [(float(x.min()), float(x.max()), blake2b(x.tobytes(), digest_size=12).hexdigest()) for x in values]


# ---- what may be wrong ------------------------------------------------------------------------------------------


def _all_alike(seen, word):
    """Are all items one and the same?"""
    if len(seen) < 2 or seen.content.nunique() > 1:
        return []
    what = "of one colour throughout, and the same one" if seen.high[0] - seen.low[0] < 1e-6 else "identical"
    sentence = f"All {len(seen)} {word} are {what}: nothing can be learned from them; give {word} that differ."
    return [Fault(sentence, True)]


def _flat_items(seen, word):
    """Items that have one value throughout."""
    flat = seen[(seen.high - seen.low < 1e-6).to_numpy()]
    if len(flat) == len(seen):
        yield Fault(f"Each of the {len(seen)} {word} is of one colour throughout: only that colour can be learned.")
    elif len(flat):
        is_are = "is" if len(flat) == 1 else "are"
        yield Fault(f"{len(flat)} of {len(seen)} {word} {is_are} of one colour throughout, as {flat.path.iloc[0]}.")


def _alike_classes(seen, word):
    """Classes whose items are all one and the same."""
    for label, rows in seen.groupby("label", sort=False):
        if len(rows) > 1 and rows.content.nunique() == 1:
            yield Fault(f"All {len(rows)} {word} of class {label} are identical: a model can learn no more of it.")


def _both_labels(seen, word):
    """Items that lie under more than one label, pixel by pixel the same."""
    labels = seen.groupby("content").label.transform("nunique")
    torn = seen[(labels > 1).to_numpy()]
    if len(torn) == len(seen):
        yield Fault(f"Each of the {len(seen)} {word} lies under several labels: nothing tells the classes apart; "
                    "correct the labels.", True)  # fmt: skip
    elif len(torn):
        first = torn[torn.content == torn.content.iloc[0]]
        other = first[first.label != first.label.iloc[0]].path.iloc[0]
        yield Fault(f"{len(torn)} of {len(seen)} {word} lie under several labels, as {first.path.iloc[0]} and {other}.")


def _in_both_splits(seen, word):
    """Held-out items that are trained on too, pixel by pixel the same, where not a whole class is one item."""
    if "split" not in seen:
        return
    trained = set(seen.content[seen.split == "train"])
    again = seen[((seen.split != "train") & seen.content.isin(trained)).to_numpy()]
    if len(again):
        yield Fault(f"{len(again)} of {(seen.split != 'train').sum()} held-out {word} are identical to some that are "
                    f"trained on, as {again.path.iloc[0]}: their accuracy says little.")  # fmt: skip


def _few_values(seen, kind):
    """Hardly any values in all items together, as in masks of labels."""
    low, high = seen.low.min(), seen.high.max()
    files = list(seen.path.iloc[spread_over_classes(seen.label, 40)])
    values = VALUES[kind.name](files, FEW_VALUES) if kind.name in VALUES else None
    if values is not None:
        shown = ", ".join(f"{v:g}" for v in values)
        yield Fault(f"All {kind.plural} hold the values {shown} and no others: are they masks, not photographs?")
    elif high - low < NARROW:
        yield Fault(f"All values of all {kind.plural} lie within {high - low:.1%} of the range: little can be seen.")
