"""Laws of planting in pictures: each factor's own meter reads it in order and with its sign, nothing else moves."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.pictures import draw_pets
from scipy.ndimage import gaussian_filter

from xaae.experiment.vocabulary import FILLS
from xaae.factors import picture_plants
from xaae.factors.meters import METERS, meter_named
from xaae.factors.picture_plants import rotate
from xaae.factors.registry import FACTORS

WHOLE = {  # factor -> change of its meter over the whole range, at least, with its sign
    "rotation": 179, "brightness": 0.38, "contrast": 0.05, "tint": 0.2, "blur": -0.7, "sharpening": 0.2, "noise": 5,
    "jpeg": -1, "zoom": 40, "shift_x": 15, "shift_y": 15, "border": 9, "tag": 0.8,
}  # fmt: skip


@pytest.fixture(scope="module")
def pets():
    """Pictures (6, 3, 64, 64) in the middle of the scale, so that nothing planted here is cut off."""
    return 0.25 + 0.4 * draw_pets(6, 64)


def plant(factor, x, value, fill="zeros"):
    return FACTORS[factor].plant(x, torch.full((len(x),), float(value)), fill)


def read(meter, x, factor, values):
    """What a meter reads of x given each value: (S, T)."""
    return meter_named(meter).measure(torch.stack([plant(factor, x, v) for v in values], 1))


@pytest.mark.parametrize("name", WHOLE)
def test_the_neutral_value_leaves_a_picture_as_it_is(pets, name):
    torch.testing.assert_close(plant(name, pets, FACTORS[name].neutral), pets, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", WHOLE)
def test_each_factor_is_read_by_its_own_meter_in_order_and_with_its_sign(pets, name):
    factor = FACTORS[name]
    values = np.linspace(*factor.whole, 5)
    change = np.diff(read(factor.meter, pets, name, values), axis=1) * np.sign(WHOLE[name])
    assert change.min() > 0 and change.sum(1).min() > abs(WHOLE[name])


def test_brightness_moves_luma_by_its_share_of_the_way(pets):
    light = METERS["luminance"].measure(pets[:, None])
    values = np.array([-0.4, -0.1, 0.2, 0.4])
    expected = light * (1 - np.abs(values)) + np.maximum(values, 0)
    np.testing.assert_allclose(read("luminance", pets, "brightness", values), expected, atol=1e-4)


def test_tint_sets_the_ratio_of_red_to_blue(pets):
    planted = plant("tint", pets, 0.3)
    torch.testing.assert_close(planted[:, 0] / planted[:, 2], pets[:, 0] / pets[:, 2] * 1.3 / 0.7)


def test_rotation_is_counter_clockwise_by_as_many_degrees(pets):
    np.testing.assert_allclose(read("rotation", pets, "rotation", [0, 40, 120, 180]), [[0, 40, 120, 180]] * 6, atol=1)


MILD = {"brightness": (-0.4, 0.4), "tint": (-0.4, 0.4), "blur": (0, 4)}  # at which nothing is cut off


UNTOUCHED = {  # factor -> meter -> how far it may move, in its own unit
    "brightness": {"rotation": 0, "hue": 0.1, "sharpness": 0.01, "scale": 0.1, "x": 0.1, "y": 0.1},
    "tint": {"rotation": 1, "sharpness": 0.1, "scale": 1, "x": 0.5, "y": 0.5},
    "blur": {"rotation": 1, "luminance": 0.01, "warmth": 0.005, "hue": 6, "scale": 3, "x": 1, "y": 1},
}


@pytest.mark.parametrize(("factor", "meter"), [(f, m) for f, found in UNTOUCHED.items() for m in found])
def test_a_factor_leaves_the_other_meters_alone(pets, factor, meter):
    """That a turn does so too is a law of test_photometry."""
    found = read(meter, pets, factor, np.linspace(*MILD[factor], 5))
    moved = METERS[meter].between(found[:, :1], found)
    assert np.abs(moved).max() <= UNTOUCHED[factor][meter]


@pytest.mark.parametrize("value", [-0.4, 0.4])
def test_tint_keeps_the_luma_of_a_grey_pixel(value):
    grey = torch.linspace(0, 0.65, 8).view(1, 1, 1, 8).expand(1, 3, 8, 8)
    weights = torch.tensor(picture_plants.LUMA_WEIGHTS)
    found = torch.einsum("bchw,c->bhw", plant("tint", grey, value), weights)
    torch.testing.assert_close(found, grey[:, 0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("value", [-0.4, 0.4])
def test_brightness_keeps_hue_and_the_order_of_colours(pets, value):
    planted = plant("brightness", pets, value)
    shades = lambda x: x - x.mean(1, keepdim=True)  # noqa: E731
    torch.testing.assert_close(shades(planted), 0.6 * shades(pets))


@pytest.mark.parametrize(("size", "percent"), [(64, 1.0), (64, 4.0), (48, 2.5), (128, 2.0)])
def test_blur_is_a_gaussian_of_a_share_of_the_side(size, percent):
    x = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    sigma = percent / 100 * size
    reach = int(3 * sigma + 1)
    expected = gaussian_filter(x.double().numpy(), (0, 0, sigma, sigma), mode="mirror", radius=(0, 0, reach, reach))
    np.testing.assert_allclose(plant("blur", x, percent), expected, atol=1e-5)
    far = gaussian_filter(x.double().numpy(), (0, 0, sigma, sigma), truncate=6, mode="constant")
    inner = np.s_[..., 3 * reach // 2 : -3 * reach // 2, 3 * reach // 2 : -3 * reach // 2]
    np.testing.assert_allclose(plant("blur", x, percent)[inner], far[inner], atol=0.005)


@pytest.mark.parametrize("name", WHOLE)
def test_pictures_of_one_batch_get_their_own_values(pets, name):
    values = np.linspace(*FACTORS[name].whole, len(pets)).astype(np.float32)
    together = FACTORS[name].plant(pets, torch.from_numpy(values), "zeros")
    for i, value in enumerate(values):
        torch.testing.assert_close(together[i], plant(name, pets[i : i + 1], value)[0], atol=1e-2, rtol=0)
        assert (together[i] - plant(name, pets[i : i + 1], value)[0]).abs().mean() < 1e-3


@pytest.mark.parametrize("name", WHOLE)
def test_pictures_stay_between_black_and_white(name):
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for value in np.linspace(*FACTORS[name].allowed, 9):
        found = plant(name, x, value)
        assert found.min() >= -1e-6 and found.max() <= 1 + 1e-6 and found.shape == x.shape


@pytest.mark.parametrize("name", ["brightness", "tint"])
def test_light_and_tint_leave_the_alpha_channel_alone(pets, name):
    alpha = torch.rand(6, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    for value in (-0.4, 0.3):
        found = plant(name, torch.cat([pets, alpha], 1), value)
        torch.testing.assert_close(found[:, 3:], alpha, atol=0, rtol=0)
        torch.testing.assert_close(found[:, :3], plant(name, pets, value))


@pytest.mark.parametrize("name", ["rotation", "blur"])
def test_turn_and_blur_take_the_alpha_channel_along(pets, name):
    """The cut-out has to follow its picture."""
    value = FACTORS[name].whole[1] / 2
    both = plant(name, torch.cat([pets, pets[:, :1]], 1), value)
    torch.testing.assert_close(both[:, 3], both[:, 0])


@pytest.mark.parametrize("name", [n for n in WHOLE if not FACTORS[n].needs_colour])
def test_grey_pictures_can_be_given_it_too(pets, name):
    grey = pets.mean(1, keepdim=True)
    found = plant(name, grey, FACTORS[name].whole[1])
    assert found.shape == grey.shape and not torch.allclose(found, grey, atol=1e-2)


@pytest.mark.parametrize("name", WHOLE)
def test_a_factor_tells_of_itself_in_plain_numbers_and_words(name):
    about = FACTORS[name].about()
    assert (
        about["name"] == name
        and not {"plant", "place"} & set(about)
        and meter_named(about["meter"]).name == about["meter"]
    )
    low, high = about["allowed"]
    assert low <= about["whole"][0] < about["whole"][1] <= high and low <= about["neutral"] <= high


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_the_tag_changes_its_corner_alone_and_is_read_as_planted(channels, size):
    x = torch.rand(4, channels, size, size, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2
    outside = ~picture_plants.corner(size)
    for value in (0.3, 1.0):
        torch.testing.assert_close(plant("tag", x, value)[..., outside], x[..., outside], atol=0, rtol=0)
    values = np.linspace(0, 1, 6)
    found = METERS["tag"].measure(torch.stack([plant("tag", x, v) for v in values], 1))
    own = found[:, :1]  # what the picture itself has of the tag's light and dark, which it covers
    np.testing.assert_allclose(found, own + (1 - own) * values, atol=0.02)
    assert picture_plants.corner(size).float().mean() == pytest.approx(1 / 16)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_the_tag_on_pictures_is_read_with_a_slope_of_about_one(channels, size):
    x = draw_pets(8, 64)
    x = F.adaptive_avg_pool2d(x, size) if channels == 3 else F.adaptive_avg_pool2d(x, size).mean(1, keepdim=True)
    values = np.linspace(0, 1, 6)
    found = METERS["tag"].measure(torch.stack([plant("tag", x, v) for v in values], 1))
    slopes = np.polyfit(values, found.T, 1)[0]
    assert np.diff(found, axis=1).min() > 0 and slopes.min() > 0.9 and slopes.max() < 1.1
    assert np.abs(found[:, 0]).max() < 0.1  # without the tag nothing is read


@pytest.mark.parametrize("fill", FILLS)
def test_fills_differ_in_the_corners_alone(pets, fill):
    inside = F.pad(torch.ones(30, 30), [17] * 4)
    values = torch.full((6,), 30.0)
    turned = rotate(pets, values, fill) * inside
    torch.testing.assert_close(turned, rotate(pets, values, "zeros") * inside, atol=1e-6, rtol=0)


def hand(size=65):
    """A picture (1, 1, size, size) of a hand that points right, 0 degrees."""
    x = torch.zeros(1, 1, size, size)
    x[..., size // 2, size // 2 + 5 :] = 1
    return x


def test_rotation_is_counter_clockwise_and_exact():
    up = rotate(hand(), torch.tensor([90.0]))[0, 0]
    assert up[:25, 32].min() > 0.9 and up[40:, 32].max() < 0.1
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(rotate(x, torch.tensor([0.0, 360.0])), x, atol=1e-3, rtol=0)
    torch.testing.assert_close(rotate(x, torch.tensor([90.0, 180.0]))[1], x[1].flip(-1, -2), atol=1e-3, rtol=0)


def test_fills_of_the_corners():
    x, half = torch.ones(1, 1, 64, 64), torch.tensor([45.0])
    corner = {fill: float(rotate(x, half, fill)[0, 0, 0, 0]) for fill in FILLS}
    assert corner == {"zeros": 0.0, "reflect": 1.0, "circle": 0.0}
    assert rotate(x, torch.tensor([0.0]), "circle")[0, 0, 0, 0] == 0  # whatever the angle
    assert rotate(x, torch.tensor([0.0]), "zeros")[0, 0, 0, 0] == 1


def test_a_gradient_goes_through_a_blur_without_a_warning():
    percent = torch.tensor([5.0], requires_grad=True)
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # not once in a process only
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            FACTORS["blur"].plant(torch.rand(1, 3, 16, 16), percent).square().sum().backward()
    finally:
        torch.set_warn_always(always)
    assert percent.grad.abs() > 0


@pytest.mark.parametrize("size", [(9, 9), (8, 13)])
def test_the_points_that_a_move_reads_are_those_of_torch(size):
    matrix = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    expected = F.affine_grid(matrix, [5, 3, *size], align_corners=False)
    torch.testing.assert_close(picture_plants._points(matrix, *size), expected)
