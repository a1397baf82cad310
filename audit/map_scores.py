"""Scores of heat maps. Maps come as planes (P, 2, H, W): what each place says, channels summed, signed and by size.

Never normalised per image: how strong a map is beside the model's other maps counts (protocol, section 6).
"""

import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

from xaae.factors.picture_plants import disc_mask, rotate

REMOVED = 0.2  # share of the places that the removal score covers


def _size_of(found):
    """Sizes (P, H, W) of planes in [0, 1], one scale for all items: the 99.5th percentile is 1."""
    size = np.abs(np.asarray(found, np.float32)[:, 1])
    return np.clip(size / max(float(np.percentile(size, 99.5)), 1e-12), 0, 1)


# ---- local factors: does the map point at the place? ------------------------------------------------------------


def pointing(found, place):
    """Of planes (P, 2, H, W) and a mask (H, W): dict of means over items.

    relevance_mass and relevance_rank: share of the map's size inside, and of as many of its strongest places as the
    mask has (Arras et al. 2022, arXiv 2003.07258); confounder_sensitivity: share of its top tenth inside (Sun et al.
    2023, arXiv 2307.12344), by what it can be at most. Flat maps point nowhere: ties are broken by chance.
    """
    size = np.abs(np.asarray(found, np.float64)[:, 1]).reshape(len(found), -1)
    inside, n = np.asarray(place, bool).ravel(), size.shape[1]
    tied = size + 1e-9 * size.max() * np.random.default_rng(0).random(size.shape) + 1e-30
    order = np.argsort(-tied if size.max() > 0 else np.random.default_rng(0).random(size.shape), 1)
    k, tenth = int(inside.sum()), round(0.1 * n)
    mass = size[:, inside].sum(1) / np.maximum(size.sum(1), 1e-30)
    top = inside[order[:, :tenth]].mean(1) * tenth / min(k, tenth)
    rank = inside[order[:, :k]].mean(1)
    scores = {"relevance_mass": mass, "relevance_rank": rank, "confounder_sensitivity": top}
    return {name: float(v.mean()) for name, v in scores.items()}


# ---- Adebayo et al. 2022, arXiv 2212.04629 ----------------------------------------------------------------------


def _alike(a, b):
    """Mean structural similarity of two sets of planes (P, 2, H, W) of the same items, each on its own scale."""
    a, b = (torch.from_numpy(_size_of(each))[:, None] for each in (a, b))
    kernel = min(7, a.shape[-1] // 2 * 2 - 1)
    return float(ssim(a, b, data_range=1.0, gaussian_kernel=False, kernel_size=kernel))


def spurious_signal(biased, with_it, without, normal_with, normal_without, place=None):
    """K-SSD, CCM and FAM as a dict, of planes by a biased and by a normal model; k_ssd only for a local factor.

    with_it, without: rows of `biased` (planes of both, stacked) that show the signal and that do not.
    """
    found = {"ccm": _alike(biased[without], normal_without), "fam": _alike(normal_with, biased[with_it])}
    if place is None:
        return found | {"k_ssd": None}
    mask = np.broadcast_to(np.asarray(place, np.float32), biased[with_it, 1].shape)
    return found | {"k_ssd": _alike(biased[with_it], np.stack([mask, mask], 1))}


# ---- global factors: did the map only go along? -----------------------------------------------------------------


def same_map(with_it, without, values, turns):
    """Mean correlation, inside the disc, of maps with the factor and without it, planes (P, 2, H, W) of the same items.

    About 1: the map holds no trace of what the factor did. turns: is the factor a rotation? Then the first map is
    turned back by its value (P,) (un-rotated NCC). NaN if all maps are flat.
    """
    first, second = (torch.from_numpy(np.asarray(each, np.float32)) for each in (with_it, without))
    if turns:
        first = rotate(first, -torch.as_tensor(values, dtype=torch.float32))
    inside = disc_mask(first.shape[-1]) > 0.5
    a, b = (each[..., inside] for each in (first, second))
    a, b = (each - each.mean(-1, keepdim=True) for each in (a, b))
    scale = (a.square().sum(-1) * b.square().sum(-1)).sqrt()
    ncc = torch.where(scale > 1e-20, (a * b).sum(-1) / scale.clamp_min(1e-20), torch.nan)
    return float(np.nanmean(ncc.numpy())) if np.isfinite(ncc.numpy()).any() else float("nan")


# ---- is the map a working one at all? ---------------------------------------------------------------------------


@torch.inference_mode()
def removal(answer, x, found, rng):
    """By how much more the predicted class's probability falls when the map's strongest fifth of places shows the
    item's mean colour than when as many random places do: mean over items x (P, C, H, W). About 0: not a working map.

    answer(x) -> logits. Samek et al. 2017, arXiv 1509.06321.
    """
    p = answer(x).softmax(-1)
    said = p.argmax(-1)
    size = np.abs(np.asarray(found, np.float32)[:, 1]).reshape(len(x), -1)
    strongest = np.argsort(-size, 1)
    anywhere = rng.permuted(np.tile(np.arange(size.shape[1]), (len(x), 1)), axis=1)
    left = [answer(_covered(x, order)).softmax(-1).gather(1, said[:, None])[:, 0] for order in (strongest, anywhere)]
    return float((left[1] - left[0]).mean())


def _covered(x, order):
    """Items x (P, C, H, W) whose first places in `order` (P, H W) show the item's mean colour."""
    flat, k = x.flatten(2).clone(), round(REMOVED * order.shape[1])
    rows = torch.arange(len(x))[:, None]
    flat[rows, :, torch.as_tensor(order[:, :k].copy(), device=x.device)] = flat.mean(2)[:, None]
    return flat.view_as(x)
