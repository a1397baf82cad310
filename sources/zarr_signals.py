"""Signals in Zarr's arrays and groups (zarr): the rules of names are those of NumPy's archives, see array_signals."""

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from xaae.experiment.errors import InputError
from xaae.sources.array_signals import KEYS, array_items, array_recording, recording_facts
from xaae.sources.file_contents import Format
from xaae.sources.recordings import with_cuts

HEADS = (".zarray", ".zgroup", "zarr.json", ".zattrs", ".zmetadata")  # files that say what a folder holds
PICKLED = ("pickle", "dill", "msgpack2")  # codecs that can run what a file holds


class _Lazy:
    """A Zarr array whose parts are read when they are asked for."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.ndim = array, array.shape, array.dtype, array.ndim

    def __len__(self):
        return self.shape[0]

    @property
    def size(self):
        """How many values it holds."""
        return self.array.size

    def __getitem__(self, place):
        if place is None:
            return _values(self.array, ...)[None]
        return _Rows(self.array, place) if isinstance(place, int) else _values(self.array, place)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(_values(self.array, ...), dtype)


class _Rows(_Lazy):
    """One item of a Zarr array of items (N, C, T)."""

    def __init__(self, array, index):
        self.array, self.index = array, index
        self.shape, self.dtype, self.ndim = array.shape[1:], array.dtype, array.ndim - 1

    def __getitem__(self, place):
        if place is None:
            return _values(self.array, self.index)[None]
        return _values(self.array, (self.index, *(place if isinstance(place, tuple) else (place,))))

    def __array__(self, dtype=None, copy=None):
        return np.asarray(_values(self.array, self.index), dtype)


def _values(array, place):
    """A part of a Zarr array, read now. InputError for one that is broken."""
    try:
        return array[place]
    except Exception as e:  # each codec fails in its own way
        raise InputError(f"a part of its values is broken ({type(e).__name__}: {e}): save it again.") from e


def open_zarr(path):
    """The arrays of a Zarr folder, a mapping by name ("" for a lone array). InputError for one that is none.

    Nothing that is pickled is read: it could hold code.
    """
    heads = [file.stat() for name in HEADS if (file := Path(path, name)).is_file()]
    return _open_zarr(str(path), tuple((head.st_mtime_ns, head.st_size) for head in heads))


@lru_cache(maxsize=4)
def _open_zarr(path, stamps):
    _refuse_pickled(Path(path))
    import zarr

    try:
        found = zarr.open(path, mode="r")
        if isinstance(found, zarr.Array):
            arrays = {"": _Lazy(found)}
        else:
            arrays = {name: _Lazy(array) for name, array in found.arrays()}
    except Exception as e:  # zarr fails in many ways
        raise InputError(f"{path} is no whole Zarr array or group ({type(e).__name__}: {e}): save it again.") from e
    return arrays | _attributes(dict(found.attrs))


def _attributes(attributes):
    """rate, names and units that stand in the attributes, as arrays."""
    wanted = {name for what in ("rate", "names", "units") for name in KEYS[what]}
    return {name: np.asarray(value) for name, value in attributes.items() if name.lower() in wanted}


def _refuse_pickled(path):
    for file in [*path.rglob(".zarray"), *path.rglob("zarr.json")]:
        try:
            about = json.loads(file.read_text())
        except (OSError, ValueError) as e:
            raise InputError(f"{path} is no whole Zarr array or group ({file.name}: {e}): save it again.") from e
        codecs = [*(about.get("filters") or []), *(about.get("codecs") or []), about.get("object_codec") or {}]
        names = {str(codec.get("id") or codec.get("name")) for codec in codecs if isinstance(codec, dict)}
        if bad := [name for name in names if any(word in name for word in PICKLED)]:
            raise InputError(f"{path} holds Python objects ({bad[0]}), which are not read since they can hold code.")


def is_zarr(path):
    """Is a path a folder that Zarr wrote?"""
    return any(Path(path, name).is_file() for name in HEADS[:3])


def _files(path):
    """The files of a folder that Zarr wrote."""
    return sorted(os.path.join(place, name) for place, _, names in os.walk(path) for name in names)


ZARR_SIGNALS = Format(
    name="Zarr",
    kind="signal",
    endings=(".zarr",),
    read=with_cuts(lambda path, item: array_recording(open_zarr(path), item)),
    items=lambda path: array_items(open_zarr(path)),
    facts=lambda path: recording_facts(array_recording(open_zarr(path), array_items(open_zarr(path))[0])),
    files=_files,
    fits=is_zarr,
    extra="zarr",
    package="zarr",
)
