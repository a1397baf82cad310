"""What is known of items without looking at their values: facts of file, head and table, in one column each.

Heads are streamed by threads; what is kept of a hundred thousand files is a few numbers each.
"""

import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xaae.sources.formats import file_facts, format_of, split_item
from xaae.sources.picture_metadata import picture_metadata
from xaae.sources.pillow_files import PILLOW

HEADS = {PILLOW.name: picture_metadata}  # format -> what reads more of a file's head than the format's own facts
AT_ONCE = 500  # files of one task
TABLE = ("path", "label", "split", "group", "factor", "value", "obeys", "target")  # columns that are no facts
DIGITS = re.compile(r"\d+")
MARK = "\u2026"  # stands for the class in a pattern of file names


def read_item_facts(paths, quiet=False, kind=None):
    """(facts (N rows), reasons (N,) "" or why the head cannot be read) of a table's paths FILE or FILE#ITEM.

    A column holds numbers (NaN: unknown) or is a category of texts (missing: unknown). kind: the name of the kind of
    the items, None for any.
    """
    paths = [str(path) for path in paths]
    parts = [paths[at : at + AT_ONCE] for at in range(0, len(paths), AT_ONCE)]
    tables, reasons = [], []
    with ThreadPoolExecutor() as pool, tqdm(total=len(paths), desc="heads", leave=False, disable=quiet or None) as bar:
        for table, why in pool.map(partial(_facts_of, kind), parts):
            tables.append(table)
            reasons += why
            bar.update(len(table))
    facts = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return _as_columns(facts), np.array(reasons, dtype=object)


def _facts_of(kind, paths):
    """(facts of these paths, reasons)."""
    found, reasons = [], []
    for path in paths:
        facts, reason = _facts_or_reason(split_item(path)[0], kind)
        found.append(facts)
        reasons.append(reason)
    return pd.DataFrame(found, index=range(len(found))), reasons


def _facts_or_reason(file, kind):
    """(facts, "") of a file, or what its folder alone says and why its head cannot be read."""
    known = _of_disk(file)
    try:
        return known | _of_head(file, kind), ""
    except Exception as e:  # each format fails in its own way, and no bad file ends the look
        return known, f"{type(e).__name__}: {' '.join(str(e).replace(repr(file), 'it').split())[:200]}"


_HEADS = threading.local()


def _of_head(file, kind):
    """Facts of a file's head; the last ones are kept, since items may be parts of one file."""
    if getattr(_HEADS, "file", None) != (file, kind):
        _HEADS.facts, _HEADS.file = _read_head(file, kind), (file, kind)
    return _HEADS.facts


def _read_head(file, kind):
    """{fact: number or interned text} of the head of a file, with what follows from them."""
    known = format_of(file, kind)
    facts = HEADS[known.name](file) if known and known.name in HEADS else file_facts(file, kind)
    if facts.get("width") and facts.get("height"):
        facts = facts | {"aspect ratio": facts["width"] / facts["height"]}
    return {name: sys.intern(value) if isinstance(value, str) else value for name, value in facts.items()}


@lru_cache(4)
def _of_disk(file):
    """Size and date of a file; {} for one that is not there."""
    try:
        about = os.stat(file)
    except OSError:
        return {}
    return {"file size": float(about.st_size), "file date": about.st_mtime}


def _as_columns(facts):
    """Numbers as floats, truth values and everything else as categories."""
    columns = {}
    for name, column in facts.items():
        numbers = pd.to_numeric(column, errors="coerce")
        if pd.api.types.is_bool_dtype(column) or (numbers.isna() & column.notna()).any():
            columns[name] = column.map(lambda value: value if pd.isna(value) else str(value)).astype("category")
        else:
            columns[name] = numbers.astype(float)
    return pd.DataFrame(columns, index=facts.index)


def name_patterns(paths, labels):
    """What file names look like (N,): digits as #, names of classes as an ellipsis, whichever class an item has."""
    stems = (os.path.splitext(os.path.basename(split_item(path)[0]))[0] for path in map(str, paths))
    names = "|".join(re.escape(name) for name in sorted(set(labels), key=len, reverse=True) if name)
    classes = re.compile(rf"(?<![^\W\d_])(?:{names})(?![^\W\d_])", re.IGNORECASE)  # as a word, not in another
    return pd.Series([DIGITS.sub("#", classes.sub(MARK, stem)) for stem in stems], dtype="category")


def column_facts(table, known=()):
    """The further columns of the user's own table as facts; known: columns that are no facts, such as targets."""
    names = [name for name in table if name not in (*TABLE, *known)]
    columns = {f"column {name}": table[name].replace("", np.nan) for name in names}
    return _as_columns(pd.DataFrame(columns, index=table.index))
