"""Where and how the content of one item lies: of a picture read off its edges, without a frame to compare it with.

The walk's meters of turn, size and place compare frames of one walk; these read single pictures, roughly, so that it
can be told how far the pictures of a dataset differ in them.
"""

import torch

from xaae.factors.geometry import disc_weight, plane, smooth
from xaae.factors.measuring import wrap
from xaae.factors.picture_plants import luma
from xaae.factors.signal_meters import place_in_time

SHARED = 0.8  # length of the mean direction, in mean lengths, from which pictures share a direction
SOFT = 1.0  # pixels of smoothing before edges are read


def _edges(x):
    """(slope (B, H, W) complex, its square's size (B, H, W) inside the disc, places (H, W) complex) of pictures x."""
    light, n = smooth(luma(x.float()), SOFT), x.shape[-1]
    down, right = torch.gradient(light, dim=(1, 2))
    slope = torch.complex(right, -down)
    return slope, slope.abs().square() * disc_weight(plane(n), n) + 1e-12, plane(n)


def edge_orientation(x):
    """Degrees by which the edges of pictures x (B, C, H, H) are turned from their usual direction: (B,), in [-90, 90).

    The direction of each picture's edges by its structure tensor; usual is the mean over all the pictures given. None
    where these share no direction: then the edges tell the content and not the turn.
    """
    slope, strength, _ = _edges(x)
    double = (slope * slope).sum((1, 2)) / strength.sum((1, 2))  # twice the angle; its size says how sure it is
    usual = double.mean()
    if usual.abs() < SHARED * double.abs().mean():
        return None
    turned = torch.rad2deg(torch.angle(double * usual.conj())).double().numpy()
    return wrap(turned) / 2


def edge_place(x):
    """The centre of the edges of pictures x (B, C, H, H), in % of the side from the middle: complex (B,), y up."""
    _, strength, places = _edges(x)
    return (50 * (strength * places).sum((1, 2)) / strength.sum((1, 2))).numpy()


def edge_spread(x):
    """How far the edges of pictures x (B, C, H, H) reach out from their centre, in % of the side: (B,)."""
    _, strength, places = _edges(x)
    total = strength.sum((1, 2))
    centre = (strength * places).sum((1, 2)) / total
    far = (places - centre[:, None, None]).abs().square()
    return (50 * ((strength * far).sum((1, 2)) / total).sqrt()).double().numpy()


def size_change(x):
    """How much larger or smaller than the median the content of pictures x (B, C, H, H) is, in %: (B,)."""
    spread = edge_spread(x)
    return 100 * (spread / max(float(torch.tensor(spread).median()), 1e-9) - 1)


PLACEMENT = {  # kind -> name of a meter that only compares -> what reads single items instead
    "signal": {"lag": place_in_time},
    "picture": {
        "rotation": edge_orientation,
        "scale": size_change,
        "x": lambda x: edge_place(x).real,
        "y": lambda x: edge_place(x).imag,
    },
    "volume": {"rotation": lambda x: edge_orientation(x.mean((1, 2))[:, None])},  # seen along the depth
}
