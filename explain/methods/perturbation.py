"""Perturbation methods: how the score changes when parts of the item are hidden. They need no gradients and no hooks.

Hidden values are replaced by the `baseline`: a number, or "mean" for the item's mean colour. Maps are (B, 1, *places).
Occlusion, feature ablation, LIME and RISE give each place the value of its window, segment or masks. The two Shapley
methods divide the value of a segment by its number of places, so that the map sums to the score less the baseline's.
"""

import math

import torch
from captum import attr
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr._core.lime import get_exp_kernel_similarity_function

from xaae.experiment.errors import InputError
from xaae.explain.method import method
from xaae.explain.methods.segments import sizes, split
from xaae.explain.network.subject import stretch

CELLS = {"signal": 16, "picture": 8, "volume": 4}  # kind -> parts of a side: few enough to hide each several times
LUNDBERG = "Lundberg and Lee 2017, arXiv 1705.07874"


def covered(ask, baseline):
    """What stands in place of hidden values (B, C, *places): a number, or each item's mean colour for "mean".

    InputError for any other baseline.
    """
    if baseline == "mean":
        return torch.zeros_like(ask.x) + ask.x.mean(tuple(range(2, ask.x.ndim)), keepdim=True)
    try:
        return torch.full_like(ask.x, float(baseline))
    except ValueError as e:
        raise InputError(f'baseline={baseline!r} is not known: give a number, or "mean" for the mean colour.') from e


def _copies_at_once(ask):
    """How many partly hidden copies of each item go through the network together."""
    return max(1, ask.batch_size // len(ask.x))


def _check(samples, least=1):
    """InputError for fewer than `least` samples."""
    if samples < least:
        raise InputError(f"samples={samples} is too few: give {least} or more.")


# ---- windows and masks ------------------------------------------------------------------------------------------


def _per_side(given, default, most, name):
    """A whole number for each side: `given` is one number for all or one for each; `default` is taken where it is 0.

    InputError for a number that is not from 1 to `most`, and for a wrong count of numbers.
    """
    given = list(given) if isinstance(given, list | tuple) else [given] * len(default)
    if len(given) != len(default):
        raise InputError(f"{name}={given} does not fit: give one number, or {len(default)}, one for each side.")
    numbers = tuple(int(g) or d for g, d in zip(given, default, strict=True))
    if any(not 1 <= n <= m for n, m in zip(numbers, most, strict=True)):
        raise InputError(f"{name}={given} does not fit: give numbers of places from 1 to {list(most)}.")
    return numbers


@method(
    "perturbation",
    "Occlusion",
    "Zeiler and Fergus 2014, arXiv 1311.2901",
    "how far the score falls when a window here is hidden",
)
def occlusion(ask, *, window=0, stride=0, baseline=0.0):
    """Mean drop of the score over the windows that hide a place.

    window, stride: numbers of places, one for all sides or one for each. 0: the window is a sixteenth of a signal's
    length, an eighth of a picture's side, a quarter of a volume's side; the stride is half the window.
    """
    n = CELLS[ask.kind.name]
    window = _per_side(window, [max(1, round(side / n)) for side in ask.places], ask.places, "window")
    stride = _per_side(stride, [max(1, w // 2) for w in window], window, "stride")
    channels, hidden = ask.x.shape[1], covered(ask, baseline)
    maps = attr.Occlusion(ask.network).attribute(
        ask.x, (channels, *window), (channels, *stride), hidden, ask.target, perturbations_per_eval=_copies_at_once(ask)
    )
    return maps[:, :1]


@method(
    "perturbation",
    "RISE",
    "Petsiuk et al. 2018, arXiv 1806.07421",
    "mean score of random masks that keep a place, less that of all masks",
)
@torch.no_grad()
def rise(ask, *, samples=500, cells=0, keep=0.5, baseline=0.0):
    """Mean over random masks M of (score - mean score) x M, divided by the mean of M. All items have the same masks.

    samples: how many masks (the paper: thousands). cells: cells a side of the coarse masks; 0: 16 for signals, 8 for
    pictures, 4 for volumes. keep: probability that a cell is kept. The paper does not subtract the mean score, which
    only shifts the map; here it is subtracted, so that a place that changes nothing has the value 0.
    """
    _check(samples)
    if not 0 < keep < 1:
        raise InputError(f"keep={keep} makes no sense: give a probability between 0 and 1.")
    hidden, whole = covered(ask, baseline), ask.score(ask.x)
    weighted = kept = total = 0
    for masks in random_masks(ask, samples, cells, keep):
        scores = _masked_scores(ask, masks, hidden) - whole  # float32 keeps small differences better around 0
        weighted = weighted + torch.einsum("nb,nc...->bc...", scores, masks)
        kept, total = kept + masks.sum(0), total + scores.sum(0)
    mean = (total / samples).view(-1, *[1] * (ask.x.ndim - 1))
    return (weighted - mean * kept) / kept.clamp_min(1e-6)


def random_masks(ask, samples, cells, keep):
    """Yield `samples` random masks with values in [0, 1] for the places of `ask`, in portions (n, 1, *places).

    Coarse random masks are enlarged and shifted at random. Everything is drawn before the first portion, so that the
    size of the portions does not change the masks. InputError for `cells` that do not fit.
    """
    cells = _per_side(cells, [min(CELLS[ask.kind.name], side) for side in ask.places], ask.places, "cells")
    cell = [math.ceil(side / c) for side, c in zip(ask.places, cells, strict=True)]
    coarse = (torch.rand(samples, 1, *(c + 1 for c in cells)) < keep).to(ask.x)
    shifts = torch.stack([torch.randint(size, (samples,)) for size in cell], 1)
    whole = [(c + 1) * size for c, size in zip(cells, cell, strict=True)]
    for part, starts in zip(coarse.split(_copies_at_once(ask)), shifts.split(_copies_at_once(ask)), strict=True):
        large = stretch(part, whole)
        cuts = [[slice(a, a + side) for a, side in zip(at, ask.places, strict=True)] for at in starts.tolist()]
        yield torch.stack([mask[(slice(None), *cut)] for mask, cut in zip(large, cuts, strict=True)])


def _masked_scores(ask, masks, hidden):
    """Scores (n, B) of all items under masks (n, 1, *places); where a mask is 0, values are those of `hidden`."""
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
    """The drop of the score when a segment is hidden, at each place of the segment. segments: see segments.split."""
    maps = attr.FeatureAblation(ask.network).attribute(
        ask.x,
        covered(ask, baseline),
        ask.target,
        feature_mask=split(ask.x, segments),
        perturbations_per_eval=_copies_at_once(ask),
    )
    return maps[:, :1]


@method(
    "perturbation",
    "Shapley value sampling",
    "Castro et al. 2009, doi 10.1016/j.cor.2008.04.004; Strumbelj and Kononenko 2010",
    "the segment's fair share in score less baseline's score, spread over its places",
    sums=True,
)
def shapley_value_sampling(ask, *, segments=30, samples=15, baseline=0.0):
    """Each segment's gain in score, averaged over `samples` random orders of showing the segments one by one."""
    _check(samples)
    labels = split(ask.x, segments)
    maps = attr.ShapleyValueSampling(ask.network).attribute(
        ask.x,
        covered(ask, baseline),
        ask.target,
        feature_mask=labels,
        n_samples=samples,
        perturbations_per_eval=_copies_at_once(ask),
    )
    return maps[:, :1] / sizes(labels)


@method(
    "perturbation",
    "KernelSHAP",
    LUNDBERG,
    "the segment's fair share in score less baseline's score, spread over its places",
    sums=True,
)
def kernel_shap(ask, *, segments=40, samples=300, baseline=0.0):
    """Coefficients of a linear model of the score, fitted to `samples` random sets of segments.

    InputError unless there are at least twice as many samples as segments: fewer do not determine the model.
    """
    labels = split(ask.x, segments)
    _check(samples, 2 * (int(labels.max()) + 1))
    return _linear_model_maps(ask, attr.KernelShap(ask.network), labels, samples, baseline) / sizes(labels)


@method(
    "perturbation",
    "LIME",
    "Ribeiro et al. 2016, arXiv 1602.04938",
    "weight of the segment in a linear model fitted near the item",
)
def lime(ask, *, segments=40, samples=300, baseline=0.0, width=0.25):
    """Coefficients of a ridge regression of the score on random sets of segments, as the paper's authors do it.

    samples: how many sets; half of the segments are hidden in each. width: of the kernel that weighs a set by its
    cosine distance to the whole item; with a small one only sets that hide little count.
    """
    _check(samples, 2)
    kernel = get_exp_kernel_similarity_function("cosine", width)
    weight = lambda x, hidden, shown, **_: kernel(torch.ones_like(shown), shown, None)  # noqa: E731
    labels, explainer = split(ask.x, segments), attr.Lime(ask.network, SkLearnRidge(alpha=1.0), weight)
    return _linear_model_maps(ask, explainer, labels, samples, baseline)


def _linear_model_maps(ask, explainer, labels, samples, baseline):
    """The coefficient of each place's segment in captum's linear models, one model for each item: (B, 1, *places)."""
    maps, options = [], {"n_samples": samples, "perturbations_per_eval": ask.batch_size, "return_input_shape": False}
    items = zip(*(t.split(1) for t in (ask.x, covered(ask, baseline), ask.target, labels)), strict=True)
    for x, hidden, target, label in items:
        coefficients = explainer.attribute(x, hidden, target, feature_mask=label, **options)
        maps.append(coefficients.flatten().to(x)[label])
    return torch.cat(maps)
