"""Pictures in `.npy` files: one (H, W) or (H, W, C) a file, or a stack (N, H, W) or (N, H, W, C), FILE.npy#INDEX.

Where volumes are asked for: one (D, H, W) a file, or a stack (N, D, H, W).
"""

import os
from functools import lru_cache
from threading import Lock
from tokenize import TokenError

import numpy as np

from xaae.experiment.errors import InputError
from xaae.sources.file_contents import Format, head_alone
from xaae.sources.picture_arrays import CHANNELS, channels_last, picture_array
from xaae.sources.volume_arrays import facts_of_volumes, stacked_volumes, volume_array

DAMAGED = (OSError, EOFError, ValueError, TypeError, SyntaxError, TokenError, MemoryError)  # NumPy's, of damaged files
_READING = Lock()  # threads that ask for the same stack wait for the first


def _mapped(path):
    """The array of a file, read as it is needed. InputError if it is none; objects are refused, they can hold code."""
    try:
        with head_alone():
            return np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED as e:
        if "object" in str(e).lower() or "pickle" in str(e).lower():
            raise InputError(
                "an array of Python objects, which is not read since it can hold code: save numbers of one shape"
            ) from e
        raise InputError(f"no whole .npy file ({type(e).__name__}): save it again") from e


def _is_one(shape):
    """Is an array of this shape one picture? (H, W), (H, W, C)."""
    return len(shape) == 2 or (len(shape) == 3 and shape[-1] in CHANNELS)


def _items(path):
    """[""] of one picture, the indices of a stack."""
    values = _mapped(path)
    if _is_one(values.shape):
        return [""]
    channels_last(values, "its array")
    return [str(i) for i in range(len(values))]


def _read(path, item=""):
    """The Raster of a picture. InputError if it cannot be read."""
    file = os.stat(path)
    with _READING:
        pictures = _pictures(str(path), file.st_mtime_ns, file.st_size)
    index = item or "0"
    if not item and len(pictures.pixels) > 1:
        raise InputError(f"it holds {len(pictures.pixels)} pictures: write FILE.npy#INDEX for one of them")
    if not index.isdecimal() or int(index) >= len(pictures.pixels):
        raise InputError(f"it has no picture {index}: it has 0 to {len(pictures.pixels) - 1}")
    return pictures.raster(int(index))


@lru_cache(maxsize=8)
def _pictures(path, *version):
    """The PictureArray of a file; version: what changes with its content."""
    values = _mapped(path)
    return picture_array(values[None] if _is_one(values.shape) else values, "its array")


def _facts(path):
    """What the head of a file says."""
    values = _mapped(path)
    pixels = channels_last(values[None] if _is_one(values.shape) else values, "its array")
    about = {"format": "NumPy", "width": pixels.shape[2], "height": pixels.shape[1], "items": len(pixels)}
    channels = pixels.shape[3] if pixels.ndim == 4 else 1
    return about | {"channels": channels, "bits": 8 * values.dtype.itemsize, "type": str(values.dtype)}


NPY = Format("NumPy array", "picture", (".npy",), _read, _items, _facts)


# ---- volumes ----------------------------------------------------------------------------------------------------


def _mapped_volumes(path):
    """(volumes (N, D, H, W) of a file, left on the disk; is it one volume?). InputError for other shapes."""
    values = _mapped(path)
    one = values.ndim == 3
    return stacked_volumes(values[None] if one else values, "its array"), one


def _volume_items(path):
    """[""] of one volume, the indices of a stack."""
    voxels, one = _mapped_volumes(path)
    return [""] if one else [str(i) for i in range(len(voxels))]


def _read_volume(path, item=""):
    """The Raster of a volume. InputError if it cannot be read."""
    voxels, _ = _mapped_volumes(path)
    index = item or "0"
    if not item and len(voxels) > 1:
        raise InputError(f"it holds {len(voxels)} volumes: write FILE.npy#INDEX for one of them")
    if not index.isdecimal() or int(index) >= len(voxels):
        raise InputError(f"it has no volume {index}: it has 0 to {len(voxels) - 1}")
    return volume_array(voxels[int(index)][None], "its array").raster(0)


def _volume_facts(path):
    """What the head of a file says of its volumes."""
    return {"format": "NumPy"} | facts_of_volumes(_mapped_volumes(path)[0])


NPY_VOLUMES = Format("NumPy array", "volume", (".npy",), _read_volume, _volume_items, _volume_facts)
