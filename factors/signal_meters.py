"""The meters of signals: hum, drift, level, lag, polarity, amplitude, rate, a spike at its latency, the noise floor.

Nothing is learned. Amounts are in % of the range that is [0, 1]; of several channels the mean is read, of the lag what
all of them agree on.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from xaae.factors.measuring import Meter
from xaae.factors.signal_plants import LATENCY, hum_cycles, spike_wave, spike_width, wander_wave

TINY = 1e-9
AROUND = 6  # standard deviations of the spike, on each side, of which its height is read
SMOOTH = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16  # what is taken over neighbours before the rate is read
NORMAL = 0.6745  # median of the absolute values of a standard normal distribution


@dataclass(frozen=True)
class SignalSight:
    """Walks x (S, T, C, L) of signals of L samples, sampled at `rate` Hz. ValueError for other shapes."""

    x: torch.Tensor
    rate: float | None = None

    def __post_init__(self):
        if self.x.ndim != 4:
            raise ValueError(f"frames have the shape {tuple(self.x.shape)}: give (S, T, C, L), signals.")

    @property
    def length(self):
        """Samples of a frame."""
        return self.x.shape[-1]

    @cached_property
    def centred(self):
        """x without the mean of each channel."""
        return self.x - self.x.mean(-1, keepdim=True)

    @cached_property
    def hum_waves(self):
        """Cosine and sine of the hum's frequency: (2, L)."""
        at = 2 * math.pi * hum_cycles(self.length, self.rate) / self.length * torch.arange(self.length)
        return torch.stack([at.cos(), at.sin()])

    @cached_property
    def spike(self):
        """Height of the spike at its latency over a straight line through what is around it, by least squares."""
        at = torch.arange(self.length) - LATENCY * self.length
        near = at.abs() <= AROUND * spike_width(self.length)
        basis = torch.stack([spike_wave(self.length), torch.ones(self.length), at], 1)[near]
        return self.x[..., near] @ torch.linalg.pinv(basis)[0]

    @cached_property
    def even(self):
        """x without the spike at its latency, so that a spike is read by its own meter alone."""
        return self.x - self.spike[..., None] * spike_wave(self.length)

    @cached_property
    def calm(self):
        """`even` without its mean and without what is as fast as the hum, which has a meter of its own too."""
        waves = self.hum_waves - self.hum_waves.mean(1, keepdim=True)
        centred = self.even - self.even.mean(-1, keepdim=True)
        return centred - centred @ torch.linalg.pinv(waves) @ waves


def _hum(sight):
    """Amplitude at the hum's frequency, whatever its phase, under a Hann window."""
    window = torch.hann_window(sight.length + 2)[1:-1]
    level = sight.x - (sight.x * window).sum(-1, keepdim=True) / window.sum()
    parts = [level @ (window * wave) for wave in sight.hum_waves]
    return 200 * (parts[0].square() + parts[1].square()).sqrt().mean(-1) / window.sum()


def _drift(sight):
    """How far the baseline rises along the wander that can be planted, from its lowest to its highest.

    By least squares beside the spike: what is planted of either is read as it is.
    """
    waves = torch.stack([wander_wave(sight.length, sight.rate), spike_wave(sight.length)])
    waves = waves - waves.mean(1, keepdim=True)
    return 100 * (sight.x @ torch.linalg.pinv(waves))[..., 0].mean(-1)


def _spike(sight):
    """Height of the spike at its latency."""
    return 100 * sight.spike.mean(-1)


def _lag(sight):
    """By how much of the window a frame is later than the first of its walk: the best cross-correlation.

    0 where one of them is flat: it is at no time.
    """
    wave = torch.fft.rfft(sight.centred, 2 * sight.length)
    match = torch.fft.irfft((wave * wave[:, :1].conj()).sum(2), 2 * sight.length)
    half = sight.length // 2
    match = torch.cat([match[..., -half:], match[..., : half + 1]], -1)  # lags of -half to half
    best = match.argmax(-1, keepdim=True).clamp(1, 2 * half - 1)
    before, peak, after = (match.gather(-1, best + k)[..., 0] for k in (-1, 0, 1))
    bend = before - 2 * peak + after
    part = torch.where(bend < -TINY, (before - after) / (2 * bend.clamp_max(-TINY)), torch.zeros_like(bend))
    lag = best[..., 0] - half + part.clamp(-1, 1)
    return 100 * torch.where(peak > TINY * sight.length, lag, torch.zeros_like(lag)) / sight.length


def _polarity(sight):
    """1 where all of a signal stands up from its median, -1 where all hangs down, 0 where it goes as far both ways."""
    low, high = sight.calm.amin(-1), sight.calm.amax(-1)
    middle = (sight.calm.median(-1).values - (-sight.calm).median(-1).values) / 2  # of an even number of samples, both
    return ((high + low - 2 * middle) / (high - low).clamp_min(1e-3)).mean(-1)


def _rate(sight):
    """log2 of the mean frequency in cycles a window (Hjorth 1970, mobility), neighbours smoothed first.

    One octave more: the signal goes twice as fast.
    """
    flat = F.pad(sight.calm.flatten(0, 2)[:, None], [2, 2], mode="replicate")
    soft = F.conv1d(flat, SMOOTH.view(1, 1, -1)).view_as(sight.x)
    soft = soft - soft.mean(-1, keepdim=True)
    speed, size = soft.diff(dim=-1).square().mean(-1), soft.square().mean(-1)
    return torch.log2((speed.mean(-1) + TINY) / (size.mean(-1) + 1e-6)) / 2 + math.log2(sight.length / (2 * math.pi))


def _noise_floor(sight):
    """Standard deviation of white noise, by the median size of second differences: content has few large ones."""
    return 100 * sight.calm.diff(n=2, dim=-1).abs().median(-1).values.mean(-1) / (NORMAL * 6**0.5)


RANGE, WINDOW = "% of the range", "% of the window"


def _entered(rows):
    """{name: Meter} of rows (name, unit, read, words of a rise, words of a fall, digits, more)."""
    return {
        name: Meter(name, unit, read, *words, digits=digits, sight=SignalSight, **more)
        for name, unit, read, words, digits, more in rows
    }


def _of_range(what):
    """A rise and a fall of something in % of the range."""
    return f"gains {{}} % of the range in {what}", f"loses {{}} % of the range in {what}"


SIGNAL_METERS = _entered((
    ("hum", RANGE, _hum, _of_range("mains hum"), 1, {}),
    ("drift", RANGE, _drift, ("drifts up by {} % of the range", "drifts down by {} % of the range"), 1, {}),
    ("level", RANGE, lambda s: 100 * s.even.mean((2, 3)), ("rises by {} % of the range", "falls by {} % of the range"),
     1, {}),
    ("lag", WINDOW, _lag, ("comes later by {} % of the window", "comes earlier by {} % of the window"), 1,
     {"relative": True}),
    ("polarity", "from -1 to 1", _polarity, ("turns its peaks up by {}", "turns its peaks down by {}"), 2, {}),
    ("amplitude", RANGE, lambda s: 100 * s.calm.square().mean(-1).sqrt().mean(-1), _of_range("amplitude"), 1, {}),
    ("rate", "octaves", _rate, ("gets faster by {} octaves", "gets slower by {} octaves"), 2, {}),
    ("spike", RANGE, _spike, _of_range("the height of its spike"), 1, {}),
))  # fmt: skip
SIGNAL_ITEM_METERS = _entered((("noise_floor", RANGE, _noise_floor, _of_range("noise"), 1, {}),))


# ---- of single signals, where a meter only compares -----------------------------------------------------------------


def place_in_time(x):
    """Where the middle of what stands out most of the median of signals x (B, C, T) lies, in % of the window: (B,).

    Counted from the middle of the window. What is small beside the highest peak hardly counts.
    """
    out = (x - x.median(-1, keepdim=True).values).float().pow(4).sum(1)
    at = (torch.arange(x.shape[-1]) + 0.5) / x.shape[-1] - 0.5
    return np.asarray(100 * (out @ at) / out.sum(1).clamp_min(TINY), float)
