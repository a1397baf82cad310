"""Laws of the meters of motion: rotation, size and place are recovered, and stay when something else is planted."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.frames import SAME, SOFT, TINT, change, decoded, drawn, rotate_by, tinted, walk, warp
from helpers.pictures import draw_pets

from xaae.experiment.vocabulary import FILLS
from xaae.factors import geometry, photometry
from xaae.factors.measuring import wrap
from xaae.factors.picture_plants import rotate

ZOOMS = [0.8, 0.9, 1.1, 1.25]
SHIFTS = [-15, -5, 2, 10]
ANGLES = range(15, 181, 15)


# ---- rotation -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pets():
    return draw_pets(6, 64)


def turned(x, angles, fill="zeros"):
    """Each picture (S, C, H, W) at each angle: (S, T, C, H, W)."""
    return torch.stack([rotate(x, torch.full((len(x),), float(a)), fill) for a in angles], 1)


@pytest.mark.parametrize("fill", FILLS)
def test_the_meter_recovers_planted_angles(pets, fill):
    angles = np.arange(0, 181, 15.0)
    found, match = geometry.rotation(turned(pets, angles, fill))
    assert np.abs(wrap(found - angles)).max() <= 1 and match.min() > 0.9


def test_the_meter_works_on_reconstruction_like_blur(pets):
    found, _ = geometry.rotation(decoded(turned(pets, np.arange(0, 181, 30.0))))
    assert np.abs(wrap(found - np.arange(0, 181, 30.0))).max() <= 15


def test_the_meter_takes_signs_and_whole_turns(pets):
    found, _ = geometry.rotation(turned(pets, np.arange(0, -360, -40.0)))
    np.testing.assert_allclose(found, np.tile(np.arange(0, -360, -40.0), (6, 1)), atol=1)


def test_the_meter_sees_no_turn_where_there_is_none(pets):
    brighter = torch.stack([pets * g for g in np.linspace(0.5, 1, 5)], 1)
    assert not geometry.rotation(brighter)[0].any()
    assert np.isfinite(geometry.rotation(torch.zeros(1, 3, 1, 16, 16))[1]).all()


# ---- size and place -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dim():
    """Pictures of 0.8 times full scale."""
    return drawn(6, 64, 5)


@pytest.mark.parametrize(("seen", "bound"), [(SAME, 2), (SOFT, 5)])
def test_scale_recovers_a_zoom(dim, seen, bound):
    """Bounds in percent of the first frame's size."""
    frames = seen(walk(dim, warp, ZOOMS))
    np.testing.assert_allclose(change("scale", frames), np.tile(100 * np.array(ZOOMS) - 100, (6, 1)), atol=bound)
    assert all(np.abs(change(name, frames)).max() < bound / 4 for name in "xy")


@pytest.mark.parametrize("axis", ["right", "up"])
@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.5), (SOFT, 1)])
def test_position_recovers_a_shift(dim, axis, seen, bound):
    """Bounds in percent of the side; the other axis and the size stay."""
    frames = seen(walk(dim, lambda x, v: warp(x, **{axis: v}), SHIFTS))
    moved, still = ("x", "y") if axis == "right" else ("y", "x")
    np.testing.assert_allclose(change(moved, frames), np.tile(SHIFTS, (6, 1)), atol=bound)
    assert np.abs(change(still, frames)).max() < bound
    assert np.abs(change("scale", frames)).max() < 4 * bound


@pytest.mark.parametrize("size", [32, 128])
def test_scale_and_position_are_found_under_a_turn(size):
    frames = walk(drawn(4, size, 5), lambda x, a: warp(x, 0.9, a, 5, -5), [30.0, 60.0, -90.0])
    assert np.abs(change("scale", frames) + 10).max() < 2
    assert max(np.abs(change("x", frames) - 5).max(), np.abs(change("y", frames) + 5).max()) < 0.5


def test_the_registered_turn_is_counter_clockwise(dim):
    frames = walk(dim[:1], rotate_by, [40.0])[0]
    luma = photometry.Sight(frames[None]).luma
    q, _ = geometry.register(luma, torch.tensor([[0.0, 35.0]]))
    assert torch.rad2deg(q[0].angle()).tolist() == pytest.approx([0, 40], abs=0.5)


@pytest.fixture(scope="module")
def finely_turned():
    """Pictures turned at four times their size, so that interpolation does not blur them."""
    frames = walk(drawn(6, 256, 5), rotate_by, ANGLES)
    return F.avg_pool2d(frames.flatten(0, 1), 4).unflatten(0, frames.shape[:2])


@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.2), (SOFT, 1)])
def test_a_turn_moves_neither_size_nor_place(finely_turned, seen, bound):
    for name in ("scale", "x", "y"):
        assert np.abs(change(name, seen(finely_turned))).max() < bound
    assert np.abs(wrap(change("rotation", seen(finely_turned)) - np.array(ANGLES))).max() <= (1 if seen is SAME else 15)


@pytest.mark.parametrize("name", ["rotation", "scale", "x", "y"])
@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.05), (SOFT, 1)])
def test_light_and_tint_move_no_meter_of_motion(dim, name, seen, bound):
    lit = walk(dim, lambda x, v: v * x + 0.1, [0.5, 0.8, 1.1])
    assert np.abs(change(name, seen(lit))).max() <= bound
    assert np.abs(change(name, seen(walk(dim, tinted, TINT)))).max() <= bound
