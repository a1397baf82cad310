"""Items of kind volume: `volumes[rows]` -> float (B, 1, size, size, size) in [0, 1], decoded once like pictures.

Axes are depth, height, width; of files that know how the patient lies (NIfTI): from head to feet, front to back, the
patient's right to left, so that slices across each axis look as radiologists see them.
"""

from contextlib import suppress

import numpy as np
import torch
from torch.nn import functional as F

from xaae.experiment.amounts import counted
from xaae.experiment.kinds import VOLUME
from xaae.experiment.vocabulary import SLICES
from xaae.sources.decoded_items import DecodedItems, FileDecoding, cached_decoded, how_scaled, open_decoded
from xaae.sources.file_contents import READING_FAULTS, EmptyItemError
from xaae.sources.formats import read_item, split_item
from xaae.sources.raster_scaling import BY_FILE, UNEVEN, to_eight_bits, value_range

OUTSIDE = 1 / 3  # share of a volume that may lie outside of its middle cube without a word
UNNAMED = (
    f"Arrays do not say how a volume lies: the first axis is taken as from head to feet ({SLICES[0]} slices), the"
    " second as from front to back, the third as from right to left."
)
LOOKED = 20  # volumes whose shapes are looked at for that word


def middle_cube(shape, spacing=None):
    """Slices of the largest cube in the middle of a volume of this shape (D, H, W).

    spacing: sides of a voxel along these axes, in any unit; None where they are alike or not known.
    """
    sides = np.ones(3) if spacing is None else np.array(spacing, float)
    if not np.isfinite(sides).all() or sides.min() <= 0 or sides.max() < UNEVEN * sides.min():
        sides = np.ones(3)
    kept = np.clip(np.round((shape * sides).min() / sides), 1, shape).astype(int)
    return tuple(slice((n - k) // 2, (n - k) // 2 + k) for n, k in zip(shape, kept, strict=True))


def fit_volume(raster, size, window=BY_FILE):
    """uint8 (1, size, size, size): the middle cube of a Raster of voxels (D, H, W), scaled.

    By means where there are more voxels than asked for along an axis, else trilinear. EmptyItemError for one value
    throughout; ValueError for values that are no finite numbers.
    """
    voxels = to_eight_bits(raster, window)
    if voxels.max() == voxels.min():
        raise EmptyItemError("an empty volume: one value throughout")
    cube = torch.from_numpy(np.ascontiguousarray(voxels[middle_cube(voxels.shape, raster.spacing)])).float()[None, None]
    cube = F.adaptive_avg_pool3d(cube, [min(n, size) for n in cube.shape[2:]])
    if set(cube.shape[2:]) != {size}:
        cube = F.interpolate(cube, (size,) * 3, mode="trilinear", align_corners=False)
    return cube[0].round().clamp(0, 255).byte()


def decode_volume(path, size, channels=1, window=BY_FILE):
    """uint8 (1, size, size, size) of FILE or FILE#ITEM, see `fit_volume`. channels: 1, there are no others."""
    return _decode(path, size, channels, window)[0]


def _decode(path, size, channels, window):
    """(what `decode_volume` returns, how the values were scaled, their unit)."""
    raster = read_item(path, VOLUME.name)
    return fit_volume(raster, size, window), how_scaled(raster), raster.unit


def _range_of(path):
    """The `value_range` of one volume; None for one that cannot be read."""
    with suppress(*READING_FAULTS):
        return value_range(read_item(path, VOLUME.name))
    return None


def _remarks(paths):
    """Sentences on volumes of which much lies outside of the middle cube, and on files that do not name their axes."""
    arrays = any(split_item(path)[0].lower().endswith((".npy", ".npz")) for path in paths)
    return (*_cut_off_in_words(paths), *((UNNAMED,) if arrays else ()))


def _cut_off_in_words(paths):
    """A sentence on volumes of which much lies outside of the middle cube, in a tuple; () if there are none."""
    rows = np.unique(np.linspace(0, len(paths) - 1, LOOKED).round().astype(int)) if len(paths) else []
    shares = {paths[row]: _share_outside(paths[row]) for row in rows}
    far = [path for path, share in shares.items() if share > OUTSIDE]
    if not far:
        return ()
    some = f"{counted(len(far), 'volumes')} among {len(shares)} that were looked at"
    return (
        f"The middle cube of each volume is used; of {some} more than a third lies outside of it, as of {far[0]}: crop"
        " or resample them before, if that matters.",
    )


def _share_outside(path):
    """Share of a volume's voxels that lies outside of its middle cube; 0 for one that cannot be read."""
    with suppress(*READING_FAULTS):
        raster = read_item(path, VOLUME.name)
        shape = raster.values.shape
        kept = [part.stop - part.start for part in middle_cube(shape, raster.spacing)]
        return 1 - np.prod(kept) / np.prod(shape)
    return 0.0


DECODER = FileDecoding(VOLUME, lambda *asked: _decode(*asked), _range_of, _remarks)


class Volumes(DecodedItems):
    """The Items of files of volumes: `volumes[rows]` -> float (B, 1, size, size, size) in [0, 1], as in the table."""

    decoder = DECODER


def lazy_volumes(paths, size, channels=1, window=BY_FILE):
    """Volumes of paths that are read when they are asked for."""
    return Volumes(paths, size, channels, window=window)


def open_volumes(table, size, channels=1, most_bad=0.1, quiet=False, window=BY_FILE, cache=None):
    """Decode every volume of `table`: (table of the good rows, Volumes, table path and reason of the skipped).

    See `decoded_items.open_decoded`.
    """
    return open_decoded(Volumes, table, (size, channels), most_bad, quiet, window=window, cache=cache)


def cached_volumes(paths, size, channels, cache, window=BY_FILE):
    """The Volumes of a run whose decoded items are in the cache; None if they are not."""
    return cached_decoded(Volumes, paths, size, channels, cache, window)


def volume_channels(paths=(), labels=None):
    """How many channels volumes have: 1."""
    return 1
