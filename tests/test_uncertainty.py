"""Laws of Monte-Carlo dropout: of predictions, and of maps of other methods."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xaae import model as models
from xaae.benchmarks.networks import SignalNet, VolumeNet, build, settle
from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.method import Refusal, find_method
from xaae.explain.methods import uncertainty
from xaae.explain.methods.uncertainty import fixed_masks, predict_with_dropout, stochastic
from xaae.explain.network.subject import Ask, Subject, asking

NAMES = ["mean", "variance", "entropy", "entropy_error", "mutual_information"]


def picture_net(p=0.3, bias=True):
    """A convnet on (B, 1, 8, 8) whose one dropout module is called twice, the second time before the last layer."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm = nn.Conv2d(1, 4, 3, bias=bias), nn.BatchNorm2d(4) if bias else nn.Identity()
            self.drop, self.last = nn.Dropout(p), nn.Linear(144, 3, bias=bias)

        def forward(self, x):
            x = self.drop(F.relu(self.norm(self.first(x))))
            return self.last(self.drop(x.flatten(1)))

    torch.manual_seed(0)
    return settle(Net(), torch.rand(16, 1, 8, 8))


def items(n=3, seed=1):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def plain_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 3)).eval()


# ---- a prediction -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AAE head", "1-D convnet", "3-D convnet"])
def test_mutual_information_is_below_the_entropy_and_that_below_ln_k(name):
    network, x, _ = build(name)
    found = predict_with_dropout(network, 3 * x, samples=20, inject=0.3)
    k = found["mean"].shape[1]
    assert list(found) == NAMES and found["variance"].shape == (4, k) and found["entropy"].shape == (4,)
    np.testing.assert_allclose(found["mean"].sum(1), 1)
    assert (found["mutual_information"] > 0).all() and (found["mutual_information"] <= found["entropy"]).all()
    assert (found["entropy"] <= math.log(k) + 1e-12).all()
    assert (found["variance"] > 0).all() and (found["variance"] <= found["mean"] * (1 - found["mean"])).all()


def test_one_input_under_dropout_has_the_numbers_of_a_coin():
    """One input of value 2, kept with probability 0.6: two answers are possible, and their odds are known."""
    network = nn.Sequential(nn.Dropout(0.4), nn.Linear(1, 2, bias=False))
    network[1].weight.data = torch.tensor([[0.9], [-0.3]])
    found = predict_with_dropout(network, torch.full((1, 1), 2.0), samples=6000)
    p = np.stack([[0.5, 0.5], F.softmax(torch.tensor([1.8, -0.6]) / 0.6, 0).numpy()])
    mean = np.array([0.4, 0.6]) @ p
    entropy = lambda q: -(q * np.log(q)).sum(-1)  # noqa: E731
    assert np.abs(found["mean"][0] - mean).max() < 0.02
    assert np.abs(found["variance"][0] - np.array([0.4, 0.6]) @ (p - mean) ** 2).max() < 0.005
    assert abs(found["entropy"][0] - entropy(mean)) < 0.02
    assert abs(found["mutual_information"][0] - (entropy(mean) - np.array([0.4, 0.6]) @ entropy(p))) < 0.01


@pytest.mark.parametrize("odds", [[0.25] * 4, [0.7, 0.2, 0.1], [1.0, 1e-30]])
def test_a_constant_network_has_the_entropy_of_its_odds_and_no_mutual_information(odds):
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(5, len(odds)))
    network[1].weight.data.zero_()
    network[1].bias.data = torch.tensor(odds).log()
    found = predict_with_dropout(network, torch.rand(2, 5))
    np.testing.assert_allclose(found["mean"], [odds] * 2, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(found["entropy"], -np.sum(np.array(odds) * np.log(odds)), atol=1e-6)
    assert found["variance"].max() == 0 and found["mutual_information"].max() < 1e-12


def test_variance_grows_with_the_rate():
    deviations = [
        predict_with_dropout(picture_net(p), items(), samples=100)["variance"].mean() for p in (0.02, 0.1, 0.3)
    ]
    assert deviations[0] < deviations[1] < deviations[2]


def test_a_prediction_depends_on_the_seed_alone():
    one, same, other = (predict_with_dropout(picture_net(), items(), samples=4, seed=s)["mean"] for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_one_pass_has_no_variance():
    found = predict_with_dropout(picture_net(), items(), samples=1)
    assert found["variance"].max() == 0 and found["mutual_information"].max() == 0 < found["entropy"].min()


def test_predicting_draws_nothing_from_the_callers_generator():
    network, x = picture_net(), items()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    predict_with_dropout(network, x, samples=2)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_each_pass_and_each_item_has_its_own_mask():
    network, x = picture_net(), items(1).repeat(4, 1, 1, 1)
    with torch.no_grad(), stochastic(network):
        passes = torch.stack([network(x) for _ in range(3)]).flatten(0, 1)
    assert len(torch.unique(passes, dim=0)) == 12
    assert len(np.unique(predict_with_dropout(network, x, samples=3)["variance"], axis=0)) == 4


@pytest.mark.parametrize("make, x", [(SignalNet, torch.rand(8, 2, 96)), (VolumeNet, torch.rand(8, 1, 12, 12, 12))])
def test_only_dropout_is_at_work_and_all_is_as_before_afterwards(make, x):
    network = make()
    for module in list(network.modules())[::2]:
        module.eval()
    flags = [m.training for m in network.modules()]
    state = {k: v.clone() for k, v in network.state_dict().items()}
    with stochastic(network):
        on = [type(m).__name__ for m in network.modules() if m.training]
    predict_with_dropout(network, x, samples=3)
    with pytest.raises(ZeroDivisionError), stochastic(network):
        raise ZeroDivisionError
    assert on == ["Dropout"] and [m.training for m in network.modules()] == flags
    assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in network.modules())


def test_a_transformers_dropout_is_at_work_too():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    layer.self_attn.dropout = 0.5
    network = nn.Sequential(layer, nn.Flatten(), nn.Linear(32, 2)).eval()
    fast = torch.backends.mha.get_fastpath_enabled()
    assert predict_with_dropout(network, torch.randn(2, 4, 8))["variance"].min() > 0
    assert torch.backends.mha.get_fastpath_enabled() == fast


# ---- injection --------------------------------------------------------------------------------------------------


def test_injected_dropout_is_dropout_before_the_last_layer():
    network = plain_net()
    with_its_own = nn.Sequential(*network[:3], nn.Dropout(0.25), network[3])
    one, other = predict_with_dropout(network, items(), inject=0.25), predict_with_dropout(with_its_own, items())
    for name in NAMES:
        np.testing.assert_array_equal(one[name], other[name])
    assert not network[3]._forward_pre_hooks


def test_an_aae_is_injected_before_its_head_and_not_into_its_discriminator():
    aae = models.AAE(16, 1, 4, 4)
    with stochastic(aae, 0.2):
        hooked = [name for name, m in aae.named_modules() if m._forward_pre_hooks]
        assert not aae.training
    assert hooked == ["head"] and all(m.training for m in aae.modules())
    assert predict_with_dropout(aae, torch.rand(3, 1, 16, 16), inject=0.2)["variance"].min() > 0


def test_what_has_no_dropout_is_refused_with_the_reason():
    with pytest.raises(Refusal, match="no dropout|dropout layers"):
        predict_with_dropout(plain_net(), items())
    with pytest.raises(Refusal, match="linear"):
        predict_with_dropout(nn.Sequential(nn.Conv2d(1, 2, 8), nn.Flatten()), items(), inject=0.1)
    for wrong in (-0.1, 1.0):
        with pytest.raises(InputError, match="inject"):
            predict_with_dropout(plain_net(), items(), inject=wrong)
    with pytest.raises(InputError, match="samples"):
        predict_with_dropout(picture_net(), items(), samples=0)


# ---- maps -------------------------------------------------------------------------------------------------------

BASES = ["saliency", "input_x_gradient", "integrated_gradients", "deeplift", "guided_backprop", "smoothgrad"]


def asked(network, x, how, **given):
    """A method's map for class 1, without a look at what the method needs."""
    subject = Subject(network, x)
    with asking(subject.network, 0):
        return find_method(how).attribute(Ask(subject, x, torch.ones(len(x), dtype=torch.long)), **given)


@pytest.mark.parametrize("base", [b for b in BASES if b != "smoothgrad"])
def test_without_a_rate_the_mean_is_the_base_and_nothing_deviates(base):
    network, x = picture_net(0.0), items()
    mean, deviation = (asked(network, x, f"mc_dropout_{w}", base=base, samples=3) for w in ("mean", "std"))
    np.testing.assert_allclose(mean, explain(network, x, base, 1), rtol=1e-4, atol=1e-7)
    assert deviation.abs().max() <= 1e-6 * mean.abs().max()


@pytest.mark.parametrize("base", BASES)
def test_maps_deviate_more_the_higher_the_rate_whatever_the_base(base):
    given = {"base": base, "samples": 8}
    small, large = (explain(picture_net(p), items(), "mc_dropout_std", 1, **given).mean() for p in (0.02, 0.4))
    assert 0 < small < large / 2


@pytest.mark.parametrize("name", ["1-D convnet", "3-D convnet"])
@pytest.mark.parametrize("base", ["saliency", "layer_gradient_x_activation"])
def test_signals_volumes_and_layers(name, base):
    network, x, _ = build(name, 2)
    maps = explain(network, x, "mc_dropout_std", base=base, samples=2)
    assert maps.shape == explain(network, x, base).shape and maps.max() > 0


@pytest.mark.parametrize("base", ["saliency", "integrated_gradients"])
def test_each_item_pass_and_seed_has_masks_of_its_own(base):
    network, x = picture_net(), items(1).repeat(4, 1, 1, 1)
    one, same, other = (explain(network, x, "mc_dropout_std", 1, base=base, samples=3, seed=s) for s in (1, 1, 2))
    assert len(np.unique(one.reshape(4, -1), axis=0)) == 4  # the same item, each time with masks of its own
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_many_draws_come_near_the_average_over_all_masks():
    """One value dropped or kept: the slope of a linear network is 0 or w / (1 - p)."""
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.25), nn.Linear(64, 3))
    mean, deviation = (explain(network, items(), f"mc_dropout_{w}", 1, samples=200) for w in ("mean", "std"))
    weight = network[2].weight[1].detach().view(1, 1, 8, 8).numpy()
    np.testing.assert_allclose(mean, weight.repeat(3, 0), atol=0.2 * np.abs(weight).max())
    np.testing.assert_allclose(deviation, np.abs(weight).repeat(3, 0) / 3**0.5, atol=0.15 * np.abs(weight).max())


# ---- one draw is one network ------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["deeplift", "integrated_gradients", "lrp_epsilon"])
def test_within_a_draw_shares_sum_to_the_score_of_the_network_with_these_masks(base):
    network, x = picture_net(0.3, bias=False), items()
    subject = Subject(network, x)
    ask = Ask(subject, x, torch.ones(3, dtype=torch.long))
    networks = uncertainty.networks_of(ask, uncertainty.find_base(ask, base))
    with fixed_masks(networks, 1):
        found = find_method(base).attribute(ask).detach().flatten(1).sum(1)
        with torch.no_grad():
            expected = network(x)[:, 1]
            for other in networks:
                torch.testing.assert_close(other(x), network(x))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0.02 * float(expected.abs().max()))
    assert not torch.allclose(network(x)[:, 1], expected)
    assert not any(hasattr(m, "relevance_rule") for n in networks for m in n.modules())


@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout1d, nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_a_mask_is_what_its_layer_would_do(kind):
    layer, x = kind(0.4), torch.rand(5, 6, 7)
    torch.manual_seed(3)
    scale, shift = uncertainty.draw_mask(layer.eval(), torch.ones_like(x))
    torch.manual_seed(3)
    torch.testing.assert_close(scale * x + shift, layer.train()(x))
    assert 0 < (scale == 0).float().mean() < 1


def test_a_copy_in_which_dropout_does_something_else_is_refused():
    """A batch norm merged past the dropout: what is dropped would be 0 before the norm, not after it."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout(0.5), nn.Linear(64, 3))
    settle(network, items(16))
    explain(subject := Subject(network, items()), items(), "lrp_epsilon")
    with pytest.raises(Refusal, match="copy"):
        explain(subject, items(), "mc_dropout_std", base="lrp_epsilon")
    assert explain(subject, items(), "mc_dropout_std").max() > 0  # which works on no copy


def test_what_cannot_be_a_base_is_refused():
    network, x = picture_net(), items()
    for base in ("class_model", "mc_dropout_mean", "salience"):
        with pytest.raises(InputError, match=base):
            explain(network, x, "mc_dropout_mean", base=base)
    with pytest.raises(Refusal, match="background"):
        explain(network, x, "mc_dropout_std", base="deeplift_shap")
    with pytest.raises(Refusal, match="dropout"):
        explain(plain_net(), x, "mc_dropout_std")
    with pytest.raises(InputError, match="samples"):
        explain(network, x, "mc_dropout_std", samples=1)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
