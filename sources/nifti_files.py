"""Slices of volumes in NIfTI files, by nibabel: FILE.nii.gz#AXIS/INDEX, in the patient's own axes.

A volume is turned to its closest canonical orientation first (its axes run to the patient's right, front and head), so
that slices of differently stored scans look alike. They are drawn as radiologists see them: the patient's right is on
the left; the front, or in the other two views the head, is on top; in sagittal slices the front is on the left. INDEX
counts from the feet (axial), the back (coronal) or the patient's left (sagittal). Of a file with a fourth dimension the
items are FILE#AXIS/INDEX/NUMBER.

Where volumes are asked for, the item is a whole one, FILE, or FILE#NUMBER of a file with a fourth dimension.
"""

import os
import zlib
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np

from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import SLICES
from xaae.sources.file_contents import EmptyItemError, Format, Raster
from xaae.sources.raster_scaling import square_pixels
from xaae.sources.volume_arrays import THINNEST

AXES = dict(zip(SLICES, (2, 1, 0), strict=True))  # slices -> the canonical axis that they are cut across
# what nibabel raises for a damaged file
DAMAGED = (OSError, EOFError, ValueError, TypeError, OverflowError, MemoryError, zlib.error)
EMPTY = 0.01  # of the volume's range: a slice whose values lie within so little shows nothing
_READING = Lock()  # a volume is large: threads that ask for the same one wait for the first


def open_nifti(path):
    """The nibabel image at `path`, its values not read yet. InputError if it is no NIfTI file."""
    import nibabel

    if not Path(path).is_file():
        raise InputError(f"There is no file {path}: give the path of a NIfTI file (.nii or .nii.gz).")
    try:
        image = nibabel.load(path)
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError, *DAMAGED) as e:
        raise InputError(f"{path} is no NIfTI file ({e}): give a whole one (.nii or .nii.gz).") from e
    if not isinstance(image, nibabel.Nifti1Pair):
        raise InputError(f"{path} is no NIfTI file but {type(image).__name__}: convert it to .nii or .nii.gz.")
    return image


def _canonical(path):
    """The nibabel image of a file in its closest canonical orientation. InputError unless it holds volumes."""
    import nibabel

    image = open_nifti(path)
    if len(image.shape) not in (3, 4) or 0 in image.shape or image.get_data_dtype().fields:
        what = "colours" if image.get_data_dtype().fields else f"the shape {image.shape}"
        raise InputError(f"{path} holds {what}: give volumes of numbers (X, Y, Z), or several (X, Y, Z, N).")
    return nibabel.as_closest_canonical(image)


def _items(path):
    """The slices of a file along all axes, by its header."""
    shape = _canonical(path).shape
    numbers = [""] if len(shape) == 3 else [f"/{n}" for n in range(shape[3])]
    return [f"{name}/{i}{n}" for name, axis in AXES.items() for n in numbers for i in range(shape[axis])]


def take_slices(items, axis):
    """Of the names of a file's items those along one axis, where they are slices; all of them where they are none."""
    return [item for item in items if item.partition("/")[0] not in AXES or item.startswith(f"{axis}/")]


def _read(path, item=""):
    """The Raster of a slice; its window is the header's, else the whole volume's range, so that slices compare.

    EmptyItemError for a slice that shows nothing; InputError if it cannot be read.
    """
    file = os.stat(path)
    with _READING:
        values, sides, span, window = _volume(str(path), file.st_mtime_ns, file.st_size)
    axis, index, number = _parse(item, values.shape, path)
    slab = values[..., number] if values.ndim == 4 else values
    flat = np.take(slab, index, axis)
    _check_content(flat, span)
    across = [k for k in range(3) if k != axis]
    width, height = (float(sides[k]) for k in across)
    seen = flat[::-1, ::-1].T  # right, or front, to the left; front, or head, to the top
    given = "range" if window == span else "file"
    return Raster(square_pixels(np.ascontiguousarray(seen), height, width), window, given=given)


def _parse(item, shape, path):
    """(axis, index, number of the volume) of an item. InputError if the file has no such."""
    name, _, rest = item.partition("/")
    index, _, number = rest.partition("/")
    number = number or "0"
    if name not in AXES or not index.isdecimal() or not number.isdecimal():
        raise InputError(f"{item or path} names no slice: write FILE#axial/17, or coronal or sagittal.")
    axis, several = AXES[name], shape[3] if len(shape) == 4 else 1
    if int(index) >= shape[axis] or int(number) >= several:
        raise InputError(f"it has no {item}: it has {name}/0 to {name}/{shape[axis] - 1}")
    return axis, int(index), int(number)


def _check_content(values, span):
    """EmptyItemError for a slice of one value, or nearly one; ValueError for values that are no finite numbers.

    span: (lowest, highest) value of the volume.
    """
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are no finite numbers")
    if np.ptp(values) <= EMPTY * (span[1] - span[0]):
        raise EmptyItemError("an empty slice: one value throughout")


@lru_cache(maxsize=2)
def _volume(path, *version):
    """(values float32 (X, Y, Z[, N]), sides of a voxel in mm (3,), (lowest, highest), window) of a file.

    version: what changes with the file's content.
    """
    image = _canonical(path)
    try:
        values = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
    except DAMAGED as e:
        raise InputError(f"a NIfTI file that is broken or cut short ({type(e).__name__})") from e
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise InputError("it holds no finite number")
    said = float(image.header["cal_min"]), float(image.header["cal_max"])
    span = float(finite.min()), float(finite.max())
    window = said if np.isfinite(said).all() and said[0] < said[1] else span
    return values, image.header.get_zooms()[:3], span, window


def _facts(path):
    """What the header of a file says of its axial slices."""
    image = _canonical(path)
    zooms = image.header.get_zooms()
    facts = {
        "format": "NIfTI",
        "width": image.shape[0],
        "height": image.shape[1],
        "slices": image.shape[2],
        "channels": 1,
        "bits": 8 * image.get_data_dtype().itemsize,
        "type": str(image.get_data_dtype()),
        "voxel": " x ".join(f"{side:.3g}" for side in zooms[:3]),
        "description": bytes(image.header["descrip"]).split(b"\0")[0].decode(errors="replace").strip(),
    }
    return {name: value for name, value in facts.items() if value != ""}


ENDINGS = (".nii", ".nii.gz")
NIFTI = Format("NIfTI", "picture", ENDINGS, _read, _items, _facts)


# ---- whole volumes ----------------------------------------------------------------------------------------------


def _volume_items(path):
    """[""] of one volume, the numbers of several."""
    shape = _canonical(path).shape
    return [""] if len(shape) == 3 else [str(n) for n in range(shape[3])]


def _read_volume(path, item=""):
    """The Raster of a volume: from head to feet, from front to back, from the patient's right to left.

    InputError if it cannot be read; ValueError for values that are no finite numbers.
    """
    file = os.stat(path)
    with _READING:
        values, sides, span, window = _volume(str(path), file.st_mtime_ns, file.st_size)
    several = values.shape[3] if values.ndim == 4 else 1
    if not item and several > 1:
        raise InputError(f"it holds {several} volumes: write FILE#NUMBER for one of them")
    if not (item or "0").isdecimal() or int(item or "0") >= several:
        raise InputError(f"it has no volume {item}: it has 0 to {several - 1}")
    whole = values[..., int(item or "0")] if values.ndim == 4 else values
    if not np.isfinite(whole).all():
        raise ValueError("it holds values that are no finite numbers")
    if min(whole.shape) < THINNEST:
        raise InputError(f"it has the shape {whole.shape}: a volume has {THINNEST} voxels or more along each axis")
    spacing = tuple(float(side) for side in sides[::-1])
    given = "range" if window == span else "file"
    return Raster(np.ascontiguousarray(whole[::-1, ::-1, ::-1].T), window, spacing=spacing, given=given)


def _volume_facts(path):
    """What the header of a file says of its volumes."""
    facts = _facts(path)
    return {"depth" if name == "slices" else name: value for name, value in facts.items()}


NIFTI_VOLUMES = Format("NIfTI", "volume", ENDINGS, _read_volume, _volume_items, _volume_facts)
