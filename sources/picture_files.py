"""The pictures of a table, decoded once and kept in memory where they fit."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.sources import cifar10_files

IN_MEMORY = 4 * 2**30  # bytes; a larger table is decoded as it is asked for
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F"}  # modes without colour


@lru_cache(maxsize=8)
def _archive(path, key):
    """One array (N, H, W[, C]) of an .npz file, kept for its next item."""
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[key]


def _open_picture(path):
    """A PIL image of a file, or of an item FILE.npz#KEY/INDEX or of CIFAR-10's batches; upright by its EXIF tag."""
    for kind, read in (".npz", _archive), (cifar10_files.FOLDER, cifar10_files.cifar10_pixels):
        file, _, item = str(path).partition(f"{kind}#")
        if item:
            key, _, index = item.rpartition("/")
            return Image.fromarray(np.asarray(read(file + kind, key)[int(index)]))
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image)


def _eight_bits(image):
    """A picture of 16 or 32 bits a pixel as 8 bits, from its darkest to its brightest value; others as they are.

    PIL would cut off at 255 instead, which leaves a 16-bit X-ray white.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are no finite numbers")
    low, high = values.min(), values.max()
    return Image.fromarray(np.uint8(np.round(255 * (values - low) / ((high - low) or 1))))


def _opaque(image):
    """A picture with transparent parts laid on black: else colours are learned from that nobody sees."""
    if not (image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info):
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)


def decode_picture(path, size, channels):
    """uint8 (C, size, size): the picture's middle square, scaled."""
    image = _eight_bits(_open_picture(path))
    image = (image if channels == 4 else _opaque(image)).convert(MODES[channels])
    image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).view(size, size, channels).permute(2, 0, 1)


def try_decode(path, size, channels):
    """`decode`, or the reason why it failed as a string."""
    try:
        return decode_picture(path, size, channels)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
        return f"{type(e).__name__}: {e}"


def picture_channels(paths, labels=None, looks=20):
    """1 if the pictures that can be read are all grey, else 3: `looks` of each class are looked at, spread over it.

    labels (N,): the class of each path; without them all are of one.
    """
    modes, paths = set(), pd.Series([str(path) for path in paths])
    for _, some in paths.groupby(np.zeros(len(paths)) if labels is None else np.asarray(labels)):
        for path in some.iloc[np.unique(np.linspace(0, len(some) - 1, looks).round().astype(int))]:
            with suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                modes.add(_mode(path))
    return 1 if modes and modes <= GREY else 3


def _mode(path):
    """The mode of a picture, of an item of an archive or of a file, of which only the head is read."""
    if "#" in str(path):
        return _open_picture(path).mode
    with Image.open(path) as image:
        return image.mode


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
    return good, Pictures(list(good.path), size, channels, stack), skipped


class Pictures:
    """The Items of picture files: `pictures[rows]` -> float (B, C, size, size) in [0, 1], in the table's order."""

    kind = PICTURE

    def __init__(self, paths, size, channels, stack=None):
        self.paths, self.size, self.channels, self.stack = paths, size, channels, stack

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, rows):
        if self.stack is not None:
            found = self.stack[torch.from_numpy(np.array(rows))]
        else:
            found = torch.stack([decode_picture(self.paths[row], self.size, self.channels) for row in rows])
        return found.float() / 255
