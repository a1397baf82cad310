"""Laws of the gradient family and of the one call."""

import numpy as np
import pytest
import torch
from captum import attr
from helpers.maps import close, sums
from helpers.networks import network_case
from torch import nn

from xaae import model as models
from xaae.benchmarks.networks import NETWORKS, build
from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.method import METHODS, Refusal, find_method, method
from xaae.explain.network.subject import Ask, Subject

SUMS = ["integrated_gradients", "deeplift", "layer_conductance", "layer_deeplift"]


def gap(network, x, target, base):
    """Score of items less the mean score of `base`: (B,)."""
    with torch.no_grad():
        return (network(x)[:, target] - network(base)[:, target].mean()).numpy()


STEPPED = [how for how in SUMS if "steps" in find_method(how).parameters]
SUMMED = [(name, how) for name in NETWORKS for how in SUMS if name != "ResNet34" or how not in STEPPED]
# an untrained ResNet34 is too rough for sums over a few hundred steps: see the test after the next


@pytest.mark.parametrize(("name", "how"), SUMMED)
def test_shares_sum_to_the_difference_of_scores(name, how):
    subject, x, _ = network_case(name)
    steps = {"steps": 150} if how in STEPPED else {}
    maps = sums(explain(subject, x, how, 1, batch_size=64, **steps))
    expected = gap(subject.network, x, 1, torch.zeros_like(x))
    exact = "deeplift" in how
    np.testing.assert_allclose(maps, expected, atol=(1e-4 if exact else 0.03) * np.abs(expected).max())


def test_on_a_rough_network_more_steps_come_nearer_to_the_sum():
    network, x, _ = build("ResNet34", 2)
    subject = Subject(network, x)
    with pytest.raises(Refusal, match="give more steps="):
        explain(subject, x, "integrated_gradients", 1, steps=5)
    expected = gap(subject.network, x, 1, torch.zeros_like(x))
    asked = Ask(subject, x, torch.ones(len(x), dtype=torch.long))
    few, many = (
        np.abs(sums(METHODS["integrated_gradients"].attribute(asked, steps=n).numpy()) - expected).mean()
        for n in (5, 100)
    )
    assert many < few / 2


@pytest.mark.parametrize("name", NETWORKS)
def test_deeplift_shap_sums_to_the_difference_to_the_background(name):
    subject, x, background = network_case(name)
    maps = sums(explain(subject, x, "deeplift_shap", 1, background=background))
    expected = gap(subject.network, x, 1, background)
    np.testing.assert_allclose(maps, expected, atol=1e-4 * np.abs(expected).max())


def test_agreement_with_captum_called_directly():
    subject, x, _ = network_case("CIFAR ConvNet")
    network, target = subject.network, torch.tensor([0, 3])
    close(explain(subject, x, "saliency", target), attr.Saliency(network).attribute(x, target, abs=False))
    close(explain(subject, x, "input_x_gradient", target), attr.InputXGradient(network).attribute(x, target))
    expected = attr.IntegratedGradients(network).attribute(x, 0.0, target, n_steps=20)
    close(explain(subject, x, "integrated_gradients", target, steps=20), expected)
    raw = attr.LayerGradientXActivation(network, subject.layer()).attribute(x, target).sum(1, keepdim=True)
    maps = explain(subject, x, "layer_gradient_x_activation", target)
    np.testing.assert_allclose(sums(maps), raw.sum((1, 2, 3)).detach().numpy(), rtol=1e-3)


def test_guided_backprop_agrees_with_captum_where_its_hooks_suffice():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    x = torch.rand(3, 1, 8, 8)
    close(explain(plain, x, "guided_backprop", 1), attr.GuidedBackprop(plain).attribute(x, 1))
    close(explain(plain, x, "deconvolution", 1), attr.Deconvolution(plain).attribute(x, 1))
    assert not np.allclose(explain(plain, x, "guided_backprop", 1), explain(plain, x, "saliency", 1))


def test_activations_by_function_are_treated_like_modules():
    """A network that calls F.relu must not get a plain gradient under the name of a guided one."""

    class Functional(nn.Module):
        def __init__(self, plain):
            super().__init__()
            self.first, self.last = plain[0], plain[3]

        def forward(self, x):
            return self.last(torch.relu(self.first(x)).flatten(1))

    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    x = torch.rand(3, 1, 8, 8)
    for how in ("guided_backprop", "deconvolution", "deeplift"):
        close(explain(Functional(plain), x, how, 0), explain(plain, x, how, 0))


def test_smoothgrad_without_noise_is_the_gradient():
    subject, x, _ = network_case("1-D convnet")
    gradient = explain(subject, x, "saliency", 0)
    np.testing.assert_array_equal(explain(subject, x, "smoothgrad", 0, sigma=0.0), gradient)
    assert not np.allclose(explain(subject, x, "smoothgrad", 0), gradient)


@pytest.mark.parametrize("base", ["input_x_gradient", "integrated_gradients", "deeplift"])
def test_any_method_can_be_the_base_of_smoothgrad(base):
    subject, x, _ = network_case("1-D convnet")
    plain = explain(subject, x, base, 0)
    close(explain(subject, x, "smoothgrad", 0, base=base, sigma=1e-5, samples=3), plain, 0.02)
    with pytest.raises(InputError, match="no method"):
        explain(subject, x, "smoothgrad", 0, base="saliencey")


def test_a_base_that_does_not_fit_is_refused():
    subject, x, _ = network_case("AAE head")
    with pytest.raises(Refusal, match="LeakyReLU"):
        explain(subject, x, "smoothgrad", 0, base="guided_backprop")


def test_noise_depends_on_the_seed_alone():
    subject, x, _ = network_case("1-D convnet")
    one, same, other = (explain(subject, x, "smoothgrad", 0, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


@pytest.mark.parametrize("how", ["saliency", "integrated_gradients", "deeplift", "layer_conductance"])
def test_batches_change_nothing(how):
    subject, x, _ = network_case("CIFAR ConvNet")
    whole, single = explain(subject, x, how), explain(subject, x, how, batch_size=1)
    np.testing.assert_allclose(whole, single, atol=1e-6 * max(1, np.abs(whole).max()) + 1e-6)


# ---- targets ----------------------------------------------------------------------------------------------------


def test_targets_by_name_number_item_and_prediction():
    network, x, _ = build("1-D convnet", 4)
    names = [f"class {i}" for i in range(3)]
    predicted = network(x).argmax(1)
    by = lambda target: explain(network, x, "saliency", target, classes=names)  # noqa: E731
    np.testing.assert_array_equal(by(None), by(predicted))
    np.testing.assert_array_equal(by("predicted"), by([names[i] for i in predicted]))
    np.testing.assert_array_equal(by("class 2"), by(2))
    for wrong in ("class 11", 3, -1, [1, 2], 1.5):
        with pytest.raises(InputError):
            by(wrong)


def test_the_place_along_a_direction_can_be_explained():
    network, x, _ = build("AAE head")
    vector = torch.randn(16, generator=torch.Generator().manual_seed(3))
    line = models.position(network, vector)
    with torch.no_grad():
        torch.testing.assert_close(line(x)[:, 0], network.encode(x) @ vector)
    maps = sums(explain(line, x, "deeplift"))
    np.testing.assert_allclose(maps, gap(line, x, 0, torch.zeros_like(x)), atol=1e-4)


def test_an_aae_as_a_chain_says_the_same():
    network, x, _ = build("AAE head")
    with torch.no_grad():
        torch.testing.assert_close(models.classifier(network)(x), network.classify(x))
        informed = models.AAE(32, 3, prior="class").eval()
        torch.testing.assert_close(models.classifier(informed)(x), informed.classify(x))


# ---- the call ---------------------------------------------------------------------------------------------------


def test_wrong_names_and_parameters_are_refused():
    network, x, _ = build("1-D convnet")
    with pytest.raises(InputError, match="saliency"):
        explain(network, x, "salience")
    with pytest.raises(InputError, match="steps, baseline"):
        explain(network, x, "integrated_gradients", stepps=3)
    with pytest.raises(InputError, match="no layer"):
        explain(network, x, "layer_activation", layer="nowhere")
    with pytest.raises(Refusal, match="background"):
        explain(network, x, "deeplift_shap")
    with pytest.raises(InputError, match="logits"):
        explain(nn.Identity(), x, "saliency")


@pytest.fixture
def entered():
    """Methods that a test enters, taken out again."""
    before = dict(METHODS)
    yield
    METHODS.clear(), METHODS.update(before)


def test_values_that_are_not_finite_are_an_error(entered):
    @method("gradient", "bad", "", "nothing")
    def bad(ask):
        return ask.x * float("nan")

    @method("gradient", "small", "", "nothing")
    def small(ask):
        return ask.x[..., :2]

    network, x, _ = build("1-D convnet")
    with pytest.raises(FloatingPointError, match="finite"):
        explain(network, x, "bad")
    with pytest.raises(ValueError, match="shape"):
        explain(network, x, "small")


def test_modes_gradients_and_random_states_are_left_alone():
    network, x, _ = build("1-D convnet")
    network.train()
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002
    expected = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002
    explain(network, x, "smoothgrad", 0)
    assert all(m.training for m in network.modules())
    assert all(p.grad is None for p in network.parameters()) and not x.requires_grad
    torch.testing.assert_close(torch.rand(3), expected[0])
    np.testing.assert_array_equal(np.random.rand(3), expected[1])  # noqa: NPY002


def test_bf16_is_captums_own_where_a_method_allows_it_and_full_precision_elsewhere():
    subject, x, _ = network_case("CIFAR ConvNet")
    half = explain(subject, x, "input_x_gradient", 0, precision="bf16")
    with torch.autocast(x.device.type, torch.bfloat16):
        close(half, attr.InputXGradient(subject.network).attribute(x, 0))
    assert not np.array_equal(half, explain(subject, x, "input_x_gradient", 0))
    exact = (explain(subject, x, "deeplift", 0, precision=p) for p in ("fp32", "bf16"))
    np.testing.assert_array_equal(*exact)


@pytest.mark.parametrize("how", ["layer_activation", "layer_conductance", "layer_deeplift", "gradcam", "score_cam"])
def test_a_layer_without_a_map_of_places_is_refused(how):
    subject, x, _ = network_case("CIFAR ConvNet")
    with pytest.raises(InputError, match="no map of places"):
        explain(subject, x, how, 0, layer="head.1")
