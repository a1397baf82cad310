"""Recordings of signals (C, T): axes, units and rates made explicit, samples cut out, and what makes one unfit."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np

from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import AXES
from xaae.sources.file_contents import Recording

CUT = re.compile(r"(?:(?P<rest>.*)/)?samples/(?P<first>\d+)-(?P<last>\d+)")  # an item that is a part of a recording
PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
BASES = {"V": "V", "A": "A", "T": "T", "Pa": "Pa", "Hz": "Hz", "s": "s", "g": "g", "m": "m", "Ohm": "Ohm", "S": "S"}
SCALES = {prefix + base: (base, scale) for base in BASES for prefix, scale in PREFIXES.items()} | {
    "mmHg": ("Pa", 133.322387415),
    "cmH2O": ("Pa", 98.0665),
    "bar": ("Pa", 1e5),
    "mbar": ("Pa", 100.0),
    "cm": ("m", 1e-2),
}  # unit -> (what it is a multiple of, how much of that it is)
SPELLINGS = {"µ": "u", "μ": "u", "Ω": "Ohm", "ohm": "Ohm", "Volts": "V", "volts": "V", "Volt": "V", "volt": "V"}
FINEST = 10_000  # denominator of the ratio of two rates


class SamplesOnDisk:
    """Values (C, T) of a recording that stay in their file: `values[:, a:b]` reads those samples alone.

    read: (first, last) -> array (C, last - first).
    """

    dtype = np.dtype(np.float32)

    def __init__(self, shape, read):
        self.shape, self.read, self.ndim = tuple(shape), read, 2

    def __getitem__(self, place):
        channels, samples = place
        first, last, step = samples.indices(self.shape[1])
        return np.asarray(self.read(first, max(first, last)))[channels, ::step]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.read(0, self.shape[1]), dtype=dtype or self.dtype)


def is_on_disk(recording):
    """Do the values of a recording stay in their file until they are cut out?"""
    return not isinstance(recording.values, np.ndarray) or isinstance(recording.values, np.memmap)


def make_recording(values, rate=None, names=(), units=(), labels=(), **facts):
    """A checked Recording of values (C, T) or (T,), numbers of any real type; see file_contents.Recording.

    InputError for values that are no array of numbers, for another number of axes, names or units than channels, and
    for a rate that is no positive number.
    """
    if values.dtype.kind not in "iufb":
        raise InputError(f"it holds values of the type {values.dtype}: save whole numbers or floats.")
    values = values[None] if values.ndim == 1 else values
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"it has the shape {values.shape}, no recording: save an array (channels, time).")
    names, units = (tuple(str(each).strip() for each in given) for given in (names, units))
    for what, given in (("names", names), ("units", units)):
        if given and len(given) != values.shape[0]:
            raise InputError(f"it has {values.shape[0]} channels and {len(given)} {what}: give each channel one.")
    blank = ("",) * values.shape[0]
    return Recording(values, checked_rate(rate), names or blank, units or blank, tuple(labels), facts)


def checked_rate(rate):
    """A rate in Hz as a float, None where it is not known. InputError for one that is no positive number."""
    if rate is None or str(rate).strip() == "":
        return None
    try:
        number = float(np.asarray(rate).reshape(-1)[0] if np.size(rate) == 1 else rate)
    except (TypeError, ValueError):
        number = 0.0
    if not (np.isfinite(number) and number > 0):
        shown = np.asarray(rate).item() if np.size(rate) == 1 else rate  # NumPy writes its numbers with their type
        raise InputError(f"its sampling rate is {shown!r}: give samples a second, above 0.")
    return number


# ---- axes and parts ---------------------------------------------------------------------------------------------


def with_axes(recording, axes=AXES[0]):
    """The recording with its axes as (channels, time), when its file has them as `axes` says.

    InputError for axes that there are not.
    """
    if axes not in AXES:
        raise InputError(f"There are no axes {axes!r}: use {' or '.join(AXES)}.")
    if axes == AXES[0]:
        return recording
    values = recording.values
    turned = values.T if isinstance(values, np.ndarray) else np.asarray(values).T
    about = {what: for_channels(recording.said.get(what, ()), len(turned)) for what in ("names", "units")}
    return replace(recording, values=turned, **about)


def for_channels(texts, channels):
    """Texts, one for each of the channels or one for all, as a tuple; "" for each where their number is another."""
    texts = tuple(texts) * channels if len(texts) == 1 else tuple(texts)
    return texts if len(texts) == channels else ("",) * channels


def axes_warning(channels, samples):
    """A sentence where an item has fewer samples than channels, so that its axes are likely swapped; else ""."""
    if samples >= channels:
        return ""
    return (
        f"An item has {channels} channels and only {samples} samples: axes are (channels, time); if these are the other"
        f" way round, say --axes {AXES[1]}."
    )


def split_cut(item):
    """(rest of the item's name, (first, last) or None) of an item that may be a part of a recording."""
    match = CUT.fullmatch(item)
    if not match:
        return item, None
    return match["rest"] or "", (int(match["first"]), int(match["last"]))


def name_cut(first, last, rest=""):
    """What an item is called that is the samples `first` to before `last` of a recording."""
    return f"{rest}/samples/{first}-{last}" if rest else f"samples/{first}-{last}"


def cut_recording(recording, first, last):
    """Samples `first` to before `last` of a recording, as float32 in memory, with the annotations that begin in them.

    InputError for samples that the recording does not have.
    """
    samples = recording.values.shape[1]
    if not 0 <= first < last <= samples:
        raise InputError(f"it has no samples {first} to {last}: it has 0 to {samples}.")
    values = np.ascontiguousarray(recording.values[:, first:last], dtype=np.float32)
    labels = tuple((a - first, b - first, text) for a, b, text in recording.labels if first <= a < last)
    return replace(recording, values=values, labels=labels)


def with_cuts(read):
    """A reader (file, item) -> Recording that knows parts of recordings too: ITEM/samples/FIRST-LAST."""

    def read_part(path, item):
        rest, cut = split_cut(item)
        recording = read(path, rest)
        return cut_recording(recording, *cut) if cut else recording

    return read_part


def of_one_recording(open_file):
    """A reader (file, item) -> Recording, and of its parts, for files that hold one: open_file(path) -> Recording."""

    def read_whole(path, item):
        if item:
            raise InputError(f"it has no item {item}: name its samples as samples/FIRST-LAST.")
        return open_file(path)

    return with_cuts(read_whole)


# ---- units ------------------------------------------------------------------------------------------------------


def spelled(unit):
    """A unit in the spelling of this project: "µV" -> "uV"."""
    for theirs, ours in SPELLINGS.items():
        unit = unit.replace(theirs, ours)
    return unit.strip()


def unit_ratio(unit, to):
    """What values in `unit` are multiplied by to be in `to`; None where the one is no multiple of the other."""
    unit, to = spelled(unit), spelled(to)
    if unit == to:
        return 1.0
    if unit not in SCALES or to not in SCALES or SCALES[unit][0] != SCALES[to][0]:
        return None
    return SCALES[unit][1] / SCALES[to][1]


def with_units(recording, units):
    """The recording with its channels in `units` (C texts); "" leaves a channel as it is.

    InputError for a unit that the values cannot be converted to.
    """
    ratios = []
    for name, own, to in zip(recording.names, recording.units, units, strict=True):
        ratio = unit_ratio(own, to) if own and to else 1.0
        if ratio is None:
            raise InputError(f"its channel {name or '?'} is in {own}, not in {to} as others.")
        ratios.append(ratio)
    if set(ratios) == {1.0}:
        return replace(recording, units=tuple(to or own for own, to in zip(recording.units, units, strict=True)))
    values = np.asarray(recording.values, np.float32) * np.array(ratios, np.float32)[:, None]
    return replace(recording, values=values, units=tuple(units))


# ---- rates ------------------------------------------------------------------------------------------------------


def resample(values, rate, to):
    """Values (..., T) at `rate` Hz as float32 at `to` Hz, by a polyphase filter that lets nothing alias.

    What is missing (NaN or infinite) is missing there too, and does not spread.
    """
    ratio = Fraction(to / rate).limit_denominator(FINEST)
    values = np.asarray(values, np.float32)
    if ratio == 1:
        return values
    from scipy.signal import resample_poly  # takes a second to load, for which other rates need not wait

    there = np.isfinite(values)
    filled = values if there.all() else np.apply_along_axis(_bridge_gaps, -1, values)
    found = resample_poly(filled, ratio.numerator, ratio.denominator, axis=-1, padtype="line").astype(np.float32)
    if not there.all():
        nearest = np.minimum(np.round(np.arange(found.shape[-1]) / float(ratio)), values.shape[-1] - 1).astype(int)
        found[~there[..., nearest]] = np.nan
    return found


def _bridge_gaps(values):
    """Values (T,) with straight lines where some are missing; zeros where all are."""
    there = np.isfinite(values)
    if not there.any():
        return np.zeros_like(values)
    at = np.arange(len(values))
    return np.interp(at, at[there], values[there])


def at_rate(recording, to):
    """The recording at `to` Hz, with its annotations at the same times."""
    if recording.rate is None or to is None or recording.rate == to:
        return recording
    scale = to / recording.rate
    values = resample(recording.values, recording.rate, to)
    labels = tuple((round(a * scale), round(b * scale), text) for a, b, text in recording.labels)
    return replace(recording, values=values, rate=to, labels=labels)


def stack_channels(channels, rates):
    """(values (C, T), rate, a sentence on it or "") of channels (T_c,) of different rates, at the highest of them."""
    to = max(rates)
    even = [resample(values, rate, to) for values, rate in zip(channels, rates, strict=True)]
    length = min(len(values) for values in even)
    values = np.stack([np.asarray(each[:length], np.float32) for each in even])
    told = ", ".join(f"{rate:g}" for rate in sorted(set(rates)))
    note = f"Channels at {told} Hz in one recording are all resampled to {to:g} Hz." if len(set(rates)) > 1 else ""
    return values, to, note


# ---- what makes a recording unfit -------------------------------------------------------------------------------


def why_unfit(recording, place=int):
    """Why nothing can be learned from a recording: values that are no finite numbers, or no change; "" if it is fit.

    place: the number of a sample -> its number in the file, where the recording is a part of one.
    """
    values = np.asarray(recording.values)
    wrong = ~np.isfinite(values)
    if wrong.any():
        channel = int(np.flatnonzero(wrong.any(1))[0])
        at, kind = int(np.flatnonzero(wrong[channel])[0]), "infinite" if np.isinf(values[wrong]).any() else "missing"
        are = "is" if wrong.sum() == 1 else "are"
        return (
            f"{int(wrong.sum())} of its values {are} {kind} (no finite numbers), the first in channel"
            f" {channel_name(recording, channel)} at sample {place(at)}, counted from 0"
        )
    if len(flat_channels(values)) == len(values):
        return "it is flat: each channel has one value throughout"
    return ""


def flat_channels(values):
    """Numbers of the channels of values (C, T) that have one value throughout."""
    return np.flatnonzero(values.max(1) == values.min(1))


def channel_name(recording, channel):
    """What a channel is called: its name, or its number from 1."""
    name = recording.names[channel] if recording.names else ""
    return name or str(channel + 1)
