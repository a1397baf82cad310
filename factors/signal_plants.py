"""How factors are planted in signals x (B, C, T) in [0, 1]: one function a factor, the same in all channels.

Each takes the signals, a value (B,) for each of them, and what fills the time that a move leaves empty ("zeros": the
first and last value held on, "reflect": the signal mirrored, "circle": the other end of it). Amounts are in % of the
range [0, 1]; what leaves the range is cut off, as an amplifier does it. All but the noise floor and the polarity are
differentiable in signals and values, and the same for every item, so that a decoder can plant them.
"""

import math

import torch

from xaae.factors.acquisition import noise_like

MAINS = 50.0  # Hz of the hum
CYCLES = 24  # of the hum in a window whose rate is not known
FASTEST, SLOWER = 0.48, 0.25  # cycles a sample: faster cannot be told, and then the hum is that slow instead
WANDER, SLOW = 0.3, 0.5  # Hz of the baseline's wander, and what it stays below
LATENCY, WIDTH = 0.2, 0.01  # of the window: where the spike is, and its standard deviation
NARROWEST = 1.0  # sample: the spike's standard deviation, at least


def hum_cycles(length, rate=None):
    """Cycles of the mains hum in a window of `length` samples: at `rate` Hz those of 50 Hz, else CYCLES.

    Where these are too fast to be told (at less than 104.2 Hz; at no known rate in less than 50 samples), one in four
    samples.
    """
    cycles = length * MAINS / rate if rate else CYCLES
    return cycles if cycles <= FASTEST * length else SLOWER * length


def wander_halves(length, rate=None):
    """Half waves of the baseline's wander in a window: at `rate` Hz those of 0.3 Hz, one at least."""
    return max(1, round(2 * WANDER * length / rate)) if rate else 1


def hum_wave(length, rate=None):
    """The hum at an amplitude of 1, which begins with the window: (T,)."""
    return torch.sin(2 * math.pi * hum_cycles(length, rate) * _middles(length))


def wander_wave(length, rate=None):
    """The wander of the baseline from its lowest to its highest by 1, which rises first: (T,)."""
    return -torch.cos(math.pi * wander_halves(length, rate) * _middles(length)) / 2


def spike_wave(length):
    """The spike at a height of 1: a Gaussian at its latency, (T,)."""
    at = torch.arange(length, dtype=torch.float32)
    return torch.exp(-(((at - LATENCY * length) / spike_width(length)) ** 2) / 2)


def spike_width(length):
    """Standard deviation of the spike in samples."""
    return max(NARROWEST, WIDTH * length)


def spike_place(size):
    """Where the spike is in signals of `size` samples: (T,) bool."""
    return spike_wave(size) > 0.1


def _middles(length):
    """The middle of each sample as a share of the window: (T,)."""
    return (torch.arange(length, dtype=torch.float32) + 0.5) / length


def _as_rows(values, x):
    """Values (B,) as (B, 1, 1) like x."""
    return torch.as_tensor(values, dtype=x.dtype, device=x.device).view(-1, 1, 1)


def _added(x, percent, wave):
    """Signals x with so many % of a wave (T,)."""
    return (x + _as_rows(percent, x) / 100 * wave.to(x)).clamp(0, 1)


def add_hum(x, percent, fill=None, rate=None):
    """Signals x (B, C, T), sampled at `rate` Hz, with mains hum of an amplitude of `percent` (B,) of the range."""
    return _added(x, percent, hum_wave(x.shape[-1], rate))


def add_drift(x, percent, fill=None, rate=None):
    """Signals x (B, C, T) whose baseline wanders below 0.5 Hz by `percent` (B,), lowest to highest; negative: down."""
    return _added(x, percent, wander_wave(x.shape[-1], rate))


def add_offset(x, percent, fill=None):
    """Signals x (B, C, T) whose baseline is higher by `percent` (B,)."""
    return _added(x, percent, torch.ones(x.shape[-1]))


def add_spike(x, percent, fill=None):
    """Signals x (B, C, T) with a spike of a height of `percent` (B,) at a fifth of the window."""
    return _added(x, percent, spike_wave(x.shape[-1]))


def amplify(x, percent, fill=None):
    """Signals x (B, C, T) whose distances from each channel's own mean are larger by `percent` (B,)."""
    middle = x.mean(-1, keepdim=True)
    return (middle + (x - middle) * (1 + _as_rows(percent, x) / 100)).clamp(0, 1)


def add_noise_floor(x, percent, fill=None):
    """Signals x (B, C, T) with white noise whose standard deviation is `percent` (B,) of the range.

    The same signal gets the same noise every time, whatever is in its batch: what is planted stays planted.
    """
    percent = _as_rows(percent, x)
    return torch.where(percent == 0, x, (x + noise_like(x) * percent / 100).clamp(0, 1))


def flip_polarity(x, sign, fill=None):
    """Signals x (B, C, T) upside down where `sign` (B,) is negative: mirrored in the middle of the range.

    A flip and nothing in between: half way a signal would be a flat line, which shows nothing of the content.
    """
    return torch.where(_as_rows(sign, x) < 0, 1 - x, x)


def delay(x, percent, fill="zeros"):
    """Signals x (B, C, T) later by `percent` (B,) of the window, earlier where it is negative."""
    at = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device)
    return sample_at(x, at - _as_rows(percent, x)[:, 0] * x.shape[-1] / 100, fill).clamp(0, 1)


def stretch_time(x, percent, fill="zeros"):
    """Signals x (B, C, T) that take `percent` (B,) longer, about the middle of the window; faster where negative."""
    middle = (x.shape[-1] - 1) / 2
    at = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device) - middle
    return sample_at(x, middle + at / (1 + _as_rows(percent, x)[:, 0] / 100), fill).clamp(0, 1)


def sample_at(x, position, fill="zeros"):
    """Signals x (B, C, T) at positions (B, T), in samples, by cubic convolution (Keys 1981): (B, C, T).

    Differentiable in the positions; what lies outside of the window by `fill`.
    """
    first = position.floor()
    part = (position - first)[:, None]
    rows = [_inside(first.long() + k, x.shape[-1], fill)[:, None].expand(-1, x.shape[1], -1) for k in (-1, 0, 1, 2)]
    before, here, after, last = (x.gather(2, row) for row in rows)
    slope, bend = (after - before) / 2, before - 2.5 * here + 2 * after - last / 2
    return here + part * (slope + part * (bend + part * (1.5 * (here - after) + (last - before) / 2)))


def _inside(index, length, fill):
    """Sample numbers, which may lie outside of the window, as numbers inside of it."""
    if fill == "circle":
        return index.remainder(length)
    if fill == "reflect":
        folded = index.remainder(2 * (length - 1))
        return torch.minimum(folded, 2 * (length - 1) - folded)
    return index.clamp(0, length - 1)
