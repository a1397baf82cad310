"""Laws of the walk: the meter recovers planted angles, alpha 0 is home, impact and gate 1 mean what they say."""

import numpy as np
import pytest
import torch

from xaae import model as models
from xaae.experiment.vocabulary import FILLS
from xaae.factors import geometry
from xaae.factors.measuring import wrap
from xaae.factors.meters import METERS, meters_for
from xaae.factors.picture_plants import rotate
from xaae.factors.registry import FACTORS
from xaae.latent_nav import codes, gradient, impact, plots, walks
from xaae.latent_nav.directions import Direction
from xaae.sources import synthpets


@pytest.fixture(scope="module")
def pets():
    images, _ = synthpets.draw_pictures(6, 64, 5)
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def turned(x, angles, fill="zeros"):
    """Each picture (S, C, H, W) at each angle: (S, T, C, H, W)."""
    return torch.stack([rotate(x, torch.full((len(x),), float(a)), fill) for a in angles], 1)


@pytest.mark.parametrize("fill", FILLS)
def test_the_meter_recovers_planted_angles(pets, fill):
    angles = np.arange(0, 181, 15.0)
    found, match = geometry.rotation(turned(pets, angles, fill))
    assert np.abs(wrap(found - angles)).max() <= 1 and match.min() > 0.9


def test_the_meter_works_on_reconstruction_like_blur(pets):
    soft = torch.nn.functional.avg_pool2d(turned(pets, np.arange(0, 181, 30.0)).flatten(0, 1), 7, 1, 3)
    noisy = (soft + 0.02 * torch.randn(soft.shape, generator=torch.Generator().manual_seed(0))).view(6, 7, 3, 64, 64)
    found, _ = geometry.rotation(noisy)
    assert np.abs(wrap(found - np.arange(0, 181, 30.0))).max() <= 15


def test_the_meter_takes_signs_and_whole_turns(pets):
    found, _ = geometry.rotation(turned(pets, np.arange(0, -360, -40.0)))
    np.testing.assert_allclose(found, np.tile(np.arange(0, -360, -40.0), (6, 1)), atol=1)


def test_the_meter_sees_no_turn_where_there_is_none(pets):
    brighter = torch.stack([pets * g for g in np.linspace(0.5, 1, 5)], 1)
    assert not geometry.rotation(brighter)[0].any()
    assert np.isfinite(geometry.rotation(torch.zeros(1, 3, 1, 16, 16))[1]).all()


@pytest.fixture(scope="module")
def aae():
    torch.manual_seed(0)
    return models.AAE(16, 1, 4, 4).eval()


def along(axis, scale=1.0, dims=4):
    """The Direction along one dimension."""
    return Direction("d", np.eye(dims, dtype=np.float32)[axis], scale)


GRADIENT = Direction("gradient", None, 0.5, "gradient")


def test_alpha_nought_is_home(aae):
    z = torch.randn(3, 4)
    direction = Direction("d", np.array([0.6, 0.8, 0, 0], np.float32), 2.0)
    alpha = walks.alphas(5, 3.0)
    moved = walks.move(z, direction, alpha)
    torch.testing.assert_close(moved[:, 2], z)
    torch.testing.assert_close(moved[:, -1] - z, torch.tensor([3.6, 4.8, 0, 0]).expand(3, 4))
    np.testing.assert_allclose(walks.decode_codes(aae, moved)[:, 2], aae.decode(z).detach().numpy(), atol=1e-6)


def test_a_path_is_straight_or_follows_the_gradient_both_ways(aae):
    z, alpha = torch.randn(3, 4), walks.alphas(7)
    torch.testing.assert_close(walks.path(aae, z, along(1, 2.0), alpha), walks.move(z, along(1, 2.0), alpha))
    bent = walks.path(aae, z, GRADIENT, alpha, target=1)
    torch.testing.assert_close(bent[:, 3], z)
    torch.testing.assert_close(bent[:, 3:], gradient.follow(aae, z, 1, 0.5, 4))
    torch.testing.assert_close(bent[:, :4].flip(1), gradient.follow(aae, z, 1, -0.5, 4))
    torch.testing.assert_close(bent.diff(dim=1).norm(dim=2), torch.full((3, 6), 0.5))


@pytest.mark.parametrize("direction", [along(0), GRADIENT], ids=["straight", "gradient"])
def test_a_whole_walk_has_all_its_columns(aae, direction):
    z, y = torch.randn(3, 4), torch.eye(2)[[0, 1, 0]]
    found = walks.walk(aae, z, y, direction, walks.alphas(7))
    assert found.frames.shape == (3, 7, 1, 16, 16) and found.match.shape == found.discriminator.shape == (3, 7)
    assert set(found.readings) == set(meters_for(1)) and all(r.shape == (3, 7) for r in found.readings.values())
    torch.testing.assert_close(found.z, walks.path(aae, z, direction, found.alpha))
    np.testing.assert_allclose(found.probability.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(found.discriminator[:, 0], aae.discriminate(found.z[:, 0]).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(found.readings["luminance"], METERS["luminance"].measure(found.frames), atol=1e-6)


def test_a_walk_has_the_meters_it_is_given_and_the_gradient_the_class_it_is_told(aae):
    z, y = torch.randn(3, 4), torch.eye(3)[[0, 1, 2]]
    torch.manual_seed(0)
    three = models.AAE(16, 1, 4, 4, classes=3).eval()
    alone = {"contrast": METERS["contrast"]}
    chosen, last = (walks.walk(three, z, y, GRADIENT, walks.alphas(3), alone, target) for target in (0, None))
    assert list(chosen.readings) == ["contrast"]
    for found, k in ((chosen, 0), (last, 2)):
        torch.testing.assert_close(found.z, walks.path(three, z, GRADIENT, found.alpha, k))
    assert not torch.allclose(chosen.z, last.z)


def test_probabilities_sum_to_one_in_a_run_of_any_precision(aae):
    frames = np.random.default_rng(0).random((8, 9, 1, 16, 16), np.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = walks.second_look(aae, frames)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


def test_without_a_discriminator_there_are_no_scores(aae):
    class Mute(torch.nn.Module):
        discriminator = None

    assert walks.discriminator_scores(Mute(), torch.zeros(2, 3, 4), torch.eye(2)) is None
    assert walks.discriminator_scores(aae, torch.zeros(2, 3, 4), torch.eye(2)).shape == (2, 3)


def test_rank_correlation_is_the_median_over_starts():
    alpha = walks.alphas(5)
    rising, still, falling = np.arange(5.0) ** 3, np.zeros(5), -np.arange(5.0)
    assert walks.rank_correlation(alpha, np.array([rising, rising, falling])) == pytest.approx(1)
    assert walks.rank_correlation(alpha, np.array([rising, still, falling])) == 0
    assert walks.rank_correlation(alpha, falling[None]) == pytest.approx(-1)


def test_a_change_of_angle_goes_the_short_way_round():
    first, last = np.array([0.0, 0, 10, 0]), np.array([80.0, 0, -340, -350])
    np.testing.assert_allclose(METERS["rotation"].between(first, last), [80, 0, 10, 10])
    np.testing.assert_allclose(METERS["luminance"].between(first, last), last - first)


def test_the_interval_of_a_median_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    ends = np.array([walks.median_interval(rng.standard_normal(60), rng) for _ in range(200)])
    held = ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean()
    assert 0.9 <= held <= 0.99
    narrow = np.array([walks.median_interval(rng.standard_normal(60), rng, 0.5) for _ in range(200)])
    assert 0.35 <= ((narrow[:, 0] <= 0) & (narrow[:, 1] >= 0)).mean() <= 0.65


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
    assert np.isnan(numbers["spearman"]) and numbers["slope"] == 0


def test_the_slope_of_the_impact_is_the_planted_one():
    position = np.random.default_rng(0).uniform(size=400)
    numbers, _ = impact.impact(position, 10 - 70 * position, np.repeat(["a", "b"], 200))
    assert numbers["slope"] == pytest.approx(-70) and numbers["within_class_spearman"] == pytest.approx(-1)


def test_codes_keep_the_order_of_rows(aae):
    x = torch.rand(700, 1, 16, 16)
    z, logits = codes.encode_items(aae, lambda rows: x[rows], np.arange(700))
    np.testing.assert_allclose(z, aae.encode(x).detach().numpy(), atol=1e-5)
    assert logits.shape == (700, 2)


def test_features_are_what_the_last_layer_sees():
    network = models.baseline(2, 1).eval()
    x = torch.rand(5, 1, 32, 32)
    found = codes.last_layer_inputs(network, lambda rows: x[rows], np.arange(5))
    answer = network[1][-1](torch.from_numpy(found))
    torch.testing.assert_close(answer, network(x), atol=1e-4, rtol=1e-4)
    assert not network[1][-1]._forward_pre_hooks


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("heat", [None, np.arange(128.0).reshape(2, 8, 8)], ids=["plain", "heat"])
def test_a_strip_holds_every_frame_and_its_caption(channels, heat):
    frames = np.random.default_rng(0).integers(0, 256, (2, 5, 8, 8, channels)).astype(np.uint8)
    captions = [[f"{i}.{j}" for j in range(5)] for i in range(2)]
    figure = plots.strip(frames, captions, "a walk", heat)
    (ax,) = figure.axes
    said = [t.get_text() for t in ax.texts]
    assert figure.get_suptitle() == "a walk" and [s for row in captions for s in row] == [s for s in said if "." in s]
    assert ("change" in said) == (heat is not None)
    sheet = np.asarray(ax.get_images()[0].get_array())
    tall, wide = sheet.shape[0] // 2, sheet.shape[1] // (5 + (heat is not None))
    for i, j in np.ndindex(2, 5):
        left = j * wide + (wide - 8) // 2
        seen = sheet[(i + 1) * tall - 8 : (i + 1) * tall, left : left + 8]
        np.testing.assert_array_equal(seen, plots.three_channels(frames)[i, j])


def test_a_figure_has_one_map_for_each_that_was_made():
    xy = np.random.default_rng(0).standard_normal((20, 2))
    found = {"pca.xy": xy, "tsne.xy": xy, "pca.arrow": np.array([[-1.0, 0], [1, 0]])}
    labels, thumbs = np.repeat(["a", "b"], 10), np.zeros((3, 8, 8, 1), np.uint8)
    figure = plots.maps_figure(found, labels, thumbs, [0, 7, 19])
    assert [ax.get_title() for ax in figure.axes] == ["PCA", "t-SNE"]
    pictures = [sum(bool(inset.get_images()) for inset in ax.child_axes) for ax in figure.axes]
    arrows = [sum(len(inset.texts) for inset in ax.child_axes) for ax in figure.axes]
    assert pictures == [3, 3] and arrows == [1, 0]


class Through(torch.nn.Linear):
    """An autoencoder that shows everything."""

    def encode(self, x):
        return x

    def decode(self, z):
        return z


class Blind(Through):
    """An autoencoder that draws the first picture of the batch, whatever it is given."""

    def decode(self, z):
        return z[:1].expand_as(z)


@pytest.mark.parametrize(
    ("factor", "meter", "least"),
    [
        ("rotation", "rotation", 80),
        ("brightness", "luminance", 0.1),
        ("tint", "warmth", 0.1),
        ("blur", "sharpness", 0.3),
    ],
)
def test_reconstruction_error_of_a_perfect_and_a_blind_model(pets, factor, meter, least):
    factor, meter = FACTORS[factor], METERS[meter]
    grid = np.linspace(*factor.whole, 5)
    assert walks.reconstruction_error(Through(1, 1), pets, factor.plant, grid, meter) == 0
    whole = readings(pets, factor.plant, grid, meter)
    expected = np.abs(meter.between(whole[:, :1], whole)).mean()
    assert walks.reconstruction_error(Blind(1, 1), pets, factor.plant, grid, meter) == pytest.approx(expected)
    assert expected > least


def readings(x, plant, grid, meter):
    """What a meter reads of pictures x at each value of the grid: (S, A)."""
    return meter.measure(torch.stack([plant(x, torch.full((len(x),), float(a))) for a in grid], 1))


@pytest.mark.parametrize(("low", "high"), [(45, 135), (135, 45), (0, 30)])
def test_the_planted_shift_is_what_was_planted(pets, low, high):
    shift = walks.planted_shift(pets, rotate, low, high, METERS["rotation"])
    assert shift == pytest.approx(high - low, abs=1)


def test_the_planted_shift_is_in_the_unit_of_its_meter(pets):
    half = lambda x, values: x * values.view(-1, 1, 1, 1)  # noqa: E731
    light = METERS["luminance"].measure(pets[:, None])[:, 0]
    found = walks.planted_shift(pets, half, 1.0, 0.5, METERS["luminance"])
    assert found == pytest.approx(-np.median(light) / 2, rel=1e-4)
