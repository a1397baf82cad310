"""What all signals of a dataset share: rate, channels, units, length and range; how a recording is brought to these."""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

import numpy as np
import torch

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import AXES
from xaae.sources.recordings import FINEST, at_rate, axes_warning, cut_recording, with_units

MOST_NAMES = 12  # of channels in a sentence
FARTHEST = 500  # times the rate of most: a rate farther off is one of times in another unit, ms in place of s
LEAST = 0.5  # of the longest item: where lengths differ more, nobody said which part counts


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


# ---- what items share -------------------------------------------------------------------------------------------


def _most_common(values, usual):
    """The most frequent of the values, the first of several; `usual` where there are none."""
    counts = Counter(values)
    return counts.most_common(1)[0][0] if counts else usual


def common_scale(recordings, channels, axes):
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


def common_size(lengths):
    """The length (samples) that items are cut to, 0 for none; lengths: (samples, path) of each.

    InputError where they differ too much to say.
    """
    if not lengths:
        return 0
    (shortest, short), (longest, long) = (choose(lengths, key=lambda each: each[0]) for choose in (min, max))
    if shortest < LEAST * longest:
        raise InputError(
            f"The signals are from {shortest} to {longest} samples long ({short} and {long}), too different to be"
            " cut to one length unasked: say by --length how many samples of their middle count, or cut recordings by"
            " --cut."
        )
    return shortest


def misfit_of(recording, scale, size):
    """Why a recording cannot be one of the items; "" if it can."""
    channels = len(scale.units)
    if all(scale.names) and all(recording.names):
        if lost := [name for name in scale.names if name not in recording.names]:
            return f"it has no channel {lost[0]}, as most have; it has {', '.join(recording.names)}"
    elif recording.values.shape[0] != channels:
        return f"it has {counted(recording.values.shape[0], 'channels')}, not {channels} as most have"
    if scale.rate and not recording.rate:
        return f"it does not say its sampling rate, which is {scale.rate:g} Hz in others"
    if scale.rate and not 1 / FARTHEST < recording.rate / scale.rate < FARTHEST:
        return (
            f"its sampling rate is {recording.rate:g} Hz, which is {scale.rate:g} Hz in others: if its times are in"
            " another unit, say so in the column's name, as time (ms)"
        )
    if size and (length := length_at(recording, scale.rate)) < size:
        return f"it has {length} samples, fewer than the {size} of an item"
    return ""


def conform(recording, scale, size):
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


def scale_notes(recordings, found, scale, size):
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
        long = " to ".join(map(str, sorted({min(lengths), max(lengths)})))
        notes.append(f"Signals are {long} samples long: their middle {size} are used.")
    about = f"at {scale.rate:g} Hz" if scale.rate else "of an unknown rate"
    names = [name for name in scale.names if name]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    channels = counted(len(scale.units), "channels") + (f" ({', '.join(names[:MOST_NAMES])}{more})" if names else "")
    notes.append(f"An item has {channels} of {size} samples {about}.")
    return [note for note in notes if note]


def _in_order(recording, scale):
    """The units of all items in the order in which a recording has its channels."""
    if not (all(scale.names) and all(recording.names)):
        return scale.units
    units = dict(zip(scale.names, scale.units, strict=True))
    return [units.get(name, "") for name in recording.names]
