"""What is predicted, read off a table's columns: one class an item, a severity, or several labels.

The task follows from what the columns hold, and is said; the user may overrule it.
"""

import numpy as np
import pandas as pd

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.experiment.tasks import CLASSES, LABELS, SEVERITY, TASKS, UNKNOWN, Target
from xaae.experiment.vocabulary import COLUMNS

MOST_STEPS = 10  # a column with more distinct numbers than that is a severity, not classes
FEWEST_NUMBERS = 5  # distinct ones that a severity needs
BLANKS = ("", "nan", "NaN", "NA", "na", "None")  # cells of a column of numbers that hold none
ABSENT, PRESENT, UNCERTAIN = 0.0, 1.0, -1.0  # cells of a column of a label; CheXpert's uncertain ones are masked


def kept_name(column):
    """What a column of the user's is called in the table: one with a name that is ours is called given_NAME."""
    return f"given_{column}" if column in COLUMNS else column


def target_texts(table, columns):
    """What stands in the target's columns of each row, as one text (N,): rows are alike where it is.

    InputError for columns that the table does not have.
    """
    if missing := [name for name in columns if name not in table]:
        others = ", ".join(name for name in table if name != "path")
        raise InputError(f"--target: the table has no column {missing[0]!r}; choose from {others}.")
    if columns == ("label",):
        return table["label"].astype(str)
    return table[list(columns)].astype(str).agg(" ".join, axis=1)


def set_target(table, columns, task=None, unit=""):
    """(table with its label and the target's columns as numbers, Target, sentences, rows left out [(path, reason)]).

    columns: names of the user's columns. task: a name in TASKS, None for the one that their content tells. mean and std
    of a severity are those of all items until `standardised` says otherwise. InputError for columns that cannot be such
    a target.
    """
    texts = {name: _column(table, name) for name in columns}
    task = task or _task_of(texts)
    table, target, notes, out = READERS[task](table, texts, unit)
    return table, target, [f"Target: {', '.join(columns)}; task {task}: {TASKS[task].about}.", *notes], out


def standardised(target, table):
    """A severity's Target with the mean and the standard deviation of the training items of a table; others as is."""
    if target.task != SEVERITY.name:
        return target
    numbers = table[target.columns[0]][table.split == "train"].astype(float)
    return Target(**vars(target) | {"mean": float(numbers.mean()), "std": float(numbers.std(ddof=0)) or 1.0})


def _column(table, name):
    """A column as texts, whole numbers without ".0", BLANKS among numbers as ""; InputError if there is none."""
    at = kept_name(name) if kept_name(name) in table else name
    if at not in table:
        others = ", ".join(column for column in table if column != "path")
        raise InputError(f"--target: the data have no column {name!r}; choose from {others}.")
    texts = table[at].map(_cell_text)
    bare = texts.mask(texts.isin(BLANKS), "")
    return texts if _numbers(bare) is None else bare  # among texts "None" may be a class


def _cell_text(cell):
    """A cell as a text that is no other number's; "" for NaN."""
    if isinstance(cell, (float, np.floating)):
        return "" if np.isnan(cell) else f"{cell:.15g}"
    return str(cell).strip()


def _numbers(texts):
    """Texts (N,) as numbers, NaN for blanks; None if one of them is no number."""
    numbers = pd.to_numeric(texts.mask(texts == ""), errors="coerce")
    return None if numbers[texts != ""].isna().any() else numbers.astype(float)


def _task_of(texts):
    """The task that the columns' content tells."""
    if len(texts) > 1:
        return LABELS.name
    (column,) = texts.values()
    numbers = _numbers(column)
    return CLASSES.name if numbers is None or numbers.nunique() <= MOST_STEPS else SEVERITY.name


def _without(table, rows, reason):
    """(the table without rows (N,) bool, [(path, reason)] of these)."""
    return table[~rows].reset_index(drop=True), [(str(path), reason) for path in table.path[rows]]


def _single(texts, task):
    """The only column. InputError if there are more."""
    if len(texts) > 1:
        raise InputError(f"--target: task {task} has one column, and {', '.join(texts)} were given: name one.")
    return next(iter(texts.items()))


def _as_classes(table, texts, unit):
    """One class an item, as the column's text."""
    name, column = _single(texts, CLASSES.name)
    if (column == "").all():
        raise InputError(f"--target {name}: it is blank in every row, so name another column.")
    table, out = _without(table.assign(label=column), column == "", f"no {name} in this row")
    return table, Target(), [], out


def _as_severity(table, texts, unit):
    """One number an item; its sides are below and above the median."""
    name, column = _single(texts, SEVERITY.name)
    numbers, kept = _numbers(column), kept_name(name)
    if numbers is None:
        odd = next(text for text in column if text and not _is_number(text))
        raise InputError(f"--target {name}: {odd!r} is no number; a severity needs numbers, so correct it or blank it.")
    odd = ~np.isfinite(numbers)
    table, out = _without(table.assign(**{kept: numbers}), odd, f"no number in {name}")
    numbers = table[kept]
    if numbers.nunique() < FEWEST_NUMBERS:
        raise InputError(
            f"--target {name}: it has {counted(numbers.nunique(), 'distinct numbers')}, and a severity needs"
            f" {FEWEST_NUMBERS} or more: give --task classes, or another column."
        )
    middle = float(numbers.median())
    high = numbers > middle if (numbers > middle).any() else numbers >= middle
    sides = (f"low {name}", f"high {name}")
    table = table.assign(label=np.where(high, sides[1], sides[0]).astype(object))
    target = Target(
        SEVERITY.name, (kept,), sides, (name,), unit, float(numbers.mean()), float(numbers.std(ddof=0)), middle
    )
    scale = f" {unit}" if unit else ""
    notes = [f"{name} goes from {numbers.min():.4g} to {numbers.max():.4g}{scale}. {sides[0]} and {sides[1]} are those"
             f" up to and above its median, {middle:.4g}{scale}; the models learn the number itself."]  # fmt: skip
    return table, target, notes, out


def _is_number(text):
    """Does a text hold a number?"""
    return not pd.isna(pd.to_numeric(text, errors="coerce"))


def _as_labels(table, texts, unit):
    """Several labels an item: 1, 0 or blank (also -1, CheXpert's "uncertain"); the sides are those of the first."""
    found, notes = {}, []
    for name, column in texts.items():
        numbers = _numbers(column)
        if numbers is None or not set(numbers.dropna()) <= {ABSENT, PRESENT, UNCERTAIN}:
            raise InputError(f"--target {name}: a label's column holds 1, 0 or a blank and nothing else: correct it.")
        found[kept_name(name)] = numbers.mask(numbers == UNCERTAIN)
        if not {ABSENT, PRESENT} <= set(found[kept_name(name)]):
            raise InputError(f"--target {name}: every known item has the same answer, so leave this label out.")
        blank = int(found[kept_name(name)].isna().sum())
        notes.append(f"{name}: present {int((numbers == 1).sum())}, absent {int((numbers == 0).sum())}, unknown"
                     f" {blank}.")  # fmt: skip
    table = table.assign(**found)
    table, out = _without(table, table[list(found)].isna().all(axis=1), "all its labels are blank")
    name, first = next(iter(texts)), table[next(iter(found))]
    sides = Target().sides_of(name)
    label = np.select([first == PRESENT, first == ABSENT], [sides[1], sides[0]], UNKNOWN)
    notes.append(f"Walks lead from {sides[0]} to {sides[1]}, the first label; name another first to lead to that.")
    return table.assign(label=label.astype(object)), Target(LABELS.name, tuple(found), sides, tuple(texts)), notes, out


READERS = {CLASSES.name: _as_classes, SEVERITY.name: _as_severity, LABELS.name: _as_labels}  # task -> what reads it
