"""The pictures of a table, decoded once and kept in memory where they fit."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.sources import cifar10_files

IN_MEMORY = 4 * 2**30  # bytes; a larger table is decoded as it is asked for
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


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
    low, high = values.min(), values.max()
    return Image.fromarray(np.uint8(np.round(255 * (values - low) / ((high - low) or 1))))


def decode_picture(path, size, channels):
    """uint8 (C, size, size): the picture's middle square, scaled."""
    image = ImageOps.fit(
        _eight_bits(_open_picture(path)).convert(MODES[channels]), (size, size), Image.Resampling.BILINEAR
    )
    return torch.from_numpy(np.array(image)).view(size, size, channels).permute(2, 0, 1)


def try_decode(path, size, channels):
    """`decode`, or the reason why it failed as a string."""
    try:
        return decode_picture(path, size, channels)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
        return f"{type(e).__name__}: {e}"


def picture_channels(paths):
    """1 if the first pictures that can be read are all grey, else 3."""
    modes = []
    for path in paths[:20]:
        try:
            modes.append(_open_picture(path).mode)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
    return 1 if modes and all(m in ("L", "1", "I", "I;16", "F") for m in modes) else 3


def open_pictures(table, size, channels, most_bad=0.1, quiet=False):
    """Decode every picture of `table`: (table of the good rows, Pictures, table path and reason of the skipped).

    InputError if more than `most_bad` of them, or a whole class, cannot be read.
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
