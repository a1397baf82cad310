"""Signals in NumPy's files: .npy of one recording (C, T) or of items (N, C, T), .npz of arrays by name.

An archive has the values under one of KEYS["values"], and where it has them labels (N,), a sampling rate, names and
units of the channels, splits and groups under the others. Zarr's arrays and groups are read by the same rules.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from xaae.experiment.errors import InputError
from xaae.sources.file_contents import Format, head_alone
from xaae.sources.npz_archives import BROKEN, SPLITS_OF_KEYS, read_arrays_of
from xaae.sources.recordings import for_channels, make_recording, with_cuts

KEYS = {  # what an array is -> names that people give it, in small letters
    "values": "x data signals signal values beats samples ecg eeg traces recordings".split(),
    "labels": "y label labels target targets classes class".split(),
    "rate": "fs rate sfreq sampling_rate sample_rate sampling_frequency frequency sf hz".split(),
    "names": "names ch_names channel_names channels sig_name leads".split(),
    "units": "units unit".split(),
    "split": "split splits".split(),
    "group": "group groups subject subjects patient patients record records".split(),
}
ELONGATED = 4  # a recording has so many times more samples than channels, a picture has not
MARK = b"\x93NUMPY"  # with which an .npy file begins
PIXELS = (1, 3, 4)  # channels of pictures, which are their last axis


def find_key(keys, what, part=""):
    """The name among `keys` of the array that is `what`, of one part of the data ("train", ...); None if none is."""
    small = {key.lower(): key for key in keys}
    forms = [f"{{}}_{part}", f"{part}_{{}}"] if part else ["{}"]
    wanted = (form.format(name) for name in KEYS[what] for form in forms)
    return next((small[name] for name in wanted if name in small), None)


def parts_of(arrays):
    """[(split or "", key of the values, key of the labels or None)] of the arrays (a mapping) of one file."""
    keys = list(arrays)
    if values := find_key(keys, "values"):
        return [("", values, find_key(keys, "labels"))]
    parts = [(part, find_key(keys, "values", part)) for part in (*SPLITS_OF_KEYS, "valid")]
    found = [
        (SPLITS_OF_KEYS.get(part, part), values, find_key(keys, "labels", part)) for part, values in parts if values
    ]
    if found or len(keys) != 1:
        return found
    return [("", keys[0], None)]


def is_elongated(shape):
    """Is an array of this shape one of signals, and not of pictures? (T,), (C, T), (N, C, T), or the axes swapped."""
    if len(shape) < 2:
        return len(shape) == 1
    short, long = sorted(shape[-2:])
    pixels = len(shape) == 3 and shape[-1] in PIXELS
    return len(shape) in (2, 3) and not pixels and long >= ELONGATED * short


def holds_signals(arrays):
    """Do the arrays (a mapping) of one file hold signals? They do where there is a sampling rate beside them."""
    parts = parts_of(arrays)
    return any(find_key(list(arrays), "rate") or _is_of_signals(arrays, *keys) for _, *keys in parts)


def _is_of_signals(arrays, values, labels):
    """Is an array one of signals by its shape? With a label for each item its last axis is not one of colours."""
    shape = arrays[values].shape
    labelled = labels is not None and np.size(arrays[labels]) == shape[0]
    return is_elongated(shape[1:] if labelled and len(shape) == 3 else shape) or (labels and len(shape) == 2)


def item_count(arrays, values, labels):
    """How many items the array `values` has; 0 if it is one recording."""
    shape = arrays[values].shape
    if len(shape) == 3:
        return shape[0]
    many = len(shape) == 2 and labels is not None and np.size(arrays[labels]) == shape[0]
    return shape[0] if many else 0


def array_items(arrays):
    """Names of the items of one file: [""] for a file that is one recording, else KEY/INDEX (of one array INDEX)."""
    found = []
    for _, values, labels in parts_of(arrays):
        stem = f"{values}/" if values else ""
        found += [f"{stem}{i}" for i in range(item_count(arrays, values, labels))]
    return found or [""]


def array_recording(arrays, item):
    """The Recording of an item of the arrays (a mapping) of one file. InputError for one that is not there."""
    parts = parts_of(arrays)
    if not parts:
        raise InputError(
            f"it holds {', '.join(arrays) or 'nothing'}: call the array of signals X, (N, C, T) or (C, T)."
        )
    key, _, index = item.rpartition("/")
    key = key or parts[0][1]
    if key not in arrays:
        raise InputError(f"it has no array {key}.")
    values = arrays[key]
    if index:
        if not (index.isdecimal() and int(index) < len(values)):
            raise InputError(f"{key or 'it'} has no item {index}: it has 0 to {len(values) - 1}.")
        values = values[int(index)]
    elif values.ndim > 2:
        raise InputError(f"it holds {len(values)} items: write FILE#{key + '/' if key else ''}INDEX for one of them.")
    rate, said = find_key(list(arrays), "rate"), {what: _texts_of(arrays, what) for what in ("names", "units")}
    rate = np.asarray(arrays[rate]).reshape(-1)[0] if rate and np.size(arrays[rate]) == 1 else None
    channels = len(values) if values.ndim == 2 else 1
    about = {what: for_channels(texts, channels) for what, texts in said.items()}
    return replace(make_recording(values, rate, **about), said=said)


def _texts_of(arrays, what):
    """The names or units of channels that the arrays of one file give; () of none."""
    key = find_key(list(arrays), what)
    texts = np.asarray(arrays[key]).reshape(-1) if key else np.array([])
    return tuple(str(text).strip() for text in texts.astype(str)) if texts.dtype.kind in "US" else ()


def array_table(path, arrays):
    """The table of one file with all items: path (FILE#KEY/INDEX), label, and split and group where they are given.

    Without labels, that of each item is "". InputError for another number of labels than of items, and for a single
    recording without one.
    """
    tables = [_table_of_part(path, arrays, *part) for part in parts_of(arrays)]
    if not tables:
        raise InputError(f"{path} holds {', '.join(arrays) or 'nothing'}: call its signals X, (N, C, T), and labels y.")
    return pd.concat(tables, ignore_index=True)


def _table_of_part(path, arrays, split, values, labels):
    count = item_count(arrays, values, labels)
    if labels is None and count < 2:
        raise InputError(f"{path} has no labels: save them beside its signals as y, (N,), or list its items in a CSV.")
    if labels and len(np.asarray(arrays[labels])) != count or not count:
        raise InputError(
            f"{path}: {values} has the shape {arrays[values].shape} and {labels} {arrays[labels].shape}: save signals"
            " (N, C, T) or (N, T), and one label for each."
        )
    try:
        texts = label_texts(arrays[labels]) if labels else [""] * count
    except InputError as e:
        raise InputError(f"{path}: {e}") from e
    table = {"path": [f"{path}#{values}/{i}" for i in range(count)], "label": texts}
    for what in ("split", "group"):
        key = find_key(list(arrays), what)
        if key and len(np.asarray(arrays[key])) == count:
            table[what] = label_texts(arrays[key])
    return pd.DataFrame(table | ({"split": split} if split else {}))


def label_texts(labels):
    """Labels (N,), (N, 1) or one-hot (N, K) as texts, whole numbers without a point, "" for NaN. InputError for
    others."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iufbUST":
        raise InputError(f"its labels have the type {labels.dtype}: save numbers or texts.")
    if labels.ndim == 2 and labels.shape[1] > 1:
        if labels.dtype.kind not in "iufb" or not (np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all()):
            raise InputError("it has several labels for each item: save one column, the class or the severity.")
        labels = labels.argmax(1)
    labels = labels.reshape(len(labels))
    if labels.dtype.kind in "iufb":
        return ["" if np.isnan(value) else _number_text(value) for value in labels]
    return [value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in labels]


def _number_text(value):
    """A number as a text that is no other number's, without a point if it is whole."""
    return str(int(value)) if float(value).is_integer() else str(value)


# ---- .npy and .npz ----------------------------------------------------------------------------------------------


def _stamp(path):
    """What changes when a file is written again."""
    about = Path(path).stat()
    return about.st_mtime_ns, about.st_size


def open_numpy(path):
    """The arrays of an .npy (under the name "", left on the disk) or .npz file, a mapping. InputError for others.

    Nothing that is pickled is read: it could hold code.
    """
    return _open_numpy(str(path), _stamp(path))


@lru_cache(maxsize=4)
def _open_numpy(path, stamp):
    if path.lower().endswith(".npz"):
        keys = _names_in(path)
        return dict(zip(keys, read_arrays_of(path, *keys), strict=True))
    try:
        with open(path, "rb") as file:
            if file.read(len(MARK)) != MARK:
                raise ValueError("its first bytes are of another format")
        with head_alone():
            return {"": np.load(path, mmap_mode="r", allow_pickle=False)}
    except BROKEN as e:
        if "pickle" in str(e) or "Python objects" in str(e):
            raise InputError(
                f"{path} holds Python objects, which are not read since they can hold code: save numbers."
            ) from e
        raise InputError(f"{path} is no whole .npy file ({type(e).__name__}: {e}): save it again.") from e


def _names_in(path):
    """Names of the arrays in an .npz file. InputError if it is no whole one."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return list(arrays.files)
    except (*BROKEN, AttributeError, TypeError) as e:
        raise InputError(f"{path} is no whole .npz file ({type(e).__name__}): fetch or save it again.") from e


def check_signal_arrays(path):
    """InputError that says why where an .npz file has an array that is called like signals and cannot be read."""
    if find_key(_names_in(path), "values"):
        open_numpy(path)


def _holds_signals(path):
    try:
        return holds_signals(open_numpy(path))
    except (InputError, OSError):
        return False


def _array_facts(path):
    """What the head of a file says of its recordings."""
    return recording_facts(array_recording(arrays := open_numpy(path), array_items(arrays)[0]))


def recording_facts(recording):
    """channels, samples and, where it is known, the rate of a recording."""
    facts = dict(zip(("channels", "samples"), recording.values.shape, strict=True))
    said = {name: value for name, value in recording.facts.items() if name != "note"}  # a sentence is no fact
    return facts | ({"rate": recording.rate} if recording.rate else {}) | said


NUMPY_SIGNALS = Format(
    name="NumPy",
    kind="signal",
    endings=(".npy", ".npz"),
    read=with_cuts(lambda path, item: array_recording(open_numpy(path), item)),
    items=lambda path: array_items(open_numpy(path)),
    facts=_array_facts,
    fits=_holds_signals,
)
