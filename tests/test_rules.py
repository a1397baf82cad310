"""Laws of which relevance rule a step gets: first layers and their bounds, steps with a rule, steps without one."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.maps import close, sums
from helpers.propagation import ALL, EXCITATION, NO_BIAS, by_zennit, plain_network, unbiased_case
from torch import nn
from torch.nn.utils import parametrizations, weight_norm
from zennit import composites

from xaae import model as models
from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.method import Refusal
from xaae.explain.methods import propagation
from xaae.explain.network.subject import Subject

# ---- first layers and their bounds ------------------------------------------------------------------------------


def test_bounds_go_through_what_stands_before_the_first_layer():
    """Standardised inputs have standardised bounds."""
    torch.manual_seed(0)
    standard = models.Standardise([0.4, 0.5, 0.6], [0.2, 0.3, 0.1])
    network, x = plain_network([standard]), torch.rand(3, 3, 14, 14)
    low, high = standard(torch.zeros(1, 3, 1, 1)), standard(torch.ones(1, 3, 1, 1))
    expected = by_zennit(network[1:], standard(x), 2, composites.EpsilonGammaBox(low, high))
    close(explain(network, x, "lrp_epsilon_gamma_box", 2), expected)


def test_bounds_may_be_swapped_on_the_way():
    """1 - x in front of a network: the lowest x gives the highest input."""

    class Turned(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, x):
            return self.network(1 - x)

    torch.manual_seed(0)
    network, x = plain_network(), torch.rand(3, 3, 14, 14)
    expected = explain(network, 1 - x, "lrp_epsilon_gamma_box", 2)
    close(explain(Turned(network).eval(), x, "lrp_epsilon_gamma_box", 2), expected)


def test_an_item_beyond_the_bounds_widens_its_own_only():
    subject, x = unbiased_case("convolutions")
    wide = x.clone()
    wide[0] = 4 * wide[0] - 2
    maps = explain(subject, wide, "lrp_epsilon_gamma_box", 1)
    np.testing.assert_allclose(maps[1:], explain(subject, x, "lrp_epsilon_gamma_box", 1)[1:], atol=1e-7)
    own = {"low": float(wide[0].min()), "high": float(wide[0].max())}
    np.testing.assert_allclose(maps[:1], explain(subject, wide[:1], "lrp_epsilon_gamma_box", 1, **own), atol=1e-7)
    with pytest.raises(InputError, match="below"):
        explain(subject, x, "lrp_epsilon_gamma_box", low=1.0, high=0.0)


def test_the_first_layers_are_the_first_in_the_computation():
    """In the order of the computation, and all of them where several see the input."""

    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.ModuleList([nn.ReLU(), nn.Conv2d(4, 4, 3)])
            self.stem, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.block[1](self.stem(self.block[0](x))).mean((2, 3)))

    subject = Subject(Backwards().eval(), torch.rand(2, 3, 8, 8))
    assert propagation.first_layers(subject.merged) == ["stem"]
    assert propagation.first_layers(unbiased_case("concat")[0].merged) == ["near", "far"]


def test_flat_shares_are_the_same_in_all_channels():
    subject, x = unbiased_case("concat")
    for how in ("lrp_epsilon_plus_flat", "lrp_epsilon_alpha2_beta1_flat"):
        maps = explain(subject, x, how, 1)
        np.testing.assert_allclose(maps[:, 0], maps[:, 2], atol=1e-6 * np.abs(maps).max())


# ---- steps with a rule of their own, and those without -----------------------------------------------------------


class Doubled(nn.Module):
    """2 x, with a relevance rule."""

    def __init__(self, rule):
        super().__init__()
        self.relevance_rule = rule

    def forward(self, x):
        return x + x.abs() * x.sign()


@pytest.mark.parametrize("rule", ["pass", "norm"])
def test_steps_may_bring_a_rule(rule):
    torch.manual_seed(0)
    network, x = plain_network(), torch.rand(3, 3, 14, 14)
    longer = copy.deepcopy(network).insert(2, Doubled(rule))
    longer[4].weight.data /= 2
    close(explain(longer, x, "lrp_epsilon_plus", 2), explain(network, x, "lrp_epsilon_plus", 2))


class Holder(nn.Module):
    """A step with a rule that holds a module with another."""

    relevance_rule = "norm"

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


def test_a_rule_is_for_the_whole_of_a_step():
    torch.manual_seed(0)
    network, x = plain_network(), torch.rand(3, 3, 14, 14)
    pooled, held = copy.deepcopy(network), copy.deepcopy(network)
    pooled[2], held[2] = nn.AvgPool2d(2), Holder(nn.AvgPool2d(2))
    close(explain(held, x, "lrp_epsilon_plus", 2), explain(pooled, x, "lrp_epsilon_plus", 2))


def test_an_unknown_rule_is_refused():
    with pytest.raises(Refusal, match="Doubled.*gamma"):
        explain(plain_network([Doubled("gamma")]), torch.rand(2, 3, 14, 14), "lrp_epsilon")


class Attention(nn.Module):
    """One attention block over places."""

    def __init__(self):
        super().__init__()
        self.attend, self.norm = nn.MultiheadAttention(8, 2, batch_first=True), nn.LayerNorm(8)
        self.first, self.head = nn.Conv2d(3, 8, 4, stride=4), nn.Linear(8, 2)

    def forward(self, x):
        x = self.first(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.attend(x, x, x)[0]).mean(1))


@pytest.mark.parametrize("how", ALL)
def test_layers_without_a_rule_are_named(how):
    with pytest.raises(Refusal, match="MultiheadAttention.*LayerNorm"):
        explain(Attention(), torch.rand(2, 3, 16, 16), how)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LayerNorm([4, 6, 6]), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    with pytest.raises(Refusal, match=r"LayerNorm \(1\)"):
        explain(network, torch.rand(2, 3, 8, 8), how)


@pytest.mark.parametrize("how", EXCITATION)
def test_excitation_needs_relu(how):
    subject, x = unbiased_case("AAE head")
    with pytest.raises(Refusal, match="LeakyReLU"):
        explain(subject, x, how)


def test_parametrized_weights_become_plain_ones_in_a_copy():
    """Spectral norm and the like: rules must see the weights themselves, and the network must keep its own."""
    torch.manual_seed(0)
    network, x = plain_network(), torch.rand(3, 3, 14, 14)
    normed = copy.deepcopy(network)
    parametrizations.weight_norm(normed[3])
    before = explain(network, x, "lrp_epsilon_plus", 1)
    close(explain(normed, x, "lrp_epsilon_plus", 1), before)
    assert "parametrizations.weight.original0" in normed[3].state_dict()
    with pytest.raises(Refusal, match="hook makes the weights"):
        explain(nn.Sequential(weight_norm(nn.Conv2d(3, 4, 3)), nn.Flatten(), nn.Linear(576, 2)), x, "lrp_epsilon")


def test_sums_of_different_shapes_are_followed():
    class Spread(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.mean = nn.Conv2d(3, 8, 3, **NO_BIAS), nn.AdaptiveAvgPool2d(1)
            self.head = nn.Linear(8, 2, **NO_BIAS)

        def forward(self, x):
            x = F.relu(self.first(x))
            return self.head((x + self.mean(x)).mean((2, 3)))

    torch.manual_seed(0)
    network, x = Spread().eval(), torch.rand(3, 3, 8, 8)
    np.testing.assert_allclose(sums(explain(network, x, "lrp_epsilon", 1)), network(x)[:, 1].detach(), rtol=1e-3)
