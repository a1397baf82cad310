"""Signals in CSV files: one recording with its channels as columns, or all items in one file, as columns or as rows.

Columns are divided by commas, semicolons or tabs; where it is no comma, numbers may have decimal commas. A column of
time gives the sampling rate, and the unit of a channel stands after its name: "MLII (mV)". As one file with all items:
a column an item, whose class is its name up to the number ("normal_1", "normal_2", "ill_1"), or a row an item, whose
class is in the column `label`.
"""

import re
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.experiment.text_tables import DIVIDERS, csv_form, has_decimal_commas, typed_column
from xaae.sources.array_signals import recording_facts
from xaae.sources.file_contents import Format
from xaae.sources.recordings import make_recording, with_cuts

TIME = re.compile(
    r"(?:time|t|zeit|temps|tiempo|tempo|timestamps?|seconds?|sec|ms|milliseconds?)(?:\s*[\[(](?P<unit>s|ms|us|µs)[\])])?",
    re.I,
)
MILLISECONDS = ("ms", "millisecond", "milliseconds")
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
UNIT = re.compile(r"(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]\s*")
NUMBERED = re.compile(r"(?P<label>.*?)[ _.#-]*\d+")
UNEVEN = 0.01  # steps of time that differ by more than this share of a step are no sampling rate
ABOUT_ROWS = ("label", "split", "group", "path")  # columns that say something of an item
LOOKED_AT = 50  # lines by which the form of a file is told
MOST_LETTERS = 40  # of a text in a sentence
FEWEST = 8  # numbers in the rows of a file with an item a row; fewer are a table of measurements


def read_numbers(path):
    """A CSV file as a DataFrame, its columns named 0, 1, ... where its first row holds numbers. InputError for others.

    Columns of text stay texts.
    """
    stamp = Path(path).stat()
    return _read_numbers(str(path), (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=4)
def _read_numbers(path, stamp):
    form = _form_of(path)
    try:
        table = pd.read_csv(path, **form)
        texts = pd.read_csv(path, usecols=_is_about_rows, dtype=str, keep_default_na=False, **form)  # "NA": a class
        table = table.assign(**{name: texts[name].str.strip() for name in texts})
    except (ValueError, OSError) as e:  # pandas' own errors are ValueErrors, and so is that of another encoding
        raise InputError(f"it cannot be read as a CSV file ({e}): save it as UTF-8 text with commas.") from e
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much for names of rows
        raise InputError("it has more cells in its rows than names in its first line: give each column a name.")
    table.columns = [str(name).strip() for name in table.columns]
    table.attrs = {"first_line": 1 + form["skiprows"] + (form["header"] is not None), "decimal": form["decimal"]}
    return table


def _form_of(path):
    """How a CSV file is read, as options of `read_csv`, by its first lines."""
    divider, skipped = csv_form(path)
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        lines = [line.rstrip("\r\n") for line in islice(file, skipped, skipped + LOOKED_AT)] or [""]
    if divider not in lines[0] and has_decimal_commas(lines[1:]):
        divider = ";"  # of one column
    rows = [[cell.strip().strip('"') for cell in line.split(divider)] for line in lines]
    comma = divider != "," and any(has_decimal_commas([cell]) for row in rows for cell in row)
    named = not all(_is_number(cell.replace(",", ".") if comma else cell) for cell in rows[0])
    return {"sep": divider, "skiprows": skipped, "decimal": "," if comma else ".", "header": 0 if named else None,
            "skipinitialspace": True, "encoding": "utf-8-sig"}  # fmt: skip


def _said_of(path):
    """{"note": a sentence} on a CSV file that is written otherwise than with commas and points; {} of others."""
    form = _form_of(path)
    if form["sep"] == ",":
        return {}
    points = " and have decimal commas" if form["decimal"] == "," else ""
    return {"note": f"Columns of CSV files are divided by {DIVIDERS[form['sep']]}{points}."}


def _is_about_rows(name):
    """Does a column say something of an item, and hold none of its values?"""
    return str(name).strip().lower() in ABOUT_ROWS


def _is_number(cell):
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def csv_layout(path):
    """How a CSV file holds signals: "rows" (an item each, with their label), "channels" (columns); "" if it does not.

    A table of paths is none.
    """
    try:
        table = read_numbers(path)
    except (InputError, OSError):
        return ""
    small = [name.lower() for name in table.columns]
    numbers = [name for name in table if table[name].dtype.kind in "iuf" and name.lower() not in ABOUT_ROWS]
    if "path" in small or not numbers:
        return ""
    if "label" in small:
        return "rows" if len(numbers) >= FEWEST else ""
    texts = [name for name in table if table[name].dtype.kind not in "iuf" and not TIME.fullmatch(name)]
    return "channels" if not texts and len(table) >= FEWEST else ""


def _signal_columns(table):
    """(names of the columns of values, name of the column of time or None). InputError for a column of texts."""
    time = next((name for name in table if TIME.fullmatch(name)), None)
    names = [name for name in table if name != time and not name.startswith("Unnamed:")]
    _check_numbers(table, names)
    return names, time


def _check_numbers(table, names):
    """InputError for a column of texts, which names the first of them and its line in the file."""
    if texts := [name for name in names if table[name].dtype.kind not in "iufb"]:
        column = table[texts[0]].astype(str).str.replace(table.attrs["decimal"], ".", regex=False)
        odd = np.flatnonzero(pd.to_numeric(column, errors="coerce").isna() & table[texts[0]].notna())
        what = "texts"
        if len(odd):
            cell, line = str(table[texts[0]].iloc[odd[0]])[:MOST_LETTERS], table.attrs["first_line"] + odd[0]
            what = f"the text {cell!r} in line {line}"
        raise InputError(f"its column {texts[0]} holds {what}: give columns of numbers, with a point in broken ones.")


def why_no_signal(path, reason):
    """Why a file among signals is none of them: what is wrong with a CSV file; of others the reason that is given."""
    if not reason.startswith("no picture"):
        return reason
    if Path(path).suffix.lower() != ".csv":
        return reason.replace("no picture", "no signal")
    try:
        with open(path, "rb") as file:
            if not file.read(4096).strip():
                return "a signal that cannot be read: the file is empty"
        table = read_numbers(path)
        if about := [name for name in table if name.lower() in ("path", "label")]:
            return f"no signal (.csv): a table with the column {about[0]}"
        if len(table) < FEWEST:
            return f"a signal that cannot be read: it has {counted(len(table), 'rows')}, fewer than {FEWEST}"
        names, _ = _signal_columns(table)
    except (InputError, OSError) as e:
        return f"a signal that cannot be read: {str(e).rstrip('.')}"
    return f"a signal that cannot be read: its columns ({', '.join(names[:5])}) hold no numbers"


def rate_of_times(times, name=""):
    """Samples a second of a column of times (T,); None for a single one. InputError for steps that are not even."""
    if times.dtype.kind not in "iuf":
        raise InputError(f"its column {name} holds texts: give times in seconds.")
    steps = np.diff(np.asarray(times, float))
    if not len(steps):
        return None
    step = float(np.median(steps))
    if not step > 0 or np.abs(steps - step).max() > UNEVEN * step + 1e-9 * np.abs(times).max():
        raise InputError(
            f"its column {name} is in steps from {steps.min():g} to {steps.max():g}: resample it to even steps."
        )
    unit = (TIME.fullmatch(name) or {"unit": None})["unit"] or ("ms" if name.lower() in MILLISECONDS else "s")
    rate = (len(steps)) / (float(times[-1] - times[0]) * SECONDS[unit])
    return round(rate) if abs(rate - round(rate)) < 1e-3 * rate and round(rate) else rate


def _name_and_unit(name):
    """("MLII", "mV") of "MLII (mV)"; no unit of another text."""
    match = UNIT.fullmatch(name)
    return (match["name"], match["unit"]) if match else (name, "")


def csv_recording(path, item=""):
    """The Recording of a CSV file, or of one of its columns (column/NAME) or rows (row/INDEX).

    InputError for what is not there or holds no numbers.
    """
    table = read_numbers(path)
    what, _, name = item.partition("/")
    if what == "row":
        return _row(table, name, _said_of(path))
    names, time = _signal_columns(table)
    rate = rate_of_times(table[time].to_numpy(), time) if time else None
    if what == "column":
        if name not in names:
            raise InputError(f"it has no column {name}: it has {', '.join(names[:5])}.")
        values = table[name].to_numpy(np.float32)
        return make_recording(
            values[: 1 + _last_number(values)], rate, units=[_name_and_unit(name)[1]], **_said_of(path)
        )
    names_units = [_name_and_unit("" if each.isdecimal() else each) for each in names]
    values = np.ascontiguousarray(table[names].to_numpy(np.float32).T)
    return make_recording(values, rate, *zip(*names_units, strict=True), **_said_of(path))


def _last_number(values):
    """The place of the last value that is a number: columns that are shorter than others end in blanks."""
    return int(np.flatnonzero(~np.isnan(values))[-1]) if not np.isnan(values).all() else len(values) - 1


def _row(table, index, said):
    if not (index.isdecimal() and int(index) < len(table)):
        raise InputError(f"it has no row {index}: it has 0 to {len(table) - 1}.")
    columns = [name for name in table if name.lower() not in ABOUT_ROWS]
    _check_numbers(table, columns)
    values = table[columns].iloc[int(index)].to_numpy(np.float32)
    return make_recording(values[: 1 + _last_number(values)], **said)


def csv_table(path):
    """The table of a CSV file with all items: path (FILE#column/NAME or FILE#row/INDEX), label, split and group.

    InputError for a file whose columns have no classes in their names.
    """
    table = read_numbers(path)
    if csv_layout(path) == "rows":
        about = {name.lower(): table[name] for name in table if name.lower() in ABOUT_ROWS}
        texts = {name: _class_texts(typed_column(column)) for name, column in about.items()}
        return pd.DataFrame({"path": [f"{path}#row/{i}" for i in range(len(table))]} | texts)
    names, _ = _signal_columns(table)
    labels = [match["label"] if (match := NUMBERED.fullmatch(_name_and_unit(name)[0])) else "" for name in names]
    if odd := [name for name, label in zip(names, labels, strict=True) if not label]:
        raise InputError(
            f"{path}: the column {odd[0]} names no class: call columns CLASS_1, CLASS_2 and so on, one for each item,"
            " or put each recording into a file of its own, in a folder of its class; if the file is one recording of"
            " one person, cut it into items by --cut SECONDS, as --cut 1 --target start_s --unit s."
        )
    return pd.DataFrame({"path": [f"{path}#column/{name}" for name in names], "label": labels})


def _class_texts(column):
    """Classes as texts: whole numbers without a point, blanks as ""."""
    whole = column.dtype.kind == "f" and (column.dropna() == column.dropna().round()).all()
    return ["" if pd.isna(value) else str(int(value)) if whole else str(value) for value in column]


CSV_SIGNALS = Format(
    name="CSV",
    kind="signal",
    endings=(".csv",),
    read=with_cuts(csv_recording),
    items=lambda path: [f"row/{i}" for i in range(len(read_numbers(path)))] if csv_layout(path) == "rows" else [""],
    facts=lambda path: recording_facts(csv_recording(path, "row/0" if csv_layout(path) == "rows" else "")),
    fits=lambda path: bool(csv_layout(path)),
)
