"""Walks that glide: their frames in equal steps of what is seen, and whether they turn, jump or fade from end to end.

Even steps of alpha show little: most frames look alike and all that happens, happens between two of them. Here frames
are chosen, for each start, such that neighbours differ by the same pixel distance (root mean square over all values).
A walk that still changes its reading in one step does not glide.

**Cross-fades.** A decoder can go from a picture to the turned one without turning anything: it mixes both. Each frame
between the ends is regressed on the two end frames and a constant (least squares over all pixel values); `R2` is the
share of these frames' variance that is explained, all frames together. A mixture of the ends is explained whole, a
turned animal is not: it is at places where neither end has one. On drawn pets of 64 pixels, sharp and blurred: a turn
by 90 degrees 0.50 and 0.55, by 30 degrees 0.78 and 0.82, a cross-fade 1.00.

The test means nothing for a change that is a mixture of its own ends: brighter pictures (R2 1.00), tint, contrast, a
tag that grows opaque, and blur (0.99) nearly. No list says which: `RealChange` plants the factor itself in
reconstructions of real items, as far as the walk changes it, and takes R2 of that. Reconstructions, since a decoder's
blur raises R2 of a real turn too. Only where the real change leaves at least twice as much unexplained as a cross-fade
may leave is a walk tested (`walk_words.TELLING`); R2 of the walk less R2 of the real change is what tells them apart.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from xaae.experiment.device import exact
from xaae.experiment.kinds import kind_of
from xaae.experiment.statistics import largest_steps, median_of_known
from xaae.factors.geometry import likeness
from xaae.factors.registry import Factor
from xaae.latent_nav.walks import PLANES, Walk, decode_codes, watch

UNEVEN = 2  # times an even step: a path with a larger one is decoded once more in between
PASSES = 3  # at most, so that what changes within a hundredth of the walk is still shown in equal steps
STARTS = 8  # real items in which the factor is planted for comparison
UNDOING = 41  # values of the factor of which the best undoes a walk's change


def frame_distances(frames):
    """Root mean square distance between neighbouring frames (S, T, C, *places): (S, T - 1)."""
    steps = np.diff(np.asarray(frames, np.float32), axis=1)
    return np.sqrt(np.square(steps).mean(tuple(range(2, steps.ndim)), dtype=float))


def path_lengths(frames):
    """How far along its decoded path each frame (S, T, C, *places) is: (S, T), 0 for the first."""
    return np.pad(np.cumsum(frame_distances(frames), 1), [(0, 0), (1, 0)])


def largest_path_steps(frames):
    """The largest distance between neighbouring frames as a share of the whole path: (S,), NaN where nothing changes.

    1 for a pure jump, 1 / (T - 1) for even steps.
    """
    return largest_steps(path_lengths(frames))[1]


def evenly_along(progress, alpha, count):
    """Steps alpha (S, count) at which `progress` (S, T), which never falls, grows evenly; alpha (T,) or (S, T) its own.

    Both ends are kept. Where nothing grows alpha itself does.
    """
    share = progress / np.maximum(progress[:, -1:], 1e-12) + 1e-6 * np.linspace(0, 1, progress.shape[1])
    wanted, alpha = np.linspace(0, 1, count), np.broadcast_to(alpha, progress.shape)
    return np.stack([np.interp(wanted, s / s[-1], a) for s, a in zip(share, alpha, strict=True)])


def codes_at(codes, alpha, wanted):
    """Codes (S, M, D) at steps `wanted` (S, M) on the lines between codes (S, T, D), which stand at alpha (T,)."""
    after = np.clip(np.searchsorted(alpha, wanted), 1, len(alpha) - 1)
    share = (wanted - alpha[after - 1]) / (alpha[after] - alpha[after - 1])
    row, share = torch.arange(len(codes))[:, None], torch.as_tensor(share, dtype=codes.dtype)[..., None]
    return torch.lerp(codes[row, torch.as_tensor(after - 1)], codes[row, torch.as_tensor(after)], share)


def even_path(decode, codes, alpha, frames, progress=path_lengths):
    """Steps alpha (S, T) and frames (S, T, C, *places) of walks of codes (S, T, D) in even steps of `progress`.

    decode(codes) -> frames. alpha (T,), frames: where the codes stand and what they decode to. progress(frames) ->
    (S, T), which never falls.
    """
    at, seen, count = np.tile(alpha, (len(codes), 1)), frames, len(alpha)
    chosen, found, rows = at.copy(), np.array(frames), np.arange(len(codes))
    for _ in range(PASSES):
        chosen[rows] = evenly_along(progress(seen), at, count)
        found[rows] = new = decode(codes_at(codes[rows], alpha, chosen[rows]))
        uneven = largest_steps(progress(new))[1] > UNEVEN / (count - 1)
        if not uneven.any():
            break
        at, seen = _merged(at[uneven], chosen[rows][uneven], seen[uneven], new[uneven])
        rows = rows[uneven]
    return chosen, found


def _merged(alpha, more, frames, more_frames):
    """Steps (S, T) and (S, M) in one order, (S, T + M), with their frames."""
    both = np.concatenate([alpha, more], 1)
    order = both.argsort(1, kind="stable")
    row = np.arange(len(both))[:, None]
    return both[row, order], np.concatenate([frames, more_frames], 1)[row, order]


def spaced_walk(model, codes, y, alpha, spacing="arc", meters=None, favour=None):
    """The Walk of codes (S, T, D), which stand at alpha (T,), with as many frames in steps of SPACINGS; y as in `walk`.

    favour(frames) -> probability (S, T) of what the walk leads to: needed for the spacing "probability". The Walk's
    alpha is (S, T), or (T,) in even steps of alpha; its path_steps {"alpha", "arc"} are the `largest_path_steps` in
    even steps of alpha and of the path. Decoded in single precision: rounded frames are further apart than they look.
    """
    decode = lambda z: decode_codes(model, z)  # noqa: E731
    with exact():
        frames = decode(codes)
        chosen, found = even_path(decode, codes, alpha, frames)
        steps = {"alpha": largest_path_steps(frames), "arc": largest_path_steps(found)}
        if spacing == "probability":
            gained = lambda seen: np.pad(np.abs(np.diff(favour(seen), axis=1)).cumsum(1), [(0, 0), (1, 0)])  # noqa: E731
            chosen, found = even_path(decode, codes, alpha, frames, gained)
    if spacing == "alpha":
        walk = watch(model, frames, alpha, codes, y, meters)
    else:
        walk = watch(model, found, chosen, codes_at(codes, alpha, chosen), y, meters)
    walk.path_steps, walk.spacing = steps, spacing
    return walk


# ---- cross-fades --------------------------------------------------------------------------------------------------


def explained_by_ends(frames):
    """R2 of the frames between the ends of walks (S, T, C, *places), see above: (S,); NaN where they are plain."""
    flat = np.asarray(frames, float).reshape(*frames.shape[:2], -1)
    return np.array([_explained(walk[[0, -1]], walk[1:-1]) for walk in flat])


def _explained(ends, between):
    """R2 of values (T, N) regressed on `ends` (2, N) and a constant; NaN if they do not vary."""
    centred = [values - values.mean(1, keepdims=True) for values in (ends, between)]
    weights = np.linalg.lstsq(centred[0].T, centred[1].T, rcond=1e-6)[0]
    total = np.square(centred[1]).sum()
    left = np.square(centred[1] - weights.T @ centred[0]).sum()
    return float(1 - left / total) if total > 0 else float("nan")


def planted_frames(x, plant, low, high, count):
    """Items x (S, C, *places) with a factor from `low` to `high`, in equal steps of their path: (S, count, C, *places).

    plant(x, values (S,)) gives them the factor.
    """

    def planted(values):
        flat = torch.from_numpy(values).float().flatten()
        return plant(x.repeat_interleave(count, 0), flat).view(len(x), count, *x.shape[1:]).numpy()

    grid = np.linspace(low, high, count)
    return planted(evenly_along(path_lengths(planted(np.tile(grid, (len(x), 1)))), grid, count))


@dataclass(frozen=True)
class RealChange:
    """What a factor itself does to items: reconstructions x (S, C, *places) of items without it.

    plant(x, values (S,)) gives them the factor, of the registry. ends (low, high): the values of both classes, between
    which its meter reads `shift`.
    """

    x: torch.Tensor
    plant: Callable
    ends: tuple
    shift: float
    factor: Factor

    def explained(self, change, count):
        """Median R2 of `count` frames in which the factor's reading changes by about |change|; None if it cannot."""
        if change is None or not self.shift:
            return None
        low, high = self.ends
        last = float(np.clip(low + (high - low) * abs(change / self.shift), *self.factor.allowed))
        return median_of_known(explained_by_ends(planted_frames(self.x, self.plant, low, last, count)))

    def undone_match(self, frames):
        """Median likeness of the ends of walks (S, T, C, *places) once the factor is undone; None of signals.

        As a turn is undone by the best angle, so here by the best value: each of UNDOING is planted into the first
        frame and set beside the last, and the other way round, since a blur can be planted but not taken away.
        """
        if (planes := PLANES.get(kind_of(frames.shape[1:]).name)) is None:
            return None
        neutral, reach = self.factor.neutral, 2 * abs(np.subtract(*self.ends))
        values = np.linspace(*np.clip([neutral - reach, neutral + reach], *self.factor.allowed), UNDOING)
        ends = [torch.as_tensor(frames[:STARTS, at]).float() for at in (0, -1)]
        planted = lambda x, v: planes(self.plant(x, torch.full((len(x),), float(v)))[:, None])[:, 0]  # noqa: E731
        found = [
            likeness(planted(one, v), planes(other[:, None])[:, 0]) for one, other in (ends, ends[::-1]) for v in values
        ]
        return float(torch.stack(found).amax(0).median())


@torch.inference_mode()
def real_change(model, x, plant, ends, shift, factor):
    """The RealChange of the first few of items x (S, C, *places) without the factor, as the model reconstructs them."""
    with exact():
        z = model.encode(x[:STARTS].to(next(model.parameters()).device))
        return RealChange(torch.from_numpy(decode_codes(model, z[:, None])[:, 0]), plant, ends, shift, factor)


def glide_numbers(walk: Walk, meter, least, real):
    """How a Walk gets from end to end, for `walk_words.manner`: a dict of medians over the starts that change at all.

    meter: name of the factor's meter; a change of at most `least` is none, and where the median one is none nothing
    changes. real: a RealChange. largest_step in the meter's unit, largest_step_share of the change from end to end,
    path_step_share {spacing: ...} of the decoded path, ends_explain and real_ends_explain: R2 of the walk and of the
    factor's own change, undone_match: see `RealChange.undone_match`. None where nothing changes.
    """
    reading = walk.readings[meter]
    whole = np.abs(reading[:, -1] - reading[:, 0])
    steps, shares = largest_steps(reading, least if np.median(whole) > least else np.inf)
    changed = np.isfinite(shares)
    found = {"spacing": walk.spacing, "largest_step": median_of_known(steps)}
    found |= {"largest_step_share": median_of_known(shares)}
    found |= {"path_step_share": {name: median_of_known(share) for name, share in walk.path_steps.items()}}
    change = median_of_known(whole[changed])
    found["ends_explain"] = median_of_known(explained_by_ends(walk.frames[changed])) if changed.any() else None
    found["undone_match"] = real.undone_match(walk.frames[changed]) if changed.any() else None
    return found | {"real_ends_explain": real.explained(change, reading.shape[1])}
