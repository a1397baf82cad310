"""The items that a path of the user's names: a file, a folder, a CSV, an item of an .npz; and their values."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import torch
from fastai.data.transforms import get_image_files

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.experiment.text_tables import read_texts
from xaae.sources import picture_files
from xaae.sources.foreign_files import foreign_in_words, foreign_kind

FINDERS = {"picture": get_image_files}  # kind -> folder -> its files of that kind, at any depth


def list_items(path, kind=PICTURE):
    """A table with the column path (absolute; empty where a CSV names none) of all items of a kind that `path` names.

    path: a file, FILE.npz#KEY/INDEX, a folder (all its files of the kind, sorted, at any depth) or a CSV with a column
    path, relative to the CSV, whose further columns are kept as texts. InputError if it names nothing of the kind.
    """
    if not str(path).strip():
        raise InputError("PATH is empty: give a file, a folder or a CSV with a column path.")
    where = Path(path).absolute()
    if os.path.isdir(where):
        found = [str(p) for p in sorted(FINDERS[kind.name](where))]
        if not found:
            others = foreign_in_words([p for p in sorted(where.rglob("*")) if p.is_file()])
            instead = f", but {others[0]}" if others else ": give one that holds some."
            raise InputError(f"There are no {kind.plural} in the folder {path}, at any depth{instead}")
        return pd.DataFrame({"path": found})
    if where.suffix.lower() == ".csv" and os.path.isfile(where):
        return _from_csv(where)
    if where.suffix.lower() == ".npz" and os.path.isfile(where):
        raise InputError(f"{path} is an archive: write {path}#KEY/INDEX for one {kind.name}, or name many in a CSV.")
    if not os.path.exists(_held(where)):
        raise InputError(f"There is no file or folder {path}: give a file, a folder or a CSV with a column path.")
    return pd.DataFrame({"path": [str(where)]})


def _held(path):
    """The file that holds an item: of FILE.npz#KEY/INDEX the archive."""
    file, archive, _ = str(path).partition(".npz#")
    return Path(file + archive.removesuffix("#"))


def _from_csv(where):
    """The table of a CSV file, every column as text, paths made absolute. InputError if it has no column path."""
    table = read_texts(where, trim=True)
    if "path" not in table:
        raise InputError(f"{where} has no column path: name the column of the files so, with commas between columns.")
    if table.empty:
        raise InputError(f"{where} names no files: give it at least one row.")
    return table.assign(path=[str(where.parent / p) if p.strip() else "" for p in table.path])


def try_read(path, size, channels):
    """`picture_files.decode_picture` of a file as in training, or the reason why it cannot be read, as a string."""
    if not path:
        return "no path in this row"
    if not os.path.isfile(_held(path)):  # unlike Path.is_file, False for names that no disk can hold
        return "no such file"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of very large pictures and reads them all the same
            return picture_files.decode_picture(path, size, channels)
    except Exception as e:  # each format fails in its own way, and no bad file may end the run
        if kind := foreign_kind(path):
            return f"{kind[0]}: {kind[1]}"
        return f"{type(e).__name__}: {' '.join(str(e).replace(repr(path), '').split())}"


def read_pictures(paths, size, channels):
    """Pictures (B, C, size, size) in [0, 1] of those paths that can be read, and for each path the reason or ""."""
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda path: try_read(path, size, channels), paths))
    good = [each for each in found if not isinstance(each, str)]
    pixels = torch.stack(good).float() / 255 if good else torch.empty(0, channels, size, size)
    return pixels, [each if isinstance(each, str) else "" for each in found]


FILE_READERS = {"picture": read_pictures}  # kind -> paths, size, channels -> (items, reasons), whatever the files are
