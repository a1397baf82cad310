"""Items in an .npz file: arrays of pictures or volumes, and labels, in MedMNIST's keys, whatever their types.

There is one reader. What cannot be used is refused in one sentence that names the array, what it is, and the cure.
"""

import os
import struct
import zipfile
import zlib
from functools import lru_cache, partial
from threading import Lock
from tokenize import TokenError

import numpy as np
import pandas as pd

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.sources.file_contents import Format, head_alone
from xaae.sources.picture_arrays import channels_last, picture_array
from xaae.sources.volume_arrays import facts_of_volumes, is_volumes, stacked_volumes, volume_array

SPLITS_OF_KEYS = {"train": "train", "val": "valid", "test": "test"}  # beginnings of MedMNIST's keys -> ours
FIRST = "train_images"  # the array of training items
BROKEN = (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, SyntaxError, MemoryError,
          TokenError, struct.error, zlib.error, zipfile.BadZipFile)  # fmt: skip
_READING = Lock()  # an array is large: threads that ask for the same one wait for the first


def read_arrays_of(path, *keys):
    """Arrays of an .npz file, as they are stored. InputError if it is no whole one, or lacks a key.

    An object array is refused: reading it would run whatever code the file holds.
    """
    try:
        with head_alone(), np.load(path, allow_pickle=False) as arrays:
            if missing := [key for key in keys if key not in arrays.files]:
                held = ", ".join(arrays.files) or "nothing"
                raise InputError(f"{path} has no array {' and '.join(missing)}, it holds {held}: name its arrays so.")
            return [_one_array(arrays, key, path) for key in keys]
    except InputError:
        raise
    except (*BROKEN, AttributeError, TypeError) as e:  # the last two: an .npy file under this name
        raise InputError(f"{path} is no whole .npz file ({_reason(e)}): fetch or save it again.") from e


def _one_array(arrays, key, path):
    try:
        return arrays[key]
    except ValueError as e:
        if "allow_pickle" not in str(e):
            raise
        raise InputError(
            f"{path}: {key} is an array of Python objects, which is not read since it can hold code: save numbers of"
            " one shape and type, as by np.stack."
        ) from e


def _reason(error):
    """An error of a broken file in a few words."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"


# ---- pictures and volumes -----------------------------------------------------------------------------------------

ARRAYS = {
    "picture": picture_array,
    "volume": volume_array,
}  # kind -> what makes a PictureArray of an array of its items


def archive_item(path, key, index, kind="picture"):
    """The Raster of one item of the array `key`.

    kind: the name of the kind of its items. InputError for an array of no such, for an index that is not there, and for
    values that are no finite numbers.
    """
    file = os.stat(path)
    with _READING:
        items = _items_of(path, key, kind, file.st_mtime_ns, file.st_size)
    if not (str(index).isdecimal() and int(index) < len(items.pixels)):
        raise InputError(f"{path}: {key} has no {kind} {index}: it has 0 to {len(items.pixels) - 1}.")
    return items.raster(int(index))


@lru_cache(maxsize=8)
def _items_of(path, key, kind, *version):
    """The PictureArray of the array `key`, kept for later; version: what changes with the file's content."""
    (values,) = read_arrays_of(path, key)
    return ARRAYS[kind](values, f"{path}: {key}")


def _read(path, item, kind="picture"):
    """The Raster of FILE.npz#KEY/INDEX."""
    key, _, index = item.rpartition("/")
    if not key:
        raise InputError("an archive of several items: write FILE.npz#KEY/INDEX for one of them")
    return archive_item(path, key, index, kind)


def _items(path):
    """The items of all parts of an archive."""
    return [item.partition("#")[2] for item in archive_table(path).path]


def _facts(path):
    """What is known of the items of an archive, by those of training."""
    (values,) = read_arrays_of(path, FIRST)
    if is_volumes(values.shape):
        return {"format": "NumPy archive"} | facts_of_volumes(stacked_volumes(values, str(path)))
    pixels = channels_last(values, str(path))
    about = {"format": "NumPy archive", "width": pixels.shape[2], "height": pixels.shape[1], "type": str(pixels.dtype)}
    return about | {"channels": pixels.shape[3] if pixels.ndim == 4 else 1, "bits": 8 * pixels.dtype.itemsize}


# ---- labels and splits ------------------------------------------------------------------------------------------


def archive_table(path, label_names=None):
    """The table of an .npz in MedMNIST's keys, train_images, train_labels and so on for val and test.

    Columns path (FILE#KEY/INDEX), label and split. label_names {number as text: name}: of classes with known names. A
    file with the keys of training alone has no split of its own. InputError for what cannot be used.
    """
    parts = [part for part in SPLITS_OF_KEYS if part == "train" or _has_part(path, part)]
    tables = [_part_table(path, part, label_names or {}) for part in parts]
    table = pd.concat(tables, ignore_index=True)
    return table if len(parts) > 1 else table.drop(columns="split")


def _has_part(path, part):
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return any(key in arrays.files for key in (f"{part}_images", f"{part}_labels"))
    except (*BROKEN, AttributeError, TypeError):
        return False  # said when the part for training is read


def _part_table(path, part, names):
    """The table of one part."""
    images, labels = f"{part}_images", f"{part}_labels"
    pixels, values = read_arrays_of(path, images, labels)
    if pixels.ndim == 0 or values.ndim == 0 or not len(pixels):
        raise InputError(f"{path}: {images} or {labels} is empty: give at least two items of each class.")
    (stacked_volumes if is_volumes(pixels.shape) else channels_last)(pixels, f"{path}: {images}")
    if len(pixels) != len(values):
        raise InputError(
            f"{path}: {images} has {counted(len(pixels), 'pictures')} and {labels}"
            f" {counted(len(values), 'labels')}: save one label for each."
        )
    texts = _label_texts(values, f"{path}: {labels}")
    paths = [f"{path}#{images}/{i}" for i in range(len(texts))]
    label = pd.Series([names.get(text, text) for text in texts], dtype=object)
    return pd.DataFrame({"path": paths, "label": label, "split": SPLITS_OF_KEYS[part]})


def _label_texts(values, name):
    """Labels (N,), (N, 1) or one-hot (N, K) as texts: whole numbers without a point. InputError for others."""
    if values.ndim == 2 and values.shape[1] > 1 and values.dtype.kind in "iufb":
        if not (np.isin(values, (0, 1)).all() and (values.sum(1) == 1).all()):
            raise InputError(
                f"{name} has several labels per picture, one class is needed: save one column, the number of the class."
            )
        values = values.argmax(1)
    if values.size != len(values):
        raise InputError(f"{name} has the shape {values.shape}: save one label for each picture, (N,).")
    values = values.reshape(-1)
    if values.dtype.kind in "US":
        return [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values]
    if values.dtype.kind not in "iufb" or not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise InputError(f"{name} holds {values.dtype} values that are no classes: save whole numbers or names.")
    return [str(int(v)) for v in values]


def holds_volumes(path):
    """Does an .npz file hold volumes, by the head of its training array? False for one that cannot be opened."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{FIRST}.npy") as file:
            major, _ = np.lib.format.read_magic(file)
            read_head = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            with head_alone():
                return is_volumes(read_head(file)[0])
    except BROKEN:
        return False


NPZ = Format("NumPy archive", "picture", (".npz",), _read, _items, _facts)
NPZ_VOLUMES = Format(
    "NumPy archive", "volume", (".npz",), partial(_read, kind="volume"), _items, _facts, fits=holds_volumes
)
