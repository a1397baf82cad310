"""Volumes in NIfTI files: a scan read as an item, a map written beside it."""

from dataclasses import dataclass

import numpy as np
import torch

from xaae.experiment.errors import InputError
from xaae.sources.nifti_files import DAMAGED, open_nifti

SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Volume:
    """A volume that was read from a file.

    x (1, C, D, H, W) in [0, 1]: D, H, W are the file's three dimensions in the file's order. affine (4, 4): from places
    to millimetres. header: the file's own. `write_map` needs affine and header.
    """

    x: torch.Tensor
    affine: np.ndarray
    header: object


def read_volume(path, limits=None):
    """The Volume in a NIfTI file; a fourth dimension holds channels.

    limits: (low, high), the values that become 0 and 1; values beyond are cut off. By default each channel's smallest
    and largest value. Values that are not finite become 0. InputError if there is no such file, or if it is no NIfTI
    file, is damaged, or holds no volume.
    """
    image = open_nifti(path)
    try:
        values = np.asarray(image.get_fdata(dtype=np.float32))
    except DAMAGED as e:
        raise InputError(f"{path} cannot be read ({type(e).__name__}: {e}): give a whole file of numbers.") from e
    values = _channels_first(path, values)
    return Volume(torch.from_numpy(_scale(path, values, limits))[None], image.affine, image.header)


def _channels_first(path, values):
    """Values (D, H, W), (D, H, W, C) or (D, H, W, 1, C) as (C, D, H, W). InputError for any other shape."""
    shape = values.shape
    if values.ndim == 5 and shape[3] == 1:  # NIfTI stores vectors in a fifth dimension
        values = values[:, :, :, 0]
    if values.ndim not in (3, 4) or min(values.shape[:3]) < 2:
        raise InputError(f"{path} has the shape {shape}: give a volume (D, H, W), or (D, H, W, C) with channels.")
    return np.moveaxis(values, 3, 0) if values.ndim == 4 else values[None]


def _scale(path, values, limits=None):
    """Values (C, D, H, W) scaled to [0, 1]: all by `limits`, or each channel by its range.

    InputError if no value is finite, and for limits in the wrong order.
    """
    finite = np.isfinite(values)
    if not finite.any():
        raise InputError(f"{path} holds no finite number: give a volume with values.")
    low = values.min((1, 2, 3), where=finite, initial=np.inf, keepdims=True) if limits is None else limits[0]
    high = values.max((1, 2, 3), where=finite, initial=-np.inf, keepdims=True) if limits is None else limits[1]
    if limits is not None and not low < high:
        raise InputError(f"limits={limits} make no sense: give the value that becomes 0, then the one that becomes 1.")
    width = np.where(high > low, np.subtract(high, low), 1)
    share = (np.where(finite, values, low) - np.where(np.isfinite(low), low, 0)) / width
    return np.ascontiguousarray(np.clip(np.nan_to_num(share, posinf=0, neginf=0), 0, 1), np.float32)


def write_map(path, maps, like):
    """Write the map of one volume as float32 NIfTI; channels become the fourth dimension.

    maps: (1, C, D, H, W), (C, D, H, W) or (D, H, W). like: the Volume that the map belongs to, or the path of its file:
    the map gets its affine and header, so that a viewer shows one over the other. InputError for a shape that does not
    fit the volume and for a name that does not end in .nii or .nii.gz.
    """
    import nibabel

    if not str(path).endswith(SUFFIXES):
        raise InputError(f"{path} is no name for a NIfTI file: let it end in .nii or .nii.gz.")
    like = like if isinstance(like, Volume) else open_nifti(like)
    data = _as_nifti_data(maps, tuple(like.header.get_data_shape()[:3]))
    image = nibabel.Nifti1Image(data, like.affine, like.header, dtype=np.float32)
    image.header.set_slope_inter(1, 0)
    image.header["cal_min"], image.header["cal_max"] = data.min(), data.max()  # the range that viewers show
    nibabel.save(image, path)


def _as_nifti_data(maps, places):
    """The map of one volume as an array (D, H, W) or (D, H, W, C). InputError unless its places are `places`."""
    values = np.asarray(maps.detach().cpu() if torch.is_tensor(maps) else maps, np.float32)
    shape = values.shape
    values = values[0] if values.ndim == 5 and len(values) == 1 else values
    values = values[0] if values.ndim == 4 and len(values) == 1 else values
    if values.ndim not in (3, 4) or values.shape[-3:] != places:
        raise InputError(f"A map of shape {shape} does not fit the volume's {places}: write the map of this volume.")
    return values if values.ndim == 3 else np.moveaxis(values, 0, -1)
