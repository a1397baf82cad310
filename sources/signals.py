"""Items of kind signal: `signals[rows]` -> float (B, C, T) in [0, 1], all of one rate, one length and the same units.

Each channel's range of [0, 1] is that of the training items, which goes with them, so that values can be told in
units: `signals.to_units(x)`.
"""

import json
import os
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch
from tqdm.auto import tqdm

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import SIGNAL
from xaae.experiment.vocabulary import AXES
from xaae.sources.formats import format_of, read_item, split_item
from xaae.sources.item_cache import CacheEntry, marks_of
from xaae.sources.recordings import (
    SamplesOnDisk,
    cut_recording,
    is_on_disk,
    split_cut,
    why_unfit,
    with_axes,
)
from xaae.sources.signal_scale import SignalScale, common_scale, common_size, conform, length_at, misfit_of, scale_notes

IN_MEMORY = 2**31  # bytes of values; a larger table is read as it is asked for
SMALL = 2**25  # bytes of values that are kept though their recordings stay on the disk
ODD = 0.01  # share of the training items whose lowest and highest values do not count for the range
MOST_UNUSABLE = 0.1  # share of items that cannot be used; beyond it training does not begin
MARGIN = 0.05  # of the range, at both ends
UNREADABLE = (OSError, ValueError, EOFError, KeyError, IndexError)  # InputError is a ValueError


# ---- reading ----------------------------------------------------------------------------------------------------


def read_signal(path, axes=AXES[0]):
    """The Recording of a table's path FILE or FILE#ITEM; where samples can stay on the disk they do.

    InputError, OSError or another of UNREADABLE if that fails.
    """
    file, item = split_item(path)
    if not os.path.exists(file):
        raise InputError("there is no such file")
    if format_of(file, SIGNAL.name) is None:
        raise InputError("it is no file of signals")
    item, cut = split_cut(item)
    recording = with_axes(read_item(f"{file}#{item}" if item else file, SIGNAL.name), axes)
    return recording if cut is None else _part(recording, *cut)


def _part(recording, first, last):
    """Samples `first` to before `last`, which stay on the disk where the recording does."""
    if not is_on_disk(recording):
        return cut_recording(recording, first, last)
    channels, samples = recording.values.shape
    if not 0 <= first < last <= samples:
        raise InputError(f"it has no samples {first} to {last}: it has 0 to {samples}")
    whole = recording.values
    part = SamplesOnDisk((channels, last - first), lambda a, b: whole[:, first + a : first + b])
    return replace(recording, values=part, labels=())


def _try_signal(path, axes):
    """`read_signal`, or the reason why it failed, as a string."""
    try:
        return read_signal(path, axes)
    except UNREADABLE as e:
        return str(e) if isinstance(e, InputError) else f"{type(e).__name__}: {e}"


def signal_channels(paths, labels=None, looks=20):
    """How many channels most of these signals have: `looks` of them are looked at, spread over all; 1 if none is read.

    labels (N,): the class of each path; it makes no difference.
    """
    paths, found = [str(path) for path in paths], Counter()
    for at in np.unique(np.linspace(0, len(paths) - 1, looks).round().astype(int)):
        with suppress(*UNREADABLE):
            found[read_signal(paths[at]).values.shape[0]] += 1
    return found.most_common(1)[0][0] if found else 1


# ---- the items --------------------------------------------------------------------------------------------------


class Signals:
    """The Items of signals: `signals[rows]` -> float (B, C, size) in [0, 1], in the table's order.

    scale: the SignalScale. recordings: what is read when it is asked for. notes: sentences on how they were read.
    measured: what the config of a run keeps of the items.
    """

    kind = SIGNAL

    def __init__(self, recordings, size, scale, stack=None, notes=()):
        self.recordings, self.size, self.scale, self.stack, self.notes = recordings, size, scale, stack, notes
        self.channels = len(scale.units)
        self.measured = {"signal_scale": scale.as_dict(), "input_size": size}

    def __len__(self):
        return len(self.recordings)

    def __getitem__(self, rows):
        return torch.from_numpy(self.scale.from_units(self.in_units(rows)))

    def in_units(self, rows):
        """The values (B, C, size) of rows as their files have them, in the channels' units, float32."""
        rows = np.asarray(rows, dtype=int)
        if self.stack is not None:
            return self.stack[rows]
        values = [conform(self.recordings[row], self.scale, self.size) for row in rows]
        return np.stack(values) if values else np.empty((0, self.channels, self.size), np.float32)

    def to_units(self, x):
        """Values x (..., C, T) in [0, 1] in the channels' units."""
        return self.scale.to_units(x)


def reading_of_signals(settings):
    """The option `scale` of the readers of signals, as the config of a run has it, or with the axes that are asked for.

    settings: a RunSettings or RunConfig.
    """
    return {"scale": getattr(settings, "signal_scale", None) or {"axes": settings.axes}}


class _ReadLater:
    """The recordings of paths, each read when it is asked for."""

    def __init__(self, paths, axes):
        self.paths, self.axes = list(paths), axes

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        return read_signal(self.paths[row], self.axes)


def lazy_signals(paths, size, channels, scale=None):
    """Signals of paths that are read when they are asked for. scale: the SignalScale of a run (or its dict)."""
    scale = scale if isinstance(scale, SignalScale) else SignalScale.from_dict(scale)
    return Signals(_ReadLater(paths, scale.axes), size, scale)


def cached_signals(paths, size, channels, cache, scale=None):
    """The Signals of a run whose values are in the cache; None if they are not. scale: the SignalScale of the run."""
    scale = scale if isinstance(scale, SignalScale) else SignalScale.from_dict(scale or {})
    if not (scale.low and size):
        return None  # nothing is known of them yet
    entry = _entry(paths, size, scale, cache)
    found = entry.find_again() if entry.is_worthwhile() else None
    return found and Signals(_ReadLater(paths, scale.axes), size, scale, found[0])


def _entry(paths, size, scale, cache):
    """The place in the cache of signals in their units; the range that is learned from them makes no difference."""
    shared = {name: value for name, value in scale.as_dict().items() if name not in ("low", "high")}
    form = ("float32", (len(scale.units), size))
    return CacheEntry(cache, list(paths), form, {"kind": SIGNAL.name, "shared": json.dumps(shared)})


def _keep(signals, paths, cache, marks):
    """The same Signals; where it is worthwhile their values, which are all known to be fit, are in the cache now.

    marks: of the files before they were read.
    """
    entry = _entry(paths, signals.size, signals.scale, cache)
    if not entry.is_worthwhile() or any(marks.get(file) != mark for file, mark in entry.marks.items()):
        return signals

    def write(put):
        rows = list(range(len(signals)))
        for row in rows:
            put(signals.in_units([row])[0])
        return rows, {}

    try:
        found = entry.find_or_make(write)
    except OSError as e:
        print(f"Note: signals that were read cannot be kept in {entry.folder} ({e.strerror}).")
        return signals
    if found:
        signals.stack, signals.recordings = found[0], _ReadLater(paths, signals.scale.axes)
    return signals


def open_signals(table, size, channels, most_bad=MOST_UNUSABLE, quiet=False, scale=None, cache=None):
    """Read every signal of a table: (table of those that can be used, Signals, table path and reason of the others).

    size: samples of an item, None for the length that they have; of longer ones the middle is taken, shorter ones are
    left out, since what is filled up would tell how long they were. channels: None for what most have. scale: the
    SignalScale of a run (or its dict), or one with `axes` alone; None to learn it from the items. Other rates are
    resampled to the most frequent one, other units converted. cache: the folder under which the values of large tables
    are kept; None to keep none. InputError if more than `most_bad` cannot be used.
    """
    if cache and (kept := cached_signals(table.path, size, channels, cache, scale)):
        return table.reset_index(drop=True), kept, table.iloc[:0][["path"]].assign(reason=[])
    scale = scale if isinstance(scale, SignalScale) else SignalScale.from_dict(scale or {})
    marks = _marks_now(table.path) if cache else {}
    found = _read_all(table, scale.axes, quiet)
    good = [each for each in found if not isinstance(each, str)]
    if good:
        known = scale.low and scale or common_scale(good, channels, scale.axes)
        alike = [(each, path) for each, path in zip(found, table.path, strict=True)
                 if not isinstance(each, str) and not misfit_of(each, known, 0)]  # fmt: skip
        size = size or common_size([(length_at(each, known.rate), path) for each, path in alike])
        found = [each if isinstance(each, str) else misfit_of(each, known, size) or each for each in found]
        scale, notes = known, scale_notes(good, found, known, size)
    stack, bounds, found = _values_of(found, list(table.path), scale, size, quiet)
    bad = [isinstance(each, str) for each in found]
    skipped = table.loc[bad, ["path"]].assign(reason=[each for each in found if isinstance(each, str)])
    if sum(bad) > most_bad * len(table):
        example = f"{skipped.path.iloc[0]} ({skipped.reason.iloc[0]})"
        raise InputError(f"{sum(bad)} of {len(table)} signals cannot be used, as {example}: mend or remove them.")
    table = table[~np.array(bad)].reset_index(drop=True)
    if not scale.low:
        scale = _with_bounds(scale, bounds, table)
        notes += _clipped(scale, bounds)
    recordings = [each for each in found if not isinstance(each, str)]
    found = Signals(recordings, size, scale, stack, () if quiet else tuple(notes))
    return table, _keep(found, list(table.path), cache, marks) if cache else found, skipped


def _marks_now(paths):
    """The marks of the files of `paths`; {} if one is not there."""
    try:
        return marks_of(paths)
    except OSError:
        return {}


def _read_all(table, axes, quiet):
    """For each path of a table its Recording, or the reason why it cannot be read."""
    found, used = [], 0
    for path in tqdm(table.path, "reading", disable=quiet or None):
        recording = _try_signal(path, axes)
        if not isinstance(recording, str) and not is_on_disk(recording):
            used += recording.values.nbytes
            recording = recording if used <= IN_MEMORY else _left_on_disk(recording, path, axes)
        found.append(recording)
    return found


def _left_on_disk(recording, path, axes):
    """A recording whose values are read again each time: there is no room for those of all items."""
    values = SamplesOnDisk(recording.values.shape, lambda a, b: np.asarray(read_signal(path, axes).values[:, a:b]))
    return replace(recording, values=values)


def _values_of(found, paths, scale, size, quiet):
    """(stack (N, C, size) in units or None, (lows, highs) (N, C), found with the reason of those that are unfit).

    Every item is read once; one that holds no finite numbers, or is flat, is unfit.
    """
    good = [row for row, each in enumerate(found) if not isinstance(each, str)]
    on_disk = all(is_on_disk(found[row]) for row in good)
    bytes_needed = 4 * len(good) * len(scale.units) * (size or 0)
    keep = bytes_needed <= (SMALL if on_disk else IN_MEMORY)
    kept, bounds, found = [], [], list(found)
    for row in tqdm(good, "checking", disable=quiet or not on_disk or None):
        try:
            values = conform(found[row], scale, size)
            reason = _why_unfit_in_file(found[row], values, scale, paths[row])
        except UNREADABLE as e:
            reason = str(e)
        if reason:
            found[row] = reason
            continue
        bounds.append((values.min(1), values.max(1)))
        if keep:
            kept.append(values)
    lows, highs = (np.array([each[i] for each in bounds]).reshape(len(bounds), len(scale.units)) for i in (0, 1))
    return np.stack(kept) if kept else None, (lows, highs), found


def _why_unfit_in_file(recording, values, scale, path):
    """Why a recording whose item has the values (C, size) is unfit, with the place in its file; "" if it is fit."""
    step = recording.rate / scale.rate if recording.rate and scale.rate else 1.0
    first = (length_at(recording, scale.rate) - values.shape[1]) // 2
    cut = split_cut(split_item(path)[1])[1] or (0, 0)
    item = replace(recording, values=values, names=scale.names)
    return why_unfit(item, lambda at: cut[0] + round((first + at) * step))


def _with_bounds(scale, bounds, table):
    """The scale with low and high, by the training items of the table, but for the oddest of them."""
    train = (table.split == "train").to_numpy() if "split" in table else np.ones(len(table), bool)
    lows, highs = (each[train] if train.any() else each for each in bounds)
    low, high = np.quantile(lows, ODD, axis=0), np.quantile(highs, 1 - ODD, axis=0)
    span = np.where(high > low, high - low, 1.0)
    low, high = low - MARGIN * span, high + MARGIN * span
    return replace(scale, low=tuple(low.astype(float).tolist()), high=tuple(high.astype(float).tolist()))


def _clipped(scale, bounds):
    """A sentence on items with values beyond the range, and one on flat channels, in a list; [] without any."""
    lows, highs = bounds
    beyond = ((lows < np.array(scale.low)) | (highs > np.array(scale.high))).any(1).sum()
    flat = lows == highs
    notes = []
    if beyond:
        items = "1 item has" if beyond == 1 else f"{beyond} items have"
        notes.append(f"{items} values beyond the range of the training items, which are cut off there.")
    for channel in np.flatnonzero(flat.all(0)):
        name = scale.names[channel] or channel + 1
        notes.append(f"The channel {name} is flat in every item: nothing can be learned from it.")
    some = flat[:, ~flat.all(0)].any(1).sum()
    if some:
        notes.append(f"{'1 item has' if some == 1 else f'{some} items have'} a channel that is flat, others are not.")
    return notes


def read_signals(paths, size, channels, scale=None):
    """Signals (B, C, size) in [0, 1] of those paths that can be read, and for each path the reason or "".

    scale: the SignalScale of a run (or its dict).
    """
    scale = scale if isinstance(scale, SignalScale) else SignalScale.from_dict(scale)
    found = [_try_values(path, size, scale) for path in paths]
    good = [each for each in found if not isinstance(each, str)]
    x = scale.from_units(np.stack(good)) if good else np.empty((0, channels, size), np.float32)
    return torch.from_numpy(x), [each if isinstance(each, str) else "" for each in found]


def _try_values(path, size, scale):
    """The values (C, size) of a signal, in units, or the reason why it cannot be used, as a string."""
    if not path:
        return "no path in this row"
    try:
        recording = read_signal(path, scale.axes)
        if reason := misfit_of(recording, scale, size):
            return reason
        values = conform(recording, scale, size)
        return _why_unfit_in_file(recording, values, scale, path) or values
    except UNREADABLE as e:
        return str(e)
