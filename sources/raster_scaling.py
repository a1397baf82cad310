"""The values of pictures as 8 bits: what of more than 8 bits is dark and what bright is a setting, the window."""

from dataclasses import dataclass

import cv2
import numpy as np

from xaae.experiment.errors import InputError

ROWS = 256  # of a picture that are scaled at once
OUTSIDE = 0.1  # percent of a picture's values at each end that do not count for the window of a dataset
ODD = 1  # percent of the pictures at each end that do not count for it either
FLOATS = (np.float32, np.float64)
UNEVEN = 1.02  # sides of pixels that differ by more are made equal


@dataclass(frozen=True)
class Window:
    """Which values are black and which white, in pictures of more than 8 bits a value; others are shown as they are.

    mode: "file", each picture by the window that its file says, else by its own darkest and brightest value;
    "dataset", all by `low` and `high` of the dataset, which are None until they are measured; "fixed", all by `low` and
    `high` that the user gave.
    """

    mode: str = "file"
    low: float | None = None
    high: float | None = None


BY_FILE = Window()


def parse_window(text):
    """The Window that `file`, `dataset` or `LOW:HIGH` asks for. InputError for any other text."""
    if text in ("file", "dataset"):
        return Window(text)
    low, _, high = str(text).partition(":")
    try:
        low, high = float(low), float(high)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError
    except ValueError:
        raise InputError(
            f"--window {text} is no window: write file, dataset or LOW:HIGH, such as --window -160:240."
        ) from None
    return Window("fixed", low, high)


def is_deep(raster):
    """Has a Raster values of more than 8 bits, which a window scales?"""
    return raster.values.dtype != np.uint8


def check_values(values):
    """ValueError if values that are no finite numbers are among them."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("it holds values that are no finite numbers")


def to_eight_bits(raster, window=BY_FILE):
    """The values of a Raster as uint8, of the same shape. ValueError for values that are no finite numbers.

    The window is applied first, then what the file calls inverted is inverted (DICOM's MONOCHROME1).
    """
    if not is_deep(raster):
        return raster.values
    check_values(raster.values)
    if window.mode == "file" and raster.curve is not None:
        return _as_bytes(raster.curve(raster.values), 0.0, 1.0, raster.inverted)
    low, high = _limits(raster, window)
    return _as_bytes(raster.values, low, high, raster.inverted)


def _limits(raster, window):
    """The values of the file that become 0 and 255, before any inversion."""
    if window.mode == "file":
        return raster.window or (float(raster.values.min()), float(raster.values.max()))
    if window.low is None:
        raise InputError("The window of the dataset is not measured yet: give --window file or LOW:HIGH.")
    if window.mode == "dataset" and raster.inverted:
        return tuple(sum(raster.span) - value for value in (window.high, window.low))
    return window.low, window.high


def _as_bytes(values, low, high, inverted):
    scaled = np.empty(values.shape, np.uint8)
    for at in range(0, len(values), ROWS):  # in double precision no more than a part of a large picture
        part = values[at : at + ROWS].astype(np.float64)
        share = (high - part if inverted else part - low) / ((high - low) or 1)
        scaled[at : at + ROWS] = np.round(255 * np.clip(share, 0, 1))
    return scaled


# ---- the window of a dataset ------------------------------------------------------------------------------------


def value_range(raster):
    """(low, high) of the values of a Raster but the OUTSIDE percent at each end; high is bright, whatever the file.

    None for a Raster that no window scales.
    """
    if not is_deep(raster):
        return None
    check_values(raster.values)
    low, high = np.percentile(raster.values, [OUTSIDE, 100 - OUTSIDE]).tolist()
    return (sum(raster.span) - high, sum(raster.span) - low) if raster.inverted else (low, high)


def measure_window(ranges):
    """The Window of a dataset, from the `value_range` of its pictures (N, 2)."""
    lows, highs = np.array(ranges, dtype=float).T
    low, high = float(np.percentile(lows, ODD)), float(np.percentile(highs, 100 - ODD))
    return Window("dataset", low, high if high > low else low + 1)


# ---- pixels -----------------------------------------------------------------------------------------------------


def square_pixels(values, height, width):
    """Values (H, W) or (H, W, C) whose pixels are `height` x `width` (of any unit), with pixels as wide as high.

    The finer of the two sides is kept; values keep their type. As they are where the sides hardly differ.
    """
    if not (height > 0 and width > 0) or max(height, width) < UNEVEN * min(height, width):
        return values
    side = min(height, width)
    size = max(1, round(values.shape[1] * width / side)), max(1, round(values.shape[0] * height / side))
    kind = values.dtype
    resized = cv2.resize(
        values if kind == np.uint8 else values.astype(np.float32), size, interpolation=cv2.INTER_LINEAR
    )
    return resized if kind == np.uint8 or kind in FLOATS else np.round(resized).astype(kind)
