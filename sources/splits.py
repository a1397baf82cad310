"""Which items are held out: the data's own split, a list of files, items at random, or whole groups."""

import os
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.experiment.tasks import UNKNOWN
from xaae.experiment.text_tables import read_user_table
from xaae.experiment.vocabulary import SPLITS
from xaae.sources.group_hints import derive_groups, find_group_hints, one_recording, parts_of_files

SPLIT_NAMES = {  # what people call the splits -> ours
    "train": "train", "training": "train", "trn": "train",
    "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid",
    "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
MOST_TOLD = 10  # classes that a sentence counts one by one


@dataclass(frozen=True)
class SplitPlan:
    """way: a name in SPLIT_WAYS. group: the column, or one of DERIVED, whose values are the groups; whole groups are
    then held out, whatever the way. file: a CSV with the columns path and split, or a text file that lists the paths
    that are held out, a line each."""

    way: str = "auto"
    group: str | None = None
    file: str | None = None


def split_name(text):
    """Our name of a split that people call so, in any case and with blanks around it; None for anything else."""
    return SPLIT_NAMES.get(str(text).strip().lower())


@dataclass(frozen=True)
class SplitItems:
    """table: with the columns split and group. left_out: [(path, reason)]. notes: sentences on the split. split_by:
    what it comes from, in a phrase. warnings: sentences on groups that are in several parts. group_hint: what --group
    should be asked for, "" for nothing."""

    table: pd.DataFrame
    left_out: list
    notes: list
    split_by: str
    warnings: list
    group_hint: str = ""


def split_by_plan(table, plan, own=False):
    """The SplitItems of a table by a SplitPlan.

    own: is it the user's own table? Then the way "auto" holds out whole groups where groups are known, items are drawn
    class by class, and groups that are in several parts are looked for. InputError for a plan that the table does not
    allow.
    """
    left_out, notes, way = [], [], "group" if plan.group else plan.way
    if plan.file and way == "group":
        raise InputError("A split is by a file or by groups: give --split-file, or --group and --split group.")
    if plan.file:
        table, left_out, notes = _split_by_file(table, plan.file)
    if plan.group:
        table = table.assign(group=derive_groups(table, plan.group))
    if way == "auto" and own and "split" not in table:
        table, way, notes = _groups_that_are_known(table)
    given = way != "group" and "split" in table
    if given and not (table.split == "valid").any():
        notes.append("There is no split valid: a fifth of each class of the training items is held out for it.")
    table, warnings, hints = table.reset_index(drop=True), [], []
    try:
        split = split_table(table, way, by_class=own or way == "stratified")
    except InputError as e:
        if plan.group or plan.way == "group" or way != "group":
            raise
        way, notes = "random", []  # nobody asked for groups
        warnings = [f"Whole groups cannot be held out, so items are, which a model may know again. {e}"]
        split = split_table(table, way, by_class=own)
    if own and way != "group" and not warnings:
        hints = find_group_hints(split)
        warnings = [text for text in [one_recording(split)] if text]
    warnings += [hint.in_words() for hint in hints]
    return SplitItems(
        split, left_out, notes, _in_a_phrase(plan, way, given), warnings, hints[0].source if hints else ""
    )


def _in_a_phrase(plan, way, given):
    """What the splits come from."""
    if plan.file or given:
        return f"as in {plan.file}" if plan.file else "the data's own"
    by_group = f"whole groups by {plan.group or 'the column group'} are held out"
    return by_group if way == "group" else "a fifth of the items is held out at random"


def _groups_that_are_known(table):
    """(table, way, notes): whole groups are held out where the column group is filled, or items are parts of files."""
    cure = "--split random holds out items instead"
    if "group" in table and (table.group.astype(str).str.strip() != "").any():
        return table, "group", [f"Whole groups are held out, by the column group: {cure}."]
    files = parts_of_files(table)
    if files is not None:
        words = f"The items are parts of {files.nunique()} files, and whole files are held out: {cure}."
        return table.assign(group=files), "group", [words]
    return table, "random", []


def split_table(table, split="random", valid_pct=0.2, seed=42, by_class=False):
    """The table with its columns split and group filled.

    split: "group" holds out whole groups; any other way keeps a split of the table's own, and else holds out items.
    by_class: hold out a fifth of each class, one at least, where fastai's RandomSplitter holds out a fifth of all.
    InputError if a split would be left without one of the classes.
    """
    table = table.assign(group=table["group"] if "group" in table else "", path=table["path"].astype(str))
    if split == "group":
        held = held_groups(table, valid_pct, seed)
        table["split"] = np.where(table.group.isin(held), "valid", "train")
        _check_groups(table)
    elif "split" not in table:
        table["split"] = np.where(table.index.isin(_held_out(table, valid_pct, seed, by_class)), "valid", "train")
    elif not (table.split == "valid").any() and len(train := table[table.split == "train"]):
        table.loc[_held_out(train, valid_pct, seed, True), "split"] = "valid"
    _check_splits(table)
    return table


def _held_out(table, share, seed, by_class):
    """Index of the rows that are held out."""
    if not by_class:
        from fastai.data.transforms import RandomSplitter  # loads PyTorch, for which a refusal need not wait

        return table.index[list(RandomSplitter(share, seed=seed)(table)[1])]
    parts = [rows.sample(max(1, round(share * len(rows))), random_state=seed) for _, rows in table.groupby("label")]
    return pd.concat(parts).index


def _missing_class(table):
    """(part, class) of a class that training or validation is without; None if there is none."""
    table = table[table.label != UNKNOWN]
    for part in ("train", "valid"):
        if missing := sorted(set(table.label) - set(table.label[table.split == part])):
            return part, missing[0]
    return None


def _check_splits(table):
    """InputError if training or validation is without one of the classes."""
    if found := _missing_class(table):
        part, name = found
        counts = [f"{label} {n}" for label, n in table.label.value_counts().items()]
        more = f", and {len(counts) - MOST_TOLD} more" if len(counts) > MOST_TOLD else ""
        numbers = pd.to_numeric(table.label, errors="coerce").notna().all() and len(counts) > MOST_TOLD
        raise InputError(
            f"No item of class {name!r} is in the {part} split (items: {', '.join(counts[:MOST_TOLD])}{more}): "
            + (
                "if these numbers are a severity, add --target label."
                if numbers
                else "give each class two items or more, and where splits are given some in train and some in valid."
            )
        )


def _check_groups(table):
    """InputError if whole groups cannot be held out without a class being lost on one side."""
    if found := _missing_class(table):
        name = found[1]
        n = table.group[table.label == name].nunique()
        raise InputError(
            f"The class {name!r} has items of {counted(n, 'groups')}, too few to have some in training and others held"
            " out: add groups, or hold out items with --split random."
        )


def held_groups(table, valid_pct, seed):
    """Groups to hold out: of each class at least one, and about `valid_pct` of them."""
    if table.group.astype(object).replace("", np.nan).isna().any():
        raise InputError("A split by group needs a group for every item: use --split random or add the column.")
    rng, held = np.random.default_rng(seed), []
    for _, groups in table.groupby("label").group:
        names = sorted(groups.unique())
        free = [name for name in names if name not in held]  # a group of another class too may be held out already
        wanted = max(1, round(valid_pct * len(names))) - (len(names) - len(free))
        held += list(rng.choice(free, wanted, replace=False)) if wanted > 0 else []
    return held


# ---- a file that says which items are held out --------------------------------------------------------------------


def _split_by_file(table, file):
    """(table with the column split, [(path, reason)] of items without one, sentences), by a file that lists paths.

    Of a CSV the items that it does not name are left out; of a text file, which lists what is held out, they are
    trained on.
    """
    entries, said = _entries_of(file)
    names, unknown = _match([os.path.normpath(path) for path in table.path.astype(str)], entries, file)
    if not names:
        raise InputError(f"Not one path in {file} is that of an item, as {entries[0][0]}: write them as in the data.")
    split = pd.Series(names).reindex(range(len(table)))
    rest = "train" if not str(file).lower().endswith(".csv") else None
    split = split.fillna(rest) if rest else split
    without = split.isna().to_numpy()
    left_out = [(str(path), f"not in {file}") for path in table.path[without]]
    notes = [f"The splits are those of {file}.", *([said] if said else [])]
    if unknown:
        notes.append(f"{counted(len(unknown), 'lines')} of {file} are of no item, as {unknown[0]}.")
    return table.assign(split=split.to_numpy())[~without], left_out, notes


def _entries_of(file):
    """([(path, split)] as a file lists them, what is said of it). InputError for a file that cannot be read or lists
    nothing."""
    said = ""
    if str(file).lower().endswith(".csv"):
        table, said = read_user_table(file)
        if missing := {"path", "split"} - set(table.columns):
            raise InputError(f"{file} has no column {' and '.join(sorted(missing))}: give it path and split.")
        entries = [(path, split_name(split)) for path, split in zip(table.path, table.split, strict=True)]
        if odd := [split for split in table.split if split_name(split) is None]:
            raise InputError(f"{file} has the split {odd[0]!r}: use only {', '.join(SPLITS)}.")
    else:
        entries = [(line, "valid") for line in _lines_of(file)]
    if not entries:
        raise InputError(f"{file} lists no paths: write one a line, or a CSV with the columns path and split.")
    return entries, said


def _lines_of(file):
    """The lines of a text file that are not blank."""
    try:
        if os.path.exists(file) and not os.path.isfile(file):
            raise OSError("it is no file")
        with open(file, encoding="utf-8") as lines:
            return [line.strip() for line in lines if line.strip()]
    except (OSError, ValueError) as e:
        raise InputError(f"{file} cannot be read ({e}): give a text file or CSV in UTF-8.") from e


def _match(paths, entries, file):
    """({row: split}, entries that name no item). An entry is a path, its end, or that without the file's ending.

    InputError for an entry that names several items, and for an item with two splits.
    """
    rows_of = defaultdict(list)
    for row, path in enumerate(paths):
        for name in {os.path.basename(path), os.path.splitext(os.path.basename(path))[0]}:
            rows_of[name].append(row)
    names, unknown = {}, []
    for entry, split in entries:
        rows = _rows_named(paths, os.path.normpath(entry), rows_of)
        if len(rows) > 1:
            raise InputError(f"{entry} in {file} may be {paths[rows[0]]} or {paths[rows[1]]}: write more of the path.")
        if rows and names.setdefault(rows[0], split) != split:
            raise InputError(f"{file} gives {entry} two splits: leave one.")
        unknown += [] if rows else [entry]
    return names, unknown


def _rows_named(paths, entry, rows_of):
    """Rows of the items that an entry may name; one alone if their whole path is written."""
    rows = rows_of.get(os.path.basename(entry), [])
    whole = [row for row in rows if paths[row] == entry]
    ends = [row for row in rows if f"/{entry}" in (f"/{paths[row]}"[-len(entry) - 1 :],)]
    bare = [row for row in rows if f"/{os.path.splitext(paths[row])[0]}".endswith(f"/{entry}")]
    return whole or ends or bare
