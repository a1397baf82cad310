"""Items that are there twice: the same file named again, or another file with the same content.

A copy is left out of the user's data, so that no item is in two splits; of copies with different labels all are.
"""

import os

import pandas as pd

from xaae.experiment.kinds import PICTURE
from xaae.sources.file_contents import READING_FAULTS
from xaae.sources.formats import content_of, file_facts, files_of

COPIES = ("path", "label", "split", "twin", "twin_label", "twin_split")  # columns


def leave_out_same_files(found):
    """Leave out rows that name a file that an earlier row names too, by whatever way."""
    real = pd.Series([os.path.realpath(path) for path in found.table.path], dtype=object)
    _leave_out_copies(found, real, "the same file as")


def leave_out_same_contents(found):
    """Leave out files whose bytes are those of an earlier one; all of them where their labels differ."""
    sizes = pd.Series([_size(path) for path in found.table.path])
    twins = sizes.duplicated(keep=False) & (sizes >= 0)
    contents = pd.Series(range(len(sizes)), dtype=object)  # a file that is like no other is known by its row
    contents[twins] = [_digest(path) for path in found.table.path[twins]]
    twice = contents.duplicated(keep=False)
    alone = [not _is_readable(path, found.kind) for path in found.table.path[twice]]
    rows = contents.index[twice][alone]
    contents[rows] = rows
    _leave_out_copies(found, contents, "the same content as")


def _leave_out_copies(found, key, words):
    """Leave out rows whose key (N,) an earlier row has; that one too if another of them has another label."""
    twice = found.table[key.duplicated(keep=False).to_numpy()]
    reasons, copies = {}, []
    for _, rows in twice.groupby(key[twice.index], sort=False):
        first = rows.index[0]
        others = rows.index[rows.label != rows.label[first]]
        torn = len(others) > 0
        for row in rows.index[0 if torn else 1 :]:
            twin = others[0] if torn and rows.label[row] == rows.label[first] else first
            reasons[row] = f"{words} {rows.path[twin]}" + (f", whose label is {rows.label[twin]!r}" if torn else "")
            splits = [rows.split[i] if "split" in rows else "" for i in (row, twin)]
            copies.append((rows.path[row], rows.label[row], splits[0], rows.path[twin], rows.label[twin], splits[1]))
    out = found.table.index.isin(list(reasons))
    found.copies = pd.concat([found.copies, pd.DataFrame(copies, columns=COPIES, dtype=object)], ignore_index=True)
    found.leave_out(pd.Series(out), [reasons[row] for row in found.table.index[out]])


def _size(path):
    """Bytes of a file and of others that hold its values; below 0 where that is not known."""
    try:
        return sum(map(os.path.getsize, files_of(path))) if os.path.isfile(path) else -1
    except OSError:
        return -1


def _digest(path):
    """What the content of a file, and of others that hold its values, is known by; one that cannot be read is like no
    other."""
    try:
        return content_of(path)
    except OSError:
        return str(path)


def _is_readable(path, kind):
    """Is this a picture, as far as its head tells? What is none is left out for that, not as a copy."""
    try:
        return kind != PICTURE.name or bool(file_facts(path, PICTURE.name))
    except READING_FAULTS:
        return False
