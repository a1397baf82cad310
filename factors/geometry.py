"""Meters: functions from pictures to a physical quantity with a unit. Here how frames have turned, grown and moved.

Turned pictures have black corners, so only the inscribed disc counts. Places are complex numbers x + yj in half sides
from the middle, y up.
"""

import numpy as np
import torch
import torch.nn.functional as F

RAYS = 360  # one a degree
COARSE, FINE = 32, 64  # pixels a side at which size and place are found, then refined
TINY = 1e-6


def _polar_grid(size, rays=RAYS):
    """Sampling grid (1, radii, rays, 2) of circles inside the inscribed disc; rays run counter-clockwise."""
    radius = torch.arange(1, size // 2)[:, None] * 2 / size
    angle = torch.arange(rays) * 2 * torch.pi / rays
    return torch.stack([radius * angle.cos(), -radius * angle.sin()], -1)[None]


def _polar(frames, rays=RAYS):
    """Frames (N, C, H, W) on circles around their middle, mean removed, weighted by area: (N, C * radii, rays)."""
    grid = _polar_grid(frames.shape[-1], rays).expand(len(frames), -1, -1, -1)
    rings = F.grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=False)
    weight = torch.arange(1, rings.shape[2] + 1, dtype=rings.dtype)[:, None]
    mean = (rings * weight).sum((2, 3), keepdim=True) / (weight.sum() * rays)
    return ((rings - mean) * weight.sqrt()).flatten(1, 2)


def _match(walk):
    """Correlation of each frame of one walk (T, C, H, W) with its first at every turn by a ray: (T, rays)."""
    rings = _polar(walk)
    wave = torch.fft.rfft(rings)
    cross = torch.fft.irfft((wave * wave[:1].conj()).sum(1), n=rings.shape[-1])
    energy = rings.square().sum((1, 2))
    return cross / (energy * energy[0]).sqrt().clamp_min(1e-12)[:, None]


def likeness(a, b):
    """Correlation (N,) of pictures a and b (N, C, H, H) as they are, inside the disc, as `rotation` takes it."""
    a, b = _polar(a), _polar(b)
    return (a * b).sum((1, 2)) / (a.square().sum((1, 2)) * b.square().sum((1, 2))).sqrt().clamp_min(1e-12)


def rotation(frames):
    """Angle of each frame of a walk against its first, by correlation: nothing is learned.

    frames (S, T, C, H, W). Returns degrees (S, T), counter-clockwise, unwrapped along T, 0 for the first frame; and
    the normalised cross-correlation (S, T) after un-rotating. On circles around the middle a rotation is a shift, so
    that one Fourier transform gives the correlation at every whole degree, over the inscribed disc.
    """
    found = [_match(walk).max(-1) for walk in torch.as_tensor(np.asarray(frames, dtype=np.float32))]
    degrees = torch.stack([best.indices for best in found]).numpy() * 360 / RAYS
    return np.unwrap(degrees, period=360, axis=1), torch.stack([best.values for best in found]).numpy()


def plane(n):
    """Pixel centres (n, n) as complex numbers, half a side long, y up."""
    at = (2 * torch.arange(n) + 1) / n - 1
    return torch.complex(at.expand(n, n), -at[:, None].expand(n, n))


def disc_weight(z, n):
    """Weight of the points z in pictures of n pixels: 1 inside the inscribed disc, 0 outside, over two pixels."""
    return ((1 - z.real.square() - z.imag.square()) * n / 8).clamp(0, 1)


def band_blur(x, sigma):
    """Pictures (N, n, n) smoothed by a Gaussian of `sigma` pixels, black beyond the edge.

    As two products with a band matrix: much faster than the convolution of a single channel.
    """
    reach, at = int(3 * sigma + 0.5), torch.arange(x.shape[-1])
    apart = (at[:, None] - at).abs()
    total = torch.exp(-((torch.arange(-reach, reach + 1) / sigma) ** 2) / 2).sum()
    band = torch.exp(-((apart / sigma) ** 2) / 2) * (apart <= reach) / total
    return band @ x @ band


def smooth(x, sigma, n=None):
    """Pictures (N, H, H) shrunk to n pixels a side and smoothed by `sigma` of them, inside the disc alone: (N, n, n).

    Smaller pictures keep their size and are smoothed by the same share of the side.
    """
    size = min(n or x.shape[-1], x.shape[-1])
    mask = disc_weight(plane(x.shape[-1]), x.shape[-1])[None]
    both = torch.cat([x * mask, mask])
    if size < x.shape[-1]:
        both = F.interpolate(both[None], size=(size, size), mode="area")[0]
    both = band_blur(both, sigma * size / (n or size))
    return both[:-1] / both[-1].clamp_min(TINY)


def _sample(x, z):
    """Pictures x (N, n, n) at points z (N, P): (N, P)."""
    grid = torch.stack([z.real, -z.imag], -1)[:, None]
    return F.grid_sample(x[:, None], grid, padding_mode="border", align_corners=False)[:, 0, 0]


def _columns(first):
    """How pictures (S, n, n) change as they grow, turn, move right, move up, gain contrast, light: (S, 6, n, n)."""
    n = first.shape[-1]
    down, right = torch.gradient(first, spacing=2 / n, dim=(1, 2))
    slope = torch.complex(right, -down)
    grow = slope.conj() * plane(n)
    return torch.stack([grow.real, -grow.imag, slope.real, slope.imag, first, torch.ones_like(first)], 1)


def _correlation(a, b, weight):
    """Weighted correlation (S, M) of a and b (S, M, P), -1 where fewer than 0.35 of all the pixels count."""
    share = weight / weight.sum(-1, keepdim=True).clamp_min(TINY)
    a, b = (x - (x * share).sum(-1, keepdim=True) for x in (a, b))
    found = (share * a * b).sum(-1) / ((share * a * a).sum(-1) * (share * b * b).sum(-1)).sqrt().clamp_min(TINY)
    return torch.where(weight.mean(-1) < 0.35, -1.0, found)


def _align(first, frames, q, t, steps):
    """Refine q, t (S, M) so that frames (S, M, n, n) at q z + t look like first (S, n, n) at z; correlation (S, M).

    Inverse compositional Gauss-Newton with gain and offset; only points inside the disc in both pictures count.
    Baker and Matthews, Lucas-Kanade 20 years on, 2004, doi 10.1023/B:VISI.0000011205.11775.fd.
    """
    n = first.shape[-1]
    inside = disc_weight(plane(n), n) > 0
    z, basis, first = plane(n)[inside], _columns(first)[:, :, inside].mT, first[:, None, inside]  # basis (S, P, 6)
    products = (basis[..., None] * basis[..., None, :]).flatten(-2)
    for step in range(steps + 1):
        place = q[..., None] * z + t[..., None]
        weight = disc_weight(z, n) * disc_weight(place, n)
        seen = _sample(frames.flatten(0, 1), place.flatten(0, 1)).view(place.shape)
        if step == steps:
            return q, t, _correlation(seen, first, weight)
        left = (weight * (seen - first)) @ basis / len(z)
        normal = (weight @ products).unflatten(-1, (6, 6)) / len(z) + TINY * torch.eye(6)
        move = torch.linalg.solve(normal, left)
        move = (move[..., :4] / (1 + move[..., 4:5]).clamp_min(0.3)).clamp(-0.15, 0.15)
        q = q / (1 + torch.complex(move[..., 0], move[..., 1]))
        t = t - q * torch.complex(move[..., 2], move[..., 3])


def register(luma, degrees):
    """Size, turn and place of the frames of walks (S, T, H, H) against their first: complex q (S, T) and t (S, T).

    A point z of the first frame has moved to q z + t. Starts unturned and turned by `degrees` (S, T), each at three
    sizes; the best match on a coarse picture is refined.
    """
    turn = torch.polar(torch.ones_like(degrees), torch.deg2rad(degrees)).to(torch.complex64)
    starts = torch.stack([s * way for s in (1, 0.8, 1.25) for way in (torch.ones_like(turn), turn)], 1)  # (S, 6, T)
    coarse, fine = (smooth(luma.flatten(0, 1), s, n).unflatten(0, turn.shape) for s, n in ((1.5, COARSE), (1.2, FINE)))
    q, home = starts.flatten(1), torch.zeros_like(starts.flatten(1))
    q, t, match = _align(coarse[:, 0], coarse.repeat(1, starts.shape[1], 1, 1), q, home, 4)
    order = 1e-3 * torch.arange(starts.shape[1])[:, None]  # of matches as good as each other, the first
    best = (match.view(starts.shape) - order).argmax(1, keepdim=True)
    q, t = (each.view(starts.shape).gather(1, best)[:, 0] for each in (q, t))
    q, t, _ = _align(coarse[:, 0], coarse, q, t, 6)
    q, t, _ = _align(fine[:, 0], fine, q, t, 4)
    return q, t


def undone_shares(luma, q, t):
    """How much of what is unlike in the first and last frame goes when one part of the motion is undone: {part: (S,)}.

    luma (S, T, H, H), q and t (S, T) as `register` gives them; parts "scale", "x" and "y". Unlike is one less the
    correlation with the first frame. The share is near 1 where the part is real, and near 0 where the content changes
    into another and the best match merely lies elsewhere.
    """
    first, last = (smooth(luma[:, i], 1.2, FINE) for i in (0, -1))
    unlike = lambda q, t: 1 - _align(first, last[:, None], q, t, 0)[2][:, 0]  # noqa: E731
    q, t = q[:, -1:], t[:, -1:]
    without = {"scale": (q / q.abs().clamp_min(TINY), t), "x": (q, 1j * t.imag), "y": (q, t.real + 0j)}
    whole = unlike(q, t)
    return {part: 1 - whole / unlike(*motion).clamp_min(TINY) for part, motion in without.items()}
