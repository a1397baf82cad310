"""How factors are planted in volumes x (B, C, D, H, W) in [0, 1], where a function of pictures does not do.

Depth, height, width: a slice of the depth is a picture. Light, contrast and noise are planted as in pictures.
"""

import torch

from xaae.factors.picture_plants import as_column, marker, rotate


def rotate_slices(x, degrees, fill="zeros"):
    """Turn volumes x (B, C, D, H, W) by `degrees` (B,) about the axis of depth, each slice counter-clockwise."""
    return rotate(x.flatten(1, 2), degrees, fill).view_as(x)


def blur_volume(x, percent, fill=None):
    """Volumes x (B, C, D, H, W) smoothed by a Gaussian whose sigma is `percent` (B,) of the side, edges mirrored.

    As a product with a matrix along each axis: a convolution of single channels is slower.
    """
    percent = torch.as_tensor(percent, dtype=x.dtype, device=x.device)
    for axis in (2, 3, 4):
        size = x.shape[axis]
        bell = _bells(percent * size / 100, size)
        x = torch.einsum("bij,bc...j->bc...i", bell, x.movedim(axis, -1)).movedim(-1, axis)
    return x


def _bells(sigma, size):
    """What a Gaussian of `sigma` (B,) leaves of `size` places at each of them, edges mirrored: (B, size, size)."""
    at = torch.arange(size, dtype=sigma.dtype, device=sigma.device)
    mirrored = (at, -1 - at, 2 * size - 1 - at)
    width = sigma.clamp_min(1e-3)[:, None, None]
    bell = sum(torch.exp(-(((at[:, None] - other) / width) ** 2) / 2) for other in mirrored)
    return bell / bell.sum(2, keepdim=True)


def _cube(size):
    """Where the tag is in volumes of `size` voxels a side: slices of depth, height, width."""
    side = len(marker(size))
    first = (size - side) // 2
    return slice(first, first + side), slice(0, side), slice(0, side)


def plant_cube(x, opacity, fill=None):
    """Volumes x (B, C, D, H, W) with a bright cube with a dark cross through it, laid over with an `opacity` of 0 to 1.

    A quarter of the side long, half way down, in the corner that is in front on the patient's right.
    """
    place = (slice(None), slice(None), *_cube(x.shape[-1]))
    opacity, tagged = as_column(opacity, x), x.clone()
    tagged[place] = x[place] * (1 - opacity) + opacity * marker(x.shape[-1]).to(x)
    return tagged


def tagged_voxels(size):
    """Where the tag is in volumes of `size` voxels a side: (size, size, size) bool."""
    found = torch.zeros(size, size, size, dtype=torch.bool)
    found[_cube(size)] = True
    return found


def tagged_part(x):
    """The part (..., s, s, s) of volumes x (..., D, H, W) in which the tag is."""
    return x[(..., *_cube(x.shape[-1]))]
