"""From one item to another through the latent space, and the heat map that a walk implies."""

import numpy as np
import torch
from torch.nn import functional as F

from xaae.experiment.errors import InputError


def linear(a, b, frames=21):
    """Codes on the straight line from a (S, D) to b (S, D), both ends included: (S, T, D)."""
    t = torch.linspace(0, 1, frames, dtype=a.dtype, device=a.device)[:, None]
    return (1 - t) * a[:, None] + t * b[:, None]


def _arc(a, b):
    """Angle between each row of unit vectors a (S, D) and b (S, D) in radians, exact for small ones too: (S, 1, 1)."""
    return 2 * torch.atan2((a - b).norm(dim=1), (a + b).norm(dim=1))[:, None, None]


def spherical(a, b, frames=21):
    """Codes on the great arc from a (S, D) to b (S, D), both ends included (slerp, Shoemake 1985): (S, T, D).

    The direction turns evenly and the length changes evenly, so that codes of one length keep it; a straight line
    would cut through the middle, where a Gaussian in many dimensions has no codes. InputError for opposite codes.
    """
    t = torch.linspace(0, 1, frames, dtype=a.dtype, device=a.device)[:, None]
    start, end = F.normalize(a, dim=1), F.normalize(b, dim=1)
    turn = _arc(start, end) / torch.pi
    if (turn > 1 - 1e-5).any():
        raise InputError("Two of the codes are opposite, so that no arc is the shortest: choose other items.")
    share = lambda part: part * torch.sinc(part * turn) / torch.sinc(turn)  # noqa: E731 sin(part angle) / sin(angle)
    direction = share(1 - t) * start[:, None] + share(t) * end[:, None]
    return direction * linear(a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True), frames)


def _integral(frames):
    """Sum of the absolute change from frame to frame."""
    return np.abs(np.diff(frames, axis=1)).mean(2).sum(1)


def _maximum(frames):
    """Largest absolute difference to the first frame."""
    return np.abs(frames - frames[:, :1]).mean(2).max(1)


def _ends(frames):
    """Last frame less the first, with its sign."""
    return (frames[:, -1] - frames[:, 0]).mean(1)


HEATS = {"integral": _integral, "maximum": _maximum, "ends": _ends}


def walk_heat(frames, kind="integral"):
    """How much each pixel of a walk's frames (S, T, C, H, W) changes, mean over channels: (S, H, W), in units of x.

    kind: "integral", "maximum" or "ends"; everywhere integral >= maximum >= |ends|. InputError for another kind.
    """
    if kind not in HEATS:
        raise InputError(f"No such heat map of a walk: {kind!r}. Choose one of {', '.join(HEATS)}.")
    return HEATS[kind](np.asarray(frames, dtype=np.float32))
