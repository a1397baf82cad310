"""Laws of measuring: every frame has readings, walks do not see each other, changes are said in words."""

import numpy as np
import pytest
import torch
from helpers.frames import ABSOLUTE, LIGHT, change, drawn, readings, walk, warp

from xaae.factors.measuring import measure_all
from xaae.factors.meters import METERS, meters_for


@pytest.fixture(scope="module")
def pets():
    return drawn(6, 64, 5)


def test_greys_have_no_colour(pets):
    grey = walk(pets.mean(1, keepdim=True), lambda x, v: x + v, LIGHT)
    assert set(METERS) - set(readings(grey)) == {"hue", "saturation", "warmth"} == set(METERS) - set(meters_for(1))
    assert set(meters_for(3)) == set(meters_for(4)) == set(METERS) == set(readings(grey.repeat(1, 1, 4, 1, 1)))
    for frames in (grey, grey.repeat(1, 1, 3, 1, 1)):
        for name in ("hue", "saturation", "warmth"):
            np.testing.assert_allclose(METERS[name].measure(frames), 0, atol=1e-5)


@pytest.mark.parametrize("value", [0, 0.1, 0.3, 0.6, 1])
@pytest.mark.parametrize("size", [16, 64, 128])
def test_constant_frames_have_readings(value, size):
    found = readings(np.full((1, 3, 3, size, size), value))
    np.testing.assert_allclose(found.pop("luminance"), value, atol=1e-6)
    np.testing.assert_allclose(found.pop("sharpness"), -6.64, atol=0.01)
    assert all(np.abs(r).max() < 1e-5 for r in found.values())


def test_a_walk_out_of_nothing_has_readings(pets):
    frames = walk(torch.zeros_like(pets), lambda x, v: v * pets, [0.01, 1])
    both = torch.cat([frames, frames.flip(1)])
    assert all(np.isfinite(r).all() for r in readings(both).values())


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (17, 3), (100, 4), (512, 3)])
def test_sizes_and_channels(size, channels):
    x = drawn(2, size, 5).repeat(1, 2, 1, 1)[:, :channels]
    frames = walk(x, lambda x, v: warp(x + v, right=10), [0.1])
    found = readings(frames.numpy())
    assert set(found) == set(meters_for(channels))
    assert all(r.shape == (2, 2) and np.isfinite(r).all() for r in found.values())
    np.testing.assert_allclose(change("x", frames), 10, atol=1)


def test_a_fourth_channel_counts_for_nothing_but_rotation(pets):
    three = walk(pets, warp, [0.9])
    four = torch.cat([three, torch.rand(6, 2, 1, 64, 64, generator=torch.Generator().manual_seed(0))], 2)
    a, b = readings(three), readings(four)
    assert all(np.array_equal(a[name], b[name]) for name in ABSOLUTE)


def test_walks_do_not_see_each_other_and_repeat(pets):
    frames = walk(pets, warp, [0.9, 1.1])
    whole, again = readings(frames), readings(frames)
    for name, meter in METERS.items():
        assert np.array_equal(whole[name], again[name])
        np.testing.assert_allclose(meter.measure(frames[2:3]), whole[name][2:3], atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 3, 64, 64), (1, 2, 3, 64, 32)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(S, T, C, H, H\)"):
        measure_all(torch.zeros(shape), METERS)


def test_changes_are_said_in_words():
    assert (
        METERS["luminance"].say(0.1) == "gets brighter by 0.10"
        and METERS["rotation"].say(-0.4) == "keeps its rotation"
        and METERS["y"].say(-3.2) == "moves down by 3.2 % of the side"
    )
    for name, meter in METERS.items():
        assert meter.name == name and meter.unit and meter.say(12) != meter.say(-12) and "12" in meter.say(-12)


def test_a_turn_is_followed_past_half_a_circle_either_way():
    turn = meters_for(3)["rotation"]
    degrees = np.linspace(0, 200, 11)
    told = np.stack([degrees, -degrees, (degrees + 180) % 360 - 180])
    np.testing.assert_allclose(turn.along(told), [200, -200, 200])
    np.testing.assert_allclose(turn.between(told[:, 0], told[:, -1])[0], -160)
    light = meters_for(3)["luminance"]
    np.testing.assert_allclose(light.along(told / 400), (told[:, -1] - told[:, 0]) / 400)
