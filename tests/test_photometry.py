"""Laws of the meters: each recovers a planted amount, and stays still when something else is planted."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from xaae.factors import geometry, photometry
from xaae.factors.measuring import measure_all, wrap
from xaae.factors.meters import METERS, meters_for
from xaae.factors.picture_plants import rotate
from xaae.sources import synthpets

OPPONENT = photometry.OPPONENT
ABSOLUTE = [name for name, meter in METERS.items() if not meter.relative]


def drawn(n, size, seed):
    """Pictures (n, 3, size, size) of 0.8 times full scale, so that 0.1 can be added."""
    return torch.from_numpy(synthpets.draw_pictures(n, size, seed)[0]).permute(0, 3, 1, 2) / 255 * 0.8


@pytest.fixture(scope="module")
def pets():
    return drawn(6, 64, 5)


@pytest.fixture(scope="module")
def spread():
    """Standard deviation of each absolute meter over 40 other items."""
    return {name: found.std() for name, found in measure_all(drawn(40, 64, 9)[:, None]).items() if name in ABSOLUTE}


def warp(x, scale=1.0, degrees=0.0, right=0.0, up=0.0):
    """Content grown about the centre, turned, then moved by percent of the side; black where nothing is known."""
    z = (geometry.plane(x.shape[-1]) - complex(right, up) / 50) / (scale * np.exp(1j * np.deg2rad(degrees)))
    grid = torch.stack([z.real, -z.imag], -1).float().expand(len(x), -1, -1, -1)
    return F.grid_sample(x, grid, align_corners=False)


def walk(x, plant, values):
    """`plant(x, value)` for each value, after x itself: (S, 1 + T, C, H, H)."""
    return torch.stack([x] + [plant(x, value) for value in values], 1)


def decoded(frames):
    """As an autoencoder gives them back: a 7x7 mean and noise of 0.02."""
    soft = F.avg_pool2d(frames.flatten(0, 1), 7, 1, 3)
    return (soft + 0.02 * torch.randn(soft.shape, generator=torch.Generator().manual_seed(0))).view(frames.shape)


def change(name, frames):
    """What a meter says of each frame less what it says of the first: (S, T)."""
    found = METERS[name].measure(frames)
    return found[:, 1:] - found[:, :1]


def blurred(x, sigma):
    """A Gaussian blur of `sigma` pixels that mirrors at the edge."""
    if sigma == 0:
        return x
    wide = F.pad(x, [12] * 4, mode="reflect").flatten(0, 1)
    return geometry.band_blur(wide, sigma)[:, 12:-12, 12:-12].reshape(x.shape)


def tinted(x, amount):
    return x + amount * torch.tensor([0.5, 0, -0.5])[:, None, None]


def coloured(x, matrix):
    """The chroma vectors of x multiplied by `matrix` (2, 2), the mean of the channels kept."""
    inverse = torch.linalg.pinv(OPPONENT)
    shift = inverse @ (matrix.float() - torch.eye(2)) @ OPPONENT
    return x + torch.einsum("ij,njhw->nihw", shift, x)


def turn_of(degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return torch.tensor([[c, -s], [s, c]])


SAME, SOFT = (lambda frames: frames), decoded
LIGHT = [-0.1, 0.05, 0.1]


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


TINT = [-0.2, -0.05, 0.05, 0.2]


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


ZOOMS = [0.8, 0.9, 1.1, 1.25]


@pytest.mark.parametrize(("seen", "bound"), [(SAME, 2), (SOFT, 5)])
def test_scale_recovers_a_zoom(pets, seen, bound):
    """Bounds in percent of the first frame's size."""
    frames = seen(walk(pets, warp, ZOOMS))
    np.testing.assert_allclose(change("scale", frames), np.tile(100 * np.array(ZOOMS) - 100, (6, 1)), atol=bound)
    assert all(np.abs(change(name, frames)).max() < bound / 4 for name in "xy")


SHIFTS = [-15, -5, 2, 10]


@pytest.mark.parametrize("axis", ["right", "up"])
@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.5), (SOFT, 1)])
def test_position_recovers_a_shift(pets, axis, seen, bound):
    """Bounds in percent of the side; the other axis and the size stay."""
    frames = seen(walk(pets, lambda x, v: warp(x, **{axis: v}), SHIFTS))
    moved, still = ("x", "y") if axis == "right" else ("y", "x")
    np.testing.assert_allclose(change(moved, frames), np.tile(SHIFTS, (6, 1)), atol=bound)
    assert np.abs(change(still, frames)).max() < bound
    assert np.abs(change("scale", frames)).max() < 4 * bound


@pytest.mark.parametrize("size", [32, 128])
def test_scale_and_position_are_found_under_a_turn(size):
    frames = walk(drawn(4, size, 5), lambda x, a: warp(x, 0.9, a, 5, -5), [30.0, 60.0, -90.0])
    assert np.abs(change("scale", frames) + 10).max() < 2
    assert max(np.abs(change("x", frames) - 5).max(), np.abs(change("y", frames) + 5).max()) < 0.5


def test_the_registered_turn_is_counter_clockwise(pets):
    frames = walk(pets[:1], rotate_by, [40.0])[0]
    luma = photometry.Sight(frames[None]).luma
    q, _ = geometry.register(luma, torch.tensor([[0.0, 35.0]]))
    assert torch.rad2deg(q[0].angle()).tolist() == pytest.approx([0, 40], abs=0.5)


def rotate_by(x, degrees):
    return rotate(x, torch.full((len(x),), float(degrees)))


ANGLES = range(15, 181, 15)


@pytest.fixture(scope="module")
def turned():
    """Pictures turned at four times their size, so that interpolation does not blur them."""
    frames = walk(drawn(6, 256, 5), rotate_by, ANGLES)
    return F.avg_pool2d(frames.flatten(0, 1), 4).unflatten(0, frames.shape[:2])


@pytest.mark.parametrize("name", [name for name in ABSOLUTE if name not in ("edge_darkness", "tag")])  # read corners
def test_a_turn_moves_no_other_meter(pets, turned, spread, name):
    assert np.abs(change(name, turned)).max() < 0.1 * spread[name]
    assert np.abs(change(name, walk(pets, rotate_by, ANGLES))).max() < 0.35 * spread[name]  # bilinear, so it blurs


@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.2), (SOFT, 1)])
def test_a_turn_moves_neither_size_nor_place(turned, seen, bound):
    for name in ("scale", "x", "y"):
        assert np.abs(change(name, seen(turned))).max() < bound
    assert np.abs(wrap(change("rotation", seen(turned)) - np.array(ANGLES))).max() <= (1 if seen is SAME else 15)


@pytest.mark.parametrize("name", ["rotation", "scale", "x", "y"])
@pytest.mark.parametrize(("seen", "bound"), [(SAME, 0.05), (SOFT, 1)])
def test_light_and_tint_move_no_meter_of_motion(pets, name, seen, bound):
    lit = walk(pets, lambda x, v: v * x + 0.1, [0.5, 0.8, 1.1])
    assert np.abs(change(name, seen(lit))).max() <= bound
    assert np.abs(change(name, seen(walk(pets, tinted, TINT)))).max() <= bound


def test_edge_darkness_recovers_a_vignette_and_sees_black_corners(pets):
    corners = (geometry.plane(64).abs() >= 1).float()
    frames = walk(pets, lambda x, v: x - v * corners, [0.1, 0.2])
    np.testing.assert_allclose(change("edge_darkness", frames), np.tile([0.1, 0.2], (6, 1)), atol=0.01)
    assert change("edge_darkness", walk(pets, rotate_by, [45])).min() > 0.2


def test_edge_darkness_stays_where_the_circle_hides_the_corners(pets, spread):
    frames = torch.stack([rotate(pets, torch.full((6,), float(a)), "circle") for a in (0, 15, 45, 80)], 1)
    assert np.abs(change("edge_darkness", frames)).max() < 0.1 * spread["edge_darkness"]


def test_greys_have_no_colour(pets):
    grey = walk(pets.mean(1, keepdim=True), lambda x, v: x + v, LIGHT)
    assert set(METERS) - set(measure_all(grey)) == {"hue", "saturation", "warmth"} == set(METERS) - set(meters_for(1))
    assert set(meters_for(3)) == set(meters_for(4)) == set(METERS) == set(measure_all(grey.repeat(1, 1, 4, 1, 1)))
    for frames in (grey, grey.repeat(1, 1, 3, 1, 1)):
        for name in ("hue", "saturation", "warmth"):
            np.testing.assert_allclose(METERS[name].measure(frames), 0, atol=1e-5)


@pytest.mark.parametrize("value", [0, 0.1, 0.3, 0.6, 1])
@pytest.mark.parametrize("size", [16, 64, 128])
def test_constant_frames_have_readings(value, size):
    found = measure_all(np.full((1, 3, 3, size, size), value))
    np.testing.assert_allclose(found.pop("luminance"), value, atol=1e-6)
    np.testing.assert_allclose(found.pop("sharpness"), -6.64, atol=0.01)
    assert all(np.abs(readings).max() < 1e-5 for readings in found.values())


def test_a_walk_out_of_nothing_has_readings(pets):
    frames = walk(torch.zeros_like(pets), lambda x, v: v * pets, [0.01, 1])
    both = torch.cat([frames, frames.flip(1)])
    assert all(np.isfinite(readings).all() for readings in measure_all(both).values())


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (17, 3), (100, 4), (512, 3)])
def test_sizes_and_channels(size, channels):
    x = drawn(2, size, 5).repeat(1, 2, 1, 1)[:, :channels]
    frames = walk(x, lambda x, v: warp(x + v, right=10), [0.1])
    found = measure_all(frames.numpy())
    assert set(found) == set(meters_for(channels))
    assert all(readings.shape == (2, 2) and np.isfinite(readings).all() for readings in found.values())
    np.testing.assert_allclose(change("x", frames), 10, atol=1)


def test_a_fourth_channel_counts_for_nothing_but_rotation(pets):
    three = walk(pets, warp, [0.9])
    four = torch.cat([three, torch.rand(6, 2, 1, 64, 64, generator=torch.Generator().manual_seed(0))], 2)
    a, b = measure_all(three), measure_all(four)
    assert all(np.array_equal(a[name], b[name]) for name in ABSOLUTE)


def test_walks_do_not_see_each_other_and_repeat(pets):
    frames = walk(pets, warp, [0.9, 1.1])
    whole, again = measure_all(frames), measure_all(frames)
    for name, meter in METERS.items():
        assert np.array_equal(whole[name], again[name])
        np.testing.assert_allclose(meter.measure(frames[2:3]), whole[name][2:3], atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 3, 64, 64), (1, 2, 3, 64, 32)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(S, T, C, H, H\)"):
        measure_all(torch.zeros(shape))


def test_changes_are_said_in_words():
    assert (
        METERS["luminance"].say(0.1) == "gets brighter by 0.10"
        and METERS["rotation"].say(-0.4) == "keeps its rotation"
        and METERS["y"].say(-3.2) == "moves down by 3.2 % of the side"
    )
    for name, meter in METERS.items():
        assert meter.name == name and meter.unit and meter.say(12) != meter.say(-12) and "12" in meter.say(-12)
