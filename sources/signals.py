"""Items of kind signal: `signals[rows]` -> float (B, C, T) in [0, 1], all of one rate, one length and the same units.

Each channel's range of [0, 1] is that of the training items, which goes with them, so that values can be told in
units: `signals.to_units(x)`.
"""

import os
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from tqdm.auto import tqdm

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import SIGNAL
from xaae.experiment.vocabulary import AXES
from xaae.sources.formats import format_of, read_item, split_item
from xaae.sources.recordings import (
    FINEST,
    SamplesOnDisk,
    at_rate,
    axes_warning,
    cut_recording,
    is_on_disk,
    split_cut,
    why_unfit,
    with_axes,
    with_units,
)

IN_MEMORY = 2**31  # bytes of values; a larger table is read as it is asked for
SMALL = 2**25  # bytes of values that are kept though their recordings stay on the disk
ODD = 0.01  # share of the training items whose lowest and highest values do not count for the range
MARGIN = 0.05  # of the range, at both ends
LEAST = 0.5  # of the longest item: where lengths differ more, nobody said which part counts
UNREADABLE = (OSError, ValueError, EOFError, KeyError, IndexError)  # InputError is a ValueError


@dataclass(frozen=True)
class SignalScale:
    """What all items of a run share, as its config keeps it: one number or text for each of the C channels.

    rate: samples a second (Hz), None where it is not known. names, units: "" where they are not known. low and high:
    the values, in units, that are 0 and 1. axes: how the files have their axes, see `recordings.AXES`.
    """

    rate: float | None = None
    names: tuple = ()
    units: tuple = ()
    low: tuple = ()
    high: tuple = ()
    axes: str = AXES[0]

    def as_dict(self):
        """The same as what JSON can hold."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, content):
        """The SignalScale that `as_dict` wrote."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in content.items()})

    def to_units(self, x):
        """Values x (..., C, T) in [0, 1] as they are in the channels' units; an array or tensor like x."""
        low, high = self._bounds(x)
        return low + x * (high - low)

    def from_units(self, values):
        """Values (..., C, T) in the channels' units as x in [0, 1]; what lies outside is cut off."""
        low, high = self._bounds(values)
        return ((values - low) / (high - low)).clip(0, 1)

    def _bounds(self, like):
        bounds = (np.array(each, np.float32)[:, None] for each in (self.low, self.high))
        return (torch.from_numpy(each).to(like) if torch.is_tensor(like) else each for each in bounds)


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


# ---- what items share -------------------------------------------------------------------------------------------


def _most_common(values, usual):
    """The most frequent of the values, the first of several; `usual` where there are none."""
    counts = Counter(values)
    return counts.most_common(1)[0][0] if counts else usual


def _common_scale(recordings, channels, axes):
    """The SignalScale, without low and high, of what most of the recordings are like.

    channels: how many they shall have, None for what most have.
    """
    channels = channels or _most_common([each.values.shape[0] for each in recordings], 1)
    same = [each for each in recordings if each.values.shape[0] == channels] or recordings
    rate = _most_common([each.rate for each in same if each.rate], None)
    names = _most_common([each.names for each in same if all(each.names)], ("",) * channels)
    alike = [each for each in same if not all(names) or set(names) == set(each.names)]
    units = [_most_common([unit_of(each, at, names) for each in alike], "") for at in range(channels)]
    return SignalScale(rate, names, tuple(units), axes=axes)


def unit_of(recording, channel, names):
    """The unit of a recording in the place of a channel, which is found by its name where channels have names."""
    at = recording.names.index(names[channel]) if all(names) and names[channel] in recording.names else channel
    return recording.units[at] if at < len(recording.units) else ""


def length_at(recording, rate):
    """How many samples a recording has at `rate` Hz."""
    samples = recording.values.shape[1]
    if not (rate and recording.rate) or rate == recording.rate:
        return samples
    ratio = Fraction(rate / recording.rate).limit_denominator(FINEST)
    return -(-samples * ratio.numerator // ratio.denominator)


def _common_size(lengths):
    """The length (samples) that items of these lengths are cut to. InputError where they differ too much to say."""
    if min(lengths) < LEAST * max(lengths):
        raise InputError(
            f"The signals are from {min(lengths)} to {max(lengths)} samples long, too different to be cut to one length"
            " unasked: say by --length how many samples of their middle count, or cut recordings by --cut."
        )
    return min(lengths)


def _misfit(recording, scale, size):
    """Why a recording cannot be one of the items; "" if it can."""
    channels = len(scale.units)
    if all(scale.names) and all(recording.names):
        if lost := [name for name in scale.names if name not in recording.names]:
            return f"it has no channel {lost[0]}, as most have; it has {', '.join(recording.names)}"
    elif recording.values.shape[0] != channels:
        return f"it has {counted(recording.values.shape[0], 'channels')}, not {channels} as most have"
    if scale.rate and not recording.rate:
        return f"it does not say its sampling rate, which is {scale.rate:g} Hz in others"
    if size and (length := length_at(recording, scale.rate)) < size:
        return f"it has {length} samples, fewer than the {size} of an item"
    return ""


def _conform(recording, scale, size):
    """The values (C, size) of a recording as float32 in the rate, units and order of channels of all items.

    Of a longer one they are its middle. InputError where units cannot be converted.
    """
    if not (scale.rate and recording.rate) or recording.rate == scale.rate:
        first = (recording.values.shape[1] - size) // 2
        recording = cut_recording(recording, first, first + size)
    recording = at_rate(recording, scale.rate)
    if all(scale.names) and all(recording.names) and recording.names != scale.names:
        at = [recording.names.index(name) for name in scale.names]
        units = tuple(recording.units[i] for i in at)
        recording = replace(recording, values=np.asarray(recording.values)[at], names=scale.names, units=units)
    values = np.asarray(with_units(recording, scale.units).values, np.float32)
    first = (values.shape[1] - size) // 2
    return values[:, first : first + size]


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
        values = [_conform(self.recordings[row], self.scale, self.size) for row in rows]
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


def open_signals(table, size, channels, most_bad=0.1, quiet=False, scale=None):
    """Read every signal of a table: (table of those that can be used, Signals, table path and reason of the others).

    size: samples of an item, None for the length that they have; of longer ones the middle is taken, shorter ones are
    left out, since what is filled up would tell how long they were. channels: None for what most have. scale: the
    SignalScale of a run (or its dict), or one with `axes` alone; None to learn it from the items. Other rates are
    resampled to the most frequent one, other units converted. InputError if more than `most_bad` cannot be used.
    """
    scale = scale if isinstance(scale, SignalScale) else SignalScale.from_dict(scale or {})
    found = _read_all(table, scale.axes, quiet)
    good = [each for each in found if not isinstance(each, str)]
    if good:
        known = scale.low and scale or _common_scale(good, channels, scale.axes)
        size = size or _common_size([length_at(e, known.rate) for e in good if not _misfit(e, known, 0)] or [0])
        found = [each if isinstance(each, str) else _misfit(each, known, size) or each for each in found]
        scale, notes = known, _notes(good, found, known, size)
    stack, bounds, found = _values_of(found, scale, size, quiet)
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
    return table, Signals(recordings, size, scale, stack, () if quiet else tuple(notes)), skipped


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


def _values_of(found, scale, size, quiet):
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
            values = _conform(found[row], scale, size)
            reason = why_unfit(replace(found[row], values=values, names=scale.names))
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


def _notes(recordings, found, scale, size):
    """Sentences on how items of different rates, units and lengths are made alike."""
    notes = [axes_warning(len(scale.units), size)]
    notes += sorted({each.facts["note"] for each in recordings if "note" in each.facts})
    used = [each for each in found if not isinstance(each, str)]
    if others := sorted({each.rate for each in used if each.rate and each.rate != scale.rate}):
        told = ", ".join(f"{rate:g}" for rate in others)
        notes.append(f"Signals at {told} Hz are resampled to {scale.rate:g} Hz, the most frequent rate.")
    units = [(own, to) for each in used for own, to in zip(each.units, _in_order(each, scale), strict=False)]
    for own, to in sorted({pair for pair in units if pair[0] and pair[1] and pair[0] != pair[1]}):
        notes.append(f"Values in {own} are converted to {to}.")
    lengths = [length_at(each, scale.rate) for each in used]
    if lengths and max(lengths) > size:
        notes.append(f"Signals are {min(lengths)} to {max(lengths)} samples long: their middle {size} are used.")
    about = f"at {scale.rate:g} Hz" if scale.rate else "of an unknown rate"
    names = [name for name in scale.names if name]
    channels = counted(len(scale.units), "channels") + (f" ({', '.join(names[:12])})" if names else "")
    notes.append(f"An item has {channels} of {size} samples {about}.")
    return [note for note in notes if note]


def _in_order(recording, scale):
    """The units of all items in the order in which a recording has its channels."""
    if not (all(scale.names) and all(recording.names)):
        return scale.units
    units = dict(zip(scale.names, scale.units, strict=True))
    return [units.get(name, "") for name in recording.names]


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
        if reason := _misfit(recording, scale, size):
            return reason
        values = _conform(recording, scale, size)
        return why_unfit(replace(recording, values=values, names=scale.names)) or values
    except UNREADABLE as e:
        return str(e)
