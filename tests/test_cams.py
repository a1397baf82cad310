"""Laws of class activation maps: formulas, planted blobs found, agreement with libraries, hooks that are removed."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum import attr
from helpers.maps import close, count_hooks
from torch import nn
from torchcam import methods as torchcam

from xaae import model as models
from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.method import METHODS, Refusal
from xaae.explain.methods import cams
from xaae.explain.network.subject import Ask, Subject

ALL = [m.name for m in METHODS.values() if m.kind == "cam"]
MAPS = [name for name in ALL if name != "guided_gradcam"]
MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Small(nn.Module):
    """Two convolutions in n dimensions, a pool between them, as many write them: one ReLU used twice, in place."""

    def __init__(self, n=2, inplace=False):
        super().__init__()
        conv = getattr(nn, f"Conv{n}d")
        self.first, self.second, self.relu = conv(2, 6, 3, padding=1), conv(6, 8, 3, padding=1), nn.ReLU(inplace)
        self.pool, self.head = getattr(nn, f"AvgPool{n}d")(2), nn.Linear(8 * 4**n, 3)

    def forward(self, x):
        x = self.pool(self.relu(self.first(x)))
        return self.head(self.relu(self.second(x)).flatten(1))


def small(n=2, seed=0, items=4, **given):
    """(network, x (items, 2, 8, ...)) in n dimensions."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Small(n, **given).eval()
        torch.manual_seed(9)
        return network, torch.rand(items, 2, *[8] * n)


def kept(network, layer, x, target):
    """(what a layer gives (B, C, ...), the slope of the target's logit there), worked out here."""
    found = {}
    hook = layer.register_forward_hook(lambda m, i, out: found.update(out=out))
    score = network(x)[:, target].sum()
    hook.remove()
    (slope,) = torch.autograd.grad(score, found["out"])
    return found["out"].detach(), slope


def stretched(maps, places):
    """Cells (B, ...) over the input's places (B, 1, ...)."""
    return F.interpolate(maps[:, None], places, mode=MODES[len(places)]).detach().numpy()


# ---- formulas ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
def test_gradcam_is_the_channels_weighted_by_their_mean_slopes(n):
    network, x = small(n)
    out, slope = kept(network, network.second, x, 1)
    cells = (slope.flatten(2).mean(2)[(..., *[None] * n)] * out).sum(1)
    close(explain(network, x, "layer_gradcam", 1, layer="second"), stretched(cells, x.shape[2:]))
    close(explain(network, x, "gradcam", 1, layer="second"), stretched(cells.relu(), x.shape[2:]))


@pytest.mark.parametrize("seed", [0, 1])
def test_gradcam_plus_plus_is_equation_19_by_three_derivatives(seed):
    """Y = exp(score): alpha = Y'' / (2 Y'' + sum(A) Y'''), w = sum of alpha ReLU(Y'), each derivative by autograd."""
    torch.manual_seed(seed)
    head, x = nn.Linear(18, 2).double(), torch.rand(1, 2, 3, 3, dtype=torch.float64)
    network = nn.Sequential(nn.ReLU(), nn.Flatten(), head).float()
    derivatives = []
    for c, i, j in np.ndindex(2, 3, 3):
        at = x[0, c, i, j].clone().requires_grad_()
        changed = x.index_put(tuple(torch.tensor([n]) for n in (0, c, i, j)), at[None])
        y = copy.deepcopy(network).double()(changed)[0, 1].exp()
        ladder = [y]
        for _ in range(3):
            ladder.append(torch.autograd.grad(ladder[-1], at, create_graph=True)[0])
        derivatives.append(torch.stack(ladder[1:]).detach())
    one, two, three = torch.stack(derivatives, 1).view(3, 1, 2, 3, 3)
    alpha = two / (2 * two + x.sum((2, 3), keepdim=True) * three)
    expected = ((alpha * one.relu()).sum((2, 3), keepdim=True) * x).sum(1).numpy()
    ask = Ask(Subject(network, x.float()), x.float(), torch.tensor([1]))
    ask.subject.layer = lambda *_, **__: network[0]
    found = cams.gradcam_plus_plus(ask)[:, 0].detach().numpy()
    factor = np.exp(network(x.float())[0, 1].item())  # Y' is exp(score) times the slope of the score
    np.testing.assert_allclose(found * factor, expected, rtol=1e-4)


def test_layer_cam_and_xgradcam_agree_with_their_formulas():
    network, x = small()
    out, slope = kept(network, network.pool, x, 2)
    close(explain(network, x, "layer_cam", 2, layer="pool"), stretched((slope.relu() * out).sum(1).relu(), (8, 8)))
    weights = (slope * out).sum((2, 3), keepdim=True) / out.sum((2, 3), keepdim=True)
    close(explain(network, x, "xgradcam", 2, layer="pool"), stretched((weights * out).sum(1).relu(), (8, 8)))


def test_score_cam_is_the_softmax_of_the_scores_that_channels_let_through():
    network, x = small(items=1)
    out, _ = kept(network, network.pool, x, 2)
    low, high = out.amin((2, 3), keepdim=True), out.amax((2, 3), keepdim=True)
    masks = F.interpolate((out - low) / (high - low), (8, 8), mode="bilinear")[0]
    with torch.no_grad():
        weights = torch.stack([network(x * mask)[0, 2] for mask in masks]).softmax(0)
    cells = (weights[None, :, None, None] * out).sum(1).relu()
    np.testing.assert_allclose(
        explain(network, x, "score_cam", 2, layer="pool"), stretched(cells, (8, 8)), rtol=1e-4, atol=1e-6
    )


# ---- as the libraries do it -------------------------------------------------------------------------------------


def test_agreement_with_captum_called_directly():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Flatten())
    network = network.append(nn.Linear(96, 3)).eval()
    x = torch.rand(3, 2, 8, 8)
    raw = attr.LayerGradCam(network, network[2]).attribute(x, 1, relu_attributions=True)
    close(explain(network, x, "gradcam", 1, layer="2"), stretched(raw[:, 0], (8, 8)))
    guided = attr.GuidedGradCam(network, network[2]).attribute(x, 1, interpolate_mode="bilinear")
    close(explain(network, x, "guided_gradcam", 1, layer="2"), guided.detach().numpy())


@pytest.mark.parametrize("how", ["XGradCAM", "LayerCAM", "ScoreCAM"])
@pytest.mark.parametrize("n", [2, 3])
def test_agreement_with_torchcam_called_directly(how, n):
    network, x = small(n)
    with getattr(torchcam, how)(network, "pool") as found:
        scores = network(x)
        expected = found([0, 1, 2, 0], scores, normalized=False)[0]
    name = {"XGradCAM": "xgradcam", "LayerCAM": "layer_cam", "ScoreCAM": "score_cam"}[how]
    close(explain(network, x, name, [0, 1, 2, 0], layer="pool"), stretched(expected, x.shape[2:]))


# ---- what is planted is found -----------------------------------------------------------------------------------


class Finder(nn.Module):
    """Class 1 is a bright blob, class 0 a dark one, anywhere: one channel for each, summed over places."""

    def __init__(self, n):
        super().__init__()
        self.look, self.relu = getattr(nn, f"Conv{n}d")(1, 2, 3, padding=1), nn.ReLU()
        with torch.no_grad():
            self.look.weight[:] = torch.tensor([-1.0, 1.0]).view(2, *[1] * (n + 1)) / 3**n
            self.look.bias[:] = -0.2

    def forward(self, x):
        found = self.relu(self.look(x)).flatten(2).sum(2)
        return found - found.flip(1)


@pytest.mark.parametrize("how", ALL)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_planted_blob_is_found(how, n):
    x = torch.zeros(2, 1, *[16] * n)
    bright, dark = (slice(9, 13),) * n, (slice(2, 6),) * n
    x[(slice(None), 0, *bright)] = 1.0
    x[(slice(None), 0, *dark)] = -1.0
    maps = explain(Finder(n).eval(), x, how, [1, 0])
    assert maps.shape == (2, 1, *[16] * n)
    maps = np.abs(maps[:, 0]) if METHODS[how].shows == "size" else maps[:, 0]
    for one, where, elsewhere in zip(maps, (bright, dark), (dark, bright), strict=True):
        at = np.unravel_index(one.argmax(), one.shape)
        assert all(side.start - 1 <= place <= side.stop for place, side in zip(at, where, strict=True))
        assert one[elsewhere].max() < 0.5 * one.max()


# ---- any network ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", MAPS)
@pytest.mark.parametrize("layer", ["", "second"])
def test_what_is_written_in_place_changes_nothing(how, layer):
    """Also not where the layer's own output is overwritten by the next step."""
    (network, x), (inplace, _) = small(), small(inplace=True)
    close(explain(inplace, x, how, 1, layer=layer), explain(network, x, how, 1, layer=layer))


@pytest.mark.parametrize("how", ALL)
def test_frozen_weights_change_nothing(how):
    network, x = small()
    expected = explain(network, x, how, 1)
    close(explain(copy.deepcopy(network).requires_grad_(False), x, how, 1), expected)


@pytest.mark.parametrize("how", ALL)
def test_batches_change_nothing(how):
    network, x = small()
    whole, single = explain(network, x, how), explain(network, x, how, batch_size=1)
    np.testing.assert_allclose(whole, single, atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize("how", [name for name in ALL if not METHODS[name].flag])
def test_other_weights_other_maps(how):
    (network, x), (other, _) = small(), small(seed=1)
    one, two = explain(network, x, how, 1).reshape(4, -1), explain(other, x, how, 1).reshape(4, -1)
    fit = [np.corrcoef(a, b)[0, 1] for a, b in zip(one, two, strict=True) if a.any() and b.any()]
    assert max(fit, default=0) < 0.95


@pytest.mark.parametrize("how", ALL)
def test_hooks_are_removed_even_after_an_error(how, monkeypatch):
    network, x = small()
    network.head.register_forward_hook(lambda *_: None)
    subject = Subject(network, x)
    ask = Ask(subject, x, torch.ones(4, dtype=torch.long))
    for each in ask.network, subject.unrolled:
        before = count_hooks(each)
        METHODS[how].attribute(ask)
        assert count_hooks(each) == before
        with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
            broken.setattr(F, "linear", lambda *_: 1 / 0)
            METHODS[how].attribute(ask)
        assert count_hooks(each) == before


def test_score_cam_may_keep_the_most_active_channels():
    network, x = small()
    calls = []
    hook = network.register_forward_hook(lambda m, given, out: calls.append(len(out)))
    counted = []
    for channels in (0, 8, 3):
        calls.clear()
        maps = explain(network, x, "score_cam", 1, channels=channels)
        counted.append((sum(calls), maps))
    hook.remove()
    np.testing.assert_allclose(counted[0][1], counted[1][1], rtol=1e-4)
    assert counted[0][0] - counted[2][0] == 4 * (8 - 3)
    assert not np.allclose(counted[0][1], counted[2][1])


def test_the_layer_is_the_deepest_that_still_locates():
    """The third stage of a ResNet34 for 64 pixels: the fourth has 2 x 2 cells."""
    torch.manual_seed(0)
    network, x = models.baseline(2, 3).eval(), torch.rand(2, 3, 64, 64)
    stages = [m for m in network[0] if isinstance(m, nn.Sequential)]
    assert Subject(network, x).layer() is stages[2]
    out, slope = kept(network, stages[2], x, 1)
    cells = (slope.mean((2, 3), keepdim=True) * out).sum(1).relu()
    close(explain(network, x, "gradcam", 1), stretched(cells, (64, 64)))


@pytest.mark.parametrize("how", ALL)
def test_layers_without_places_are_refused(how):
    network, x = small()
    for wrong in ("head", "nowhere"):
        with pytest.raises(InputError, match=wrong):
            explain(network, x, how, layer=wrong)
    with pytest.raises(Refusal, match="no convolution"):
        explain(nn.Sequential(nn.Flatten(), nn.Linear(128, 3), nn.ReLU(), nn.Linear(3, 3)), x, how)


def test_guided_gradcam_needs_relu():
    network, x = small()
    network.relu = nn.LeakyReLU()
    with pytest.raises(Refusal, match="LeakyReLU"):
        explain(network, x, "guided_gradcam")


@pytest.mark.parametrize("how", ["xgradcam", "gradcam_plus_plus"])
def test_channels_that_add_up_to_nothing_do_not_explode(how):
    """Where a channel's values cancel, their sum must not be divided by."""
    network, x = small()
    network.relu = nn.LeakyReLU(1.0)
    with torch.no_grad():
        network.second.bias -= network.second(network.pool(network.first(x[:1]))).mean((0, 2, 3))
    out, slope = kept(network, network.second, x[:1], 1)
    bound = (slope.relu().sum((2, 3), keepdim=True) * out.relu()).sum(1).max().item()
    assert explain(network, x[:1], how, 1, layer="second").max() <= bound


@pytest.mark.parametrize("how", ["gradcam", "layer_gradcam"])
def test_bf16_is_near_where_a_method_allows_it(how):
    network, x = small()
    plain, half = (explain(network, x, how, 0, precision=p).ravel() for p in ("fp32", "bf16"))
    assert not np.array_equal(plain, half) and np.corrcoef(plain, half)[0, 1] > 0.99
