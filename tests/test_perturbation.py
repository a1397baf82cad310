"""Laws of the methods that hide parts of an item, on networks whose answer is known."""

import numpy as np
import pytest
import torch
from captum import attr
from captum._utils.models.linear_model import SkLearnRidge
from helpers.maps import close
from scipy.stats import spearmanr
from torch import nn

from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.method import METHODS
from xaae.explain.methods.perturbation import random_masks
from xaae.explain.methods.segments import sizes, split
from xaae.explain.network.subject import Ask, Subject

SHAPES = {"signal": (2, 48), "grey": (1, 16, 16), "colour": (3, 16, 16), "volume": (1, 8, 8, 8)}
NAMES = ["occlusion", "rise", "feature_ablation", "shapley_value_sampling", "kernel_shap", "lime"]
SAMPLED = ["rise", "shapley_value_sampling", "kernel_shap", "lime"]
FAIR = ["shapley_value_sampling", "kernel_shap"]
FEW = {"samples": 30, "segments": 8}
QUICK = {"rise": {"samples": 30}, "lime": FEW, "kernel_shap": FEW, "shapley_value_sampling": {**FEW, "samples": 3}}

over_kinds = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def items(shape, n=3, seed=0):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))


class Additive(nn.Module):
    """A score that is a sum over places and channels: every place adds its own, whatever the others are."""

    def __init__(self, shape, bend=torch.tanh):
        super().__init__()
        self.bend = bend
        self.weight = nn.Parameter(torch.randn(2, *shape, generator=torch.Generator().manual_seed(1)))

    def shares(self, x):
        """(B, K, C, *places): what each value adds to each logit."""
        return self.bend(self.weight * x[:, None])

    def forward(self, x):
        return self.shares(x).flatten(2).sum(2) + 3


def linear(shape):
    return Additive(shape, bend=lambda v: v)


def curved(shape):
    """A small convnet for any kind of item, with places that act together."""
    n = len(shape) - 1
    conv, pool = getattr(nn, f"Conv{n}d"), getattr(nn, f"AdaptiveAvgPool{n}d")
    torch.manual_seed(2)
    layers = conv(shape[0], 6, 3, padding=1), nn.ReLU(), conv(6, 6, 3, padding=1), nn.Tanh(), pool(2), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(6 * 2**n, 3))


def by_segment(values, labels):
    """The mean of values (B, 1, *places) over the segment of each place."""
    total = torch.zeros_like(values).flatten(1).scatter_add(1, labels.flatten(1), values.flatten(1))
    return total.gather(1, labels.flatten(1)).view(values.shape) / sizes(labels)


# ---- what the maps say ------------------------------------------------------------------------------------------


@over_kinds
@pytest.mark.parametrize("baseline", [0.0, 0.3, "mean"])
def test_occlusion_of_a_linear_network_is_its_weights(shape, baseline):
    x, network = items(shape), linear(shape)
    hidden = x.flatten(2).mean(2).view(3, -1, *[1] * (x.ndim - 2)) if baseline == "mean" else baseline
    found = explain(network, x, "occlusion", 1, window=1, stride=1, baseline=baseline)
    close(found, (network.weight[1] * (x - hidden)).sum(1, keepdim=True), 1e-4)


@over_kinds
def test_feature_ablation_of_an_additive_network_is_what_the_segment_adds(shape):
    x, network = items(shape), Additive(shape)
    added = (network.shares(x) - network.shares(x * 0))[:, 0].sum(1, keepdim=True)
    labels = split(x, 8)
    close(explain(network, x, "feature_ablation", 0, segments=8), by_segment(added, labels) * sizes(labels), 1e-4)


@over_kinds
@pytest.mark.parametrize("name", FAIR)
def test_shapley_values_of_an_additive_network_are_exact(shape, name):
    x, network = items(shape), Additive(shape)
    added = (network.shares(x) - network.shares(torch.full_like(x, 0.2)))[:, 1].sum(1, keepdim=True)
    found = explain(network, x, name, 1, baseline=0.2, **QUICK[name])
    close(found, by_segment(added, split(x, 8)), 1e-3)


@over_kinds
@pytest.mark.parametrize("name", FAIR)
@pytest.mark.parametrize("baseline", [0.0, "mean"])
def test_fair_shares_sum_to_the_difference(shape, name, baseline):
    x, network = items(shape), curved(shape)
    hidden = x.flatten(2).mean(2).view(3, -1, *[1] * (x.ndim - 2)) if baseline == "mean" else 0
    with torch.no_grad():
        wanted = (network(x) - network(x * 0 + hidden))[:, 2].numpy()
    found = explain(network, x, name, 2, baseline=baseline, **QUICK[name])
    np.testing.assert_allclose(found.reshape(3, -1).sum(1), wanted, rtol=1e-3)
    assert METHODS[name].sums


@over_kinds
def test_lime_ranks_segments_by_their_weight(shape):
    """The first segment adds 1 to the score, the second 2, and so on."""
    x, network = items(shape, 1) + 0.1, linear(shape)
    labels = split(x, 8)
    network.weight.data[0] = ((labels + 1) / (sizes(labels) * x * shape[0]))[0]
    found = explain(network, x, "lime", 0, segments=8, samples=400)
    assert spearmanr(found.ravel(), labels.ravel())[0] == pytest.approx(1)
    np.testing.assert_allclose(found, labels + 1, rtol=0.1, atol=0.2)


@over_kinds
@pytest.mark.parametrize("sign", [1, -1])
def test_rise_finds_the_only_place_that_matters(shape, sign):
    middle = tuple(int(side * 0.7) for side in shape[1:])
    network = as_module(lambda x: torch.stack([x[:, 0], sign * x[:, 0]], -1)[(slice(None), *middle)])
    found = explain(network, items(shape) + 0.5, "rise", 1)[:, 0]
    n = {1: 16, 2: 8, 3: 4}[len(middle)]
    for each in found:
        place = np.unravel_index((sign * each).argmax(), each.shape)
        away = np.abs(np.subtract(place, middle)) / np.divide(each.shape, n)
        assert (away <= 1).all(), place


@over_kinds
def test_rise_is_the_mean_score_of_the_masks_that_keep_a_place_less_that_of_all(shape):
    x, network, targets = items(shape), curved(shape), torch.tensor([0, 1, 2])
    torch.manual_seed(4)
    masks = torch.cat(list(random_masks(Ask(Subject(network, x), x, targets), 30, 0, 0.5)))
    assert masks.shape == (30, 1, *shape[1:]) and 0 <= masks.min() < masks.max() <= 1 and abs(masks.mean() - 0.5) < 0.1
    with torch.no_grad():
        scores = torch.stack([network(m * x + (1 - m) * 0.1).gather(1, targets[:, None])[:, 0] for m in masks])
    wanted = torch.einsum("nb,nc...->bc...", scores, masks) / masks.sum(0)
    wanted -= scores.mean(0).view(-1, *[1] * len(shape))
    close(explain(network, x, "rise", targets, seed=4, samples=30, baseline=0.1), wanted, 1e-3)


def as_module(function):
    made = nn.Module()
    made.forward = function
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_looks_at_nothing_has_an_empty_map(name):
    constant = as_module(lambda x: torch.tensor([[1000.1, -3.3]]).repeat(len(x), 1))
    found = explain(constant, items((1, 16, 16)), name, 0, **QUICK.get(name, {}))
    np.testing.assert_allclose(found, 0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_is_needed(name):
    steps = as_module(
        lambda x: torch.stack([(x.detach() > 0.5).float().flatten(1).mean(1), x.flatten(1).sum(1) * 0], 1)
    )
    assert explain(steps, items((1, 16, 16)), name, 0, **QUICK.get(name, {})).any()


# ---- the call ---------------------------------------------------------------------------------------------------


@over_kinds
@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_item_has_one_value_for_each_place(shape, name):
    found = explain(curved(shape), items(shape), name, **QUICK.get(name, {}))
    assert found.shape == (3, 1, *shape[1:]) and all(each.std() > 0 for each in found)


@pytest.mark.parametrize("name", NAMES)
def test_methods_that_draw_depend_on_the_seed_and_no_others(name):
    x, network, given = items((3, 16, 16)), curved((3, 16, 16)), QUICK.get(name, {})
    first, again, other = (explain(network, x, name, seed=seed, **given) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first == other).all() != (name in SAMPLED)


@over_kinds
@pytest.mark.parametrize("name", ["occlusion", "feature_ablation", "rise"])
def test_a_batch_is_its_items_one_by_one(shape, name):
    x, subject = items(shape), Subject(curved(shape), items(shape))
    alone = [explain(subject, each, name, t, **QUICK.get(name, {})) for t, each in enumerate(x.split(1))]
    close(explain(subject, x, name, [0, 1, 2], **QUICK.get(name, {})), np.concatenate(alone), 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_portions_do_not_change_the_map(name):
    x, network, given = items((3, 16, 16), 1), curved((3, 16, 16)), QUICK.get(name, {})
    close(*(explain(network, x, name, batch_size=n, **given) for n in (7, 32)), 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_about_a_batch_goes_through_at_once(name):
    sizes_met, inner = [], curved((1, 16, 16))
    network = as_module(lambda x: (sizes_met.append(len(x)), inner(x))[1])
    explain(network, items((1, 16, 16)), name, batch_size=12, **QUICK.get(name, {}))
    assert max(sizes_met) == 12 or name == "feature_ablation" and max(sizes_met) <= 12


BATCH = {"perturbations_per_eval": 10}
DIRECT = {  # captum called as its documentation says: (network, x, target, labels) -> map (B, C, ...)
    "occlusion": lambda f, x, t, _: attr.Occlusion(f).attribute(x, (3, 4, 4), (3, 2, 2), 0.1, t, **BATCH),
    "feature_ablation": lambda f, x, t, labels: attr.FeatureAblation(f).attribute(x, 0.1, t, feature_mask=labels),
    "shapley_value_sampling": lambda f, x, t, labels: (
        attr.ShapleyValueSampling(f).attribute(x, 0.1, t, feature_mask=labels, n_samples=30) / sizes(labels)
    ),
    "kernel_shap": lambda f, x, t, labels: (
        attr.KernelShap(f).attribute(x, 0.1, t, feature_mask=labels, n_samples=30) / sizes(labels)
    ),
    "lime": lambda f, x, t, labels: attr.Lime(f, SkLearnRidge(alpha=1.0), nearness).attribute(
        x, 0.1, t, feature_mask=labels, n_samples=30
    ),
}


def nearness(x, hidden, shown, **_):
    """The kernel of LIME for pictures, written out: cosine distance of the sets, width 0.25."""
    n = shown.float().sum()
    distance = 1 - n / (n * shown.numel()).sqrt().clamp_min(1e-8)
    return torch.exp(-(distance**2) / (2 * 0.25**2))


@pytest.mark.parametrize("name", DIRECT)
def test_maps_are_those_of_captum_called_directly(name):
    x, network = items((3, 16, 16), 1), curved((3, 16, 16))
    given = {"occlusion": {"window": 4, "stride": 2}, "feature_ablation": {"segments": 8}}.get(name, FEW)
    found = explain(network, x, name, 1, seed=4, baseline=0.1, **given)
    torch.manual_seed(4)
    close(found, DIRECT[name](network, x, torch.tensor([1]), split(x, 8))[:, :1])


WRONG = [
    ("occlusion", {"baseline": "blue"}, "baseline="),
    ("occlusion", {"window": 17}, "window="),
    ("occlusion", {"window": [2, 2, 2]}, "one for each side"),
    ("occlusion", {"window": 2, "stride": 3}, "stride="),
    ("rise", {"keep": 1.0}, "keep="),
    ("rise", {"samples": 0}, "samples="),
    ("rise", {"cells": 40}, "cells="),
    ("kernel_shap", {"samples": 9, "segments": 8}, "samples="),
    ("shapley_value_sampling", {"samples": 0}, "samples="),
    ("lime", {"segments": 1}, "segments="),
]


@pytest.mark.parametrize("name, given, message", WRONG)
def test_parameters_that_make_no_sense_are_refused(name, given, message):
    with pytest.raises(InputError, match=message):
        explain(curved((1, 16, 16)), items((1, 16, 16)), name, **given)


def test_windows_of_different_sides():
    x, network = items((1, 16, 16)), linear((1, 16, 16))
    found = explain(network, x, "occlusion", 0, window=[1, 16])
    close(found, (network.weight[0] * x).sum(3, keepdim=True).expand_as(x), 1e-4)
