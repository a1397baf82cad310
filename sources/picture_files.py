"""The pictures of a table, decoded once: kept in memory where they are few, else in the cache on the disk."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache as remembered
from threading import Condition

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps

from xaae.experiment.kinds import PICTURE
from xaae.sources.decoded_items import (
    DecodedItems,
    FileDecoding,
    cached_decoded,
    how_scaled,
    measure_levels,
    open_decoded,
    try_decoded,
)
from xaae.sources.file_contents import READING_FAULTS
from xaae.sources.formats import format_of, read_item, split_item
from xaae.sources.pillow_files import PILLOW
from xaae.sources.raster_scaling import BY_FILE, to_eight_bits, value_range
from xaae.sources.read_ahead import in_order

BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # of a pixel in memory, by mode; else 4
OTHERS = 8  # of a pixel of a format without such modes
FRAMED = (".gif", ".tif", ".tiff", ".webp", ".png", ".apng")  # endings of files that may hold several frames or pages
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class _Room:
    """Room for the pixels of pictures that are being decoded: whoever needs more than is left waits."""

    def __init__(self, most):
        self.most, self.used, self.change = most, 0, Condition()

    @contextmanager
    def hold(self, size):
        """Room for `size` bytes, or all of it for a picture that needs more than there is."""
        size = min(size, self.most)
        with self.change:
            self.change.wait_for(lambda: self.used + size <= self.most)
            self.used += size
        try:
            yield
        finally:
            with self.change:
                self.used -= size
                self.change.notify_all()


IN_FLIGHT = _Room(2**30)  # bytes; bounds memory, which the number of threads does not


def _bytes_needed(path):
    """About how many bytes the pixels of a picture take while it is decoded, by the head of its file."""
    if "#" in str(path):
        return 0
    facts = PILLOW.facts(path) if _is_open(path) else (format_of(path, PICTURE.name) or PILLOW).facts(path)
    mode = facts.get("mode")
    return 2 * facts.get("width", 0) * facts.get("height", 0) * (BYTES.get(mode, 4) if mode else OTHERS)


@remembered
def _give_back():
    """Let Pillow hold pixels in blocks so large that each goes back to the system when its picture is done with.

    Smaller blocks stay with the thread that asked for them.
    """
    with suppress(AttributeError):
        Image.core.set_block_size(2**26)


def _is_open(path):
    """Is this an open file, not the path of one?"""
    return hasattr(path, "read")


def _raster(path):
    """The Raster of a path of a table, FILE or FILE#ITEM, or of an open file; what has no known ending is tried too."""
    if _is_open(path) or format_of(path, PICTURE.name) is None:
        return PILLOW.read(path, "")
    return read_item(path, PICTURE.name)


def _opaque(image):
    """A picture with transparent parts laid on black: else colours are learned from that nobody sees."""
    if not (image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info):
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)


def decode_picture(path, size, channels, window=BY_FILE):
    """uint8 (C, size, size): the picture's middle square, scaled. Of several frames or pages it is the first.

    path: FILE, FILE#ITEM or an open file. window: the Window of pictures with more than 8 bits a value.
    """
    return _decode(path, size, channels, window)[0]


def _decode(path, size, channels, window):
    """(what `decode_picture` returns, how the values were scaled: a key of SCALED, their unit)."""
    _give_back()
    with IN_FLIGHT.hold(_bytes_needed(path)):
        raster = _raster(path)
        return fit_picture(raster, size, channels, window), how_scaled(raster), raster.unit


def fit_picture(raster, size, channels, window=BY_FILE):
    """uint8 (C, size, size): the middle square of a Raster, scaled."""
    image = Image.fromarray(to_eight_bits(raster, window))
    image = image if channels == 4 else _opaque(image)
    image = image if image.mode == MODES[channels] else image.convert(MODES[channels])
    image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).view(size, size, channels).permute(2, 0, 1)


def try_decode(path, size, channels, window=BY_FILE):
    """`decode_picture`, or the reason why it failed as a string."""
    found = try_decoded(DECODER, path, size, channels, window)
    return found if isinstance(found, str) else found[0]


def picture_channels(paths, labels=None, looks=20):
    """1 if the pictures that can be read are all grey, else 3: `looks` of each class are looked at, spread over it.

    labels (N,): the class of each path; without them all are of one.
    """
    found, paths = set(), pd.Series([str(path) for path in paths], dtype=object)
    for _, some in paths.groupby(np.zeros(len(paths)) if labels is None else np.asarray(labels)):
        for path in some.iloc[np.unique(np.linspace(0, len(some) - 1, looks).round().astype(int))]:
            with suppress(*READING_FAULTS):
                found.add((format_of(path, PICTURE.name) or PILLOW).facts(split_item(path)[0])["channels"])
    return 1 if found - {0} == {1} else 3


def file_values(paths, most):
    """The values in the pixels of these files together, in 8 bits, sorted.

    None for more than `most`, or for none.
    """
    values = set()
    for path in paths:
        with suppress(*READING_FAULTS):
            values |= set(np.unique(np.asarray(Image.fromarray(to_eight_bits(_raster(path))).convert("L"))).tolist())
        if len(values) > most:
            return None
    return sorted(values) or None


def has_more_frames(path):
    """Does a file hold further frames or pages after the one that is used?"""
    if not str(path).lower().endswith(FRAMED):
        return False
    with suppress(*READING_FAULTS), Image.open(path) as image:
        return getattr(image, "is_animated", False)
    return False


def _frames_in_words(paths):
    """A sentence on files of which the first frame is used alone, in a tuple; () if there are none."""
    with ThreadPoolExecutor() as pool:
        framed = [path for path, more in zip(paths, in_order(pool, has_more_frames, paths), strict=True) if more]
    if not framed:
        return ()
    files = "1 file holds" if len(framed) == 1 else f"{len(framed)} files hold"
    return (f"{files} several frames or pages, as {framed[0]}: only the first of each is used.",)


# ---- all pictures of a table ----------------------------------------------------------------------------------------


def _range_of(path):
    """The `value_range` of one picture; None for one that cannot be read."""
    with suppress(*READING_FAULTS), IN_FLIGHT.hold(_bytes_needed(path)):
        return value_range(_raster(path))
    return None


DECODER = FileDecoding(PICTURE, lambda *asked: _decode(*asked), _range_of, _frames_in_words)


class Pictures(DecodedItems):
    """The Items of picture files: `pictures[rows]` -> float (B, C, size, size) in [0, 1], in the table's order."""

    decoder = DECODER


def open_pictures(table, size, channels, most_bad=0.1, quiet=False, window=BY_FILE, cache=None):
    """Decode every picture of `table`: (table of the good rows, Pictures, table path and reason of the skipped).

    See `decoded_items.open_decoded`.
    """
    return open_decoded(Pictures, table, (size, channels), most_bad, quiet, window=window, cache=cache)


def cached_pictures(paths, size, channels, cache, window=BY_FILE):
    """The Pictures of a run whose decoded items are in the cache; None if they are not."""
    return cached_decoded(Pictures, paths, size, channels, cache, window)


def measure_dataset(table):
    """The Window of a dataset of pictures, see `decoded_items.measure_levels`."""
    return measure_levels(DECODER, table)
