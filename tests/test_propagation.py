"""Laws of relevance propagation: nothing is lost on the way, rules and bounds reach every layer, hooks are removed."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.maps import close, count_hooks, sums
from helpers.propagation import (
    ALL,
    LRP,
    NETS,
    by_zennit,
    plain_network,
    residual,
    unbiased,
    unbiased_case,
)
from torch import nn
from torchvision.models.resnet import BasicBlock
from zennit import composites, rules, types
from zennit.torchvision import ResNetCanonizer

from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.method import METHODS
from xaae.explain.network.subject import Ask


def score(subject, x, target):
    """The explained logit of each item, as an array."""
    with torch.no_grad():
        return subject.network(x)[:, target].numpy()


# ---- nothing is lost --------------------------------------------------------------------------------------------

# a unit whose few inputs all speak for it has nothing to subtract: twice its relevance comes down
NARROW = ("1-D", "one layer twice")


@pytest.mark.parametrize(
    ("name", "how"), [(name, how) for name in NETS for how in LRP if "alpha2" not in how or name not in NARROW]
)
def test_relevance_sums_to_the_score_without_biases(name, how):
    subject, x = unbiased_case(name)
    maps, expected = explain(subject, x, how, 1), score(subject, x, 1)
    np.testing.assert_allclose(sums(maps), expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in NETS if name != "AAE head"])
def test_excitation_is_a_probability_and_its_contrast_has_no_sum(name):
    subject, x = unbiased_case(name)
    maps = explain(subject, x, "excitation_backprop", 1)
    assert (maps >= -1e-6).all()
    np.testing.assert_allclose(sums(maps), 1, atol=2e-3)
    contrast = explain(subject, x, "contrastive_excitation_backprop", 1)
    np.testing.assert_allclose(sums(contrast), 0, atol=1e-5)
    assert np.abs(contrast).max() > 0


def test_excitation_of_a_class_less_that_of_its_opposite():
    torch.manual_seed(1)
    network = unbiased(residual())
    network[-1] = nn.Linear(8, 2, bias=False)
    network[-1].weight.data[1] = -network[-1].weight.data[0]
    x = torch.rand(3, 3, 8, 8)
    one, other = (explain(network, x, "contrastive_excitation_backprop", k) for k in (0, 1))
    np.testing.assert_allclose(one, -other, atol=1e-5)
    winners = [explain(network, x, "excitation_backprop", k) for k in (0, 1)]
    np.testing.assert_allclose(one, winners[0] - winners[1], atol=1e-5)
    assert np.abs(one).max() > 1e-3


def test_lrp_epsilon_of_a_linear_model_is_weight_times_input():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False))
    x = torch.randn(3, 3, 2, 2)
    expected = x.flatten(1) * network[1].weight[1]
    np.testing.assert_allclose(
        explain(network, x, "lrp_epsilon", 1).reshape(3, -1), expected.detach().numpy(), rtol=1e-3
    )


# ---- as the library does it -------------------------------------------------------------------------------------


ZENNIT = {
    "lrp_epsilon": lambda: composites.LayerMapComposite(
        [*composites.layer_map_base(), (types.Linear, rules.Epsilon())]
    ),
    "lrp_epsilon_plus": composites.EpsilonPlus,
    "lrp_epsilon_plus_flat": composites.EpsilonPlusFlat,
    "lrp_epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1,
    "lrp_epsilon_alpha2_beta1_flat": composites.EpsilonAlpha2Beta1Flat,
    "lrp_epsilon_gamma_box": lambda: composites.EpsilonGammaBox(0.0, 1.0),
}


@pytest.mark.parametrize("how", LRP)
def test_agreement_with_zennit_called_directly(how):
    torch.manual_seed(0)
    network, x = plain_network(), torch.rand(3, 3, 14, 14)
    close(explain(network, x, how, 2), by_zennit(network, x, 2, ZENNIT[how]()))


def test_excitation_agrees_with_zennit_called_directly():
    torch.manual_seed(0)
    network, x = plain_network(), torch.rand(3, 3, 14, 14)
    certain = F.one_hot(torch.full((3,), 2), 3).float()
    composite = composites.ExcitationBackprop(zero_params="bias")
    close(explain(network, x, "excitation_backprop", 2), by_zennit(network, x, 2, composite, lambda logits: certain))


@pytest.mark.parametrize("how", ["lrp_epsilon_plus", "lrp_epsilon_plus_flat", "lrp_epsilon_alpha2_beta1_flat"])
def test_merging_and_adding_agree_with_zennits_canonizer(how):
    """zennit's own way with torchvision's ResNets against the one that takes any network."""
    torch.manual_seed(0)
    first = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), BasicBlock(8, 8), BasicBlock(8, 8)]
    network, x = nn.Sequential(*first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)), torch.rand(2, 3, 16, 16)
    for _ in range(3):
        network(torch.rand(8, 3, 16, 16))
    composite = type(ZENNIT[how]())(canonizers=[ResNetCanonizer()])
    close(explain(network.eval(), x, how, 2), by_zennit(network, x, 2, composite))


# ---- the rest ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ALL)
def test_hooks_are_removed_and_weights_stay(how, monkeypatch):
    subject, x = unbiased_case("residual")
    weights = {k: v.clone() for k, v in subject.merged.state_dict().items()}
    first = explain(subject, x, how, 1)
    assert count_hooks(subject.merged) == count_hooks(subject.network) == 0
    monkeypatch.setattr(torch.autograd, "grad", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        METHODS[how].attribute(Ask(subject, x, torch.ones(len(x), dtype=torch.long)))
    monkeypatch.undo()
    assert count_hooks(subject.merged) == 0
    assert all(torch.equal(v, weights[k]) for k, v in subject.merged.state_dict().items())
    np.testing.assert_array_equal(explain(subject, x, how, 1), first)


@pytest.mark.parametrize("how", ALL)
def test_batches_change_nothing(how):
    subject, x = unbiased_case("residual", 4)
    whole, single = explain(subject, x, how), explain(subject, x, how, batch_size=1)
    np.testing.assert_allclose(whole, single, atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize("how", [name for name in ALL if not METHODS[name].flag])
def test_other_weights_other_maps(how):
    (subject, x), (other, _) = unbiased_case("convolutions"), unbiased_case("convolutions", seed=1)
    one, two = (explain(s, x, how, 1).reshape(len(x), -1) for s in (subject, other))
    assert max(np.corrcoef(a, b)[0, 1] for a, b in zip(one, two, strict=True)) < 0.8


@pytest.mark.parametrize("how", LRP)
def test_parameters_that_divide_by_0_are_refused(how):
    subject, x = unbiased_case("dense")
    with pytest.raises(InputError, match="epsilon"):
        explain(subject, x, how, epsilon=0.0)
