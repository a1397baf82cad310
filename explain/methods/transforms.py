"""What pictures that a network wishes for are made from and shaken by: spectra, colours, shifts, turns, blur.

Everything works on x (B, C, ...) with one, two or three dimensions of places, and does the same to all items.
"""

import math

import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

CALM = 4  # waves are made this much smaller, so that some dozen steps leave values between black and white


def uniform_number(generator, low, high):
    """A number between low and high."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def gaussian_blur(x, sigma):
    """x (B, C, ...) under a Gaussian of `sigma` places; no gradient passes."""
    widths = (0, 0, *[sigma] * (x.ndim - 2))
    return torch.from_numpy(gaussian_filter(x.detach().cpu().numpy(), widths, mode="nearest")).to(x)


def variation(x):
    """Total variation (B,): mean size of the steps between neighbours, summed over the dimensions of places."""
    return sum(x.diff(dim=d).abs().flatten(1).mean(1) for d in range(2, x.ndim))


# ---- how a picture is written -----------------------------------------------------------------------------------


def random_spectrum(shape, generator, spread=0.01):
    """A small random spectrum for pictures of `shape` (C, ...), as real numbers (1, C, ..., 2) to be optimised."""
    *rest, last = shape
    return spread * torch.randn(1, *rest, last // 2 + 1, 2, generator=generator)


def from_spectrum(parts, places):
    """Pictures (B, C, *places) of spectra `parts` (B, C, ..., 2) (Olah et al. 2017, "Feature Visualization").

    Each wave is divided by its frequency, as in natural pictures: a step in the spectrum moves large shapes first.
    """
    waves = torch.view_as_complex(parts.contiguous()) / _frequencies(places).to(parts)
    return torch.fft.irfftn(waves, s=places, dim=list(range(2, 2 + len(places))), norm="ortho") / CALM


def _frequencies(places):
    """Size of the frequency of each wave of a real spectrum, in waves a place; that of the mean as the lowest's."""
    axes = [torch.fft.fftfreq(n) for n in places[:-1]] + [torch.fft.rfftfreq(places[-1])]
    sizes = torch.stack(torch.meshgrid(*axes, indexing="ij")).norm(dim=0)
    return sizes.clamp_min(1 / max(places))


def mixture(x):
    """(C, C): what turns independent channels into ones that go together as in items x (B, C, ...); largest row 1."""
    values = x.transpose(0, 1).flatten(1).double()
    size, axes = torch.linalg.eigh(values.cov(correction=0).reshape(len(values), -1).cpu())
    mix = (axes * size.clamp_min(1e-2 * float(size.max()) + 1e-12).sqrt()) @ axes.T
    return (mix / mix.norm(dim=1).max()).to(x)


# ---- how it is shaken -------------------------------------------------------------------------------------------


def jitter(x, share, generator):
    """x (B, C, ...) shifted by up to `share` of each side, its border repeated where nothing is left."""
    most = [round(share * side) for side in x.shape[2:]]
    if not any(most):
        return x
    wide = F.pad(x, [m for m in reversed(most) for _ in range(2)], mode="replicate")
    starts = [int(torch.randint(2 * m + 1, (), generator=generator)) for m in most]
    return wide[(..., *(slice(a, a + side) for a, side in zip(starts, x.shape[2:], strict=True)))]


def turn(x, degrees, scale, generator):
    """Pictures x (B, C, H, W) turned by up to `degrees` and enlarged or shrunk by up to the share `scale`; signals and
    volumes as they are.
    """
    if x.ndim != 4 or not (degrees or scale):
        return x
    angle, size = (
        math.radians(uniform_number(generator, -degrees, degrees)),
        math.exp(uniform_number(generator, -scale, scale)),
    )
    cos, sin, aspect = math.cos(angle) / size, math.sin(angle) / size, x.shape[2] / x.shape[3]
    way = x.new_tensor([[[cos, -sin * aspect, 0.0], [sin / aspect, cos, 0.0]]]).expand(len(x), 2, 3)
    grid = F.affine_grid(way, x.shape, align_corners=False)
    return F.grid_sample(x, grid, "bilinear", "border", align_corners=False)
