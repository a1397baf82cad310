"""Laws of the meters of light and colour: each recovers a planted amount, and stays when something else is planted."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.frames import ABSOLUTE, LIGHT, SAME, SOFT, TINT, change, drawn, readings, rotate_by, tinted, walk

from xaae.factors import geometry, photometry
from xaae.factors.meters import METERS
from xaae.factors.picture_plants import rotate

OPPONENT = photometry.OPPONENT
ANGLES = range(15, 181, 15)


@pytest.fixture(scope="module")
def pets():
    return drawn(6, 64, 5)


@pytest.fixture(scope="module")
def spread():
    """Standard deviation of each absolute meter over 40 other items."""
    return {name: found.std() for name, found in readings(drawn(40, 64, 9)[:, None]).items() if name in ABSOLUTE}


def blurred(x, sigma):
    """A Gaussian blur of `sigma` pixels that mirrors at the edge."""
    if sigma == 0:
        return x
    wide = F.pad(x, [12] * 4, mode="reflect").flatten(0, 1)
    return geometry.band_blur(wide, sigma)[:, 12:-12, 12:-12].reshape(x.shape)


def coloured(x, matrix):
    """The chroma vectors of x multiplied by `matrix` (2, 2), the mean of the channels kept."""
    inverse = torch.linalg.pinv(OPPONENT)
    shift = inverse @ (matrix.float() - torch.eye(2)) @ OPPONENT
    return x + torch.einsum("ij,njhw->nihw", shift, x)


def turn_of(degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return torch.tensor([[c, -s], [s, c]])


@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.001), (SOFT, 0.005)])
def test_luminance_recovers_added_light(pets, seen, bound):
    frames = seen(walk(pets, lambda x, v: x + v, LIGHT))
    np.testing.assert_allclose(change("luminance", frames), np.tile(LIGHT, (6, 1)), atol=bound)


@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.001), (SOFT, 0.06)])
def test_contrast_recovers_a_gain_about_the_mean(pets, seen, bound):
    frames = seen(walk(pets, lambda x, v: 0.5 + v * (x - 0.5), [0.5, 0.75, 1.2]))
    found = METERS["contrast"].measure(frames)
    np.testing.assert_allclose(found[:, 1:] / found[:, :1], np.tile([0.5, 0.75, 1.2], (6, 1)), atol=bound)
    assert found.min() > 0.03


@pytest.mark.parametrize(("seen", "sigmas", "least"), [(SAME, [0.5, 1, 1.5, 2, 2.5, 3], 0.7), (SOFT, [1, 2, 3], 0.3)])
def test_sharpness_falls_with_every_blur(pets, seen, sigmas, least):
    found = METERS["sharpness"].measure(seen(walk(pets, blurred, sigmas)))
    assert np.diff(found, axis=1).max() < (0 if seen is SAME else -0.01)
    assert (found[:, 0] - found[:, -1]).min() > least


@pytest.mark.parametrize("gain", [0.4, 1.2])
def test_sharpness_and_hue_do_not_see_light_or_contrast(pets, gain):
    frames = walk(pets, lambda x, v: v * x + 0.05, [gain])
    assert np.abs(change("sharpness", frames)).max() < 0.01
    assert np.abs(change("hue", frames)).max() < 0.1


@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.001), (SOFT, 0.01)])
def test_warmth_recovers_a_tint_of_either_sign(pets, seen, bound):
    found = change("warmth", seen(walk(pets, tinted, TINT)))
    np.testing.assert_allclose(found, np.tile(TINT, (6, 1)), atol=bound)


def test_the_meters_of_colour_know_orange_from_blue():
    orange, blue = (
        torch.tensor(c)[None, None, :, None, None].expand(1, 1, 3, 16, 16) for c in ([0.8, 0.4, 0.0], [0.0, 0.4, 0.8])
    )
    assert METERS["hue"].measure(orange) == pytest.approx(30, abs=0.01)
    assert METERS["hue"].measure(blue) == pytest.approx(-150, abs=0.01)
    assert METERS["warmth"].measure(orange) == pytest.approx(0.8, abs=1e-5)
    assert METERS["warmth"].measure(blue) == pytest.approx(-0.8, abs=1e-5)
    assert METERS["saturation"].measure(orange) == pytest.approx(0.8 * 0.75**0.5, abs=1e-5)


@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.1), (SOFT, 6)])
def test_hue_recovers_whole_turns_of_colour(pets, seen, bound):
    angles = np.arange(40, 401, 40.0)
    frames = seen(walk(tinted(pets, 0.15), lambda x, a: coloured(x, turn_of(a)), angles))
    np.testing.assert_allclose(change("hue", frames), np.tile(angles, (6, 1)), atol=bound)


@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.01), (SOFT, 0.1)])
def test_saturation_recovers_a_gain_of_chroma(pets, seen, bound):
    frames = seen(walk(pets, lambda x, v: coloured(x, v * torch.eye(2)), [0.5, 1.5]))
    found = METERS["saturation"].measure(frames)
    np.testing.assert_allclose(found[:, 1:] / found[:, :1], np.tile([0.5, 1.5], (6, 1)), atol=bound)


@pytest.fixture(scope="module")
def turned():
    """Pictures turned at four times their size, so that interpolation does not blur them."""
    frames = walk(drawn(6, 256, 5), rotate_by, ANGLES)
    return F.avg_pool2d(frames.flatten(0, 1), 4).unflatten(0, frames.shape[:2])


@pytest.mark.parametrize("name", [name for name in ABSOLUTE if name not in ("edge_darkness", "tag")])  # read corners
def test_a_turn_moves_no_other_meter(pets, turned, spread, name):
    assert np.abs(change(name, turned)).max() < 0.1 * spread[name]
    assert np.abs(change(name, walk(pets, rotate_by, ANGLES))).max() < 0.35 * spread[name]  # bilinear, so it blurs


def test_edge_darkness_recovers_a_vignette_and_sees_black_corners(pets):
    corners = (geometry.plane(64).abs() >= 1).float()
    frames = walk(pets, lambda x, v: x - v * corners, [0.1, 0.2])
    np.testing.assert_allclose(change("edge_darkness", frames), np.tile([0.1, 0.2], (6, 1)), atol=0.01)
    assert change("edge_darkness", walk(pets, rotate_by, [45])).min() > 0.2


def test_edge_darkness_stays_where_the_circle_hides_the_corners(pets, spread):
    frames = torch.stack([rotate(pets, torch.full((6,), float(a)), "circle") for a in (0, 15, 45, 80)], 1)
    assert np.abs(change("edge_darkness", frames)).max() < 0.1 * spread["edge_darkness"]
