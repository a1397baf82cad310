"""Explanations of items larger than a network takes: patch by patch with overlap, blended to one map."""

import itertools
import math
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
import torch
import torch.nn.functional as F

from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.network.subject import Subject, asking

WINDOWS = {  # how much each of n places of a patch counts when patches are blended
    "smooth": lambda n: np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2,  # Hann's, nowhere 0
    "flat": np.ones,
}


@dataclass(frozen=True)
class Grid:
    """How patches lie on an item: places (D, H, W) or fewer, the size of a patch, where patches start along each
    dimension, and the window by which they are blended.
    """

    places: tuple
    size: tuple
    starts: tuple
    window: str = "smooth"

    @property
    def shape(self):
        """How many patches there are along each dimension."""
        return tuple(len(each) for each in self.starts)

    @property
    def cuts(self):
        """The slices of each patch, in the order of the grid."""
        corners = itertools.product(*self.starts)
        return [tuple(slice(a, a + n) for a, n in zip(corner, self.size, strict=True)) for corner in corners]

    @cached_property
    def shares(self):
        """Along each dimension how much each patch counts at its places (patches, size); 1 in all at every place."""
        return [_shared(*each, self.window) for each in zip(self.places, self.size, self.starts, strict=True)]

    def weights(self, number):
        """Weights (*size) of the patch of that number; those of all patches sum to 1 at every place."""
        at = np.unravel_index(number, self.shape)
        return reduce(np.multiply.outer, [share[i] for share, i in zip(self.shares, at, strict=True)])

    def blend(self, values):
        """Values (B, patches) of whole patches as (B, 1, *places), blended as maps are."""
        found = np.zeros((len(values), 1, *self.places), np.float32)
        for number, cut in enumerate(self.cuts):
            found[(..., *cut)] += self.weights(number) * values[:, number].reshape(-1, *[1] * (len(cut) + 1))
        return found


def _shared(length, size, starts, window):
    """Each patch's share (patches, size) of the places of one dimension that it covers."""
    weight, total = WINDOWS[window](size), np.zeros(length)
    for a in starts:
        total[a : a + size] += weight
    return np.stack([weight / total[a : a + size] for a in starts])


def lay_patches(places, size, overlap=0.5, window="smooth"):
    """The Grid of patches of `size` on an item of `places`, at least `overlap` of a patch's side shared with the next;
    the last one is moved back to the border. InputError for numbers that make no sense.
    """
    size = (size,) * len(places) if isinstance(size, int) else tuple(size)
    if len(size) != len(places) or min(size) < 1:
        raise InputError(f"size={size} does not fit items of {len(places)} dimensions: give a number for each, from 1.")
    if not 0 <= overlap < 1:
        raise InputError(f"overlap={overlap} makes no sense: give the part of a patch's side, from 0 on and below 1.")
    if window not in WINDOWS:
        raise InputError(f"window={window!r} makes no sense: choose from {', '.join(WINDOWS)}.")
    places = tuple(max(each, n) for each, n in zip(places, size, strict=True))
    starts = tuple(_begins(each, n, overlap) for each, n in zip(places, size, strict=True))
    return Grid(places, size, starts, window)


def _begins(length, size, overlap):
    """Where patches of `size` start along a dimension of `length` places."""
    step = max(1, math.floor(size * (1 - overlap)))
    return (*range(0, length - size, step), length - size)


@dataclass(frozen=True)
class Patched:
    """What came of it: maps (B, C or 1, *places), float32, the patches' maps blended; targets (B, *grid), which class
    was explained in each patch; logits (B, *grid, K) of the patches; grid, how they lie.
    """

    maps: np.ndarray
    targets: np.ndarray
    logits: np.ndarray
    grid: Grid

    @property
    def scores(self):
        """The explained logit of each patch: (B, *grid)."""
        return np.take_along_axis(self.logits, self.targets[..., None], -1)[..., 0]

    @property
    def score_maps(self):
        """The patches' scores blended over the item: (B, 1, *places), a coarse map of where the score is high."""
        return _fitted(self.grid.blend(self.scores.reshape(len(self.scores), -1)), self.maps.shape[2:])


def explain_patches(
    model,
    x,
    method,
    target=None,
    *,
    size,
    overlap=0.5,
    window="smooth",
    classes=None,
    background=None,
    seed=0,
    batch_size=32,
    precision="fp32",
    **parameters,
):
    """Explain items x (B, C, *places) larger than the network takes: in patches of `size`, each by `explain`. Patched.

    target: None for the class that the network says of each patch by itself, else as for `explain`. size: a side of
    the patches or one for each dimension. overlap: the part of a side that neighbours share, at least. window:
    "smooth" (Hann's: a patch counts most in its middle, so that no seams show) or "flat". background: items of the
    size of a patch. batch_size: patches at once. The rest as for `explain`.

    A value of the blended map is the weighted mean, over the patches that hold this place, of its value there; so maps
    of methods whose values sum to a score do so no longer. Where an item is smaller than a patch, its border is
    repeated, and what the map has there is cut off. InputError and Refusal as from `explain`.
    """
    grid, shape = lay_patches(tuple(x.shape[2:]), size, overlap, window), x.shape[2:]
    x = _padded(x.detach().float(), grid.places)
    subject = model if isinstance(model, Subject) else Subject(model, x[(..., *grid.cuts[0])], classes)
    chosen = None if _by_prediction(target, subject) else subject.targets(x, target)
    given = {"background": background, "seed": seed, "batch_size": batch_size, "precision": precision} | parameters
    maps, targets, logits = None, [], []
    for part in _portions(len(x), grid, batch_size):
        patches = torch.stack([x[(item, ..., *cut)] for item, _, cut in part])
        said = _answers(subject, patches, seed)
        aims = said.argmax(1) if chosen is None else chosen[[item for item, _, _ in part]]
        found = explain(subject, patches, method, aims, **given)
        maps = np.zeros((len(x), found.shape[1], *grid.places), np.float32) if maps is None else maps
        for (item, number, cut), each in zip(part, found, strict=True):
            maps[(item, ..., *cut)] += grid.weights(number) * each
        targets.append(aims.cpu().numpy())
        logits.append(said.float().cpu().numpy())
    targets = np.concatenate(targets).reshape(len(x), *grid.shape)
    return Patched(_fitted(maps, shape), targets, np.concatenate(logits).reshape(*targets.shape, -1), grid)


def _by_prediction(target, subject):
    """Is each patch explained for the class that the network says of it?"""
    return target is None or (isinstance(target, str) and target == "predicted" and target not in subject.classes)


def _portions(items, grid, batch_size):
    """Lists of at most `batch_size` patches, each (item, number in the grid, slices)."""
    every = ((item, number, cut) for item in range(items) for number, cut in enumerate(grid.cuts))
    while part := list(itertools.islice(every, batch_size)):
        yield part


def _answers(subject, patches, seed):
    """The network's logits (N, K) of patches (N, C, *size)."""
    with asking(subject.network, seed), torch.no_grad():
        return subject.network(patches.to(subject.device))


def _padded(x, places):
    """x (B, C, ...) with its border repeated, on both sides alike, where it has fewer than `places`."""
    lacking = [most - n for most, n in zip(places, x.shape[2:], strict=True)]
    pads = [side for n in reversed(lacking) for side in (n // 2, n - n // 2)]
    return F.pad(x, pads, mode="replicate") if any(pads) else x


def _fitted(maps, shape):
    """Maps (B, C, ...) without what `padded` added to items of `shape`."""
    begin = [(n - least) // 2 for n, least in zip(maps.shape[2:], shape, strict=True)]
    return maps[(..., *(slice(a, a + n) for a, n in zip(begin, shape, strict=True)))]
