"""Items as pictures on a page: which of many are shown, how each kind is drawn, and how they become data URIs.

All pictures of one table are one large picture, a sprite; the style sheet moves it so that each cell shows its tile.
That keeps the page small.
"""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from xaae.experiment.errors import InputError
from xaae.experiment.planes import LAID_OUT, lay_flat
from xaae.experiment.traces import WIDTH, TraceSheet, draw_change, draw_traces, shade_traces, walk_traces

LARGEST = 96  # pixels a side of a tile; larger pictures are scaled down
HEAT_LARGEST, HEAT_QUALITY = 64, 80  # of a map of heat: it is smooth
HEAT = ((0, 64, 10, 90), (90, 180, 35, 90), (170, 240, 110, 30), (255, 252, 230, 120))  # level, red, green, blue
HEAT_OPACITY = 0.82  # of the strongest heat
CHANGE = ((33, 255, 178), (102, 255, 24), (172, 255, 43))  # red, green, blue at a fall, no change, a rise
SHADES = [17 * round(value / 17) for value in range(256)]  # of a drawing: few, which take little room without loss
CHANGE_PERCENTILE = 99.5  # of the sizes of all changes: the end of the colour scale


def evenly(number: int, most: int) -> list[int]:
    """At most `most` of the indices below `number`, evenly spread, first and last included."""
    return sorted({round(i) for i in np.linspace(0, number - 1, min(number, most))})


def balanced(target: np.ndarray, most: int) -> list[int]:
    """At most `most` rows, taken from the classes `target` (N,) in turn, then ordered by class."""
    turns = [(np.flatnonzero(target == target[row]).searchsorted(row), row) for row in range(len(target))]
    return sorted((row for _, row in sorted(turns)[:most]), key=lambda row: (target[row], row))


# ---- items to pictures, by kind ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Painter:
    """How items of one kind become pictures. Each function keeps the leading dimensions and returns uint8.

    largest: 96 for tiles of the usual size, less for smaller ones.
    items(items as a run stores them, largest) -> (..., H, W, 3).
    walk(frames (..., T, item) of walks, largest) -> (..., T, H, W, 3).
    beside(items, others of the same shape, largest) -> (..., H, W, 3): items with what they are compared with.
    heat(level 0 to 1 at each place (..., *places)) -> (..., H, W, 4), see-through where it is low.
    change(level -1 to 1 at each place) -> (..., H, W, 3): blue, white, red.
    drawn: are they drawings, in few colours? share: of the usual number of tiles of a walk, what the page has room for.
    legend: what every tile shows, in a sentence, "" for what needs no words. change_words: what `change` shows.
    samples_words: how the sheet of the training shows items and their reconstructions.
    """

    items: Callable
    walk: Callable
    beside: Callable
    heat: Callable
    change: Callable
    drawn: bool = False
    share: float = 1.0
    legend: str = ""
    change_words: str = "red where values rise, blue where they fall, white where they stay"
    samples_words: str = "Originals above, reconstructions below, from every class"

    def sprite(self, tiles: np.ndarray, quality: int = 84) -> dict:
        """Tiles (R, C, H, W, 3 or 4) uint8 as one picture, see `make_sprite`."""
        return make_sprite(tiles, max(tiles.shape[-3:-1]), None if self.drawn else quality)

    def ready(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures (..., H, W, 3) uint8 that were drawn before, in the size that the page has room for."""
        return pictures if self.drawn else shrink(pictures)

    def uri(self, tile: np.ndarray, quality: int = 84) -> str:
        """A tile (H, W, 3) uint8 as data URI."""
        return webp_uri(tile, None if self.drawn else quality)


def as_colour(pictures: np.ndarray) -> np.ndarray:
    """Pictures (..., H, W, 1, 3 or more) uint8 -> (..., H, W, 3)."""
    return np.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures[..., :3]


def _colour_tiles(pictures: np.ndarray, largest: int = LARGEST) -> np.ndarray:
    """Pictures (..., H, W, 1, 3 or more) uint8 -> (..., H, W, 3), no side larger than `largest`."""
    return shrink(as_colour(pictures), largest)


def _heat_colours(level: np.ndarray) -> np.ndarray:
    """Levels (...) from 0 to 1 -> (..., 4)."""
    levels, *channels = zip(*HEAT, strict=True)
    colours = [np.interp(255 * level, levels, channel) for channel in channels]
    return np.stack([*colours, 255 * level * HEAT_OPACITY], axis=-1).round().astype(np.uint8)


def _change_colours(level: np.ndarray) -> np.ndarray:
    """Levels (...) from -1 to 1 -> (..., 3)."""
    return np.stack([np.interp(level, (-1, 0, 1), ends) for ends in CHANGE], axis=-1).round().astype(np.uint8)


def _picture_painter(config: dict) -> Painter:
    """That of pictures."""
    return Painter(
        items=_colour_tiles,
        walk=_colour_tiles,
        beside=lambda pictures, others, largest=LARGEST: _colour_tiles(pictures, largest),
        heat=lambda level: shrink(_heat_colours(level), HEAT_LARGEST),
        change=lambda level: shrink(_change_colours(level)),
    )


def _signal_painter(config: dict) -> Painter:
    """That of signals: traces on the sheet that the run's config describes."""
    channels = config["input_channels"]
    sheet = TraceSheet.of(config.get("signal_scale") or {}, channels)
    width = lambda largest: round(WIDTH * largest / LARGEST)  # noqa: E731
    return Painter(
        items=lambda x, largest=LARGEST: draw_traces(x, sheet, width(largest)),
        walk=lambda frames, largest=LARGEST: walk_traces(frames, sheet, width(largest)),
        beside=lambda x, others, largest=LARGEST: draw_traces(x, sheet, width(largest), behind=others),
        heat=lambda level: shade_traces(level[..., None, :], sheet, WIDTH, _heat_colours),
        change=lambda level: draw_change(level, sheet),
        drawn=True,
        share=1 / min(4, channels),
        legend=f"Every trace: {sheet.in_words(config['input_size'])}",
        change_words="a line, red and above the middle where values rise, blue and below it where they fall",
        samples_words="Held-out signals (grey) under their reconstructions (coloured), from every class",
    )


def _volume_painter(config: dict) -> Painter:
    """That of volumes, whose middle slices a run keeps side by side as one picture."""
    wide = lambda largest=LARGEST: 3 * largest  # noqa: E731
    tiles = lambda pictures, largest=LARGEST: _colour_tiles(pictures, wide(largest))  # noqa: E731
    return Painter(
        items=tiles,
        walk=tiles,
        beside=lambda pictures, others, largest=LARGEST: tiles(pictures, largest),
        heat=lambda level: shrink(_heat_colours(lay_flat(level, 0.0)), wide(HEAT_LARGEST)),
        change=lambda level: shrink(_change_colours(level), wide()),
        share=0.5,
        legend=LAID_OUT,
    )


PAINTERS = {  # kind -> config of a run -> its Painter
    "picture": _picture_painter,
    "signal": _signal_painter,
    "volume": _volume_painter,
}


def heat_levels(heat: np.ndarray) -> np.ndarray:
    """Heat (R, C, *places) -> levels 0 to 1 of the same shape; each row is scaled by its own largest value."""
    heat = np.nan_to_num(heat.astype(float), posinf=0, neginf=0).clip(0)
    top = heat.max(axis=tuple(range(1, heat.ndim)), keepdims=True)
    return heat / np.where(top > 0, top, 1)


def change_levels(difference: np.ndarray) -> np.ndarray:
    """Signed change (R, *places) -> levels -1 to 1 of the same shape, on one scale for all rows."""
    difference = np.nan_to_num(np.asarray(difference, float), posinf=0, neginf=0)
    top = np.percentile(np.abs(difference), CHANGE_PERCENTILE) if difference.size else 0.0
    return np.clip(difference / (top or 1), -1, 1)


# ---- pictures to data URIs --------------------------------------------------------------------------------------


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


def webp_uri(picture: np.ndarray, quality: int | None = 84) -> str:
    """(H, W, 3 or 4) uint8 -> WebP data URI. quality: None for a drawing, kept without loss in few colours."""
    buffer, image = io.BytesIO(), Image.fromarray(np.ascontiguousarray(picture))
    if quality is None:
        image.point(SHADES * len(image.mode)).save(buffer, "WEBP", lossless=True, method=1)
    else:
        image.save(buffer, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def make_sprite(pictures: np.ndarray, largest: int = LARGEST, quality: int | None = 84) -> dict:
    """Pictures (R, C, H, W, 3 or 4) uint8 as one: {"uri", "rows", "columns", "ratio": width by height of a tile}.

    quality: as of `webp_uri`.
    """
    small = shrink(pictures, largest)
    rows, columns, height, width, channels = small.shape
    sheet = small.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    return {"uri": webp_uri(sheet, quality), "rows": rows, "columns": columns, "ratio": round(width / height, 4)}


def tile_place(column: int, columns: int, row: int = 0, rows: int = 1) -> dict:
    """The place of one tile of a sprite, {"x", "y"} in per cent of the style sheet's background-position."""
    return {name: round(100 * i / max(1, n - 1), 4) for name, i, n in (("x", column, columns), ("y", row, rows))}


def embed_picture(path: Path, widest: int = 1400) -> dict:
    """A picture file -> {"uri", "width", "height"}, at most `widest` pixels a side. InputError if it is unreadable."""
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}): run the command that made it again.") from error
    image.thumbnail((widest, widest), Image.Resampling.LANCZOS)
    return {"uri": webp_uri(np.asarray(image)), "width": image.width, "height": image.height}
