"""Laws of the walk: alpha 0 is home, every column is there, the numbers told of a walk mean what they say."""

import numpy as np
import pytest
import torch
from helpers.pictures import draw_pets
from helpers.toys import small_aae

from xaae.factors.meters import METERS, meters_for
from xaae.factors.picture_plants import rotate
from xaae.factors.registry import FACTORS
from xaae.latent_nav import gradient, walks
from xaae.latent_nav.directions import Direction


@pytest.fixture(scope="module")
def pets():
    return draw_pets(6, 64)


@pytest.fixture(scope="module")
def aae():
    return small_aae()


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
    three = small_aae(classes=3)
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
