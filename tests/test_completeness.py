"""Shares add up to what a method promises, or it refuses with the figure; what a network returns is noticed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.maps import sums
from torch import nn

from xaae.explain.call import explain, explain_with_sums
from xaae.explain.completeness import Incomplete
from xaae.explain.method import METHODS, Refusal
from xaae.explain.network.subject import Subject


class Net(nn.Module):
    """A small convnet that calls functions; drop: what is done before the head; end: what is done to the logits."""

    def __init__(self, outputs=3, drop=lambda h, training: h, end=lambda z: z):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 8, 3)
        self.head, self.drop, self.end = nn.Linear(8 * 16, outputs), drop, end

    def forward(self, x):
        h = F.max_pool2d(F.relu(self.first(x)), 2)
        h = torch.relu(self.second(h)).flatten(1)
        return self.end(self.head(self.drop(h, self.training)))


ALWAYS = {
    "F.dropout without training": lambda h, training: F.dropout(h, 0.5),
    "F.dropout, always on": lambda h, training: F.dropout(h, 0.5, True),
    "a mask of one's own": lambda h, training: h * (torch.rand_like(h) > 0.5),
    "noise": lambda h, training: h + 0.3 * torch.randn_like(h),
}
NEVER = {
    "none": lambda h, training: h,
    "F.dropout by mode": lambda h, training: F.dropout(h, 0.5, training),
    "F.dropout by name": lambda h, training: F.dropout(h, p=0.5, training=training),
    "F.dropout1d by mode": lambda h, training: F.dropout1d(h[:, None], 0.5, training).flatten(1),
}
PROMISE = [m.name for m in METHODS.values() if m.sums or m.keeps]


def made(**options):
    """(a Net, items, background), always the same."""
    torch.manual_seed(0)
    return Net(**options), torch.rand(3, 1, 14, 14), torch.rand(4, 1, 14, 14)


def small(name):
    """Parameters that keep a method quick."""
    quick = {"shapley_value_sampling": {"samples": 3}, "kernel_shap": {"segments": 10, "samples": 40}}
    return quick.get(name, {})


def test_the_methods_that_promise_a_sum_are_known():
    assert {"deeplift", "deeplift_shap", "integrated_gradients", "shap_deep", "kernel_shap", "lrp_epsilon",
            "lrp_epsilon_plus", "lrp_epsilon_gamma_box"} <= set(PROMISE)  # fmt: skip


@pytest.mark.parametrize("drop", NEVER)
@pytest.mark.parametrize("name", PROMISE)
def test_functional_relu_and_dropout_that_is_off_change_nothing(name, drop):
    network, x, background = made(drop=NEVER[drop])
    maps, told = explain_with_sums(network, x, name, 1, background=background, **small(name))
    plain, _, _ = made()
    np.testing.assert_allclose(maps, explain(plain, x, name, 1, background=background, **small(name)), atol=1e-5)
    if METHODS[name].sums:
        assert told.gap < 0.1 or "of what the map distributes" in told.remark
        assert told.shares == pytest.approx(told.difference, rel=0.1, abs=2e-3)
    else:
        assert "biases keep" in told.remark and np.isclose(told.shares, sums(maps)).any()


@pytest.mark.parametrize("drop", ALWAYS)
@pytest.mark.parametrize("name", PROMISE)
def test_a_network_that_draws_random_numbers_is_refused_and_never_ok(name, drop):
    network, x, background = made(drop=ALWAYS[drop])
    with pytest.raises(Refusal, match=r"%.*(random numbers|copy)|no rule"):
        explain(network, x, name, 1, background=background, **small(name))
    assert Subject(network, x).random and "differently each time" in Subject(network, x).remark


def test_dropout_by_module_is_off_and_training_mode_does_not_matter():
    network, x, _ = made(drop=NEVER["F.dropout by mode"])
    one = explain(network.train(), x, "deeplift", 1)
    np.testing.assert_array_equal(one, explain(network.eval(), x, "deeplift", 1))
    assert not Subject(network, x).random and not Subject(network, x).remark


def test_a_step_without_a_rule_is_refused_with_the_figure(monkeypatch):
    """A method whose shares are wrong, for whatever reason."""
    network, x, background = made()
    half = METHODS["deeplift"].attribute
    monkeypatch.setitem(METHODS, "deeplift", _with(METHODS["deeplift"], lambda ask, *, baseline=0.0: 0.3 * half(ask)))
    with pytest.raises(Incomplete, match="70% off, where 1% is allowed") as refused:
        explain(network, x, "deeplift", 1)
    assert refused.value.sums.gap == pytest.approx(0.7, abs=1e-3)
    relevance = METHODS["lrp_epsilon"].attribute
    wrong = _with(METHODS["lrp_epsilon"], lambda ask, *, epsilon=1e-6: 0.3 * relevance(ask))
    monkeypatch.setitem(METHODS, "lrp_epsilon", wrong)
    with pytest.raises(Incomplete, match="70% off"):
        explain(network, x, "lrp_epsilon", 1)


def _with(method, attribute):
    """A method that computes something else."""
    return replace(method, attribute=attribute)


def test_too_few_steps_are_refused_and_more_are_asked_for():
    torch.manual_seed(0)
    steep = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2))
    steep[1].weight.data *= 60
    x = torch.rand(2, 1, 2, 2)
    with pytest.raises(Incomplete, match="give more steps="):
        explain(steep, x, "integrated_gradients", 1, steps=1)
    assert explain_with_sums(steep, x, "integrated_gradients", 1, steps=400)[1].gap < 0.1


# ---- what a network returns -------------------------------------------------------------------------------------

ENDS = {
    "": lambda z: z,
    "softmax": lambda z: z.softmax(1),
    "log-softmax": lambda z: F.log_softmax(z, 1),
    "sigmoid": torch.sigmoid,
}


@pytest.mark.parametrize("outputs", [2, 3])
@pytest.mark.parametrize("end", ENDS)
def test_probabilities_are_noticed_and_not_made_twice(outputs, end):
    network, x, _ = made(outputs=outputs, end=ENDS[end])
    subject = Subject(network, x)
    assert subject.form == end and (end.split("-")[-1] in subject.remark) and bool(subject.remark) == bool(end)
    with torch.no_grad():
        answers = subject.network(x)
        logits, _, _ = made(outputs=outputs)
        expected = logits.eval()(x).sigmoid() if end == "sigmoid" else logits.eval()(x).softmax(1)
    torch.testing.assert_close(subject.probabilities(answers), expected)


def test_probabilities_of_a_softmax_by_hand_are_noticed_too():
    network, x, _ = made(end=lambda z: z.exp() / z.exp().sum(1, keepdim=True))
    assert Subject(network, x).form == "softmax"
    assert Subject(nn.Sequential(made()[0], nn.Softmax(1), nn.Flatten()), x).form == "softmax"


@pytest.mark.parametrize("end", ["", "sigmoid"])
def test_one_output_is_a_binary_head(end):
    network, x, background = made(outputs=1, end=ENDS[end])
    network.head.bias.data -= float(made(outputs=1)[0].eval()(x).median())  # items of both classes
    subject = Subject(network, x, ["no", "yes"])
    with torch.no_grad():
        z = network(x)[:, 0]
    p = z if end else z.sigmoid()
    chance = subject.probabilities(subject.network(x)).detach()
    torch.testing.assert_close(chance, torch.stack([1 - p, p], 1))
    assert subject.targets(x).tolist() == (p > 0.5).long().tolist() and "binary head" in subject.remark
    for name in ("saliency", "deeplift", "integrated_gradients", "gradcam", "lrp_epsilon", "shap_deep", "occlusion"):
        yes, no = (explain(subject, x, name, each, background=background) for each in ("yes", "no"))
        np.testing.assert_allclose(yes, -no, atol=1e-5 * np.abs(yes).max() + 1e-7) if name != "gradcam" else None
    with torch.no_grad():
        difference = z - network(torch.zeros_like(x[:1]))[:, 0]
    np.testing.assert_allclose(sums(explain(subject, x, "deeplift", 1)), difference, rtol=1e-2, atol=1e-5)


def test_excitation_of_the_other_side_of_a_binary_head_is_that_of_the_negated_network():
    network, x, _ = made(outputs=1)
    turned, _, _ = made(outputs=1)
    turned.head.weight.data *= -1
    turned.head.bias.data *= -1
    for name in ("excitation_backprop", "contrastive_excitation_backprop"):
        np.testing.assert_allclose(explain(network, x, name, 0), explain(turned, x, name, 1), atol=1e-4)


def test_layers_of_a_network_with_one_output_keep_their_names():
    network, x, _ = made(outputs=1)
    assert explain(network, x, "layer_activation", layer="second").shape == (3, 1, 14, 14)
