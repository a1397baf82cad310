"""Arrays of grey volumes, whatever their types: what `.npz` and `.npy` files hold beside pictures."""

import numpy as np

from xaae.experiment.errors import InputError
from xaae.sources.picture_arrays import CHANNELS, PictureArray, usual_window

THINNEST = 4  # voxels along an axis; less is no volume


def is_volumes(shape):
    """Is an array of this shape one of volumes, and not of pictures? (N, D, H, W), or with channels (N, ..., C).

    (N, C, H, W) and (N, H, W, C) of 1, 3 or 4 channels are pictures.
    """
    return len(shape) == 5 or (len(shape) == 4 and not {shape[1], shape[3]} & set(CHANNELS))


def stacked_volumes(values, name):
    """Volumes (N, D, H, W), (N, D, H, W, 1) or (N, 1, D, H, W) as (N, D, H, W).

    InputError, which begins with `name`, for colours, for other shapes and for volumes that are thin as a sheet.
    """
    shape = values.shape
    if values.ndim == 5 and 1 in (shape[1], shape[4]):
        values = values[..., 0] if shape[4] == 1 else values[:, 0]
    if values.ndim == 5 and {shape[1], shape[4]} & set(CHANNELS):
        raise InputError(f"{name} has the shape {shape}, volumes in colour: save one channel, (N, D, H, W).")
    if values.ndim != 4:
        raise InputError(f"{name} has the shape {shape}, no volumes: save them as (N, D, H, W).")
    if min(values.shape[1:]) < THINNEST:
        raise InputError(
            f"{name} has the shape {shape}, volumes of fewer than {THINNEST} voxels along an axis (or pictures of"
            f" {shape[-1]} channels): save whole volumes (N, D, H, W), or pictures of 1, 3 or 4 channels."
        )
    return values


def volume_array(values, name):
    """The volumes of an array in any of these shapes as a PictureArray (N, D, H, W). InputError as above.

    Truth values, shares from 0 to 1 and other numbers from 0 to 255 mean what they say; volumes of other numbers are
    scaled one by one, as those of a file are.
    """
    voxels = stacked_volumes(values, name)
    if voxels.dtype.kind not in "biuf":
        raise InputError(f"{name} holds values of the type {voxels.dtype}: save whole numbers or floats.")
    finite = np.ones(len(voxels), bool)
    if voxels.dtype.kind == "f":
        finite = np.array([bool(np.isfinite(each).all()) for each in voxels])
    return PictureArray(voxels, usual_window(voxels, finite, joint=False), finite)


def facts_of_volumes(voxels):
    """What the shape and type of volumes (N, D, H, W) say."""
    depth, height, width = voxels.shape[1:]
    about = {"depth": depth, "height": height, "width": width, "channels": 1}
    return about | {"bits": 8 * voxels.dtype.itemsize, "type": str(voxels.dtype)}
