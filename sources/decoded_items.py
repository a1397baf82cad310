"""The items of a table that are decoded once to 8 bits: in memory where they are few, else in the cache on the disk.

Pictures and volumes: a FileDecoding says how files of its kind are decoded, everything else is the same for both.
"""

import errno
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from tqdm.auto import tqdm

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import Kind
from xaae.sources.file_contents import READING_FAULTS, EmptyItemError
from xaae.sources.item_cache import CacheEntry
from xaae.sources.raster_scaling import BY_FILE, Window, is_deep, measure_window, parse_window
from xaae.sources.read_ahead import in_order

IN_MEMORY = 4 * 2**30  # bytes; a larger table that cannot be kept in the cache is decoded as it is asked for
LOOKED = 500  # training items in which the window of a dataset is measured
DATASET = Window("dataset")  # not measured yet
WINDOWS = {"file": "own window", "unit": "unit values", "bytes": "byte values", "range": "file range"}  # Raster.given
APART = ("own window", "file range", "own range")  # not the same for all items
SCALED = {  # how values become brightness -> in words
    "own window": "by the window that their files say",
    "unit values": "0 is black and 1 is white, since all values are from 0 to 1",
    "byte values": "0 is black and 255 is white, since all values are from 0 to 255",
    "file range": "from the lowest to the highest value of the whole file that they are in",
    "own range": "each from its own darkest to its own brightest value",
    "dataset": "all from {low} to {high}{unit}, the lowest and the highest in the training {plural} but for outliers",
    "fixed": "all from {low} to {high}{unit}, as --window says",
}


@dataclass(frozen=True)
class FileDecoding:
    """How the files of one kind of items are decoded.

    decode: (path, size, channels, window) -> (uint8 (C, *places), how its values were scaled: a key of SCALED or "as
    they are", their unit); raises one of READING_FAULTS. value_range: path -> (low, high) of the values of an item that
    a window scales, else None. remarks: paths of what was read -> sentences on what is not used of them.
    """

    kind: Kind
    decode: Callable
    value_range: Callable
    remarks: Callable = lambda paths: ()


def how_scaled(raster):
    """How the values of a Raster are scaled where the window is the file's: a key of SCALED, or "as they are"."""
    if not is_deep(raster):
        return "as they are"
    return "own range" if raster.window is None and raster.curve is None else WINDOWS[raster.given]


class DecodedItems:
    """The Items of files that a `decoder` reads: `items[rows]` -> float (B, C, *places) in [0, 1], as in the table.

    size: of all axes. notes: sentences on how the files were read. window: the Window of those of more than 8 bits a
    value.
    """

    decoder: FileDecoding

    def __init__(self, paths, size, channels, stack=None, notes=(), window=BY_FILE):
        self.paths, self.size, self.channels, self.stack, self.notes = paths, size, channels, stack, notes
        self.window = window

    @property
    def kind(self):
        """The Kind of the items."""
        return self.decoder.kind

    @property
    def measured(self):
        """What was found in the files and is a setting of a run from now on: {name in RunConfig: value}."""
        return {"levels": (self.window.low, self.window.high)} if self.window.mode == "dataset" else {}

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, rows):
        if self.stack is not None:
            found = torch.as_tensor(self.stack[np.asarray(rows)])
        else:
            found = torch.stack([self._decoded(row) for row in rows])
        return found.float() / 255

    def _decoded(self, row):
        return self.decoder.decode(self.paths[row], self.size, self.channels, self.window)[0]


# ---- decoding a table -------------------------------------------------------------------------------------------


def open_decoded(make, table, shape, most_bad=0.1, quiet=False, *, window=BY_FILE, cache=None):
    """Decode every item of `table`: (table of the good rows, their items, table path and reason of the skipped).

    make: the class of the items, a DecodedItems. shape: their size and channels. window: a Window; that of a dataset
    is measured in the training items first, where it is not known. cache: the folder under which decoded items of large
    tables are kept; None to keep none. InputError if more than `most_bad` of the items cannot be read; those that are
    empty do not count.
    """
    decoder, asked, (size, channels) = make.decoder, window, shape
    window = measure_levels(decoder, table) if window == DATASET else window
    decode = partial(_decode_all, decoder, table, (size, channels, window), most_bad, quiet)
    entry = _entry(decoder, table.path, size, channels, window, cache)
    found = _from_cache(entry, partial(decode, remark=True), quiet)
    size_of_all = len(table) * channels * size**decoder.kind.places
    stack, facts = found or _in_memory(partial(decode, remark=not quiet), size_of_all)
    skipped = table.iloc[[row for row, _ in facts["bad"]]][["path"]].assign(reason=[why for _, why in facts["bad"]])
    good = table.drop(table.index[[row for row, _ in facts["bad"]]]).reset_index(drop=True)
    scaled = {(how, unit): n for how, unit, n in facts["scaled"]}
    notes = () if quiet else (*facts["frames"], *_scaling_in_words(decoder.kind, scaled, window, asked))
    return good, make(list(good.path), size, channels, stack, notes, window), skipped


def cached_decoded(make, paths, size, channels, cache, window=BY_FILE):
    """The items of a run, of the class `make`, whose values are in the cache; None if they are not."""
    entry = _entry(make.decoder, paths, size, channels, window, cache)
    if not (entry and entry.is_worthwhile() and (found := entry.find_again())):
        return None
    return make(list(paths), size, channels, found[0], window=window)


def try_decoded(decoder, path, size, channels, window=BY_FILE):
    """What a FileDecoding returns, or the reason why it failed as a string."""
    try:
        return decoder.decode(path, size, channels, window)
    except EmptyItemError as e:
        return _Empty(e)
    except READING_FAULTS as e:
        reason = str(e) if isinstance(e, InputError) else f"{type(e).__name__}: {e}"
        return _ForNow(reason) if _is_for_now(e) else reason


class _Empty(str):
    """The reason why an item shows nothing, which is no fault of its file."""


class _ForNow(str):
    """The reason why an item cannot be read at this moment: a disk or a network that may give it the next time."""


def _is_for_now(error):
    """Does an error, or what it comes from, tell of the system and not of what stands in a file?

    Decoders raise OSErrors without a number; "invalid argument" is what a system says to a place before a file's begin.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            return True
        error = error.__cause__ or error.__context__
    return False


def _entry(decoder, paths, size, channels, window, cache):
    """The place of decoded items in the cache; None without one."""
    levels = [None if level is None else float(level) for level in (window.low, window.high)]
    options = {"kind": decoder.kind.name, "window": [window.mode, *levels]}
    form = "uint8", (channels, *(size,) * decoder.kind.places)
    return cache and CacheEntry(cache, list(paths), form, options)


def _from_cache(entry, decode, quiet):
    """(items in the cache, facts), where it is worthwhile; None otherwise, and where the disk refuses."""
    if not (entry and entry.is_worthwhile()):
        return None
    try:
        return entry.find_or_make(decode, quiet)
    except OSError as e:
        what = f"decoded {entry.options['kind']}s"
        print(f"Note: {what} cannot be kept in {entry.folder} ({e.strerror}): later commands decode again.")
        return None


def _in_memory(decode, size):
    """(items (N, C, *places) in memory if their bytes fit, else None, facts)."""
    kept = []
    facts = decode(kept.append if size <= IN_MEMORY else lambda item: None)[1]
    return torch.from_numpy(np.stack(kept)) if kept else None, facts


def _decode_all(decoder, table, form, most_bad, quiet, put, remark):
    """Decode the items of a table, and give each that can be read to `put`: (their rows, facts on all).

    form: (size, channels, window). remark: look for what is not used of the files. facts: bad [(row, reason)], scaled
    [(key of SCALED, unit, number)], frames: the remarks, in a list, for_now: may some of the bad be read
    the next time? InputError as of `open_decoded`.
    """
    good, bad, scaled = [], [], Counter()
    with ThreadPoolExecutor() as pool:
        results = in_order(pool, lambda path: try_decoded(decoder, path, *form), table.path)
        for row, got in enumerate(tqdm(results, "reading", len(table), False, disable=quiet or None)):
            if isinstance(got, str):
                bad.append((row, got))
                continue
            scaled[got[1:]] += 1
            good.append(row)
            put(got[0].numpy())
    _check_bad(decoder.kind, table, bad, most_bad)
    remarks = list(decoder.remarks(list(table.path.iloc[good]))) if remark else []
    facts = {"bad": [(row, str(reason)) for row, reason in bad], "frames": remarks}
    facts["for_now"] = any(isinstance(reason, _ForNow) for _, reason in bad)
    return good, facts | {"scaled": [(*about, n) for about, n in scaled.items()]}


def _check_bad(kind, table, bad, most):
    """InputError if more than the share `most` of a table's items cannot be read, or if all of them are empty."""
    faults = [(row, reason) for row, reason in bad if not isinstance(reason, _Empty)]
    if len(faults) > most * len(table) or len(bad) == len(table):
        row, reason = (faults or bad)[0]
        raise InputError(
            f"{len(faults or bad)} of {len(table)} {kind.plural} cannot be read, as {table.path.iloc[row]} ({reason}):"
            " mend or remove them."
        )


# ---- the window of items of more than 8 bits ---------------------------------------------------------------------


def window_of_run(settings):
    """{"window": the Window of a run}, which of a dataset is measured when it is trained.

    settings: RunSettings, or a RunConfig, which holds what was measured.
    """
    window = parse_window(settings.window)
    if window == DATASET and hasattr(settings, "levels"):
        window = Window("dataset", *settings.levels) if settings.levels else BY_FILE
    return {"window": window}


def measure_levels(decoder, table):
    """The Window of a dataset, by its training items; BY_FILE if none of them has values of more than 8 bits.

    table: with path and, where it is known, split. LOOKED of the items are looked at, spread over the table.
    """
    train = table.path[table.split == "train"] if "split" in table else table.path
    rows = np.unique(np.linspace(0, len(train) - 1, min(len(train), LOOKED)).round().astype(int))
    with ThreadPoolExecutor() as pool:
        ranges = [found for found in pool.map(decoder.value_range, train.iloc[rows]) if found is not None]
    return measure_window(ranges) if ranges else BY_FILE


def _scaling_in_words(kind, scaled, window, asked):
    """A sentence on how values of more than 8 bits became brightness, in a tuple; () where there is nothing to say.

    scaled {(key of SCALED, unit): number of items}. asked: the Window before it was measured.
    """
    deep = {about: n for about, n in scaled.items() if about[0] != "as they are"}
    if not deep:
        return () if asked == BY_FILE else (f"--window changes nothing: no {kind.name} has more than 8 bits a value.",)
    units = {unit for _, unit in deep}
    unit = f" {units.pop()}" if len(units) == 1 and units != {""} else ""
    what = f"{counted(sum(deep.values()), kind.plural)} with more than 8 bits a value:"
    if window.mode != "file":
        levels = {"low": f"{window.low:g}", "high": f"{window.high:g}"}
        return (f"{what} {SCALED[window.mode].format(**levels, unit=unit, plural=kind.plural)}.",)
    parts = Counter()
    for (how, _), n in deep.items():
        parts[how] += n
    several = len(parts) > 1
    told = ", ".join(f"{n} {SCALED[how]}" if several else SCALED[how] for how, n in parts.items())
    more = "; --window dataset keeps their brightness comparable" if set(parts) & set(APART) or several else ""
    return (f"{what} {told}{more}.",)
