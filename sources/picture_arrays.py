"""Arrays of pictures, whatever their shapes and types: what `.npz` and `.npy` files hold."""

from dataclasses import dataclass

import numpy as np

from xaae.experiment.errors import InputError
from xaae.sources.file_contents import Raster

CHANNELS = (1, 3, 4)
BYTE, SHARE = (0.0, 255.0), (0.0, 1.0)  # windows of whole numbers, and of broken ones
GIVEN = {BYTE: "bytes", SHARE: "unit"}  # window of an array -> what says so


@dataclass(frozen=True)
class PictureArray:
    """Pictures (N, H, W) or (N, H, W, 3 or 4), or volumes (N, D, H, W), in one array. window: what the array itself
    says is black and white.

    finite (N,): which pictures hold finite numbers alone.
    """

    pixels: np.ndarray
    window: tuple | None
    finite: np.ndarray

    def raster(self, index):
        """The Raster of one picture. ValueError for one that holds values that are no finite numbers."""
        if not self.finite[index]:
            raise InputError("it holds values that are no finite numbers")
        values = np.asarray(self.pixels[index])
        values = values * np.uint8(255) if values.dtype == bool else values
        window = self.window if values.dtype != np.uint8 else None
        return Raster(values, window, given=GIVEN.get(window, "range"))


def picture_array(values, name):
    """The PictureArray of values in any of the usual shapes. InputError, which begins with `name`, for others.

    Truth values, shares from 0 to 1 and other numbers from 0 to 255 mean what they say. Other numbers of grey pictures
    are scaled picture by picture as those of a file are, those of coloured pictures together.
    """
    pixels = channels_last(values, name)
    if pixels.dtype.kind not in "biuf":
        raise InputError(f"{name} holds values of the type {pixels.dtype}: save whole numbers or floats.")
    finite = np.ones(len(pixels), bool)
    if pixels.dtype.kind == "f":
        finite = np.array([bool(np.isfinite(each).all()) for each in pixels])
    return PictureArray(pixels, usual_window(pixels, finite, joint=pixels.ndim == 4), finite)


def usual_window(pixels, finite, joint):
    """The window of all items of an array (N, ...); None where each has its own, or values are shown as they are.

    finite (N,): which of them count. joint: is it one for all where their values are neither shares nor bytes?
    """
    if pixels.dtype.itemsize == 1 and pixels.dtype.kind in "bu" or not finite.any():
        return None
    kept = [pixels[i] for i in np.flatnonzero(finite)]
    low, high = float(min(each.min() for each in kept)), float(max(each.max() for each in kept))
    if low >= 0 and high <= BYTE[1]:
        return SHARE if pixels.dtype.kind == "f" and high <= 1 else BYTE
    return (low, high) if joint else None


def channels_last(values, name):
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
            f"{name} has the shape {shape}, which is volumes (or pictures of {shape[-1]} channels): use them whole by"
            " --slices none, or save slices (N, H, W), such as array[:, array.shape[1] // 2]."
        )
    raise InputError(f"{name} has the shape {shape}, no pictures: save them as (N, H, W) or (N, H, W, C).")
