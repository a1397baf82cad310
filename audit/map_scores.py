"""Scores of heat maps. Maps come as planes (P, 2, *places): what each place says, channels summed, signed and by size.

Maps are never normalised item by item: how strong a map is beside the model's other maps counts (protocol, section 6).
"""

import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from xaae.experiment.kinds import kind_of
from xaae.factors.picture_plants import disc_mask
from xaae.factors.registry import FACTORS
from xaae.factors.signal_plants import sample_at

ROWS = 8  # in which a signal's map is compared as a picture's, more than the kernel reaches
REMOVED = 0.2  # share of the places that the removal score covers
UNDO = {  # factor -> how a map that goes along with it is brought back
    "rotation": lambda planes, degrees: FACTORS["rotation"].plant(planes, -degrees),
    "shift": lambda planes, percent: _moved_back(planes, percent),
}
INSIDE = {  # kind -> places that stay in a turned item
    "picture": lambda places: disc_mask(places[-1]) > 0.5,
    "volume": lambda places: _cylinder(places),
}


def _cylinder(places):
    """Places of a volume that stay when it turns about its depth; all where its slices are no squares."""
    depth, height, width = places
    return (disc_mask(width) > 0.5).expand(places) if height == width else torch.ones(places, dtype=torch.bool)


def _moved_back(planes, percent):
    """Planes (P, 2, T) of signals that came later by `percent` (P,) of the window, earlier again."""
    at = torch.arange(planes.shape[-1], dtype=planes.dtype)
    return sample_at(planes, at + percent[:, None] * planes.shape[-1] / 100)


def _scaled_sizes(planes):
    """Sizes (P, *places) of planes in [0, 1], on one scale for all items: the 99.5th percentile is 1."""
    size = np.abs(np.asarray(planes, np.float32)[:, 1])
    return np.clip(size / max(float(np.percentile(size, 99.5)), 1e-12), 0, 1)


# ---- local factors: does the map point at the place? ------------------------------------------------------------


def pointing_scores(planes, place):
    """How much of maps lies on a place, a mask (*places): a dict of means over items.

    relevance_mass and relevance_rank: share of the map's size inside, and of as many of its strongest places as the
    mask has (Arras et al. 2022, arXiv 2003.07258); confounder_sensitivity: share of its top tenth inside (Sun et al.
    2023, arXiv 2307.12344), by what it can be at most. Flat maps point nowhere: ties are broken by chance.
    """
    size = np.abs(np.asarray(planes, np.float64)[:, 1]).reshape(len(planes), -1)
    inside, n = np.asarray(place, bool).ravel(), size.shape[1]
    noise = np.random.default_rng(0).random(size.shape)
    order = np.argsort(-(size + 1e-9 * size.max() * noise + 1e-30) if size.max() > 0 else noise, 1)
    k, tenth = int(inside.sum()), round(0.1 * n)
    mass = size[:, inside].sum(1) / np.maximum(size.sum(1), 1e-30)
    top = inside[order[:, :tenth]].mean(1) * tenth / min(k, tenth)
    rank = inside[order[:, :k]].mean(1)
    scores = {"relevance_mass": mass, "relevance_rank": rank, "confounder_sensitivity": top}
    return {name: float(values.mean()) for name, values in scores.items()}


# ---- Adebayo et al. 2022, arXiv 2212.04629 ----------------------------------------------------------------------


def _ssim(a, b):
    """Mean structural similarity of pictures a and b (P, 1, H, W) in [0, 1]."""
    kernel = min(7, a.shape[-1] // 2 * 2 - 1)
    return structural_similarity_index_measure(a, b, data_range=1.0, gaussian_kernel=False, kernel_size=kernel)


def _ssim_in_time(a, b):
    """The same of signals a and b (P, 1, T): rows that are all alike."""
    return _ssim(*(each[:, :, None].expand(-1, -1, ROWS, -1) for each in (a, b)))


def _ssim_of_slices(a, b):
    """The same of the slices of volumes a and b (P, 1, D, H, W) across the depth."""
    return _ssim(*(each.transpose(1, 2).flatten(0, 1) for each in (a, b)))


SIMILARITY = {  # of maps (P, 1, *places) by the kind of their items
    "picture": _ssim,
    "signal": _ssim_in_time,
    "volume": _ssim_of_slices,
}


def _similarity(a, b):
    """Mean similarity of two sets of planes (P, 2, *places) of the same items, each on its own scale."""
    a, b = (torch.from_numpy(_scaled_sizes(each))[:, None] for each in (a, b))
    return float(SIMILARITY[kind_of(a.shape).name](a, b))


def spurious_signal_scores(biased, normal, place=None):
    """K-SSD, CCM and FAM as a dict; k_ssd is None for a factor without a place, a mask (*places).

    biased, normal: pairs of planes by a biased and by a normal model, of items with the signal and without it.
    """
    (biased_with, biased_without), (normal_with, normal_without) = biased, normal
    scores = {"ccm": _similarity(biased_without, normal_without), "fam": _similarity(normal_with, biased_with)}
    if place is None:
        return scores | {"k_ssd": None}
    mask = np.broadcast_to(np.asarray(place, np.float32), biased_with[:, 1].shape)
    return scores | {"k_ssd": _similarity(biased_with, np.stack([mask, mask], 1))}


# ---- global factors: did the map only go along? -----------------------------------------------------------------


def same_map(with_it, without, values, undo=None):
    """Mean correlation of maps with the factor and without it, planes (P, 2, *places) of the same items.

    About 1: the map holds no trace of what the factor did. undo(planes, values (P,)): takes back what the factor does
    to a map that only goes along with it, such as turning (then this is the un-rotated NCC). Of pictures only the
    inscribed disc counts. NaN if all maps are flat.
    """
    first, second = (torch.from_numpy(np.asarray(each, np.float32)) for each in (with_it, without))
    if undo is not None:
        first = undo(first, torch.as_tensor(values, dtype=torch.float32))
    a, b = (each[..., _inside(each)] for each in (first, second))
    a, b = (each - each.mean(-1, keepdim=True) for each in (a, b))
    scale = (a.square().sum(-1) * b.square().sum(-1)).sqrt()
    ncc = torch.where(scale > 1e-20, (a * b).sum(-1) / scale.clamp_min(1e-20), torch.nan).numpy()
    return float(np.nanmean(ncc)) if np.isfinite(ncc).any() else float("nan")


def _inside(planes):
    """Which places (*places) of planes are compared."""
    places = planes.shape[2:]
    mask = INSIDE.get(kind_of(planes.shape).name)
    return mask(places) if mask else torch.ones(places, dtype=torch.bool)


# ---- is it a working map at all? --------------------------------------------------------------------------------


@torch.inference_mode()
def removal(classifier, x, planes, rng):
    """By how much more the predicted class's probability falls when the strongest fifth of a map's places shows the
    item's mean colour than when as many random places do: mean over items x (P, C, *places). About 0: not a working
    map. classifier(x) -> logits. Samek et al. 2017, arXiv 1509.06321.
    """
    predicted = classifier(x).softmax(-1).argmax(-1)
    size = np.abs(np.asarray(planes, np.float32)[:, 1]).reshape(len(x), -1)
    strongest = np.argsort(-size, 1)
    anywhere = rng.permuted(np.tile(np.arange(size.shape[1]), (len(x), 1)), axis=1)
    covered = [classifier(_covered(x, order)).softmax(-1) for order in (strongest, anywhere)]
    left = [p.gather(1, predicted[:, None])[:, 0] for p in covered]
    return float((left[1] - left[0]).mean())


def _covered(x, order):
    """Items x (P, C, *places) whose first places in `order` (P, N), flat, show the item's mean colour."""
    flat, k = x.flatten(2).clone(), round(REMOVED * order.shape[1])
    rows = torch.arange(len(x))[:, None]
    flat[rows, :, torch.as_tensor(order[:, :k].copy(), device=x.device)] = flat.mean(2)[:, None]
    return flat.view_as(x)
