"""Laws of the walk: the meter recovers planted angles, alpha 0 is home, null and impact mean what they say."""

import numpy as np
import pytest
import torch

import model as models
import synthpets
from bias import FILLS, rotate
from latent_nav import codes, directions, impact, maps, meters, plots, walks


@pytest.fixture(scope="module")
def pets():
    images, _ = synthpets.draw(6, 64, 5)
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def turned(x, angles, fill="zeros"):
    """Each picture (S, C, H, W) at each angle: (S, T, C, H, W)."""
    return torch.stack([rotate(x, torch.full((len(x),), float(a)), fill) for a in angles], 1)


@pytest.mark.parametrize("fill", FILLS)
def test_the_meter_recovers_planted_angles(pets, fill):
    angles = np.arange(0, 181, 15.0)
    found, match = meters.rotation(turned(pets, angles, fill))
    assert np.abs(meters.wrap(found - angles)).max() <= 1 and match.min() > 0.9


def test_the_meter_works_on_reconstruction_like_blur(pets):
    soft = torch.nn.functional.avg_pool2d(turned(pets, np.arange(0, 181, 30.0)).flatten(0, 1), 7, 1, 3)
    noisy = (soft + 0.02 * torch.randn(soft.shape, generator=torch.Generator().manual_seed(0))).view(6, 7, 3, 64, 64)
    found, _ = meters.rotation(noisy)
    assert np.abs(meters.wrap(found - np.arange(0, 181, 30.0))).max() <= 15


def test_the_meter_takes_signs_and_whole_turns(pets):
    found, _ = meters.rotation(turned(pets, np.arange(0, -360, -40.0)))
    np.testing.assert_allclose(found, np.tile(np.arange(0, -360, -40.0), (6, 1)), atol=1)


def test_the_meter_sees_no_turn_where_there_is_none(pets):
    brighter = torch.stack([pets * g for g in np.linspace(0.5, 1, 5)], 1)
    assert not meters.rotation(brighter)[0].any()
    assert np.isfinite(meters.rotation(torch.zeros(1, 3, 1, 16, 16))[1]).all()


@pytest.fixture(scope="module")
def aae():
    torch.manual_seed(0)
    return models.AAE(16, 1, 4, 4).eval()


def test_alpha_nought_is_home(aae):
    z = torch.randn(3, 4)
    direction = directions.Direction("d", np.array([0.6, 0.8, 0, 0], np.float32), 2.0)
    alpha = walks.alphas(5, 3.0)
    moved = walks.move(z, direction, alpha)
    torch.testing.assert_close(moved[:, 2], z)
    torch.testing.assert_close(moved[:, -1] - z, torch.tensor([3.6, 4.8, 0, 0]).expand(3, 4))
    np.testing.assert_allclose(walks.decode(aae, moved)[:, 2], aae.decode(z).detach().numpy(), atol=1e-6)


def test_a_whole_walk_has_all_its_columns(aae):
    z, y = torch.randn(3, 4), torch.eye(2)[[0, 1, 0]]
    direction = directions.Direction("d", np.eye(4, dtype=np.float32)[0], 1.0)
    found = walks.walk(aae, z, y, direction, walks.alphas(7))
    assert found.frames.shape == (3, 7, 1, 16, 16) and found.angle.shape == found.match.shape == (3, 7)
    np.testing.assert_allclose(found.probability.sum(-1), 1, atol=1e-5)
    expected = aae.discriminate(z + found.alpha[0] * torch.eye(4)[0]).detach().numpy()
    np.testing.assert_allclose(found.discriminator[:, 0], expected, atol=1e-5)


def test_span_and_spearman_of_a_known_walk():
    alpha = walks.alphas(5)
    angle = np.array([[0, 20, 40, 60, 80.0], [0, 0, 0, 0, 0], [0, -90, -180, -270, -350]])
    walk = walks.Walk(None, alpha, angle, None)
    np.testing.assert_allclose(walk.spans(), [80, 0, 10])
    np.testing.assert_allclose(walk.spearmans(), [1, 0, -1])


@pytest.fixture(scope="module")
def cloud():
    """Codes whose classes differ along (1, 1, 0) while the largest variance lies along the third axis."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((800, 3)) * [1, 1, 5]
    labels = np.repeat(["a", "b"], 400)
    z[labels == "b"] += [2, 2, 0]
    return z, labels


@pytest.mark.parametrize("name", directions.DIRECTIONS)
def test_directions_find_the_class_axis(cloud, name):
    z, labels = cloud
    head = np.array([[-1.0, -1.0, 0.0], [1.0, 1.0, 0.0]])
    (d,) = directions.fit_directions(z, labels, ["a", "b"], head, (name,))
    assert np.linalg.norm(d.vector) == pytest.approx(1) and d.scale == pytest.approx((z @ d.vector).std(), rel=1e-4)
    assert d.vector @ np.array([1, 1, 0]) / 2**0.5 > (0.9 if name == "means" else 0.99)


def test_random_directions_are_the_same_for_the_same_generator(cloud):
    a, b = (directions.random_directions(5, cloud[0], np.random.default_rng(1)) for _ in range(2))
    assert all(np.array_equal(x.vector, y.vector) for x, y in zip(a, b, strict=True))
    assert abs(a[0].vector @ a[1].vector) < 0.999


def test_p_value_counts_the_null():
    assert walks.p_value(10, np.arange(100)) == pytest.approx(91 / 101)
    assert walks.p_value(1000, np.arange(100)) == pytest.approx(1 / 101)


def test_the_class_alone_gives_the_plain_correlation_but_none_within():
    rng = np.random.default_rng(0)
    label = np.repeat(["cat", "dog"], 2000)
    value = rng.uniform(0, 90, 4000) + 90 * (label == "dog")
    numbers, curve = impact.impact((label == "dog") * 0.9 + rng.uniform(0, 0.1, 4000), value, label)
    assert numbers["spearman"] == pytest.approx(0.75, abs=0.03)
    assert abs(numbers["within_class_spearman"]) < 0.05
    assert curve["difference"][-1] == pytest.approx(90, abs=4)
    assert impact.impact(value / 180, value, label)[0]["within_class_spearman"] == pytest.approx(1)


def test_impact_without_a_factor_is_no_number():
    numbers, _ = impact.impact(np.linspace(0, 1, 50), np.zeros(50), np.repeat(["a", "b"], 25))
    assert np.isnan(numbers["spearman"]) and numbers["slope_deg"] == 0


def test_codes_keep_the_order_of_rows(aae):
    x = torch.rand(700, 1, 16, 16)
    z, logits = codes.encode_items(aae, lambda rows: x[rows], np.arange(700))
    np.testing.assert_allclose(z, aae.encode(x).detach().numpy(), atol=1e-5)
    assert logits.shape == (700, 2)


def test_features_are_what_the_last_layer_sees():
    network = models.baseline(2, 1).eval()
    x = torch.rand(5, 1, 32, 32)
    found = codes.features(network, lambda rows: x[rows], np.arange(5))
    answer = network[1][-1](torch.from_numpy(found))
    torch.testing.assert_close(answer, network(x), atol=1e-4, rtol=1e-4)
    assert not network[1][-1]._forward_pre_hooks


def test_the_map_keeps_the_classes_apart(cloud):
    z, labels = cloud
    z = z + 20 * (labels == "b")[:, None]
    xy = maps.tsne(z)
    arrow = maps.class_arrow(xy, labels, ["a", "b"])
    assert np.linalg.norm(arrow[1] - arrow[0]) > 2 * xy[labels == "a"].std()
    near = maps.along(xy, arrow)
    assert len(set(near)) == len(near) and labels[near[0]] == "a" and labels[near[-1]] == "b"


def test_plots_return_figures():
    frames, angle = np.zeros((2, 5, 8, 8, 1), np.uint8), np.zeros((2, 5))
    figure = plots.strip(frames, angle, np.zeros((2, 5, 2)), "lda", "b")
    assert len(figure.axes) == 2 * 3


def test_reconstruction_error_of_a_perfect_and_a_blind_model(pets):
    class Perfect(torch.nn.Linear):
        def encode(self, x):
            return x

        def decode(self, z):
            return z

    class Blind(Perfect):
        def decode(self, z):
            return z.flip(0) * 0 + pets[0]

    for kind, low, high in ((Perfect, 0, 2), (Blind, 60, 180)):
        error = walks.reconstruction_error(kind(1, 1), lambda rows: pets[rows], np.arange(4), rotate, range(0, 181, 30))
        assert low <= error <= high
