"""Arrays to pictures to data URIs: one sprite sheet per set of pictures keeps the page small."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

LARGEST = 96  # pixels per tile; larger pictures are scaled down
HEAT = np.array(
    [(0, 64, 10, 90), (90, 180, 35, 90), (170, 240, 110, 30), (255, 252, 230, 120)], float
)  # level, r, g, b
SIGNED = ((33, 255, 178), (102, 255, 24), (172, 255, 43))  # red, green, blue at a fall, no change, a rise


def rounded(values, digits: int):
    """Nested lists of rounded floats, None for what is not finite."""
    if np.ndim(values):
        return [rounded(value, digits) for value in values]
    return round(float(values), digits) if np.isfinite(values) else None


def as_colour(pictures: np.ndarray) -> np.ndarray:
    """(..., H, W, C) uint8 with C = 1 or 3 -> (..., H, W, 3)."""
    return np.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures[..., :3]


def _sheet(pictures: np.ndarray) -> np.ndarray:
    """(R, C, H, W, channels) -> one array (R * H, C * W, channels)."""
    rows, columns, height, width, channels = pictures.shape
    return pictures.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def shrink(pictures: np.ndarray, largest: int = LARGEST) -> np.ndarray:
    """(..., H, W, channels) uint8 scaled down so that neither side exceeds `largest` pixels."""
    *lead, height, width, channels = pictures.shape
    factor = largest / max(height, width)
    if factor >= 1:
        return pictures
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    flat = pictures.reshape(-1, height, width, channels)
    small = [np.asarray(Image.fromarray(each).resize(size, Image.Resampling.LANCZOS)) for each in flat]
    return np.stack(small).reshape(*lead, size[1], size[0], channels)


def uri(picture: np.ndarray, quality: int = 84) -> str:
    """(H, W, 3 or 4) uint8 -> WebP data URI."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def sprite(pictures: np.ndarray, largest: int = LARGEST) -> dict:
    """(R, C, H, W, 1 or 3) uint8 -> {"uri", "rows", "columns", "ratio"}: one picture holding all of them."""
    small = shrink(as_colour(pictures), largest)
    return {
        "uri": uri(_sheet(small)),
        "rows": small.shape[0],
        "columns": small.shape[1],
        "ratio": round(small.shape[3] / small.shape[2], 4),
    }


def heat_sprite(heat: np.ndarray) -> dict:
    """(R, C, H, W) heat >= 0 -> sprite of see-through colour. Each row is scaled by its own largest value."""
    heat = np.nan_to_num(heat.astype(float), posinf=0, neginf=0).clip(0)
    top = heat.max(axis=(1, 2, 3), keepdims=True)
    level = 255 * heat / np.where(top > 0, top, 1)
    paint = [np.interp(level, HEAT[:, 0], channel) for channel in HEAT[:, 1:].T]
    layers = np.stack([*paint, level * 0.82], axis=-1).round().astype(np.uint8)
    small = shrink(layers, 64)
    return {"uri": uri(_sheet(small), 80), "rows": small.shape[0], "columns": small.shape[1], "ratio": None}


def signed_picture(difference: np.ndarray) -> np.ndarray:
    """(R, H, W) signed change -> (R, H, W, 3) uint8: red where it rises, white where it stays, blue where it falls.

    One scale for all, up to the largest change but for the half per cent beyond.
    """
    difference = np.nan_to_num(np.asarray(difference, float), posinf=0, neginf=0)
    top = np.percentile(np.abs(difference), 99.5) if difference.size else 0.0
    level = np.clip(difference / (top or 1), -1, 1)
    return np.stack([np.interp(level, (-1, 0, 1), ends) for ends in SIGNED], axis=-1).round().astype(np.uint8)


def picture_file(path: Path, widest: int = 1400) -> dict:
    """A picture file -> {"uri", "width", "height"}, scaled down to at most `widest` pixels. Unreadable: ValueError."""
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error}). Run the command that makes it again.") from error
    image.thumbnail((widest, widest), Image.Resampling.LANCZOS)
    return {"uri": uri(np.asarray(image)), "width": image.width, "height": image.height}


def _place(index: int, number: int) -> float:
    """Where tile `index` of `number` begins along a sprite, in the per cent of CSS background-position."""
    return round(100 * index / max(1, number - 1), 4)


def spot(column: int, columns: int, row: int = 0, rows: int = 1) -> dict:
    """The place of one tile of a sprite, both ways."""
    return {"x": _place(column, columns), "y": _place(row, rows)}
