"""Pictures of explanations: raw maps in, colours and figures out. No explanation is worked out here."""

import numpy as np
import torch

from xaae.experiment.errors import InputError
from xaae.explain.method import METHODS

FOR, AGAINST = np.array([0.76, 0.05, 0.13]), np.array([0.09, 0.27, 0.70])  # red and blue of values 1 and -1
GROUND = 226  # grey behind the views of a volume
NORMALISE = ("image", "batch", "none")
REDUCE = {  # channels of values (B, C, *places) -> (B, 1, *places)
    "largest": lambda v: np.abs(v).max(1, keepdims=True),
    "norm": lambda v: np.sqrt((v.astype(np.float64) ** 2).sum(1, keepdims=True)),
    "sum": lambda v: v.sum(1, keepdims=True),
}


# ---- colours of values v in [-1, 1], shape (B, 1, H, W); item: greyed input of that shape, in [0, 1] -----------------


def _grey(v, item):
    """Size from black to white."""
    return np.abs(v) * np.ones(3)


def _signed(v, item):
    """White less as much of the ink as the value is large."""
    return over(np.ones_like(v), np.abs(v), v)


def _overlay(v, item):
    """The item in pale grey, under a colour that grows denser with the value's size."""
    return over(0.1 + 0.8 * item, 0.9 * np.abs(v) ** 0.7, v)


def over(ground, density, v):
    """A colour for each sign, mixed into a grey ground."""
    return ground * (1 - density) + density * np.where(v < 0, AGAINST, FOR)


PRESETS = {
    "grey": (_grey, "largest"),
    "signed": (_signed, "sum"),
    "overlay": (_overlay, "sum"),
    "picture": (None, None),
}
BY_SHOWS = {"size": "grey", "signed": "signed", "picture": "picture"}


def preset_for(name):
    """The preset that fits a method of the registry by what it shows; "signed" for a name that is none of them."""
    if name not in METHODS:
        return "signed"
    return "overlay" if METHODS[name].kind == "cam" else BY_SHOWS[METHODS[name].shows]


def heatmap(maps, preset="signed", normalise="image", *, x=None, limit=1.0, percentile=100, reduce=None, view="slices"):
    """Maps (B, C, ...) as pictures, uint8 (B, H, W, 3).

    preset: "grey" (black is 0, for sensitivities), "signed" (blue, white at 0, red; for attributions), "overlay" (the
    same over the greyed items x (B, C, ...)) or "picture" (the maps are pictures in [0, 1]). normalise: full colour
    stands for the largest size in each item's map ("image"), in all of them ("batch"), or for `limit` ("none"); what
    is larger is cut off. percentile: below 100 this percentile of the sizes takes the largest one's place. reduce:
    "largest", "norm" or "sum" over channels; by default the largest for grey and the sum else.

    A volume becomes three pictures side by side, its middle "slices" or its "projections" (`view`). A signal becomes a
    strip (B, C, T, 3) with a row for each channel of its map. InputError for what does not exist or does not fit.
    """
    maps = _checked(maps, preset, normalise)
    if preset == "picture":
        return _flat(np.clip(maps, 0, 1), view, _as_picture)
    values = strength(maps, preset, normalise, limit, percentile, reduce)
    item = _greyed(x, values.shape) if preset == "overlay" else values
    return _flat(np.concatenate([values, item], 1), view, lambda both: PRESETS[preset][0](*_channels_last(both)))


def strength(maps, preset, normalise="image", limit=1.0, percentile=100, reduce=None):
    """Maps (B, C, ...) as values (B, 1, ...) in [-1, 1] that a preset but "picture" has colours for; see `heatmap`."""
    reduce = reduce or PRESETS[preset][1]
    if reduce not in REDUCE:
        raise InputError(f"reduce={reduce!r} makes no sense: choose from {', '.join(REDUCE)}.")
    return _scaled(REDUCE[reduce](_as_places(_checked(maps, preset, normalise))), normalise, limit, percentile)


def _checked(maps, preset, normalise):
    """Maps as a float array. InputError for words that do not exist, and for values that cannot be drawn."""
    if preset not in PRESETS:
        raise InputError(f"There is no preset {preset!r}: choose from {', '.join(PRESETS)}.")
    if normalise not in NORMALISE:
        raise InputError(f"normalise={normalise!r} makes no sense: choose from {', '.join(NORMALISE)}.")
    maps = as_array(maps)
    if not 3 <= maps.ndim <= 5:
        raise InputError(
            f"Maps of shape {maps.shape} cannot be drawn: give (B, C, T), (B, C, H, W) or (B, C, D, H, W)."
        )
    if not np.isfinite(maps).all():
        raise InputError("The maps hold values that are no finite numbers: there is nothing to draw.")
    return maps


def as_array(x):
    """A tensor or array as a float array."""
    return np.asarray(x.detach().float().cpu() if torch.is_tensor(x) else x, np.float32)


def _as_places(x):
    """A signal (B, C, T) as a picture (B, 1, C, T); anything else as it is."""
    return x[:, None] if x.ndim == 3 else x


def _scaled(values, normalise="image", limit=1.0, percentile=100):
    """Values (B, 1, ...) divided by the size that full colour stands for, and cut off at -1 and 1. 0 stays 0."""
    if normalise == "none":
        if not limit > 0:
            raise InputError(f"limit={limit} makes no sense: give the size, above 0, that full colour stands for.")
        return np.clip(values / limit, -1, 1)
    axes = tuple(range(values.ndim)) if normalise == "batch" else tuple(range(1, values.ndim))
    top = np.percentile(np.abs(values), percentile, axes, keepdims=True)
    top = np.where(top > 0, top, np.abs(values).max(axes, keepdims=True))  # most of the map may be 0
    return np.clip(values / np.where(top > 0, top, 1), -1, 1)


def _greyed(x, shape):
    """Items (B, C, ...) in grey, each from 0 to 1, in the shape of their values. InputError without items that fit."""
    if x is None:
        raise InputError("The preset overlay draws a map over its item: pass the items as x=.")
    x = as_array(x)
    one_row = x.ndim == 3 and shape[2] == 1  # a signal's map that is the same for all its channels
    x = _as_places(x.mean(1, keepdims=True) if one_row else x).mean(1, keepdims=True)
    if x.shape != shape:
        raise InputError(f"Maps of shape {shape} do not lie on items of shape {x.shape}: give the items of these maps.")
    return unit(x, tuple(range(1, x.ndim)))


def unit(x, axes):
    """Values moved and stretched to [0, 1] over `axes`; 0.5 where they are all alike."""
    low, high = x.min(axes, keepdims=True), x.max(axes, keepdims=True)
    return np.where(high > low, (x - low) / np.where(high > low, high - low, 1), 0.5)


def _channels_last(x):
    """The channels of (B, C, H, W), each as (B, H, W, 1)."""
    return [x[:, i, ..., None] for i in range(x.shape[1])]


def _as_picture(x):
    """Pictures (B, C, H, W) in [0, 1] as (B, H, W, 3): three channels as colours, others as their mean."""
    x = x[:, :3] if x.shape[1] in (3, 4) else x.mean(1, keepdims=True)
    return np.moveaxis(x, 1, -1) * np.ones(3)


def _flat(values, view, paint):
    """Values (B, C, ...) painted as uint8 (B, H, W, 3); the three views of a volume side by side on pale grey."""
    if values.ndim < 5:
        return _to_bytes(paint(_as_places(values)))
    if view not in VIEWS:
        raise InputError(f"view={view!r} makes no sense: choose from {', '.join(VIEWS)}.")
    return _beside([_to_bytes(paint(each)) for each in VIEWS[view](values)], max(1, max(values.shape[2:]) // 16))


def _beside(painted, gap):
    """Pictures (B, H, W, 3) of several sizes beside each other, `gap` apart."""
    tall, found = max(p.shape[1] for p in painted), []
    for each in painted:
        lacking = tall - each.shape[1]
        room = [(0, 0), (lacking // 2, lacking - lacking // 2), (0, gap), (0, 0)]
        found.append(np.pad(each, room, constant_values=GROUND))
    return np.concatenate(found, 2)[:, :, :-gap]


def _to_bytes(colours):
    """Colours in [0, 1] as uint8."""
    return np.round(255 * np.clip(colours, 0, 1)).astype(np.uint8)


def inputs(x, view="slices"):
    """Items (B, C, ...) as pictures, uint8 (B, H, W, 3): as they are in [0, 1], else each stretched to it."""
    x = as_array(x)
    whole = x.min() >= 0 and x.max() <= 1
    return _flat(x if whole else unit(x, tuple(range(1, x.ndim))), view, _as_picture)


# ---- views of a volume ---------------------------------------------------------------------------------------------


def slices(volume, at=None):
    """Three cuts through a volume (..., D, H, W): [(..., H, W), (..., D, W), (..., D, H)].

    at: the place (d, h, w) they go through, by default the middle.
    """
    at = [n // 2 for n in volume.shape[-3:]] if at is None else at
    return [np.take(volume, i, axis) for i, axis in zip(at, (-3, -2, -1), strict=True)]


def projections(volume):
    """Maximum intensity projections of a volume (..., D, H, W) along each of its dimensions, as `slices` gives cuts:
    of each line the value that is largest in size, with its sign.
    """
    largest = [np.expand_dims(np.abs(volume).argmax(axis), axis) for axis in (-3, -2, -1)]
    return [np.take_along_axis(volume, i, axis).squeeze(axis) for i, axis in zip(largest, (-3, -2, -1), strict=True)]


VIEWS = {"slices": slices, "projections": projections}
