"""Parts of the visualisation methods: how an image is parametrised (spectra, colours), moved and smoothed.

All functions take x (B, C, *places) of any kind and do the same to all items of a batch.
"""

import math

import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from xaae.experiment.kinds import PICTURE, kind_of

CALM = 4  # images are this much fainter than their spectra, so that a few dozen steps stay within the range of values


def uniform_number(generator, low, high):
    """A random number between low and high."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def gaussian_blur(x, sigma):
    """x smoothed by a Gaussian with a standard deviation of `sigma` places; no gradient passes."""
    widths = (0, 0, *[sigma] * (x.ndim - 2))
    return torch.from_numpy(gaussian_filter(x.detach().cpu().numpy(), widths, mode="nearest")).to(x)


def variation(x):
    """Total variation (B,): mean absolute difference of neighbours, summed over the dimensions of places."""
    return sum(x.diff(dim=d).abs().flatten(1).mean(1) for d in range(2, x.ndim))


# ---- parametrisation --------------------------------------------------------------------------------------------


def random_spectrum(shape, generator, spread=0.01):
    """A small random spectrum for an image of `shape` (C, *places), as real numbers (1, C, ..., 2) to be optimised."""
    *rest, last = shape
    return spread * torch.randn(1, *rest, last // 2 + 1, 2, generator=generator)


def from_spectrum(parts, places):
    """Images (B, C, *places) with the spectra `parts` (B, C, ..., 2) (Olah et al. 2017, "Feature Visualization").

    The amplitude of each wave is divided by its frequency, as in natural images, so that steps of an optimiser change
    large shapes first.
    """
    waves = torch.view_as_complex(parts.contiguous()) / _frequencies(places).to(parts)
    return torch.fft.irfftn(waves, s=places, dim=list(range(2, 2 + len(places))), norm="ortho") / CALM


def _frequencies(places):
    """Absolute frequency of each wave of a real spectrum, in waves a place; the mean counts as the lowest frequency."""
    axes = [torch.fft.fftfreq(n) for n in places[:-1]] + [torch.fft.rfftfreq(places[-1])]
    sizes = torch.stack(torch.meshgrid(*axes, indexing="ij")).norm(dim=0)
    return sizes.clamp_min(1 / max(places))


def mixture(x):
    """The matrix (C, C) that gives independent channels the correlations of the channels of x; its longest row has norm
    1."""
    values = x.transpose(0, 1).flatten(1).double()
    variances, axes = torch.linalg.eigh(values.cov(correction=0).reshape(len(values), -1).cpu())
    mix = (axes * variances.clamp_min(1e-2 * float(variances.max()) + 1e-12).sqrt()) @ axes.T
    return (mix / mix.norm(dim=1).max()).to(x)


# ---- movement ---------------------------------------------------------------------------------------------------


def jitter(x, share, generator):
    """x shifted at random by up to `share` of each side; the border is repeated where values are missing."""
    most = [round(share * side) for side in x.shape[2:]]
    if not any(most):
        return x
    wide = F.pad(x, [m for m in reversed(most) for _ in range(2)], mode="replicate")
    starts = [int(torch.randint(2 * m + 1, (), generator=generator)) for m in most]
    return wide[(..., *(slice(a, a + side) for a, side in zip(starts, x.shape[2:], strict=True)))]


def turn(x, degrees, scale, generator):
    """Pictures rotated at random by up to `degrees` and scaled by up to the part `scale`; other kinds are unchanged."""
    if kind_of(x.shape).name not in TURN or not (degrees or scale):
        return x
    return TURN[kind_of(x.shape).name](x, degrees, scale, generator)


def _turn_pictures(x, degrees, scale, generator):
    """Pictures x (B, C, H, W), rotated and scaled about their middle."""
    angle, size = (
        math.radians(uniform_number(generator, -degrees, degrees)),
        math.exp(uniform_number(generator, -scale, scale)),
    )
    cos, sin, aspect = math.cos(angle) / size, math.sin(angle) / size, x.shape[2] / x.shape[3]
    matrix = x.new_tensor([[[cos, -sin * aspect, 0.0], [sin / aspect, cos, 0.0]]]).expand(len(x), 2, 3)
    grid = F.affine_grid(matrix, x.shape, align_corners=False)
    return F.grid_sample(x, grid, "bilinear", "border", align_corners=False)


TURN = {PICTURE.name: _turn_pictures}  # kind -> function that rotates and scales items
