"""Maps as images: raw maps in, colours out. No explanation is worked out here."""

import numpy as np
import torch

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, SIGNAL, kind_of
from xaae.experiment.planes import slices
from xaae.explain.method import METHODS

FOR, AGAINST = np.array([0.76, 0.05, 0.13]), np.array([0.09, 0.27, 0.70])  # red for the value 1, blue for -1
GROUND = 226  # grey around the views of a volume
NORMALISE = ("image", "batch", "none")
REDUCE = {  # name -> function that reduces the channels of (B, C, *places) to one
    "largest": lambda v: np.abs(v).max(1, keepdims=True),
    "norm": lambda v: np.sqrt((v.astype(np.float64) ** 2).sum(1, keepdims=True)),
    "sum": lambda v: v.sum(1, keepdims=True),
}


# ---- colours (B, H, W, 3) of values v in [-1, 1]; item: the input in grey, in [0, 1]; both (B, H, W, 1) --------------


def _grey(v, item):
    """Black for 0, white for the largest size."""
    return np.abs(v) * np.ones(3)


def _signed(v, item):
    """White for 0, the colour of the sign for the largest size."""
    return mix_colour(np.ones_like(v), np.abs(v), v)


def _overlay(v, item):
    """The item in pale grey under the colour of the sign, which is denser where the value is larger."""
    return mix_colour(0.1 + 0.8 * item, 0.9 * np.abs(v) ** 0.7, v)


def mix_colour(ground, density, v):
    """The colour of the sign of values v, mixed with the density into a grey ground."""
    return ground * (1 - density) + density * np.where(v < 0, AGAINST, FOR)


PRESETS = {  # name -> (function of values and item, name in REDUCE); "picture" has no colours of its own
    "grey": (_grey, "largest"),
    "signed": (_signed, "sum"),
    "overlay": (_overlay, "sum"),
    "picture": (None, None),
}
BY_SHOWS = {"size": "grey", "signed": "signed", "picture": "picture"}


def preset_for(name):
    """The preset for a method of the registry, by what it shows; "signed" for any other name."""
    if name not in METHODS:
        return "signed"
    return "overlay" if METHODS[name].kind == "cam" else BY_SHOWS[METHODS[name].shows]


def heatmap(maps, preset="signed", normalise="image", *, x=None, view="slices", **scale):
    """Maps (B, C, *places) as images, uint8 (B, H, W, 3).

    preset: "grey" (black is 0, for sensitivities), "signed" (blue, white at 0, red, for attributions), "overlay" (the
    same colours over the items x (B, C, *places) in grey) or "picture" (maps that are images in [0, 1]). normalise:
    full colour stands for the largest size in each item's map ("image"), in all maps ("batch"), or for limit= ("none");
    larger values are cut off. scale: limit, percentile and reduce, see `scaled_values`.

    A volume becomes three images side by side: its middle "slices" or its "projections" (`view`). A signal becomes a
    strip (B, C, T, 3) with a row for each channel of its map. InputError for names that do not exist and maps that do
    not fit.
    """
    maps = _check(maps, preset, normalise)
    if preset == "picture":
        return _paint(np.clip(maps, 0, 1), view, _colours_of_picture)
    values = scaled_values(maps, preset, normalise, **scale)
    item = _in_grey(x, values.shape) if preset == "overlay" else values
    return _paint(np.concatenate([values, item], 1), view, lambda both: PRESETS[preset][0](*_channels_last(both)))


def scaled_values(maps, preset, normalise="image", limit=1.0, percentile=100, reduce=None):
    """Maps (B, C, *places) as the values (B, 1, *places) in [-1, 1] that a preset other than "picture" colours.

    Those of a signal are (B, 1, C, T): a row for each channel. preset, normalise: see `heatmap`. limit: the size, above
    0, that full colour stands for with normalise="none". percentile: below 100, this percentile of the sizes counts as
    the largest. reduce: how channels become one: "largest", "norm" or "sum"; by default the largest for grey, else the
    sum.
    """
    reduce = reduce or PRESETS[preset][1]
    if reduce not in REDUCE:
        raise InputError(f"reduce={reduce!r} makes no sense: choose from {', '.join(REDUCE)}.")
    return _scale(REDUCE[reduce](_signal_as_strip(_check(maps, preset, normalise))), normalise, limit, percentile)


def _check(maps, preset, normalise):
    """Maps as a float array. InputError for names that do not exist and for maps that cannot be drawn."""
    if preset not in PRESETS:
        raise InputError(f"There is no preset {preset!r}: choose from {', '.join(PRESETS)}.")
    if normalise not in NORMALISE:
        raise InputError(f"normalise={normalise!r} makes no sense: choose from {', '.join(NORMALISE)}.")
    maps = as_array(maps)
    if maps.ndim - 2 not in {kind.places for kind in KINDS.values()}:
        raise InputError(
            f"Maps of shape {maps.shape} cannot be drawn: give (B, C, T), (B, C, H, W) or (B, C, D, H, W)."
        )
    if not np.isfinite(maps).all():
        raise InputError("The maps hold values that are no finite numbers: there is nothing to draw.")
    return maps


def as_array(x):
    """A tensor or array as a float array."""
    return np.asarray(x.detach().float().cpu() if torch.is_tensor(x) else x, np.float32)


def _signal_as_strip(x):
    """Signals (B, C, T) as pictures (B, 1, C, T) with a row for each channel; other kinds as they are."""
    return x[:, None] if kind_of(x.shape) is SIGNAL else x


def _scale(values, normalise="image", limit=1.0, percentile=100):
    """Values (B, 1, ...) divided by the size that full colour stands for, and cut off at -1 and 1; 0 stays 0."""
    if normalise == "none":
        if not limit > 0:
            raise InputError(f"limit={limit} makes no sense: give the size, above 0, that full colour stands for.")
        return np.clip(values / limit, -1, 1)
    axes = tuple(range(values.ndim)) if normalise == "batch" else tuple(range(1, values.ndim))
    top = np.percentile(np.abs(values), percentile, axes, keepdims=True)
    top = np.where(top > 0, top, np.abs(values).max(axes, keepdims=True))  # of a map that is 0 almost everywhere
    return np.clip(values / np.where(top > 0, top, 1), -1, 1)


def _in_grey(x, shape):
    """Items (B, C, *places) in grey, each from 0 to 1, in the shape of the values of their maps.

    InputError if there are none or if they do not fit.
    """
    if x is None:
        raise InputError("The preset overlay draws a map over its item: pass the items as x=.")
    x = as_array(x)
    one_row = kind_of(x.shape) is SIGNAL and shape[2] == 1  # a signal with one map for all its channels
    x = _signal_as_strip(x.mean(1, keepdims=True) if one_row else x).mean(1, keepdims=True)
    if x.shape != shape:
        raise InputError(f"Maps of shape {shape} do not lie on items of shape {x.shape}: give the items of these maps.")
    return to_unit_range(x, tuple(range(1, x.ndim)))


def to_unit_range(x, axes):
    """Values shifted and scaled to [0, 1] over `axes`; 0.5 where they are all equal."""
    low, high = x.min(axes, keepdims=True), x.max(axes, keepdims=True)
    return np.where(high > low, (x - low) / np.where(high > low, high - low, 1), 0.5)


def _channels_last(x):
    """The channels of (B, C, H, W), each as (B, H, W, 1)."""
    return [x[:, i, ..., None] for i in range(x.shape[1])]


def _colours_of_picture(x):
    """Pictures (B, C, H, W) in [0, 1] as (B, H, W, 3): three channels are colours, other numbers are averaged."""
    x = x[:, :3] if x.shape[1] in (3, 4) else x.mean(1, keepdims=True)
    return np.moveaxis(x, 1, -1) * np.ones(3)


def _paint(values, view, colours):
    """Values (B, C, *places) as images, uint8 (B, H, W, 3). colours: function of (B, C, H, W)."""
    return PAINT[kind_of(values.shape).name](values, view, colours)


def _paint_signals(values, view, colours):
    """A strip (B, C, T, 3)."""
    return _to_bytes(colours(_signal_as_strip(values)))


def _paint_pictures(values, view, colours):
    """Images (B, H, W, 3)."""
    return _to_bytes(colours(values))


def _paint_volumes(values, view, colours):
    """The three views of each volume side by side. InputError for a view that does not exist."""
    if view not in VIEWS:
        raise InputError(f"view={view!r} makes no sense: choose from {', '.join(VIEWS)}.")
    return _side_by_side(
        [_to_bytes(colours(each)) for each in VIEWS[view](values)], max(1, max(values.shape[2:]) // 16)
    )


PAINT = {"signal": _paint_signals, "picture": _paint_pictures, "volume": _paint_volumes}  # kind -> maps in colour


def _side_by_side(images, gap):
    """Images (B, H, W, 3) of different sizes in a row, `gap` pixels apart, on pale grey."""
    tall, padded = max(image.shape[1] for image in images), []
    for image in images:
        lacking = tall - image.shape[1]
        room = [(0, 0), (lacking // 2, lacking - lacking // 2), (0, gap), (0, 0)]
        padded.append(np.pad(image, room, constant_values=GROUND))
    return np.concatenate(padded, 2)[:, :, :-gap]


def _to_bytes(colours):
    """Colours in [0, 1] as uint8."""
    return np.round(255 * np.clip(colours, 0, 1)).astype(np.uint8)


def item_images(x, view="slices"):
    """Items (B, C, *places) as images, uint8 (B, H, W, 3); each is scaled to [0, 1] unless all values lie there."""
    x = as_array(x)
    in_range = x.min() >= 0 and x.max() <= 1
    return _paint(x if in_range else to_unit_range(x, tuple(range(1, x.ndim))), view, _colours_of_picture)


# ---- views of a volume ---------------------------------------------------------------------------------------------


def projections(volume):
    """Three projections of a volume (..., D, H, W), along each dimension: [(..., H, W), (..., D, W), (..., D, H)].

    Each shows, of all values along a line, the one with the largest absolute value, with its sign.
    """
    largest = [np.expand_dims(np.abs(volume).argmax(axis), axis) for axis in (-3, -2, -1)]
    return [np.take_along_axis(volume, i, axis).squeeze(axis) for i, axis in zip(largest, (-3, -2, -1), strict=True)]


VIEWS = {"slices": slices, "projections": projections}
