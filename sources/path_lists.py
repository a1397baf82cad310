"""The items that a path of the user's names: a file, a folder, a CSV, an item of a file; and their values."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import torch

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE, SIGNAL, VOLUME
from xaae.experiment.text_tables import read_user_table
from xaae.sources import picture_files, volumes
from xaae.sources.cifar10_files import CIFAR10_BATCHES
from xaae.sources.file_contents import READING_FAULTS
from xaae.sources.folder_walk import files_below
from xaae.sources.foreign_files import foreign_in_words, foreign_kind
from xaae.sources.formats import format_of, items_of, split_item
from xaae.sources.npz_archives import NPZ, NPZ_VOLUMES
from xaae.sources.raster_scaling import BY_FILE
from xaae.sources.signal_tables import signal_format
from xaae.sources.signals import read_signals

ALONE = (NPZ, NPZ_VOLUMES, CIFAR10_BATCHES)  # formats of whole datasets, whose files are no items of a folder


def list_items(path, kind=PICTURE, slices="axial"):
    """A table with the column path (absolute; empty where a CSV names none) of all items of a kind that `path` names.

    path: a file (all items in it), FILE#ITEM, a folder (all items of the kind in its files, sorted, at any depth) or a
    CSV with a column path, relative to the CSV, whose further columns are kept as texts. slices: along which axis
    volumes are cut. InputError if it names nothing of the kind.
    """
    if not str(path).strip():
        raise InputError("PATH is empty: give a file, a folder or a CSV with a column path.")
    where = Path(path).absolute()
    recording = kind is SIGNAL and signal_format(where) is not None  # a CSV or a Zarr folder may be one
    if where.suffix.lower() == ".csv" and os.path.isfile(where) and not recording:
        return _from_csv(where)
    if os.path.isdir(where) and not recording:
        return pd.DataFrame({"path": _in_folder(path, where, kind, slices)})
    if not os.path.exists(split_item(where)[0]):
        raise InputError(f"There is no file or folder {path}: give a file, a folder or a CSV with a column path.")
    return pd.DataFrame({"path": _in_file(str(where), kind, slices)})


def _in_folder(path, where, kind, slices):
    """The items of a kind in the files below a folder, in order. InputError if there are none."""
    files = [str(p) for p in sorted(map(Path, files_below(where))) if os.path.isfile(p) and not _is_hidden(p, where)]
    found = [file for file in files if (fmt := _format_in_folder(file, kind)) and fmt not in ALONE]
    if not found:
        others = foreign_in_words(files)
        instead = f", but {others[0]}" if others else ": give one that holds some."
        raise InputError(f"There are no {kind.plural} in the folder {path}, at any depth{instead}")
    return [item for file in found for item in _in_file(file, kind, slices)]


def _format_in_folder(file, kind):
    """The Format by which a file in a folder is an item of a kind; a CSV or a text may hold signals or not."""
    return signal_format(file) if kind is SIGNAL else format_of(file, kind.name)


def _is_hidden(file, folder):
    """Does a file, or a folder above it and below `folder`, have a name that begins with a point?"""
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _in_file(path, kind, slices):
    """The items in one file; of one that cannot be opened, or is one item of a file, the path alone."""
    if format_of(path, kind.name) is None or split_item(path)[1]:
        return [path]
    try:
        return items_of(path, kind.name, slices)
    except READING_FAULTS as e:
        if format_of(path, kind.name) in (NPZ, NPZ_VOLUMES):  # of other keys than MedMNIST's
            raise InputError(
                f"{path} is an archive: write {path}#KEY/INDEX for one {kind.name}, or name many in a CSV."
            ) from e
        return [path]  # why it cannot be opened is said where it is read


def _from_csv(where):
    """The table of a CSV file, every column as text, paths made absolute. InputError if it has no column path."""
    table, said = read_user_table(where)
    if "path" not in table:
        raise InputError(f"{where} has no column path: name the column of the files so, with commas between columns.")
    if said:
        print(f"Note: {said}")
    if table.empty:
        raise InputError(f"{where} names no files: give it at least one row.")
    return table.assign(path=[str(where.parent / p) if p.strip() else "" for p in table.path])


def try_read(path, size, channels, window=BY_FILE, decode=picture_files.decode_picture):
    """What `decode` gives of a file, as in training, or the reason why it cannot be read, as a string."""
    if not path:
        return "no path in this row"
    if not os.path.isfile(split_item(path)[0]) and not os.path.isdir(split_item(path)[0]):
        return "no such file"  # unlike Path.is_file, these are False for names that no disk can hold
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of very large pictures and reads them all the same
            return decode(path, size, channels, window)
    except Exception as e:  # each format fails in its own way, and no bad file may end the run
        reason = " ".join(str(e).replace(repr(path), "").split())
        if isinstance(e, InputError):
            return reason
        kind = foreign_kind(path)
        return f"{kind[0]}: {kind[1]}" if kind else f"{type(e).__name__}: {reason}"


def _read_eight_bits(kind, decode, paths, size, channels, window=BY_FILE):
    """Items (B, C, *places) of a Kind in [0, 1] of those paths that can be read, and for each path the reason or "".

    decode: (path, size, channels, window) -> uint8 (C, *places). window: the Window of items with more than 8 bits a
    value.
    """
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda path: try_read(path, size, channels, window, decode), paths))
    good = [each for each in found if not isinstance(each, str)]
    values = torch.stack(good).float() / 255 if good else torch.empty(0, channels, *(size,) * kind.places)
    return values, [each if isinstance(each, str) else "" for each in found]


def read_pictures(paths, size, channels, window=BY_FILE):
    """Pictures (B, C, size, size), see `_read_eight_bits`."""
    return _read_eight_bits(PICTURE, picture_files.decode_picture, paths, size, channels, window)


def read_volumes(paths, size, channels=1, window=BY_FILE):
    """Volumes (B, 1, size, size, size), see `_read_eight_bits`."""
    return _read_eight_bits(VOLUME, volumes.decode_volume, paths, size, channels, window)


FILE_READERS = {  # kind -> paths, size, channels -> (items, reasons), whatever the files are
    "picture": read_pictures,
    "signal": read_signals,
    "volume": read_volumes,
}
