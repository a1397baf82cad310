"""Volumes as flat pictures: their middle slices side by side, axial, coronal and sagittal. Needs no torch."""

import numpy as np

from xaae.experiment.vocabulary import SLICES

GAP = 1 / 28  # of a volume's longest side: between two slices
GROUND = 226 / 255  # grey between them
LAID_OUT = f"From left to right the middle slices: {SLICES[0]}, {SLICES[1]}, {SLICES[2]}."


def slices(volume, at=None):
    """Three slices of a volume (..., D, H, W): [(..., H, W), (..., D, W), (..., D, H)].

    at: the place (d, h, w) that all three contain, by default the middle.
    """
    at = [n // 2 for n in volume.shape[-3:]] if at is None else at
    return [np.take(volume, i, axis) for i, axis in zip(at, (-3, -2, -1), strict=True)]


def lay_flat(volume, ground=GROUND):
    """The middle slices of volumes (..., D, H, W) in a row, of their type: (..., longest of D and H, about 3 W).

    ground: the value around and between them.
    """
    parts = slices(np.asarray(volume))
    tall, gap = max(part.shape[-2] for part in parts), max(1, round(GAP * max(np.shape(volume)[-3:])))
    room = [(0, 0)] * (np.ndim(volume) - 3)
    padded = []
    for i, part in enumerate(parts):
        lacking = tall - part.shape[-2]
        sides = (lacking // 2, lacking - lacking // 2), (0, gap if i < len(parts) - 1 else 0)
        padded.append(np.pad(part, [*room, *sides], constant_values=ground))
    return np.concatenate(padded, -1)
