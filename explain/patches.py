"""Explanations of items that are larger than a network takes: in overlapping patches, blended to one map."""

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

WINDOWS = {  # name -> weights of the n places of a patch when patches are blended
    "smooth": lambda n: np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2,  # a Hann window, above 0 everywhere
    "flat": np.ones,
}


@dataclass(frozen=True)
class Grid:
    """How patches lie on an item. places: the item's size along each dimension, such as (H, W). size: that of a patch.
    starts: for each dimension, the places at which patches start. window: name in WINDOWS.
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
        """For each patch, in the order of the grid, the slices that cut it out of an item."""
        corners = itertools.product(*self.starts)
        return [tuple(slice(a, a + n) for a, n in zip(corner, self.size, strict=True)) for corner in corners]

    @cached_property
    def shares(self):
        """For each dimension, the weights (patches, size) of each patch at its places; they sum to 1 at every place."""
        return [_dimension_shares(*each, self.window) for each in zip(self.places, self.size, self.starts, strict=True)]

    def weights(self, number):
        """Weights (*size) of one patch, by its number; those of all patches sum to 1 at every place."""
        at = np.unravel_index(number, self.shape)
        return reduce(np.multiply.outer, [share[i] for share, i in zip(self.shares, at, strict=True)])

    def blend(self, values):
        """One value for each patch (B, patches), spread over its places and blended: (B, 1, *places)."""
        blended = np.zeros((len(values), 1, *self.places), np.float32)
        for number, cut in enumerate(self.cuts):
            blended[(..., *cut)] += self.weights(number) * values[:, number].reshape(-1, *[1] * (len(cut) + 1))
        return blended


def _dimension_shares(length, size, starts, window):
    """The weights (patches, size) of patches along one dimension of `length` places; they sum to 1 at every place."""
    weight, total = WINDOWS[window](size), np.zeros(length)
    for a in starts:
        total[a : a + size] += weight
    return np.stack([weight / total[a : a + size] for a in starts])


def lay_patches(places, size, overlap=0.5, window="smooth"):
    """The Grid of patches of `size` on an item of `places`.

    Neighbours share at least the part `overlap` of a side; the last patch ends at the item's border. An item smaller
    than a patch counts as large as a patch. InputError for numbers that make no sense.
    """
    size = (size,) * len(places) if isinstance(size, int) else tuple(size)
    if len(size) != len(places) or min(size) < 1:
        raise InputError(f"size={size} does not fit items of {len(places)} dimensions: give a number for each, from 1.")
    if not 0 <= overlap < 1:
        raise InputError(f"overlap={overlap} makes no sense: give the part of a patch's side, from 0 on and below 1.")
    if window not in WINDOWS:
        raise InputError(f"window={window!r} makes no sense: choose from {', '.join(WINDOWS)}.")
    places = tuple(max(each, n) for each, n in zip(places, size, strict=True))
    starts = tuple(_patch_starts(each, n, overlap) for each, n in zip(places, size, strict=True))
    return Grid(places, size, starts, window)


def _patch_starts(length, size, overlap):
    """Where patches of `size` start along a dimension of `length` places."""
    step = max(1, math.floor(size * (1 - overlap)))
    return (*range(0, length - size, step), length - size)


@dataclass(frozen=True)
class Patched:
    """Explanations by patches. maps (B, C or 1, *places) float32: the patches' maps, blended. targets (B, *grid): the
    class that is explained in each patch. logits (B, *grid, K): the network's answer to each patch. grid: the Grid.
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
        """The patches' scores, blended over the item: (B, 1, *places), a coarse map of where the score is high."""
        return _crop(self.grid.blend(self.scores.reshape(len(self.scores), -1)), self.maps.shape[2:])


def explain_patches(model, x, method, target=None, *, size, overlap=0.5, window="smooth", **options):
    """Explain items x (B, C, *places) that are larger than the network takes: patches of `size`, each by `explain`.

    Returns a Patched. target: None for the class that the network predicts for each patch, else as for `explain`.
    size: the side of a patch, one number or one for each dimension. overlap: the least part of a side that neighbours
    share. window: "smooth" (Hann: a patch counts most in its middle, so that no seams show) or "flat". options: what
    else `explain` takes; batch_size counts patches, background items have the size of a patch.

    A value of the blended map is the weighted mean of the values that the patches over this place have there; maps of
    methods whose values sum to a score therefore no longer do. An item smaller than a patch is enlarged by repeating
    its border; the map of the added border is cut off. Raises InputError and Refusal as `explain` does.
    """
    classes, batch_size = options.pop("classes", None), options.setdefault("batch_size", 32)
    grid, shape = lay_patches(tuple(x.shape[2:]), size, overlap, window), tuple(x.shape[2:])
    x = _pad(x.detach().float(), grid.places)
    subject = model if isinstance(model, Subject) else Subject(model, x[(..., *grid.cuts[0])], classes)
    chosen = None if _is_prediction(target, subject) else subject.targets(x, target)
    maps, targets, logits = None, [], []
    for part in _portions(len(x), grid, batch_size):
        patch_maps, part_targets, part_logits = _explain_part(subject, x, part, chosen, method, options)
        if maps is None:
            maps = np.zeros((len(x), patch_maps.shape[1], *grid.places), np.float32)
        for (item, number, cut), patch_map in zip(part, patch_maps, strict=True):
            maps[(item, ..., *cut)] += grid.weights(number) * patch_map
        targets.append(part_targets)
        logits.append(part_logits)
    targets = np.concatenate(targets).reshape(len(x), *grid.shape)
    return Patched(_crop(maps, shape), targets, np.concatenate(logits).reshape(*targets.shape, -1), grid)


def _explain_part(subject, x, part, chosen, method, options):
    """(maps, targets (N,), logits (N, K)) of the patches of one portion. chosen: a target for each item, or None."""
    patches = torch.stack([x[(item, ..., *cut)] for item, _, cut in part])
    logits = _answer(subject, patches, options.get("seed", 0))
    targets = subject.probabilities(logits).argmax(1) if chosen is None else chosen[[item for item, _, _ in part]]
    maps = explain(subject, patches, method, targets, **options)
    return maps, targets.cpu().numpy(), logits.float().cpu().numpy()


def _is_prediction(target, subject):
    """Is each patch explained for the class that the network predicts for it?"""
    return target is None or (isinstance(target, str) and target == "predicted" and target not in subject.classes)


def _portions(items, grid, batch_size):
    """Lists of at most `batch_size` patches, each (item, number of the patch in the grid, slices)."""
    patches = ((item, number, cut) for item in range(items) for number, cut in enumerate(grid.cuts))
    while part := list(itertools.islice(patches, batch_size)):
        yield part


def _answer(subject, patches, seed):
    """The network's logits (N, K) of patches (N, C, *size)."""
    with asking(subject.network, seed), torch.no_grad():
        return subject.network(patches.to(subject.device))


def _pad(x, places):
    """x (B, C, ...) enlarged to `places`: its border is repeated, equally on both sides."""
    lacking = [most - n for most, n in zip(places, x.shape[2:], strict=True)]
    pads = [side for n in reversed(lacking) for side in (n // 2, n - n // 2)]
    return F.pad(x, pads, mode="replicate") if any(pads) else x


def _crop(maps, shape):
    """Maps (B, C, ...) without what `_pad` added to items of `shape`."""
    starts = [(n - least) // 2 for n, least in zip(maps.shape[2:], shape, strict=True)]
    return maps[(..., *(slice(a, a + n) for a, n in zip(starts, shape, strict=True)))]
