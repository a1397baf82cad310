"""Signals drawn as traces: the one drawing that figures, films, reports and the app share. Needs no torch.

Channels lie below each other. Each has the height of its own range; where all have one unit they share its scale, so
that their amplitudes can be compared. Below is the time, on the right a bar with a value. What is an ECG lies on the
paper that ECGs are read on: 0.2 s and 0.5 mV a square.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from xaae.experiment.vocabulary import PALETTE, short_name

WIDTH = 400  # pixels of a trace with its texts, as pages show it
INK, FAINT, TEXT = (43, 48, 54), (178, 182, 188), (84, 90, 97)  # of a trace, of another behind it, of numbers
RISE, FALL = (172, 24, 33), (33, 90, 178)  # of a line that shows changes
PAPER = {"fine": (253, 238, 236), "square": (246, 208, 203)}  # an ECG's grid: 0.04 s and 0.1 mV, five of them
SQUARE_SECONDS, SQUARE_VOLTS, PER_SQUARE = 0.2, 5e-4, 5
LEADS = {"i", "ii", "iii", "avr", "avl", "avf", "v", "mli", "mlii", "mliii", "vx", "vy", "vz", "ecg", "ekg"}
LEADS |= {f"v{n}" for n in range(1, 10)}
VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "\u00b5V": 1e-6, "\u03bcV": 1e-6}
MOST_RATIO = 8  # between the ranges of channels that share a scale
LINE = 170  # pixels of width for each pixel of a line's
SUBPIXEL = 4  # bits behind the point in what OpenCV draws
WINDOWS = 2  # samples for each pixel from which on the highest and lowest of each pixel are drawn
LETTERS = 10  # of a channel's name beside its trace
LEAST_SQUARE = 5  # pixels of a grid's squares: finer ones are left out
READABLE = 200  # pixels of width: narrower ones have no texts


@dataclass(frozen=True)
class TraceSheet:
    """What traces are drawn on: the sampling rate (Hz or None), names and units ("" where unknown) of the C channels,
    and the values, in these units, that are 0 and 1."""

    rate: float | None
    names: tuple
    units: tuple
    low: tuple
    high: tuple

    @classmethod
    def of(cls, scale, channels=1):
        """The sheet of a `signal_scale` as a run's config keeps it; of {} one of so many channels without names."""
        usual = {"names": "", "units": "", "low": 0.0, "high": 1.0}
        plain = {key: (value,) * channels for key, value in usual.items()}
        known = {key: tuple(scale[key]) for key in plain if len(scale.get(key) or ()) == channels}
        return cls(rate=scale.get("rate"), **(plain | known))

    @property
    def spans(self):
        """The ranges of the channels, in their units: (C,) above 0."""
        return np.maximum(np.subtract(self.high, self.low), 1e-12)

    @property
    def shared(self):
        """Have all channels one scale? They have where their units are alike and their ranges are of one order."""
        return len(set(self.units)) == 1 and self.spans.max() <= MOST_RATIO * self.spans.min()

    @property
    def is_ecg(self):
        """Do names and units say that this is an ECG of a known rate?"""
        return bool(self.rate and any(map(is_lead, self.names)) and self.shared and self.units[0] in VOLTS)

    def seconds(self, samples):
        """How long so many samples are: in seconds, or in samples where the rate is unknown."""
        return samples / self.rate if self.rate else float(samples)

    @property
    def time_unit(self):
        """ "s", or "samples" where the rate is unknown."""
        return "s" if self.rate else "samples"

    def in_words(self, samples, width=WIDTH):
        """What a trace of so many samples shows, in a sentence: its length, its grid, its scale.

        width: pixels of the tile; squares that would be too narrow there are not drawn.
        """
        said = [f"{self.seconds(samples):.4g} {self.time_unit} from left to right"]
        squares = self.is_ecg and min(_square_sides(lay_out_traces(self, width), self, samples)) >= LEAST_SQUARE
        said += ["squares of 0.2 s and 0.5 mV"] if squares else []
        several = len(self.units) > 1
        said += [f"{'all channels on one' if self.shared else 'each channel on its own'} scale"] if several else []
        return "; ".join(said) + ("." if all(self.units) else "; the data name no unit of the values.")


def is_lead(name):
    """Is a channel of this name a lead of an ECG?"""
    bare = name.lower().removeprefix("ecg").removeprefix("ekg").strip(" _-")
    return bool(name) and (bare or "ecg") in LEADS


# ---- where things are on a tile ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class TraceFrame:
    """Places on a tile, in pixels: size (H, W); left and right of the traces; top (C,) and bottom (C,) of each channel;
    text: height of letters, 0 for none."""

    size: tuple
    left: float
    right: float
    top: np.ndarray
    bottom: np.ndarray
    text: int


def lay_out_traces(sheet, width=WIDTH):
    """The TraceFrame of tiles so many pixels wide."""
    channels = len(sheet.units)
    text = round(width / 22) if width >= READABLE else 0
    lane = max(width / 9, 2.0 * text, 0.42 * width / channels)
    shares = sheet.spans / sheet.spans.mean() if sheet.shared else np.ones(channels)
    heights = lane * np.maximum(shares, 0.5)
    edge = max(2, width // 100)
    ends = edge + np.cumsum(heights)
    height = int(np.ceil(ends[-1] + edge + 1.6 * text))
    longest = max(map(len, sheet.names)) if channels > 1 else 0
    beside = 0.6 * text * min(longest, LETTERS)  # the names of several channels stand beside their traces
    return TraceFrame((height, width), edge + beside, width - edge - 0.4 * text, ends - heights, ends, text)


def _across(frame, samples):
    """Pixels from the left of each sample: (T,)."""
    return np.linspace(frame.left, frame.right, samples)


def _down(frame, sheet, x):
    """Pixels from the top of values x (..., C, T) in [0, 1]: 0.5 is in the middle of each lane."""
    middle, room = (frame.top + frame.bottom) / 2, (frame.bottom - frame.top) * 0.94
    if sheet.shared:
        room = np.full(len(room), (room / sheet.spans).min()) * sheet.spans
    return middle[:, None] - room[:, None] * (np.asarray(x, float) - 0.5)


def _shown_samples(across, down):
    """The samples (N,) of a trace that are drawn: all, or each pixel's highest and lowest where a pixel has several."""
    bins = max(1, int(across[-1] - across[0]))
    if len(across) <= 2 * WINDOWS * bins:
        return np.arange(len(across))
    parts = np.array_split(np.arange(len(across)), bins)
    return np.array([at for part in parts for at in sorted({part[down[part].argmin()], part[down[part].argmax()]})])


# ---- drawing ----------------------------------------------------------------------------------------------------


def draw_traces(x, sheet, width=WIDTH, behind=None, colours=None, weights=None):
    """Signals x (..., C, T) in [0, 1] as tiles (..., H, W, 3) uint8.

    behind: others of the same shape, or of one that is broadcast to it, drawn faintly behind them. colours: of each
    tile, (..., 3) uint8. weights: (values (..., C or 1, T), function of values (N,) -> colours (N, 3) in [0, 1]): a
    map, by which pieces are coloured, and thicker where it is large.
    """
    x = np.asarray(x, np.float32)
    *lead, channels, samples = x.shape
    frame = lay_out_traces(sheet, width)
    flat, empty = x.reshape(-1, channels, samples), _paper(sheet, width, samples)
    under = None if behind is None else np.broadcast_to(behind, x.shape).reshape(flat.shape)
    inks = np.broadcast_to(INK if colours is None else colours, (*lead, 3)).reshape(-1, 3)
    values = None if weights is None else np.broadcast_to(weights[0], x.shape).reshape(flat.shape)
    tiles = np.empty((len(flat), *empty.shape), np.uint8)
    for i, tile in enumerate(tiles):
        tile[:] = empty
        if under is not None:
            _draw(tile, frame, sheet, under[i], FAINT, max(1, round(width / LINE)))
        if values is None:
            _draw(tile, frame, sheet, flat[i], inks[i], max(1, round(width / LINE)))
        else:
            _draw_weighted(tile, frame, sheet, flat[i], values[i], weights[1])
    return tiles.reshape(*lead, *empty.shape)


def _draw(tile, frame, sheet, signal, colour, thick):
    """The channels of one signal (C, T) on a tile."""
    across = _across(frame, signal.shape[1])
    for down in _down(frame, sheet, signal):
        kept = _shown_samples(across, down)
        points = np.round(np.stack([across[kept], down[kept]], 1) * 2**SUBPIXEL).astype(np.int32)
        cv2.polylines(tile, [points], False, tuple(map(int, colour)), thick, cv2.LINE_AA, SUBPIXEL)


def _draw_weighted(tile, frame, sheet, signal, values, colour_of):
    """The channels of one signal (C, T) on a tile, coloured by values (C, T) in [-1, 1], the strongest on top."""
    across = _across(frame, signal.shape[1])
    for down, v in zip(_down(frame, sheet, signal), values, strict=True):
        kept = _shown_samples(across, down)
        points = np.round(np.stack([across[kept], down[kept]], 1) * 2**SUBPIXEL).astype(int)
        stronger = _strongest_between(v, kept)
        inks = np.round(255 * np.clip(colour_of(stronger), 0, 1)).astype(int)
        for k in np.argsort(np.abs(stronger), kind="stable"):
            thick = 1 + round((1 + frame.size[1] / 100) * abs(float(stronger[k])))
            cv2.line(tile, points[k], points[k + 1], tuple(map(int, inks[k])), thick, cv2.LINE_AA, SUBPIXEL)


def _strongest_between(values, kept):
    """The value (N - 1,) with the largest size from each sample that is kept (N,) to the next, both included."""
    high, low = (reduce.reduceat(values, kept[:-1]) for reduce in (np.maximum, np.minimum))
    high, low = np.maximum(high, values[kept[1:]]), np.minimum(low, values[kept[1:]])
    return np.where(np.abs(high) >= np.abs(low), high, low)


@cache
def _paper(sheet, width, samples):
    """The empty tile of so many samples: (H, W, 3) with grid, axis, bars and names."""
    frame = lay_out_traces(sheet, width)
    tile = np.full((*frame.size, 3), 255, np.uint8)
    if sheet.is_ecg:
        _draw_grid(tile, frame, sheet, samples)
    picture = Image.fromarray(tile)
    if frame.text:
        draw, font = ImageDraw.Draw(picture), _font(frame.text)
        _draw_time(draw, font, frame, sheet, samples)
        for channel in range(len(sheet.units)):
            _draw_channel(draw, font, frame, sheet, channel)
    return np.asarray(picture)


@cache
def _font(size):
    return ImageFont.load_default(size)


def _draw_grid(tile, frame, sheet, samples):
    """The squares of an ECG's paper, through the middle of the first channel."""
    wide, tall = _square_sides(frame, sheet, samples)
    middle = (frame.top[0] + frame.bottom[0]) / 2
    for name, parts in (("fine", PER_SQUARE), ("square", 1)):
        if min(wide, tall) / parts >= LEAST_SQUARE:
            across, down = (_grid_lines(*each) for each in ((frame.left, wide / parts, frame.size[1]),
                                                           (middle, tall / parts, frame.size[0])))  # fmt: skip
            tile[:, across] = PAPER[name]
            tile[down] = PAPER[name]


def _square_sides(frame, sheet, samples):
    """(width, height) in pixels of a square of an ECG's paper."""
    wide = (frame.right - frame.left) / sheet.seconds(max(1, samples - 1)) * SQUARE_SECONDS
    return wide, _pixels_per_unit(frame, sheet)[0] / VOLTS[sheet.units[0]] * SQUARE_VOLTS


def _grid_lines(through, step, size):
    """The pixels below `size` where lines lie, `step` from one to the next, one of them at `through`."""
    places = np.arange(through % step, size, step).round().astype(int)
    return places[places < size]


def _pixels_per_unit(frame, sheet):
    """How many pixels a unit of each channel is: (C,)."""
    ends = _down(frame, sheet, np.array([[0.0, 1.0]] * len(sheet.units)))
    return (ends[:, 0] - ends[:, 1]) / sheet.spans


def nice_step(most):
    """The largest of 1, 2 or 5 times a power of ten that is at most `most`."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(next(n * power for n in (5, 2, 1) if n * power <= most * (1 + 1e-9)))


def _draw_time(draw, font, frame, sheet, samples):
    """The time axis below the traces, with three or four numbers."""
    whole, y = sheet.seconds(max(1, samples - 1)), frame.size[0] - 1.6 * frame.text
    draw.line([(frame.left, y), (frame.right, y)], fill=TEXT, width=1)
    step = nice_step(whole / 2)
    for value in np.arange(0, whole * (1 + 1e-9), step):
        x = frame.left + (frame.right - frame.left) * value / whole
        last = value + step > whole * (1 + 1e-9)
        text = f"{value:.6g}" + (f"  {sheet.time_unit}" if last else "")
        draw.line([(x, y), (x, y + frame.text / 4)], fill=TEXT, width=1)
        wide = draw.textlength(text, font=font)
        centre = x - (draw.textlength(f"{value:.6g}", font=font) if last else wide) / 2
        left = float(np.clip(centre, 1, frame.size[1] - wide - 1))
        draw.text((left, y + 0.3 * frame.text), text, fill=TEXT, font=font)


def _draw_channel(draw, font, frame, sheet, channel):
    """The name of a channel on the left, and on the right a bar with the value that it stands for."""
    top, bottom = float(frame.top[channel]), float(frame.bottom[channel])
    if sheet.names[channel]:
        beside = len(sheet.names) > 1
        down = (top + bottom - frame.text) / 2 if beside else top
        place = (1 if beside else frame.left + 1, down + 1)
        draw.text(place, short_name(sheet.names[channel], LETTERS if beside else 12), fill=TEXT, font=font)
    if sheet.shared and channel != int(np.argmax(sheet.spans)):
        return
    pixels = _pixels_per_unit(frame, sheet)[channel]
    amount = nice_step(0.6 * (bottom - top) / pixels)
    x, high = frame.size[1] - 2, top + 2
    draw.line([(x, high), (x, high + amount * pixels)], fill=TEXT, width=max(1, frame.size[1] // 150))
    text = f"{amount:.4g} {sheet.units[channel]}".strip()
    draw.text((x - 4 - draw.textlength(text, font=font), high - 1), text, fill=TEXT, font=font)


def between_colours(count, first=PALETTE[0], last=PALETTE[1]):
    """Colours (count, 3) uint8 from one to another, through grey so that the middle belongs to neither."""
    ends = [np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) for colour in (first, last)]
    stops = np.stack([ends[0], np.full(3, 128), ends[1]])
    places = np.linspace(0, 2, count)
    return np.stack([np.interp(places, (0, 1, 2), channel) for channel in stops.T], 1).round().astype(np.uint8)


def walk_traces(frames, sheet, width=WIDTH, first=None):
    """The frames (..., T, C, samples) of walks as tiles (..., T, H, W, 3): each over the first one, which is faint, in
    colours from that of the first class to that of the last."""
    frames = np.asarray(frames)
    behind = frames[..., :1, :, :] if first is None else first
    lead = frames.shape[:-2]
    colours = np.broadcast_to(between_colours(frames.shape[-3]), (*lead, 3))
    return draw_traces(frames, sheet, width, behind, colours)


def draw_change(level, sheet, width=WIDTH, rise=RISE, fall=FALL):
    """Signed changes (..., C, T) in [-1, 1] as tiles (..., H, W, 3) uint8: a line about the middle of each channel,
    in the colour `rise` (3,) where it is above 0, `fall` where it is below."""
    level = np.asarray(level, np.float32)
    colour_of = lambda v: np.where(v[:, None] >= 0, rise, fall) / 255  # noqa: E731
    return draw_traces(0.5 + level / 2, sheet, width, np.full_like(level, 0.5), weights=(level, colour_of))


def shade_traces(level, sheet, width, colour_of):
    """How strong something is at each place, level (..., C or 1, T), as columns of colour as high as each channel.

    colour_of: levels -> colours (..., 3 or 4) uint8. Returns (..., H, W, 3 or 4), on which `draw_traces` of the same
    width fits.
    """
    frame, level = lay_out_traces(sheet, width), np.asarray(level, float)
    height, width = frame.size
    lanes = np.clip(np.searchsorted(frame.bottom, np.arange(height)), 0, level.shape[-2] - 1)
    along = np.clip((np.arange(width) - frame.left) / (frame.right - frame.left), 0, 1) * (level.shape[-1] - 1)
    shaded = np.asarray(colour_of(_strongest_near(level, along)))
    shaded[..., (np.arange(width) < frame.left) | (np.arange(width) > frame.right), :] = colour_of(np.zeros(1))[0]
    return shaded[..., lanes, :, :]


def _strongest_near(level, column):
    """Levels (..., T) at fractional places `column` (W,): between two samples the nearer one, of many the strongest."""
    samples, width = level.shape[-1], len(column)
    if samples <= width:
        return level[..., np.round(column).astype(int)]
    edges = np.unique(np.floor(column).astype(int))
    high, low = (reduce.reduceat(level, edges, -1) for reduce in (np.maximum, np.minimum))
    strongest = np.where(np.abs(high) >= np.abs(low), high, low)
    return strongest[..., np.searchsorted(edges, np.floor(column).astype(int))]
