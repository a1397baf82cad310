"""Tables in which any text is a text: a class may be called "NA", "null" or "nan"."""

import csv
import os
import re

import pandas as pd

from xaae.experiment.errors import InputError
from xaae.experiment.whole_file import whole_file

TRUTH = ("True", "False")  # how a truth value stands in a table
DIVIDERS = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
}  # what divides columns; a comma if none is there
SAID_DIVIDER = re.compile(r"sep=(?P<divider>[,;\t])", re.I)  # a line before the names, as spreadsheets write it
QUOTED = re.compile(r'"[^"]*"')
WITHIN_NUMBER = re.compile(r"(?<=\d),(?=\d)")
DECIMAL_COMMA = r"[+-]?\d*(?:,\d+)?(?:[eE][+-]?\d+)?"
LONGEST_LINE = 10**7  # characters of a first line that are looked at


def read_texts(path):
    """A CSV file of this project with every cell as the text that stands there: "NA" and "null" are texts, a blank "".

    InputError for a file that is none, or that another character than a comma divides.
    """
    table = _read_cells(path)
    if (
        "path" not in table
        and len(table.columns) == 1
        and (divider := next((d for d in DIVIDERS if d in table.columns[0]), None))
    ):
        raise InputError(f"{path} has {DIVIDERS[divider]} between its columns: save it with commas instead.")
    return table


def read_user_table(path):
    """(table, what is said of it) of a CSV file of the user's, every cell as a text, a blank as "".

    Columns may be divided by commas, semicolons or tabs; where it is no comma, numbers may have decimal commas, which
    become points. Spaces around names and in front of cells do not count. InputError for a file that is none.
    """
    divider, skipped = csv_form(path)
    table = _read_cells(path, sep=divider, skiprows=skipped, skipinitialspace=True, encoding="utf-8-sig")
    if divider == ",":
        return table, ""
    broken = [name for name in table if name != "path" and has_decimal_commas(table[name])]
    table = table.assign(**{name: table[name].str.replace(",", ".", regex=False) for name in broken})
    points = f"; commas in the numbers of {', '.join(broken)} are decimal points" if broken else ""
    return table, f"{path}: its columns are divided by {DIVIDERS[divider]}{points}."


def _read_cells(path, **form):
    """The cells of a CSV file as texts. InputError for a file that is none."""
    try:
        _check_is_file(path)
        table = pd.read_csv(path, dtype=str, keep_default_na=False, **form)
    except pd.errors.EmptyDataError as e:
        raise InputError(f"{path} is empty: give a CSV with a line of names and a line for each item.") from e
    except (ValueError, OSError) as e:
        raise InputError(f"{path} cannot be read as a CSV file ({e}): save it as UTF-8 text with commas.") from e
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much for names of rows
        raise InputError(f"{path} has more cells in its rows than names in its first line: give each column a name.")
    table.columns = [str(column).strip() for column in table.columns]
    return table


def _check_is_file(path):
    """OSError for what is there and is no file: at a pipe reading would wait for ever."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError("it is no file")


def csv_form(path):
    """(what divides the columns of a CSV file, lines before its names) by its first lines.

    Of a comma, a semicolon and a tab the one that is there most often, outside of quotes. InputError for a file that
    cannot be read.
    """
    try:
        _check_is_file(path)
        with open(path, encoding="utf-8-sig") as file:
            first = file.readline(LONGEST_LINE).strip("\r\n")
    except (ValueError, OSError) as e:
        raise InputError(f"{path} cannot be read as a CSV file ({e}): save it as UTF-8 text with commas.") from e
    if told := SAID_DIVIDER.fullmatch(first):
        return told["divider"], 1
    bare = QUOTED.sub("", first)
    bare = WITHIN_NUMBER.sub("", bare) if {";", "\t"} & set(bare) else bare
    return max(DIVIDERS, key=bare.count), 0


def has_decimal_commas(cells):
    """Are all of these texts that are not blank numbers, with a comma for the point where they are broken?"""
    filled = pd.Series(cells, dtype=object).astype(str).str.strip()
    filled = filled[filled != ""]
    return bool(filled.str.fullmatch(DECIMAL_COMMA).all() and filled.str.contains(",").any())


def write_texts(table, path, **options):
    """Write a table as a CSV file from which `read_texts` gives every text as it was. options: those of `to_csv`.

    pandas leaves a text with a carriage return (macOS names a file "Icon\\r") without quotes, and reads two rows there.
    """
    texts = table.select_dtypes(["object", "string"])
    odd = any(texts[name].astype(str).str.contains("\r", regex=False).any() for name in texts)
    with whole_file(path) as part:
        table.to_csv(part, index=False, quoting=csv.QUOTE_NONNUMERIC if odd else csv.QUOTE_MINIMAL, **options)


def typed_column(column):
    """A column of texts as numbers or truth values where all that is there is such, else as it is; a blank is NaN."""
    filled = column[column != ""]
    if filled.empty:
        return column
    if len(filled) == len(column) and filled.iloc[0] in TRUTH and filled.isin(TRUTH).all():
        return column == "True"
    numbers = pd.to_numeric(filled, errors="coerce")
    return numbers.reindex(column.index) if numbers.notna().all() else column
