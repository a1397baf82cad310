"""Items in an .npz file: arrays of pictures and labels in MedMNIST's keys, whatever their shapes and types.

There is one reader. What cannot be used is refused in one sentence that names the array, what it is, and the cure.
"""

import struct
import zipfile
import zlib
from functools import lru_cache
from threading import Lock

import numpy as np
import pandas as pd

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError

SPLITS_OF_KEYS = {"train": "train", "val": "valid", "test": "test"}  # beginnings of MedMNIST's keys -> ours
CHANNELS = (1, 3, 4)
BROKEN = (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, SyntaxError, MemoryError,
          struct.error, zlib.error, zipfile.BadZipFile)  # fmt: skip
_READING = Lock()  # an array is large: threads that ask for the same one wait for the first


def read_arrays_of(path, *keys):
    """Arrays of an .npz file, as they are stored. InputError if it is no whole one, or lacks a key.

    An object array is refused: reading it would run whatever code the file holds.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
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


# ---- pictures ---------------------------------------------------------------------------------------------------


def archive_picture(path, key, index):
    """One picture (H, W) or (H, W, 3 or 4) of the array `key`, in uint8, or as numbers that are scaled like a file's.

    InputError for an array of no pictures, for an index that is not there, and for values that are no finite numbers.
    """
    with _READING:
        pixels, finite = _pictures_of(path, key)
    if not (str(index).isdecimal() and int(index) < len(pixels)):
        raise InputError(f"{path}: {key} has no picture {index}: it has 0 to {len(pixels) - 1}.")
    if not finite[int(index)]:
        raise InputError("it holds values that are no finite numbers")
    return pixels[int(index)]


@lru_cache(maxsize=8)
def _pictures_of(path, key):
    """The array `key` of pictures, (N, H, W) or (N, H, W, 3 or 4), and which are finite (N,); kept for later."""
    (values,) = read_arrays_of(path, key)
    values, finite = _channels_last(values, f"{path}: {key}"), np.ones(len(values), bool)
    if values.dtype.kind == "f":
        finite = np.isfinite(values).reshape(len(values), -1).all(1)
        values = values if finite.all() else np.where(finite.reshape(-1, *[1] * (values.ndim - 1)), values, 0)
    return _as_bytes(values, f"{path}: {key}"), finite


def _channels_last(values, name):
    """Pictures (N, H, W), (N, H, W, C) or (N, C, H, W) as (N, H, W) or (N, H, W, 3 or 4). InputError for others."""
    shape = values.shape
    if values.ndim == 4 and shape[3] not in CHANNELS and shape[1] in CHANNELS:
        values = np.moveaxis(values, 1, -1)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim == 3 or (values.ndim == 4 and values.shape[3] in CHANNELS):
        if 0 in values.shape[1:]:
            raise InputError(f"{name} has the shape {shape}, pictures without pixels: save them again.")
        return values
    if values.ndim in (4, 5):
        raise InputError(
            f"{name} has the shape {shape}, which is volumes (or pictures of {shape[-1]} channels): only pictures can"
            " be trained on yet; save slices (N, H, W), or 1, 3 or 4 channels (N, H, W, C)."
        )
    raise InputError(f"{name} has the shape {shape}, no pictures: save them as (N, H, W) or (N, H, W, C).")


def _as_bytes(values, name):
    """Pictures as uint8 where all values are truth values, shares from 0 to 1 or whole or broken numbers to 255.

    Other numbers of grey pictures stay, and are scaled picture by picture as those of a file are; of coloured pictures
    they are scaled together. InputError for values that are no real numbers.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise InputError(f"{name} holds values of the type {values.dtype}: save whole numbers or floats.")
    low, high = (float(values.min()), float(values.max())) if values.size else (0, 0)
    if low >= 0 and high <= 255:
        share = values.dtype.kind == "f" and high <= 1
        return np.round(values * 255.0 if share else values).astype(np.uint8)
    if values.ndim == 3:
        return values.astype(np.float32)
    return np.round(255 * (values.astype(np.float32) - low) / ((high - low) or 1)).astype(np.uint8)


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
        raise InputError(f"{path}: {images} or {labels} is empty: give at least two pictures of each class.")
    _channels_last(pixels, f"{path}: {images}")
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
