"""The perturbation family: what the score does when parts of the item are hidden. No gradients, no hooks: any network.

What is hidden is replaced by the `baseline`: a number, or "mean" for the item's mean colour. Occlusion, feature
ablation, LIME and RISE give each place the value of its window, segment or masks; the two Shapley methods spread the
value of a segment over its places, so that the map sums to the score less the baseline's score.
"""

import math

import torch
from captum import attr
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr._core.lime import get_exp_kernel_similarity_function
from torch.nn import functional as F

from xaae.experiment.errors import InputError
from xaae.explain.method import method
from xaae.explain.methods.segments import sizes, split
from xaae.explain.network.subject import MODES

CELLS = {1: 16, 2: 8, 3: 4}  # parts of a side by the dimensions of an item: few enough to hide each a few times
LUNDBERG = "Lundberg and Lee 2017, arXiv 1705.07874"


def covered(ask, baseline):
    """What shows where an item is hidden (B, C, ...): one number, or the item's mean colour. InputError for others."""
    if baseline == "mean":
        return torch.zeros_like(ask.x) + ask.x.mean(tuple(range(2, ask.x.ndim)), keepdim=True)
    try:
        return torch.full_like(ask.x, float(baseline))
    except ValueError as e:
        raise InputError(f'baseline={baseline!r} is not known: give a number, or "mean" for the mean colour.') from e


def _at_once(ask):
    """How many hidden copies of each item go through the network together."""
    return max(1, ask.batch_size // len(ask.x))


def _check(samples, least=1):
    """InputError for fewer than `least` samples."""
    if samples < least:
        raise InputError(f"samples={samples} is too few: give {least} or more.")


# ---- windows and masks ------------------------------------------------------------------------------------------


def _per_side(given, default, most, name):
    """One whole number for each side: `given` as one for all or one for each, `default` where it is 0.

    InputError where it is not between 1 and `most`, or not one for each side.
    """
    given = list(given) if isinstance(given, list | tuple) else [given] * len(default)
    if len(given) != len(default):
        raise InputError(f"{name}={given} does not fit: give one number, or {len(default)}, one for each side.")
    found = tuple(int(g) or d for g, d in zip(given, default, strict=True))
    if any(not 1 <= f <= m for f, m in zip(found, most, strict=True)):
        raise InputError(f"{name}={given} does not fit: give numbers of places from 1 to {list(most)}.")
    return found


@method(
    "perturbation",
    "Occlusion",
    "Zeiler and Fergus 2014, arXiv 1311.2901",
    "how far the score falls when a window here is hidden",
)
def occlusion(ask, *, window=0, stride=0, baseline=0.0):
    """Mean drop over the windows that hide a place (B, 1, ...).

    window, stride: places, one number or one for each side; 0: the window is a sixteenth of a signal's length, an
    eighth of a picture's side, a quarter of a volume's; the stride is half the window.
    """
    n = CELLS[len(ask.places)]
    window = _per_side(window, [max(1, round(side / n)) for side in ask.places], ask.places, "window")
    stride = _per_side(stride, [max(1, w // 2) for w in window], window, "stride")
    channels, hidden = ask.x.shape[1], covered(ask, baseline)
    found = attr.Occlusion(ask.network).attribute(
        ask.x, (channels, *window), (channels, *stride), hidden, ask.target, perturbations_per_eval=_at_once(ask)
    )
    return found[:, :1]


@method(
    "perturbation",
    "RISE",
    "Petsiuk et al. 2018, arXiv 1806.07421",
    "mean score of random masks that keep a place, less that of all masks",
)
@torch.no_grad()
def rise(ask, *, samples=500, cells=0, keep=0.5, baseline=0.0):
    """Mean over masks M of (score - mean score) x M, by the mean of M (B, 1, ...); the same masks for all items.

    samples: masks (the paper: thousands). cells: of the coarse masks, a side; 0: 16 for signals, 8 for pictures, 4 for
    volumes. keep: probability that a cell is kept. The paper does not subtract the mean score, which only shifts the
    map; without it values are around 0, and a place that changes nothing has 0.
    """
    _check(samples)
    if not 0 < keep < 1:
        raise InputError(f"keep={keep} makes no sense: give a probability between 0 and 1.")
    hidden, whole = covered(ask, baseline), ask.score(ask.x)  # less `whole`: float32 keeps the small differences
    gathered = kept = total = 0
    for masks in random_masks(ask, samples, cells, keep):
        scores = _masked_scores(ask, masks, hidden) - whole
        gathered = gathered + torch.einsum("nb,nc...->bc...", scores, masks)
        kept, total = kept + masks.sum(0), total + scores.sum(0)
    mean = (total / samples).view(-1, *[1] * (ask.x.ndim - 1))
    return (gathered - mean * kept) / kept.clamp_min(1e-6)


def random_masks(ask, samples, cells, keep):
    """`samples` random masks in [0, 1] for the places of `ask`, in portions (n, 1, *places): coarse ones, enlarged and
    shifted at random. All is drawn before, so that the portions do not change what is drawn.
    """
    cells = _per_side(cells, [min(CELLS[len(ask.places)], side) for side in ask.places], ask.places, "cells")
    cell = [math.ceil(side / c) for side, c in zip(ask.places, cells, strict=True)]
    coarse = (torch.rand(samples, 1, *(c + 1 for c in cells)) < keep).to(ask.x)
    shifts = torch.stack([torch.randint(size, (samples,)) for size in cell], 1)
    whole = [(c + 1) * size for c, size in zip(cells, cell, strict=True)]
    for some, starts in zip(coarse.split(_at_once(ask)), shifts.split(_at_once(ask)), strict=True):
        large = F.interpolate(some, whole, mode=MODES[len(cells)], align_corners=False)
        cuts = [[slice(a, a + side) for a, side in zip(at, ask.places, strict=True)] for at in starts.tolist()]
        yield torch.stack([mask[(slice(None), *cut)] for mask, cut in zip(large, cuts, strict=True)])


def _masked_scores(ask, masks, hidden):
    """Scores (n, B) of all items under masks (n, 1, *places), `hidden` (B, C, ...) showing where they are 0."""
    masks = masks[:, None]
    inputs = masks * ask.x + (1 - masks) * hidden
    return ask.score(inputs.flatten(0, 1), ask.target.repeat(len(masks))).view(len(masks), -1)


# ---- segments ---------------------------------------------------------------------------------------------------


@method(
    "perturbation",
    "Feature ablation",
    "Meyes et al. 2019, arXiv 1901.08644",
    "how far the score falls when the segment is hidden",
)
def feature_ablation(ask, *, segments=40, baseline=0.0):
    """The drop of the score, at each place of the segment (B, 1, ...)."""
    found = attr.FeatureAblation(ask.network).attribute(
        ask.x,
        covered(ask, baseline),
        ask.target,
        feature_mask=split(ask.x, segments),
        perturbations_per_eval=_at_once(ask),
    )
    return found[:, :1]


@method(
    "perturbation",
    "Shapley value sampling",
    "Castro et al. 2009, doi 10.1016/j.cor.2008.04.004; Strumbelj and Kononenko 2010",
    "the segment's fair share in score less baseline's score, spread over its places",
    sums=True,
)
def shapley_value_sampling(ask, *, segments=30, samples=15, baseline=0.0):
    """samples: random orders in which the segments are shown one by one, their gains averaged (B, 1, ...)."""
    _check(samples)
    labels = split(ask.x, segments)
    found = attr.ShapleyValueSampling(ask.network).attribute(
        ask.x,
        covered(ask, baseline),
        ask.target,
        feature_mask=labels,
        n_samples=samples,
        perturbations_per_eval=_at_once(ask),
    )
    return found[:, :1] / sizes(labels)


@method(
    "perturbation",
    "KernelSHAP",
    LUNDBERG,
    "the segment's fair share in score less baseline's score, spread over its places",
    sums=True,
)
def kernel_shap(ask, *, segments=40, samples=300, baseline=0.0):
    """samples: random sets of segments to which a linear model is fitted, its coefficients the shares (B, 1, ...);
    InputError unless there are twice as many as segments, without which the fit settles nothing.
    """
    labels = split(ask.x, segments)
    _check(samples, 2 * (int(labels.max()) + 1))
    return _fitted(ask, attr.KernelShap(ask.network), labels, samples, baseline) / sizes(labels)


@method(
    "perturbation",
    "LIME",
    "Ribeiro et al. 2016, arXiv 1602.04938",
    "weight of the segment in a linear model fitted near the item",
)
def lime(ask, *, segments=40, samples=300, baseline=0.0, width=0.25):
    """Ridge regression on random sets of segments, as the paper's authors do for pictures (B, 1, ...).

    samples: sets, half of the segments hidden in each. width: of the kernel that weighs a set by its cosine distance
    to the whole item; small: only sets that hide little count.
    """
    _check(samples, 2)
    kernel = get_exp_kernel_similarity_function("cosine", width)
    near = lambda x, hidden, shown, **_: kernel(torch.ones_like(shown), shown, None)  # noqa: E731
    labels = split(ask.x, segments)
    return _fitted(ask, attr.Lime(ask.network, SkLearnRidge(alpha=1.0), near), labels, samples, baseline)


def _fitted(ask, explainer, labels, samples, baseline):
    """Each place's coefficient (B, 1, ...) in captum's linear models, one model fitted for each item."""
    maps, given = [], {"n_samples": samples, "perturbations_per_eval": ask.batch_size, "return_input_shape": False}
    items = zip(*(t.split(1) for t in (ask.x, covered(ask, baseline), ask.target, labels)), strict=True)
    for x, hidden, target, label in items:
        found = explainer.attribute(x, hidden, target, feature_mask=label, **given)
        maps.append(found.flatten().to(x)[label])
    return torch.cat(maps)
