"""Laws of SHAP's two explainers and of its plot."""

from functools import cache

import numpy as np
import pytest
import torch
from fastai.vision.learner import create_vision_model
from helpers.maps import close, sums
from helpers.toys import shallow_resnet
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F

from xaae import model as models
from xaae.benchmarks.networks import SignalNet, VolumeNet, settle
from xaae.experiment.errors import InputError
from xaae.explain.call import class_maps, explain
from xaae.explain.method import METHODS, Refusal
from xaae.explain.methods.shapley import shap_figure
from xaae.explain.network.subject import Subject


class Functions(nn.Module):
    """A picture network as tutorials write it: functions, pools with and without overlap, pixels from 0 to 255."""

    def __init__(self, channels=3):
        super().__init__()
        self.first, self.norm = nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.second, self.head = nn.Conv2d(6, 8, 3, padding=1), nn.Linear(8 * 16, 3)

    def forward(self, x):
        x = F.max_pool2d(F.leaky_relu(self.norm(self.first(x * 255 / 127.5 - 1)), 0.1), 3, 2, 1)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return self.head(x.flatten(1))


def smooth(n=2, channels=1):
    """A convnet for n dimensions without max pools, all of it known to shap."""
    conv, pool = getattr(nn, f"Conv{n}d"), getattr(nn, f"AdaptiveAvgPool{n}d")
    layers = conv(channels, 6, 3), nn.ReLU(), conv(6, 6, 3), nn.Tanh(), pool(2), nn.Flatten(), nn.Linear(6 * 2**n, 3)
    return nn.Sequential(*layers)


NETWORKS = {
    "AAE": (lambda: models.AAE(32, 3, step_channels=8), (3, 32, 32)),
    "grey": (lambda: Functions(1), (1, 16, 16)),
    "colour": (Functions, (3, 16, 16)),
    "ResNet": (lambda: models.baseline(2, 3, create_vision_model(shallow_resnet, 2, pretrained=False)), (3, 32, 32)),
    "signal": (SignalNet, (2, 96)),
    "volume": (VolumeNet, (1, 12, 12, 12)),
}
over_networks = pytest.mark.parametrize("name", NETWORKS)
over_methods = pytest.mark.parametrize("how", ["shap_deep", "shap_gradient"])
FEW = {"shap_deep": {}, "shap_gradient": {"samples": 10}}


def new_case(name, n=3):
    """(network, items, background) by a seed."""
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    return settle(make(), torch.rand(8, *shape)), torch.rand(n, *shape), torch.rand(5, *shape)


build = cache(new_case)  # for tests that do not change the network


@over_networks
def test_deep_values_sum_to_the_difference_to_the_background(name):
    network, x, background = build(name, 2)
    subject, targets = Subject(network, x), torch.tensor([1, 0])
    found = explain(subject, x, "shap_deep", targets, background=background)
    with torch.no_grad():
        wanted = (subject.network(x) - subject.network(background).mean(0)).gather(1, targets[:, None])[:, 0]
    assert found.shape == x.shape and METHODS["shap_deep"].sums
    close(sums(found), wanted, 1e-3)


@over_methods
@pytest.mark.parametrize("shape", [(1, 20), (1, 9, 9), (3, 9, 9), (1, 5, 5, 5)])
def test_on_a_linear_network_values_are_weight_times_difference(shape, how):
    torch.manual_seed(0)
    network, x = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 3)), torch.rand(2, *shape)
    rest = torch.rand(1, *shape)
    found = explain(network, x, how, 2, background=rest.repeat(4, *[1] * len(shape)), **FEW[how])
    close(found, network[1].weight[2].view(shape) * (x - rest), 1e-5)


@pytest.mark.parametrize("n", [1, 2, 3])
@over_methods
def test_values_are_those_of_shap_called_directly(how, n):
    import shap

    torch.manual_seed(0)
    network, x, background = smooth(n), torch.rand(2, 1, *[8] * n), torch.rand(4, 1, *[8] * n)
    found = explain(network, x, how, 1, background=background, seed=3, **FEW[how])
    if how == "shap_deep":
        wanted = shap.DeepExplainer(network, background).shap_values(x)[..., 1]
    else:
        explainer = shap.GradientExplainer(network, background)
        wanted = np.stack([explainer.shap_values(each, nsamples=10, rseed=3)[0, ..., 1] for each in x.split(1)])
    close(found, wanted, 1e-5)


@over_methods
@pytest.mark.parametrize("name", ["AAE", "colour", "signal", "volume"])
def test_neither_other_items_nor_portions_change_a_map(name, how):
    network, x, background = build(name, 2)
    subject, given = Subject(network, x), {"background": background, **FEW[how]}
    together = explain(subject, x, how, [0, 1], **given)
    alone = [explain(subject, each, how, t, batch_size=3, **given) for t, each in enumerate(x.split(1))]
    close(np.concatenate(alone), together, 1e-3)


def test_the_gradient_explainer_depends_on_the_seed():
    network, x, background = build("colour")
    given = {"background": background, **FEW["shap_gradient"]}
    first, again, other = (explain(network, x, "shap_gradient", seed=seed, **given) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_more_samples_come_nearer_to_the_sum():
    network, x, background = build("colour")
    with torch.no_grad():
        wanted = (network(x) - network(background).mean(0))[:, 1].numpy()
    gaps = [
        np.abs(sums(explain(network, x, "shap_gradient", 1, background=background, samples=n)) - wanted)
        for n in (3, 300)
    ]
    assert gaps[1].mean() < gaps[0].mean() / 2


@over_methods
def test_the_network_is_left_as_it_was(how):
    network, x, background = new_case("signal")
    network(x).sum().backward()
    names, gradient = list(network.state_dict()), network.head.weight.grad.clone()
    explain(network, x, how, 0, background=background, **FEW[how])
    assert list(network.state_dict()) == names and torch.equal(network.head.weight.grad, gradient)
    assert all(p.requires_grad for p in network.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in network.modules())


class Gate(nn.Module):
    """A product of two things that depend on x."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.head((self.one(x) * torch.sigmoid(self.other(x))).mean((2, 3)))


UNKNOWN = {
    "SiLU": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(4 * 36, 2)),
    "LayerNorm": lambda: nn.Sequential(nn.Flatten(), nn.LayerNorm(64), nn.Linear(64, 2)),
    "mul": Gate,
}


@pytest.mark.parametrize("step", UNKNOWN)
def test_a_step_without_a_rule_is_named(step):
    x = torch.rand(3, 1, 8, 8)
    with pytest.raises(Refusal, match=f"no rule for.*{step}"):
        explain(UNKNOWN[step](), x, "shap_deep", background=x)


class Liar(nn.Module):
    """A step that calls itself linear, and is not."""

    relevance_rule = "pass"

    def forward(self, x):
        return x**2


def test_values_that_do_not_add_up_are_refused():
    x = torch.rand(3, 1, 8, 8)
    with pytest.raises(Refusal, match="do not add up"):
        explain(nn.Sequential(Liar(), nn.Flatten(), nn.Linear(64, 2)), x, "shap_deep", background=x / 2)


@over_methods
def test_a_background_is_needed(how):
    with pytest.raises(Refusal, match="background"):
        explain(smooth(), torch.rand(2, 1, 8, 8), how)


def test_no_samples_are_refused():
    x = torch.rand(2, 1, 8, 8)
    with pytest.raises(InputError, match="samples="):
        explain(smooth(), x, "shap_gradient", background=x, samples=0)


# ---- the plot ---------------------------------------------------------------------------------------------------


def test_class_maps_are_the_explanations_of_each_class():
    network, x, background = build("colour")
    subject = Subject(network, x, ["cat", "dog", "bird"])
    given = {"background": background}
    maps = class_maps(subject, x, "shap_deep", ["bird", "cat"], **given)
    for each, target in zip(maps, (2, 0), strict=True):
        np.testing.assert_array_equal(each, explain(network, x, "shap_deep", target, **given))
    assert len(class_maps(network, x, "shap_gradient", samples=1, **given)) == 3


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_figure_has_a_row_for_each_item_and_a_column_for_each_class(channels):
    x = torch.rand(3, channels, 8, 8) * 4 - 2
    maps = [np.random.default_rng(k).normal(size=x.shape) for k in range(2)]
    before = plt.get_fignums()
    figure = shap_figure(maps, x, ["cat", "dog"], ["a cat", "a dog", "a bird"])
    *panels, bar = figure.axes
    assert len(panels) == 3 * 3 and bar.get_xlabel() == "SHAP value" and plt.get_fignums() == before
    titles = [axis.get_title() for axis in panels]
    assert titles == ["a cat", "cat", "dog", "a dog", "", "", "a bird", "", ""]
    shown = panels[4].images[-1].get_array()
    np.testing.assert_allclose(shown, maps[0][1].sum(0))
    assert all(0 <= panel.images[0].get_array().min() <= panel.images[0].get_array().max() <= 1 for panel in panels)


@pytest.mark.parametrize("shape, names", [((2, 1, 8), ["a"]), ((2, 1, 8, 8), ["a", "b"])])
def test_a_figure_that_does_not_fit_is_refused(shape, names):
    x = torch.rand(shape)
    with pytest.raises(InputError, match="pictures"):
        shap_figure([x.numpy()], x, names)
