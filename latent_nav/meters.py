"""Meters: functions from pictures to a physical quantity with a unit."""

import numpy as np
import torch
import torch.nn.functional as F

RAYS = 360  # one a degree


def polar_grid(size, rays=RAYS):
    """Sampling grid (1, radii, rays, 2) of circles inside the inscribed disc; rays run counter-clockwise."""
    radius = torch.arange(1, size // 2)[:, None] * 2 / size
    angle = torch.arange(rays) * 2 * torch.pi / rays
    return torch.stack([radius * angle.cos(), -radius * angle.sin()], -1)[None]


def polar(frames, rays=RAYS):
    """Frames (N, C, H, W) on circles around their middle, mean removed, weighted by area: (N, C * radii, rays)."""
    grid = polar_grid(frames.shape[-1], rays).expand(len(frames), -1, -1, -1)
    rings = F.grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=False)
    weight = torch.arange(1, rings.shape[2] + 1, dtype=rings.dtype)[:, None]
    mean = (rings * weight).sum((2, 3), keepdim=True) / (weight.sum() * rays)
    return ((rings - mean) * weight.sqrt()).flatten(1, 2)


def match(walk):
    """Correlation of each frame of one walk (T, C, H, W) with its first at every turn by a ray: (T, rays)."""
    rings = polar(walk)
    wave = torch.fft.rfft(rings)
    cross = torch.fft.irfft((wave * wave[:1].conj()).sum(1), n=rings.shape[-1])
    energy = rings.square().sum((1, 2))
    return cross / (energy * energy[0]).sqrt().clamp_min(1e-12)[:, None]


def rotation(frames):
    """Angle of each frame of a walk against its first, by correlation: nothing is learned.

    frames (S, T, C, H, W). Returns degrees (S, T), counter-clockwise, unwrapped along T, 0 for the first frame; and
    the normalised cross-correlation (S, T) after un-rotating. On circles around the middle a rotation is a shift, so
    that one Fourier transform gives the correlation at every whole degree, over the inscribed disc.
    """
    found = [match(walk).max(-1) for walk in torch.as_tensor(np.asarray(frames, dtype=np.float32))]
    degrees = torch.stack([best.indices for best in found]).numpy() * 360 / RAYS
    return np.unwrap(degrees, period=360, axis=1), torch.stack([best.values for best in found]).numpy()


def wrap(degrees):
    """Degrees as the same turn in [-180, 180)."""
    return (np.asarray(degrees) + 180) % 360 - 180
