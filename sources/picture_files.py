"""The pictures of a table, decoded once and kept in memory where they fit."""

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from threading import Condition

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.sources import cifar10_files, npz_archives

IN_MEMORY = 4 * 2**30  # bytes; a larger table is decoded as it is asked for
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
ROWS = 256  # of a picture that are scaled at once
BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # of a pixel in memory, by mode; else 4
FRAMED = (".gif", ".tif", ".tiff", ".webp", ".png", ".apng")  # endings of files that may hold several frames or pages
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F"}  # modes without colour


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
    with Image.open(path) as image:
        width, height = image.size
        return 2 * width * height * BYTES.get(image.mode, 4)


@cache
def _give_back():
    """Let Pillow hold pixels in blocks so large that each goes back to the system when its picture is done with.

    Smaller blocks stay with the thread that asked for them.
    """
    with suppress(AttributeError):
        Image.core.set_block_size(2**26)


def _open_picture(path):
    """A PIL image of a file, or of an item FILE.npz#KEY/INDEX or of CIFAR-10's batches; upright by its EXIF tag.

    Of several frames or pages it is the first.
    """
    for kind, read in (".npz", npz_archives.archive_picture), (cifar10_files.FOLDER, cifar10_files.cifar10_picture):
        file, _, item = str(path).partition(f"{kind}#")
        if item:
            key, _, index = item.rpartition("/")
            return Image.fromarray(read(file + kind, key, index))
    with Image.open(path) as image:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)  # most are upright already: a copy would double the memory
        return image


def _eight_bits(image):
    """A picture of 16 or 32 bits a pixel as 8 bits, from its darkest to its brightest value; others as they are.

    PIL would cut off at 255 instead, which leaves a 16-bit X-ray white.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("it holds values that are no finite numbers")
    scaled = np.empty(values.shape, np.uint8)
    for at in range(0, len(values), ROWS):  # in double precision no more than a part of a large picture
        part = values[at : at + ROWS].astype(np.float64)
        scaled[at : at + ROWS] = np.round(255 * (part - low) / ((high - low) or 1))
    return Image.fromarray(scaled)


def _opaque(image):
    """A picture with transparent parts laid on black: else colours are learned from that nobody sees."""
    if not (image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info):
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)


def decode_picture(path, size, channels):
    """uint8 (C, size, size): the picture's middle square, scaled. Of several frames or pages it is the first."""
    _give_back()
    with IN_FLIGHT.hold(_bytes_needed(path)):
        image = _eight_bits(_open_picture(path))
        image = image if channels == 4 else _opaque(image)
        image = image if image.mode == MODES[channels] else image.convert(MODES[channels])
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).view(size, size, channels).permute(2, 0, 1)


def try_decode(path, size, channels):
    """`decode`, or the reason why it failed as a string."""
    try:
        return decode_picture(path, size, channels)
    except UNREADABLE as e:
        return str(e) if isinstance(e, InputError) else f"{type(e).__name__}: {e}"


def picture_channels(paths, labels=None, looks=20):
    """1 if the pictures that can be read are all grey, else 3: `looks` of each class are looked at, spread over it.

    labels (N,): the class of each path; without them all are of one.
    """
    modes, paths = set(), pd.Series([str(path) for path in paths])
    for _, some in paths.groupby(np.zeros(len(paths)) if labels is None else np.asarray(labels)):
        for path in some.iloc[np.unique(np.linspace(0, len(some) - 1, looks).round().astype(int))]:
            with suppress(*UNREADABLE):
                modes.add(_mode(path))
    return 1 if modes and modes <= GREY else 3


def _mode(path):
    """The mode of a picture, of an item of an archive or of a file, of which only the head is read."""
    if "#" in str(path):
        return _open_picture(path).mode
    with Image.open(path) as image:
        return image.mode


def file_values(paths, most):
    """The values in the pixels of these files together, as they are stored, sorted.

    None for more than `most`, or for none.
    """
    values = set()
    for path in paths:
        with suppress(*UNREADABLE):
            values |= set(np.unique(np.asarray(_eight_bits(_open_picture(path)).convert("L"))).tolist())
        if len(values) > most:
            return None
    return sorted(values) or None


def has_more_frames(path):
    """Does a file hold further frames or pages after the one that is used?"""
    if not str(path).lower().endswith(FRAMED):
        return False
    with suppress(*UNREADABLE), Image.open(path) as image:
        return getattr(image, "is_animated", False)
    return False


def _frames_in_words(paths):
    """A sentence on files of which the first frame is used alone, in a tuple; () if there are none."""
    with ThreadPoolExecutor() as pool:
        framed = [path for path, more in zip(paths, pool.map(has_more_frames, paths), strict=True) if more]
    if not framed:
        return ()
    files = "1 file holds" if len(framed) == 1 else f"{len(framed)} files hold"
    return (f"{files} several frames or pages, as {framed[0]}: only the first of each is used.",)


def open_pictures(table, size, channels, most_bad=0.1, quiet=False):
    """Decode every picture of `table`: (table of the good rows, Pictures, table path and reason of the skipped).

    InputError if more than `most_bad` of them cannot be read.
    """
    kept, bad, keep = [], [], len(table) * channels * size**2 <= IN_MEMORY
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda p: try_decode(p, size, channels), table.path)
        for row, got in enumerate(tqdm(results, "reading", len(table), False, disable=quiet or None)):
            if isinstance(got, str):
                bad.append((row, got))
            elif keep:
                kept.append(got)
    reasons = [reason for _, reason in bad]
    skipped = table.iloc[[row for row, _ in bad]][["path"]].assign(reason=reasons)
    if len(bad) > most_bad * len(table):
        example = f"{skipped.path.iloc[0]} ({reasons[0]})"
        raise InputError(f"{len(bad)} of {len(table)} pictures cannot be read, as {example}: mend or remove them.")
    good = table.drop(table.index[[row for row, _ in bad]]).reset_index(drop=True)
    stack = torch.stack(kept) if keep else None
    notes = () if quiet else _frames_in_words(list(good.path))
    return good, Pictures(list(good.path), size, channels, stack, notes), skipped


class Pictures:
    """The Items of picture files: `pictures[rows]` -> float (B, C, size, size) in [0, 1], in the table's order.

    notes: sentences on how the files were read.
    """

    kind = PICTURE

    def __init__(self, paths, size, channels, stack=None, notes=()):
        self.paths, self.size, self.channels, self.stack, self.notes = paths, size, channels, stack, notes

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, rows):
        if self.stack is not None:
            found = self.stack[torch.from_numpy(np.array(rows))]
        else:
            found = torch.stack([decode_picture(self.paths[row], self.size, self.channels) for row in rows])
        return found.float() / 255
