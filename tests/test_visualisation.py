"""Laws of feature visualisation, on networks that learn to tell vertical from horizontal bars in seconds."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xaae import model as models
from xaae.benchmarks.networks import build
from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.methods import transforms
from xaae.explain.methods.visualisation import channel_activity, layer_output
from xaae.explain.network.subject import Subject

SIDE = 24
METHODS = ["class_model", "feature_rendering", "layer_visualisation", "deep_dream", "inverted_representation"]
OF_CLASS = METHODS[:2]
STILL = {"shift": 0.0, "degrees": 0.0, "scale": 0.0}


def bars(n=96):
    """Noisy pictures (n, 1, 24, 24) with one bar, upright (class 0) or level (class 1), and the classes."""
    draw = torch.Generator().manual_seed(0)
    x, y = 0.3 * torch.rand(n, 1, SIDE, SIDE, generator=draw), torch.arange(n) % 2
    for item, level in zip(x, y, strict=True):
        at = int(torch.randint(2, SIDE - 5, (), generator=draw))
        part = item[:, at : at + 3] if level else item[:, :, at : at + 3]
        part += 0.6
    return x, y


def convnet():
    block = lambda i, o: [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True), nn.MaxPool2d(2)]  # noqa: E731
    return nn.Sequential(*block(1, 8), *block(8, 16), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 2))


MAKE = {"convnet": convnet, "AAE head": lambda: models.classifier(models.AAE(SIDE, 1, 8, 8))}


@pytest.fixture(scope="module")
def trained():
    """name -> (network trained on bars, bars, their classes)."""
    found, (x, y) = {}, bars()
    for name, make in MAKE.items():
        torch.manual_seed(1)
        network = make().train()
        adam = torch.optim.Adam(network.parameters(), 5e-3)
        for _ in range(40):
            adam.zero_grad()
            F.cross_entropy(network(x), y).backward()
            adam.step()
        adam.zero_grad(set_to_none=True)
        found[name] = network.eval(), x, y
        assert (logits(network, x).argmax(1) == y.numpy()).mean() > 0.95
    return found


def logits(network, x):
    with torch.no_grad():
        return network(torch.as_tensor(x)).numpy()


over_networks = pytest.mark.parametrize("name", MAKE)


# ---- what all of them keep to -----------------------------------------------------------------------------------


@over_networks
@pytest.mark.parametrize("how", OF_CLASS)
def test_the_picture_of_a_class_has_a_higher_logit_than_every_training_item(trained, name, how):
    network, x, _ = trained[name]
    found = logits(network, explain(network, x[:2], how, [0, 1]))
    assert (found.diagonal() > logits(network, x).max(0) + 1).all()
    assert list(found.argmax(1)) == [0, 1]


@pytest.mark.parametrize("start", ["mean", "random"])
def test_so_it_has_from_either_start(trained, start):
    network, x, _ = trained["convnet"]
    found = logits(network, explain(network, x[:2], "class_model", [0, 1], start=start))
    assert (found.diagonal() > logits(network, x).max(0) + 1).all()


def test_a_picture_goes_further_along_a_latent_direction_than_every_item(trained):
    network, x, _ = trained["AAE head"]
    line = nn.Sequential(*list(network)[:-1], nn.Linear(8, 1, bias=False)).eval()
    line.one_score = True  # a place, not a binary head
    assert logits(line, explain(line, x[:1], "class_model", 0)).item() > logits(line, x).max() + 1


@pytest.mark.parametrize("name", ["1-D convnet", "3-D convnet"])
@pytest.mark.parametrize("how", METHODS)
def test_signals_and_volumes(name, how):
    network, x, _ = build(name, 3)
    x = 4 * x - 2
    found = explain(network, x, how, [0, 1, 1], steps=20)
    assert found.shape == tuple(x.shape) and float(x.min()) <= found.min() < found.max() <= float(x.max())
    if how == "class_model":
        assert (logits(network, found)[range(3), [0, 1, 1]] > logits(network, x).max(0)[[0, 1, 1]]).all()


@pytest.mark.parametrize("how", METHODS)
def test_values_keep_to_the_range_of_the_items_or_to_the_one_given(trained, how):
    network, x, _ = trained["convnet"]
    usual, given = (explain(network, x[:2], how, [0, 1], steps=30, **g) for g in ({}, {"low": 0.3, "high": 0.4}))
    assert float(x[:2].min()) <= usual.min() < usual.max() <= float(x[:2].max())
    assert np.float32(0.3) <= given.min() < given.max() <= np.float32(0.4)
    with pytest.raises(InputError, match="low"):
        explain(network, torch.full_like(x[:2], 0.5), how, 0)


@pytest.mark.parametrize("how", METHODS)
def test_the_network_is_left_as_it_was(trained, how):
    network, x, _ = trained["convnet"]
    subject = Subject(network, x)
    network.train()
    network[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    try:
        explain(subject, x[:2], how, 0, steps=3)
        assert all(m.training for m in network.modules())
        assert [name for name, p in network.named_parameters() if not p.requires_grad] == ["0.weight"]
    finally:
        network.eval(), network[0].weight.requires_grad_(True)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert not any(m._forward_hooks for m in network.modules())


@pytest.mark.parametrize("how", METHODS)
def test_a_picture_depends_on_the_seed_alone(trained, how):
    network, x, _ = trained["AAE head"]
    one, same, other = (explain(network, x[:2], how, 0, steps=5, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("how", OF_CLASS)
def test_items_of_one_class_have_one_picture_whatever_other_classes_are_explained(trained, how):
    network, x, _ = trained["convnet"]
    both, one = (explain(network, x[:4], how, target, steps=10) for target in ([0, 1, 1, 0], 1))
    np.testing.assert_array_equal(both[1], both[2])
    np.testing.assert_array_equal(one, one[:1].repeat(4, 0))
    np.testing.assert_allclose(both[1], one[0], atol=1e-3)
    assert not np.allclose(both[0], both[1], atol=0.1)


# ---- regular, robust --------------------------------------------------------------------------------------------


@over_networks
def test_smoothing_makes_the_picture_smoother(trained, name):
    network, x, _ = trained[name]
    smooth, rough = (explain(network, x[:2], "class_model", [0, 1], sigma=s) for s in (0.7, 0.0))
    assert (transforms.variation(torch.from_numpy(smooth)) < 0.8 * transforms.variation(torch.from_numpy(rough))).all()


@over_networks
def test_a_picture_made_under_movements_keeps_more_of_its_score_when_it_is_shifted(trained, name):
    network, x, _ = trained[name]
    left = {}
    for about, moves in (("moved", {}), ("still", STILL)):
        found = explain(network, x[:2], "feature_rendering", [0, 1], **moves)
        shifted = [logits(network, np.roll(found, by, (2, 3))) for by in ((2, 0), (-2, 0), (0, 2), (0, -2))]
        left[about] = np.mean(shifted, 0).diagonal() / logits(network, found).diagonal()
    assert (left["moved"] > left["still"] + 0.01).all()


# ---- layers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer, channel", [("0", 2), ("4", 5), ("10", 1)])
def test_a_channel_is_excited_more_than_by_every_item(trained, layer, channel):
    network, x, _ = trained["convnet"]
    part = Subject(network, x).layer(layer, vectors=True)
    found = torch.from_numpy(explain(network, x[:1], "layer_visualisation", layer=layer, channel=channel))
    with torch.no_grad():
        best, items = (channel_activity(network, part, v)[:, channel] for v in (found, x))
    assert best > items.max()


def test_by_default_the_channel_is_the_items_most_active_one(trained):
    network, x, _ = trained["convnet"]
    part = Subject(network, x).layer("6")
    with torch.no_grad():
        most = channel_activity(network, part, x[:4]).argmax(1)
    usual = explain(network, x[:4], "layer_visualisation", layer="6", steps=5)
    for item, channel in zip(usual, most.tolist(), strict=True):
        named = explain(network, x[:4], "layer_visualisation", layer="6", channel=channel, steps=5)
        np.testing.assert_allclose(item, named[0], atol=1e-4)


@over_networks
def test_deep_dream_starts_from_the_item_and_excites_the_layer(trained, name):
    network, x, _ = trained[name]
    subject = Subject(network, x)
    np.testing.assert_allclose(explain(subject, x[:3], "deep_dream", steps=0), x[:3], atol=1e-6)
    found = torch.from_numpy(explain(subject, x[:3], "deep_dream"))
    with torch.no_grad():
        norms = [layer_output(network, subject.layer(), v).flatten(1).norm(dim=1) for v in (x[:3], found)]
    assert (norms[1] > 1.05 * norms[0]).all()
    gaps = (found[:, None] - x[None, :3]).flatten(2).norm(dim=2)
    assert (gaps.argmin(1) == torch.arange(3)).all()  # each is still nearest to the item that it was made from


def test_octaves_that_the_network_cannot_take_are_left_out(trained):
    network, x, _ = trained["AAE head"]
    linear = next(name for name, m in network.named_modules() if isinstance(m, nn.Linear))
    many, one = (explain(network, x[:2], "deep_dream", layer=linear, octaves=n, ratio=2, steps=3) for n in (3, 1))
    np.testing.assert_array_equal(many, one)
    many, one = (explain(network, x[:2], "deep_dream", octaves=n, steps=3) for n in (3, 1))
    assert not np.allclose(many, one, atol=0.01)


@over_networks
def test_an_inverted_representation_is_nearest_to_that_of_its_own_item(trained, name):
    network, x, _ = trained[name]
    subject = Subject(network, x)
    found = torch.from_numpy(explain(subject, x[:6], "inverted_representation"))
    with torch.no_grad():
        of = lambda v: layer_output(network, subject.layer(), v).flatten(1)  # noqa: E731
        gaps = torch.cdist(of(found), of(x))
    assert (gaps.argmin(1) == torch.arange(6)).all()
    assert (gaps.diagonal() < 0.25 * of(x[:6]).norm(dim=1)).all() and (
        5 * gaps.diagonal() < gaps.median(1).values
    ).all()


def test_wrong_numbers_and_names_are_refused(trained):
    network, x, _ = trained["convnet"]
    for how, given in (
        ("class_model", {"steps": 0}),
        ("class_model", {"start": "nowhere"}),
        ("feature_rendering", {"shift": -1}),
        ("layer_visualisation", {"channel": 99}),
        ("layer_visualisation", {"layer": "nowhere"}),
        ("deep_dream", {"octaves": 0}),
        ("class_model", {"low": 1.0, "high": 0.0}),
    ):
        with pytest.raises(InputError, match=str(next(iter(given.values()))).removesuffix(".0")):
            explain(network, x[:2], how, 0, **given)


# ---- what they are made from ------------------------------------------------------------------------------------

SHAPES = pytest.mark.parametrize("places", [(30,), (24, 40), (9, 12, 10)])


@SHAPES
def test_waves_become_pictures_of_natural_amplitudes(places):
    """The amplitude of a wave falls with its frequency; that of the mean is that of the slowest."""
    parts = torch.ones(1, 1, *places[:-1], places[-1] // 2 + 1, 2)
    parts[..., 1] = 0
    picture = transforms.from_spectrum(parts, places)
    assert picture.shape == (1, 1, *places)
    size = torch.fft.fftn(picture[0, 0], norm="ortho").abs() * transforms.CALM
    first = size[(0,) * (len(places) - 1)]
    for wave in (1, 2, 3):
        torch.testing.assert_close(first[wave], torch.tensor(places[-1] / wave))
    torch.testing.assert_close(first[0], torch.tensor(float(max(places))))


@SHAPES
def test_a_shift_moves_all_and_blur_keeps_the_mean(places):
    x = torch.rand(2, 3, *places, generator=torch.Generator().manual_seed(0))
    assert torch.equal(transforms.jitter(x, 0.0, None), x) and torch.equal(transforms.turn(x, 0, 0, None), x)
    inside = (..., *[slice(4, -4)] * len(places)) if min(places) > 12 else None
    moved = [transforms.jitter(x, 0.1, torch.Generator().manual_seed(s)) for s in range(6)]
    assert all(m.shape == x.shape for m in moved) and not all(torch.equal(m, moved[0]) for m in moved)
    if inside:
        dims = list(range(2, x.ndim))
        by = [(a,) if len(places) == 1 else (a, b) for a in range(-4, 5) for b in range(-4, 5)]
        rolled = [x.roll(each, dims)[inside] for each in by]
        assert all(any(torch.equal(m[inside], r) for r in rolled) for m in moved)
    flat = torch.full_like(x, 0.3)
    torch.testing.assert_close(transforms.gaussian_blur(flat, 1.0), flat)
    assert (transforms.variation(transforms.gaussian_blur(x, 1.0)) < transforms.variation(x) / 2).all()


def test_a_disc_that_is_turned_is_the_same_disc_in_a_picture_that_is_not_square():
    down, across = torch.meshgrid(torch.arange(24) - 11.5, torch.arange(40) - 19.5, indexing="ij")
    disc = torch.sigmoid(8 - (down**2 + across**2).sqrt())[None, None]
    half = disc * (across > 0)
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        torch.testing.assert_close(transforms.turn(disc, 80, 0, generator), disc, atol=0.06, rtol=0)
        assert not torch.allclose(transforms.turn(half, 80, 0, generator), half, atol=0.1)
    larger = transforms.turn(disc, 0, 0.3, torch.Generator().manual_seed(0)).sum() / disc.sum()
    assert abs(float(larger) - 1) > 0.05


def test_mixed_channels_have_the_correlations_of_the_items_channels():
    x = torch.randn(400, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    x[:, 1] = 0.8 * x[:, 0] + 0.3 * x[:, 1]
    mix = transforms.mixture(x)
    made, wanted = mix @ mix.T, x.transpose(0, 1).flatten(1).cov()
    torch.testing.assert_close(made / made[0, 0], wanted / wanted[0, 0], atol=0.02, rtol=0)
    torch.testing.assert_close(mix.norm(dim=1).max(), torch.tensor(1.0))
