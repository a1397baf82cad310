"""Frames of planted walks, for the tests of meters: what is planted is known, so the reading is too."""

import numpy as np
import torch
import torch.nn.functional as F

from xaae.factors import geometry
from xaae.factors.measuring import measure_all
from xaae.factors.meters import METERS, meters_for
from xaae.factors.picture_plants import rotate
from xaae.sources import synthpets

LIGHT = [-0.1, 0.05, 0.1]
TINT = [-0.2, -0.05, 0.05, 0.2]
ABSOLUTE = [name for name, meter in METERS.items() if not meter.relative]


def drawn(n, size, seed):
    """Pictures (n, 3, size, size) of 0.8 times full scale, so that 0.1 can be added."""
    return torch.from_numpy(synthpets.draw_pictures(n, size, seed)[0]).permute(0, 3, 1, 2) / 255 * 0.8


def warp(x, scale=1.0, degrees=0.0, right=0.0, up=0.0):
    """Content grown about the centre, turned, then moved by percent of the side; black where nothing is known."""
    z = (geometry.plane(x.shape[-1]) - complex(right, up) / 50) / (scale * np.exp(1j * np.deg2rad(degrees)))
    grid = torch.stack([z.real, -z.imag], -1).float().expand(len(x), -1, -1, -1)
    return F.grid_sample(x, grid, align_corners=False)


def tinted(x, amount):
    """Red raised and blue lowered by half of `amount`."""
    return x + amount * torch.tensor([0.5, 0, -0.5])[:, None, None]


def rotate_by(x, degrees):
    """All of x turned by the same angle."""
    return rotate(x, torch.full((len(x),), float(degrees)))


def walk(x, plant, values):
    """`plant(x, value)` for each value, after x itself: (S, 1 + T, C, H, H)."""
    return torch.stack([x] + [plant(x, value) for value in values], 1)


def decoded(frames):
    """As an autoencoder gives them back: a 7x7 mean and noise of 0.02."""
    soft = F.avg_pool2d(frames.flatten(0, 1), 7, 1, 3)
    return (soft + 0.02 * torch.randn(soft.shape, generator=torch.Generator().manual_seed(0))).view(frames.shape)


SAME, SOFT = (lambda frames: frames), decoded  # how a meter sees the frames of a walk


def readings(frames):
    """What every meter that makes sense for frames (S, T, C, H, H) says of them: {name: (S, T)}."""
    return measure_all(frames, meters_for(np.shape(frames)[2]))


def change(name, frames):
    """What a meter says of each frame less what it says of the first: (S, T)."""
    found = METERS[name].measure(frames)
    return found[:, 1:] - found[:, :1]
