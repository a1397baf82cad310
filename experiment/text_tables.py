"""Tables in which any text is a text: a class may be called "NA", "null" or "nan"."""

import csv
import os

import pandas as pd

from xaae.experiment.errors import InputError
from xaae.experiment.whole_file import whole_file

TRUTH = ("True", "False")  # how a truth value stands in a table


def read_texts(path, trim=False):
    """A CSV file with every cell as the text that stands there: "NA" and "null" are texts, a blank is "".

    trim: without the spaces that people put after commas; of a file that this project wrote, they belong to the text.
    InputError for a file that is none, or that another character than a comma divides.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError("it is no file")  # at a pipe reading would wait for ever
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=trim)
    except pd.errors.EmptyDataError as e:
        raise InputError(f"{path} is empty: give a CSV with a line of names and a line for each item.") from e
    except (ValueError, OSError) as e:
        raise InputError(f"{path} cannot be read as a CSV file ({e}): save it as UTF-8 text with commas.") from e
    table.columns = [str(column).strip() for column in table.columns]
    if (
        "path" not in table
        and len(table.columns) == 1
        and (divider := next((d for d in (";", "\t") if d in table.columns[0]), None))
    ):
        called = {";": "semicolons", "\t": "tabs"}[divider]
        raise InputError(f"{path} has {called} between its columns: save it with commas instead.")
    return table


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
