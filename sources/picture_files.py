"""The pictures of a table, decoded once: kept in memory where they are few, else in the cache on the disk."""

from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache as remembered
from functools import partial
from threading import Condition

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.sources.file_contents import READING_FAULTS, EmptyItemError
from xaae.sources.formats import format_of, read_item, split_item
from xaae.sources.item_cache import CacheEntry
from xaae.sources.pillow_files import PILLOW
from xaae.sources.raster_scaling import (
    BY_FILE,
    Window,
    is_deep,
    measure_window,
    parse_window,
    to_eight_bits,
    value_range,
)

IN_MEMORY = 4 * 2**30  # bytes; a larger table that cannot be kept in the cache is decoded as it is asked for
AHEAD = 256  # pictures that are decoded before they are asked for
BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # of a pixel in memory, by mode; else 4
OTHERS = 8  # of a pixel of a format without such modes
LOOKED = 500  # training items in which the window of a dataset is measured
DATASET = Window("dataset")  # not measured yet
SCALED = {  # how values become brightness -> in words
    "own window": "by the window that their files say",
    "own range": "each from its own darkest to its own brightest value",
    "dataset": "all from {low} to {high}{unit}, the lowest and the highest in the training pictures but for outliers",
    "fixed": "all from {low} to {high}{unit}, as --window says",
}
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
        return fit_picture(raster, size, channels, window), _how_scaled(raster), raster.unit


def fit_picture(raster, size, channels, window=BY_FILE):
    """uint8 (C, size, size): the middle square of a Raster, scaled."""
    image = Image.fromarray(to_eight_bits(raster, window))
    image = image if channels == 4 else _opaque(image)
    image = image if image.mode == MODES[channels] else image.convert(MODES[channels])
    image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).view(size, size, channels).permute(2, 0, 1)


def _how_scaled(raster):
    """How the values of a Raster are scaled where the window is the file's: a key of SCALED."""
    if not is_deep(raster):
        return "as they are"
    return "own range" if raster.window is None and raster.curve is None else "own window"


def try_decode(path, size, channels, window=BY_FILE):
    """`decode_picture`, or the reason why it failed as a string."""
    found = _try(path, size, channels, window)
    return found if isinstance(found, str) else found[0]


def _try(path, size, channels, window):
    """What `_decode` returns, or the reason why it failed as a string."""
    try:
        return _decode(path, size, channels, window)
    except EmptyItemError as e:
        return _Empty(e)
    except READING_FAULTS as e:
        return str(e) if isinstance(e, InputError) else f"{type(e).__name__}: {e}"


class _Empty(str):
    """The reason why an item shows nothing, which is no fault of its file."""


def picture_channels(paths, labels=None, looks=20):
    """1 if the pictures that can be read are all grey, else 3: `looks` of each class are looked at, spread over it.

    labels (N,): the class of each path; without them all are of one.
    """
    found, paths = set(), pd.Series([str(path) for path in paths])
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
        framed = [path for path, more in zip(paths, pool.map(has_more_frames, paths), strict=True) if more]
    if not framed:
        return ()
    files = "1 file holds" if len(framed) == 1 else f"{len(framed)} files hold"
    return (f"{files} several frames or pages, as {framed[0]}: only the first of each is used.",)


def open_pictures(table, size, channels, most_bad=0.1, quiet=False, window=BY_FILE, cache=None):
    """Decode every picture of `table`: (table of the good rows, Pictures, table path and reason of the skipped).

    window: a Window; that of a dataset is measured in the training items first, where it is not known. cache: the
    folder under which decoded pictures of large tables are kept; None to keep none. InputError if more than `most_bad`
    of the pictures cannot be read; those that are empty do not count.
    """
    asked, window = window, measure_dataset(table) if window == DATASET else window
    decode = partial(_decode_all, table, (size, channels, window), most_bad, quiet)
    found = _from_cache(_entry(table.path, size, channels, window, cache), partial(decode, frames=True))
    stack, facts = found or _in_memory(partial(decode, frames=not quiet), len(table) * channels * size**2)
    skipped = table.iloc[[row for row, _ in facts["bad"]]][["path"]].assign(reason=[why for _, why in facts["bad"]])
    good = table.drop(table.index[[row for row, _ in facts["bad"]]]).reset_index(drop=True)
    scaled = {(how, unit): n for how, unit, n in facts["scaled"]}
    notes = () if quiet else (*facts["frames"], *_scaling_in_words(scaled, window, asked))
    return good, Pictures(list(good.path), size, channels, stack, notes, window), skipped


def cached_pictures(paths, size, channels, cache, window=BY_FILE):
    """The Pictures of a run whose decoded items are in the cache; None if they are not."""
    entry = _entry(paths, size, channels, window, cache)
    if not (entry and entry.is_worthwhile() and (found := entry.find())):
        return None
    return Pictures(list(paths), size, channels, found[0], window=window)


def _entry(paths, size, channels, window, cache):
    """The place of decoded pictures in the cache; None without one."""
    levels = [None if level is None else float(level) for level in (window.low, window.high)]
    options = {"kind": PICTURE.name, "window": [window.mode, *levels]}
    return cache and CacheEntry(cache, list(paths), ("uint8", (channels, size, size)), options)


def _from_cache(entry, decode):
    """(pictures in the cache, facts), where it is worthwhile; None otherwise, and where the disk refuses."""
    if not (entry and entry.is_worthwhile()):
        return None
    try:
        return entry.find_or_make(decode)
    except OSError as e:
        print(f"Note: decoded pictures cannot be kept in {entry.folder} ({e.strerror}): later commands decode again.")
        return None


def _in_memory(decode, size):
    """(pictures (N, C, size, size) in memory if their bytes fit, else None, facts)."""
    kept = []
    facts = decode(kept.append if size <= IN_MEMORY else lambda item: None)[1]
    return torch.from_numpy(np.stack(kept)) if kept else None, facts


def _decode_all(table, form, most_bad, quiet, put, frames):
    """Decode the pictures of a table, and give each that can be read to `put`: (their rows, facts on all).

    form: (size, channels, window). frames: look for files that hold several. facts: bad [(row, reason)], scaled [(key
    of SCALED, unit, number)], frames: a sentence on these files, in a list. InputError as of `open_pictures`.
    """
    good, bad, scaled = [], [], Counter()
    with ThreadPoolExecutor() as pool:
        results = _in_order(pool, lambda path: _try(path, *form), table.path)
        for row, got in enumerate(tqdm(results, "reading", len(table), False, disable=quiet or None)):
            if isinstance(got, str):
                bad.append((row, got))
                continue
            scaled[got[1:]] += 1
            good.append(row)
            put(got[0].numpy())
    _check_bad(table, bad, most_bad)
    framed = list(_frames_in_words(list(table.path.iloc[good]))) if frames else []
    facts = {"bad": [(row, str(reason)) for row, reason in bad], "frames": framed}
    return good, facts | {"scaled": [(*about, n) for about, n in scaled.items()]}


def _in_order(pool, work, paths):
    """What `work` returns for each path, in order; only a few are ahead of the one that is asked for.

    A pool's own `map` begins with all of them, and what is done waits in memory.
    """
    ahead = deque()
    for path in paths:
        ahead.append(pool.submit(work, path))
        if len(ahead) >= AHEAD:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _check_bad(table, bad, most):
    """InputError if more than the share `most` of a table's pictures cannot be read, or if all of them are empty."""
    faults = [(row, reason) for row, reason in bad if not isinstance(reason, _Empty)]
    if len(faults) > most * len(table) or len(bad) == len(table):
        row, reason = (faults or bad)[0]
        raise InputError(
            f"{len(faults or bad)} of {len(table)} pictures cannot be read, as {table.path.iloc[row]} ({reason}): mend"
            " or remove them."
        )


def reading_of_run(settings):
    """{"window": the Window of a run}, which of a dataset is measured when it is trained.

    settings: RunSettings, or a RunConfig, which holds what was measured.
    """
    window = parse_window(settings.window)
    if window == DATASET and hasattr(settings, "levels"):
        window = Window("dataset", *settings.levels) if settings.levels else BY_FILE
    return {"window": window}


# ---- the window of pictures of more than 8 bits -----------------------------------------------------------------


def measure_dataset(table):
    """The Window of a dataset, by its training items; BY_FILE if none of them has values of more than 8 bits.

    table: with path and, where it is known, split. LOOKED of the items are looked at, spread over the table.
    """
    train = table.path[table.split == "train"] if "split" in table else table.path
    rows = np.unique(np.linspace(0, len(train) - 1, min(len(train), LOOKED)).round().astype(int))
    with ThreadPoolExecutor() as pool:
        ranges = [found for found in pool.map(_range_of, train.iloc[rows]) if found is not None]
    return measure_window(ranges) if ranges else BY_FILE


def _range_of(path):
    """The `value_range` of one picture; None for one that cannot be read."""
    with suppress(*READING_FAULTS), IN_FLIGHT.hold(_bytes_needed(path)):
        return value_range(_raster(path))
    return None


def _scaling_in_words(scaled, window, asked):
    """A sentence on how values of more than 8 bits became brightness, in a tuple; () where there is nothing to say.

    scaled {(key of SCALED, unit): number of pictures}. asked: the Window before it was measured.
    """
    deep = {about: n for about, n in scaled.items() if about[0] != "as they are"}
    if not deep:
        return () if asked == BY_FILE else ("--window changes nothing: no picture has more than 8 bits a value.",)
    units = {unit for _, unit in deep}
    unit = f" {units.pop()}" if len(units) == 1 and units != {""} else ""
    what = f"{counted(sum(deep.values()), 'pictures')} with more than 8 bits a value:"
    if window.mode != "file":
        return (f"{what} {SCALED[window.mode].format(low=f'{window.low:g}', high=f'{window.high:g}', unit=unit)}.",)
    parts = Counter()
    for (how, _), n in deep.items():
        parts[how] += n
    several = len(parts) > 1
    told = ", ".join(f"{n} {SCALED[how]}" if several else SCALED[how] for how, n in parts.items())
    return (f"{what} {told}; --window dataset keeps their brightness comparable.",)


class Pictures:
    """The Items of picture files: `pictures[rows]` -> float (B, C, size, size) in [0, 1], in the table's order.

    notes: sentences on how the files were read. window: the Window of those of more than 8 bits a value.
    """

    kind = PICTURE

    def __init__(self, paths, size, channels, stack=None, notes=(), window=BY_FILE):
        self.paths, self.size, self.channels, self.stack, self.notes = paths, size, channels, stack, notes
        self.window = window

    @property
    def measured(self):
        """What was found in the files and is a setting of a run from now on: {name in RunConfig: value}."""
        return {"levels": (self.window.low, self.window.high)} if self.window.mode == "dataset" else {}

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, rows):
        if self.stack is not None:
            found = torch.as_tensor(self.stack[np.array(rows)])
        else:
            found = torch.stack([self._decoded(row) for row in rows])
        return found.float() / 255

    def _decoded(self, row):
        return decode_picture(self.paths[row], self.size, self.channels, self.window)
