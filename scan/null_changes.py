"""Changes that no factor names: smooth random warps, and smooth random changes of light, colour or gain, of any size.

A warp has no part that turns, shifts, scales or shears the whole picture or volume; a change of light has mean zero and
is at right angles to the picture, so that neither brightness nor contrast nor tint of the whole is changed by it. A
warp of a signal's time neither moves nor stretches the whole; a change of its gain leaves offset, amplitude and drift.
They say how often a decision flips at a change of so many pixels, whatever it is.
"""

import numpy as np
import torch
import torch.nn.functional as F

from xaae.factors.picture_plants import as_column
from xaae.factors.signal_plants import sample_at

WAVES = 4  # random bumps along a side
SMOOTHLY = {2: "bicubic", 3: "trilinear"}  # dimensions -> how the bumps are joined
FARTHEST = (0.02, 0.04, 0.08, 0.16)  # displacements that are tried, root mean square in sides
STEPS, CORRECTIONS = 4, 2  # of the size of a change of light that is cut off at black and white; of a warp


def pixel_distance(a, b):
    """Root mean square difference of items a and b (B, C, *places) over their pixels: (B,)."""
    return (a - b).float().square().flatten(1).mean(1).sqrt()


def _smooth_fields(n, channels, places, rng):
    """Smooth random fields (n, channels, *places) of about unit variance, in two or three dimensions."""
    coarse = torch.from_numpy(rng.standard_normal((n, channels, *[WAVES + 3] * len(places)))).float()
    return F.interpolate(coarse, tuple(places), mode=SMOOTHLY[len(places)], align_corners=True)


def _without(fields, basis):
    """Fields (n, c, P) with their part along the rows of basis (n or 1, k, P) taken away."""
    q = torch.linalg.qr(basis.mT.double())[0].to(fields)  # (n or 1, P, k)
    return fields - (fields @ q) @ q.mT


def warp(x, distance, rng):
    """Pictures or volumes x (B, C, *places) bent smoothly, at most so that they differ from x by distance (B,)."""
    places = x.shape[2:]
    axes = [(2 * torch.arange(side) + 1) / side - 1 for side in places]
    at = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    affine = torch.cat([torch.ones(1, at[0].numel()), at.flatten(1)])[None]
    field = _without(_smooth_fields(len(x), len(places), places, rng).flatten(2), affine).view(-1, *at.shape)
    field = field / field.square().sum(1, keepdim=True).flatten(2).mean(2).sqrt().view(-1, *[1] * (x.ndim - 1))
    bent = [_displaced(x, 2 * far * field, at) for far in FARTHEST]
    reached = torch.stack([torch.zeros(len(x)), *(pixel_distance(x, b) for b in bent)], 1).numpy()
    reached = np.maximum.accumulate(reached + 1e-7 * np.arange(reached.shape[1]), 1)
    far = torch.tensor([np.interp(d, row, (0, *FARTHEST)) for d, row in zip(distance.numpy(), reached, strict=True)])
    for _ in range(CORRECTIONS):
        bent = _displaced(x, 2 * as_column(far, x) * field, at)
        ratio = (distance / pixel_distance(x, bent).clamp_min(1e-6)).clamp(0.3, 1.5)
        far = (far * ratio).clamp_max(FARTHEST[-1])
    return _displaced(x, 2 * as_column(far, x) * field, at)


def _displaced(x, field, at):
    """Items x with every place from where field (B, axes, *places), in half sides, points to; the last axis first.

    at (axes, *places): the places themselves, the first axis first.
    """
    grid = torch.stack([place + moved for place, moved in zip(at.flip(0), field.unbind(1), strict=True)], -1)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def relight(x, distance, rng):
    """Items x (B, C, *places) whose light and colour change from place to place, differing by distance (B,)."""
    colours = min(3, x.shape[1])
    seen = x[:, :colours].flatten(2)
    fields = _smooth_fields(len(x), colours, x.shape[2:], rng).flatten(2)
    fields = _without(fields, torch.cat([torch.ones_like(seen[:, :1]), seen], 1))
    amount = distance.view(-1, 1, 1) / fields.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-6)
    share = (x.shape[1] / colours) ** 0.5  # alpha is not changed, but counts among the pixels
    amount = amount * share
    for _ in range(STEPS):
        lit = (seen + amount * fields).clamp(0, 1)
        reached = (lit - seen).square().mean((1, 2), keepdim=True).sqrt()
        amount = amount * (distance.view(-1, 1, 1) * share / reached.clamp_min(1e-6)).clamp(0.5, 2)
    lit = (seen + amount * fields).clamp(0, 1).view(-1, colours, *x.shape[2:])
    return torch.cat([lit, x[:, colours:]], 1)


def bend_and_relight(x, distance, rng):
    """Pictures or volumes x (B, C, *places) bent as far as a warp can, the rest of distance (B,) by a change of
    light."""
    bent = warp(x, distance, rng)
    rest = (distance.square() - pixel_distance(x, bent).square()).clamp_min(0).sqrt()
    return torch.where(as_column(rest > 0.05 * distance, x).bool(), relight(bent, rest, rng), bent)


# ---- signals ----------------------------------------------------------------------------------------------------

LATEST = (0.01, 0.02, 0.04, 0.08)  # displacements in time that are tried, root mean square in windows
SWAY = 0.3  # of a change of gain: share that moves the baseline, so that flat pieces change too


def warp_time(x, distance, rng):
    """Signals x (B, C, T) whose time runs unevenly, at most so that they differ from x by distance (B,)."""
    length = x.shape[-1]
    at = torch.arange(length, dtype=x.dtype)
    field = _without(_smooth_curves(len(x), 1, length, rng), torch.stack([torch.ones(length), at])[None])[:, 0]
    field = length * field / field.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)
    warped = lambda far: sample_at(x, at + far.to(x).view(-1, 1) * field, "reflect").clamp(0, 1)  # noqa: E731
    reached = [pixel_distance(x, warped(torch.full((len(x),), far))) for far in LATEST]
    reached = torch.stack([torch.zeros(len(x)), *reached], 1).numpy()
    reached = np.maximum.accumulate(reached + 1e-7 * np.arange(reached.shape[1]), 1)
    far = [np.interp(d, row, (0, *LATEST)) for d, row in zip(distance.numpy(), reached, strict=True)]
    return warped(torch.tensor(far))


def sway(x, distance, rng):
    """Signals x (B, C, T) whose gain and baseline change from time to time, differing by distance (B,)."""
    length = x.shape[-1]
    centred = x - x.mean(-1, keepdim=True)
    gain, base = _smooth_curves(len(x), 2 * x.shape[1], length, rng).chunk(2, 1)
    fields = (1 - SWAY) * gain * centred + SWAY * base * centred.square().mean((1, 2), keepdim=True).sqrt()
    rise = torch.cos(torch.pi * (torch.arange(length) + 0.5) / length)  # the slowest drift
    shared = torch.stack([torch.ones(length), rise]).expand(len(x), -1, -1)
    fields = _without(fields, torch.cat([shared, centred], 1))
    amount = distance.view(-1, 1, 1) / fields.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-6)
    for _ in range(STEPS):
        swayed = (x + amount * fields).clamp(0, 1)
        ratio = distance / pixel_distance(x, swayed).clamp_min(1e-6)
        amount = amount * ratio.clamp(0.5, 2).view(-1, 1, 1)
    return (x + amount * fields).clamp(0, 1)


def warp_and_sway(x, distance, rng):
    """Signals x (B, C, T) warped in time as far as it goes, the rest of distance (B,) by a change of gain."""
    warped = warp_time(x, distance, rng)
    rest = (distance.square() - pixel_distance(x, warped).square()).clamp_min(0).sqrt()
    return torch.where((rest > 0.05 * distance).view(-1, 1, 1), sway(warped, rest, rng), warped)


def _smooth_curves(n, channels, length, rng):
    """Smooth random curves (n, channels, length) of about unit variance."""
    coarse = torch.from_numpy(rng.standard_normal((n, channels, 1, WAVES + 3))).float()
    return F.interpolate(coarse, (1, length), mode="bicubic", align_corners=True)[:, :, 0]


NULL_CHANGES = {  # kind -> changes (x, distance, rng) -> x
    "picture": (bend_and_relight, relight),
    "volume": (bend_and_relight, relight),
    "signal": (warp_and_sway, sway),
}
