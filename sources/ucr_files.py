"""Time series of the UCR and UEA archives: .ts, .arff, and .txt or .tsv with the class first in each line.

Every file holds many items, FILE#INDEX, each with its class; a pair NAME_TRAIN and NAME_TEST is one dataset.
"""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import arff

from xaae.experiment.errors import InputError
from xaae.sources.array_signals import recording_facts
from xaae.sources.file_contents import Format
from xaae.sources.recordings import make_recording, with_cuts

ENDINGS = (".ts", ".arff", ".txt", ".tsv")
PAIR = re.compile(r"(?P<name>.*)_(?P<part>train|test)", re.I)
FEWEST = 9  # numbers in a line: a class and eight samples
UNKNOWN_CLASS = "?"  # as .arff and .ts write it
MISSING = (UNKNOWN_CLASS, "nan", "")  # samples


def read_series(path):
    """(items, labels) of a file: items are arrays (C, T), of any length each, labels texts. InputError for no such.

    Samples that are missing are NaN; those that only fill up a shorter item are dropped.
    """
    stamp = Path(path).stat()
    return _read_series(str(path), (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=4)
def _read_series(path, stamp):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            items, labels = READERS[Path(path).suffix.lower()](file)
    except InputError:
        raise
    except (OSError, ValueError, IndexError, KeyError, NotImplementedError, StopIteration, arff.ArffError) as e:
        raise InputError(
            f"it is no whole file of time series ({type(e).__name__}: {e}): fetch or save it again."
        ) from e
    if not items:
        raise InputError("it holds no time series: fetch or save it again.")
    return [_unfilled(item) for item in items], labels


def _unfilled(item):
    """An item (C, T) without the missing samples at its end that all channels have."""
    there = np.flatnonzero(~np.isnan(item).all(0))
    return item[:, : there[-1] + 1] if len(there) else item


def _number(text):
    return np.nan if text.strip().lower() in MISSING else float(text)


def _numbers(text, divider=","):
    return np.array([_number(each) for each in text.split(divider)], np.float32)


def _as_item(channels):
    """Channels (T_c,) as one array (C, T). InputError if they are of different lengths."""
    if len({len(channel) for channel in channels}) > 1:
        raise InputError("it holds an item whose channels have different lengths: make them equal.")
    return np.stack(channels)


def _class_text(text):
    """A class as it is written, a whole number without a point: "1.0000000e+00" -> "1"; "" for a missing one."""
    text = text.strip().strip("'\"")
    if text == UNKNOWN_CLASS:
        return ""
    try:
        return str(int(float(text))) if float(text) == int(float(text)) else text
    except (ValueError, OverflowError):
        return text


# ---- .ts --------------------------------------------------------------------------------------------------------


def _read_ts(file):
    """sktime's and aeon's .ts: a header of @lines, then channels divided by colons, the class last."""
    about, items, labels = {}, [], []
    lines = (line.strip() for line in file if line.strip() and not line.startswith(("#", "%")))
    for line in lines:
        if line.lower() == "@data":
            break
        name, _, value = line.lstrip("@").partition(" ")
        about[name.lower()] = value.strip().lower()
    else:
        raise InputError("it has no line @data: it is no whole .ts file.")
    if about.get("timestamps") == "true":
        raise InputError("its samples have time stamps (@timeStamps true): save them in even steps, without stamps.")
    if not (about.get("classlabel", "").startswith("true") or about.get("targetlabel", "").startswith("true")):
        raise InputError("its items have no labels (@classLabel false): give a file with classes.")
    for line in lines:
        *channels, label = line.split(":")
        items.append(_as_item([_numbers(channel) for channel in channels]))
        labels.append(_class_text(label))
    return items, labels


# ---- .arff ------------------------------------------------------------------------------------------------------


def _read_arff(file):
    """Weka's .arff: a number for each sample and the class last, or one relational attribute with all channels."""
    if any(line.lower().split()[2:3] == ["relational"] for line in _header(file)):
        return _read_relational(file)
    file.seek(0)
    rows, about = arff.loadarff(file)
    *samples, label = about.names()
    if wrong := [name for name in samples if about[name][0] != "numeric"]:
        raise InputError(f"its attribute {wrong[0]} is not numeric: only the last one, the class, may hold texts.")
    values = np.stack([rows[name] for name in samples], 1).astype(np.float32)
    labels = [each.decode(errors="replace") if isinstance(each, bytes) else f"{each:g}" for each in rows[label]]
    return list(values[:, None]), [_class_text(each) for each in labels]


def _header(file):
    """The lines @attribute of an .arff file, read up to its @data."""
    for line in iter(file.readline, ""):
        if line.strip().lower() == "@data":
            return
        if line.strip().lower().startswith("@attribute"):
            yield line
    raise InputError("it has no line @data: it is no whole .arff file.")


def _read_relational(file):
    """Items of several channels, as the UEA archive has them: '1,2,3\\n4,5,6',CLASS."""
    file.seek(0)
    items, labels = [], []
    list(_header(file))
    for line in filter(str.strip, file):
        quote = line.strip()[0]
        channels, _, label = line.strip()[1:].rpartition(quote + ",")
        items.append(_as_item([_numbers(channel) for channel in channels.split("\\n")]))
        labels.append(_class_text(label))
    return items, labels


# ---- .txt and .tsv ----------------------------------------------------------------------------------------------


def _divider(line):
    """What divides the numbers of a line: a tab, a comma, or any blanks (None)."""
    return next((each for each in ("\t", ",") if each in line), None)


def _read_lines(file):
    """A line an item: the class, then the samples."""
    items, labels = [], []
    for line in filter(str.strip, file):
        label, *samples = line.strip("\n\r ").split(_divider(line))
        items.append(np.array([[_number(each) for each in samples]], np.float32))
        labels.append(_class_text(label))
    return items, labels


READERS = {".ts": _read_ts, ".arff": _read_arff, ".txt": _read_lines, ".tsv": _read_lines}  # ending -> its reader


def _is_series(path):
    """Is a file one of time series? .ts and .arff by their header; .txt, .tsv if a class and numbers come first."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            if str(path).lower().endswith((".ts", ".arff")):
                return any(line.strip().lower().startswith(("@", "%", "#")) for line in [file.readline()])
            if not str(path).lower().endswith(ENDINGS):
                return False
            first = file.readline().strip()
            numbers = first.split(_divider(first))
            return len(numbers) >= FEWEST and all(np.isreal(_number(each)) for each in numbers[1:])
    except (OSError, ValueError):
        return False


# ---- items and pairs --------------------------------------------------------------------------------------------


def _series_recording(path, item):
    items, _ = read_series(path)
    if item == "" and len(items) == 1:
        item = "0"
    if not (item.isdecimal() and int(item) < len(items)):
        raise InputError(f"it has no item {item or '(none named)'}: it has 0 to {len(items) - 1}, write FILE#INDEX.")
    return make_recording(items[int(item)])


def pair_of(path):
    """{split: file} of NAME_TRAIN and NAME_TEST with the same ending beside it; {} of a file that is in no pair."""
    path = Path(path)
    match = PAIR.fullmatch(path.stem)
    if not match or path.suffix.lower() not in ENDINGS:
        return {}
    near = {file.stem.lower(): file for file in sorted(path.parent.glob("*")) if file.suffix == path.suffix}
    stem = match["name"].lower()
    found = {split: near.get(f"{stem}_{split}") for split in ("train", "test")}
    return {split: file for split, file in found.items() if file}


def series_table(path):
    """The table of a file of time series, or of the pair it is in: path (FILE#INDEX), label, and split of a pair.

    InputError for a test file without its training file.
    """
    files = pair_of(path) or {"": path}
    if list(files) == ["test"]:
        raise InputError(
            f"{path} has no file {Path(path).stem[:-4]}TRAIN beside it: a dataset needs items to train on."
        )
    return pd.concat([_table_of_file(file, split) for split, file in files.items()], ignore_index=True)


def _table_of_file(file, split):
    try:
        _, labels = read_series(file)
    except InputError as e:
        raise InputError(f"{file}: {e}") from e
    table = {"path": [f"{file}#{i}" for i in range(len(labels))], "label": labels}
    return pd.DataFrame(table | ({"split": split} if split else {}))


UCR_SERIES = Format(
    name="UCR",
    kind="signal",
    endings=(".ts", ".arff"),
    read=with_cuts(_series_recording),
    items=lambda path: [str(i) for i in range(len(read_series(path)[0]))],
    facts=lambda path: recording_facts(_series_recording(path, "0")),
    marks=_is_series,
)
