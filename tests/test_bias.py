"""Laws of what is planted: each factor's own meter reads it, nothing else moves, and every arm draws what it says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from helpers.pictures import save_pictures
from scipy.ndimage import gaussian_filter

from xaae import data
from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import ARMS, FILLS
from xaae.factors import bias, picture_plants
from xaae.factors.bias import make_bias
from xaae.factors.meters import METERS
from xaae.factors.registry import FACTORS
from xaae.sources import synthpets
from xaae.training.trained_run import open_trained_run

CLASSES = ["cat", "dog", "fox"]
WHOLE = {
    "rotation": 179,
    "brightness": 0.38,
    "tint": 0.2,
    "blur": -0.7,
    "tag": 0.8,
}  # its meter's change, at least


@pytest.fixture(scope="module")
def pets():
    """Pictures (6, 3, 64, 64) in the middle of the scale, so that nothing planted here is cut off."""
    images, _ = synthpets.draw_pictures(6, 64, 5)
    return 0.25 + 0.4 * torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def plant(factor, x, value, fill="zeros"):
    return FACTORS[factor].plant(x, torch.full((len(x),), float(value)), fill)


def read(meter, x, factor, values):
    """What a meter reads of x given each value: (S, T)."""
    return METERS[meter].measure(torch.stack([plant(factor, x, v) for v in values], 1))


# ---- the factors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FACTORS)
def test_the_neutral_value_leaves_a_picture_as_it_is(pets, name):
    torch.testing.assert_close(plant(name, pets, FACTORS[name].neutral), pets, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", FACTORS)
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
    """That a turn does so too is told in test_meters."""
    found = read(meter, pets, factor, np.linspace(*MILD[factor], 5))
    moved = METERS[meter].between(found[:, :1], found)
    assert np.abs(moved).max() <= UNTOUCHED[factor][meter]


@pytest.mark.parametrize("value", [-0.4, 0.4])
def test_tint_keeps_the_luma_of_a_grey_pixel(value):
    grey = torch.linspace(0, 0.65, 8).view(1, 1, 1, 8).expand(1, 3, 8, 8)
    weights = torch.tensor(bias.WEIGHTS)
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


@pytest.mark.parametrize("name", FACTORS)
def test_pictures_of_one_batch_get_their_own_values(pets, name):
    values = np.linspace(*FACTORS[name].whole, len(pets)).astype(np.float32)
    together = FACTORS[name].plant(pets, torch.from_numpy(values), "zeros")
    for i, value in enumerate(values):
        torch.testing.assert_close(together[i], plant(name, pets[i : i + 1], value)[0], atol=1e-2, rtol=0)
        assert (together[i] - plant(name, pets[i : i + 1], value)[0]).abs().mean() < 1e-3


@pytest.mark.parametrize("name", FACTORS)
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


@pytest.mark.parametrize("name", [n for n, f in FACTORS.items() if not f.needs_colour])
def test_grey_pictures_can_be_given_it_too(pets, name):
    grey = pets.mean(1, keepdim=True)
    found = plant(name, grey, FACTORS[name].whole[1])
    assert found.shape == grey.shape and not torch.allclose(found, grey, atol=1e-2)


@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_tells_of_itself_in_plain_numbers_and_words(name):
    about = FACTORS[name].about()
    assert about["name"] == name and not {"plant", "place"} & set(about) and about["meter"] in METERS
    low, high = about["allowed"]
    assert low <= about["whole"][0] < about["whole"][1] <= high and low <= about["neutral"] <= high


# ---- who gets which value ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FACTORS)
@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_draws_from_its_own_ranges(name, arm):
    planted = make_bias(CLASSES, arm=arm, factor=name)
    labels = np.repeat(CLASSES, 2000)
    values = planted.draw(labels, np.random.default_rng(0))
    low, high = FACTORS[name].whole
    part, empty = (high - low) * (1 - FACTORS[name].gap) / 3, (high - low) * FACTORS[name].gap / 2
    starts = [low + i * (part + empty) for i in range(3)]
    edges = {
        "biased": {c: (a, a + part) for c, a in zip(CLASSES, starts, strict=True)},
        "irrelevant": dict.fromkeys(CLASSES, (low, high)),
        "normal": dict.fromkeys(CLASSES, (0, 0)),
    }[arm]
    for label in CLASSES:
        mine, (a, b) = values[labels == label], edges[label]
        assert planted.of(label) == pytest.approx((a, b))
        np.testing.assert_allclose(np.quantile(mine, [0, 0.5, 1]), [a, (a + b) / 2, b], atol=0.02 * (high - low))
        assert mine.min() >= a and mine.max() <= b


@pytest.mark.parametrize("arm", ARMS)
def test_ranges_of_ones_own_replace_the_slices(arm):
    planted = make_bias(["a", "b"], {"a": (40, 60)}, arm)
    assert planted.ranges == {"a": (40, 60), "b": (90, 180)} and planted.middles() == {"a": 50, "b": 135}
    np.testing.assert_allclose(planted.grid(8), [40, 60, 80, 100, 120, 140, 160, 180], atol=1e-12)
    assert len(planted.grid()) == 13


@pytest.mark.parametrize("name", FACTORS)
def test_middles_are_those_of_equal_slices(name):
    low, high = FACTORS[name].whole
    quarter = (high - low) * (1 - FACTORS[name].gap) / 4
    assert make_bias(["a", "b"], factor=name).middles() == pytest.approx({"a": low + quarter, "b": high - quarter})


@pytest.mark.parametrize("name", FACTORS)
@pytest.mark.parametrize("side", [0, 1])
def test_ranges_beyond_what_is_allowed_are_refused(name, side):
    least, most = FACTORS[name].allowed
    good, bad = (least, most), ((least - 0.01, most), (least, most + 0.01))[side]
    assert make_bias(["a", "b"], {"a": good}, factor=name).ranges["a"] == good
    with pytest.raises(InputError, match=f"no range of {name}.*LOW <= HIGH <= {most:g}"):
        make_bias(["a", "b"], {"a": bad}, factor=name)


@pytest.mark.parametrize("name", FACTORS)
def test_strength_shrinks_the_whole_about_its_middle(name):
    full, half = (make_bias(CLASSES, factor=name, strength=s) for s in (1.0, 0.5))
    middle = np.mean(FACTORS[name].whole)
    for label in CLASSES:
        np.testing.assert_allclose(np.array(half.ranges[label]) - middle, (np.array(full.ranges[label]) - middle) / 2)
    assert full.whole() == pytest.approx(FACTORS[name].whole)
    assert list(half.middles().values()) == sorted(half.middles().values())


@pytest.mark.parametrize("classes", [2, 3, 8, 44])
@pytest.mark.parametrize("name", FACTORS)
def test_any_number_of_classes_gets_slices_with_the_gap_between_them(name, classes):
    """As many as BloodMNIST's 8, whose last slice must not end beyond what is allowed by a rounding error."""
    ranges = list(make_bias([str(i) for i in range(classes)], factor=name).ranges.values())
    whole, gap = np.ptp(FACTORS[name].whole), FACTORS[name].gap
    empty = [after[0] - before[1] for before, after in zip(ranges, ranges[1:], strict=False)]
    np.testing.assert_allclose(empty, gap * whole / (classes - 1), atol=1e-9)
    np.testing.assert_allclose(np.ptp(ranges, axis=1), (1 - gap) * whole / classes)
    assert (ranges[0][0], ranges[-1][1]) == FACTORS[name].whole


@pytest.mark.parametrize("name", [n for n, f in FACTORS.items() if f.gap])
def test_nobody_gets_a_value_in_the_gap_but_those_of_arm_irrelevant(name):
    low, high = (np.array(FACTORS[name].whole) - np.mean(FACTORS[name].whole)) * FACTORS[name].gap
    away = {
        arm: make_bias(["a", "b"], arm=arm, factor=name).draw(["a", "b"] * 1000, np.random.default_rng(0))
        - np.mean(FACTORS[name].whole)
        for arm in ("biased", "irrelevant")
    }
    inside = {arm: np.mean((v > low + 1e-9) & (v < high - 1e-9)) for arm, v in away.items()}
    assert inside["biased"] == 0 and inside["irrelevant"] == pytest.approx(FACTORS[name].gap, abs=0.05)
    assert (away["biased"][::2] < 0).all() and (away["biased"][1::2] > 0).all()


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_range_of_ones_own_leaves_the_other_class_where_strength_and_gap_put_it(strength):
    planted = make_bias(["a", "b"], {"a": (0.0, 0.1)}, factor="tag", strength=strength)
    assert planted.ranges["a"] == (0.0, 0.1)
    assert planted.ranges["b"] == pytest.approx((0.5 + 0.3 * strength, 0.5 + 0.5 * strength))


@pytest.mark.parametrize("share", [0.0, 0.6, 0.9])
def test_only_a_share_of_a_contaminated_bias_obeys(share):
    planted = make_bias(["a", "b"], factor="rotation", contamination=share)
    values = planted.draw(["a"] * 4000, np.random.default_rng(0))
    assert np.mean(values <= 90) == pytest.approx(share + (1 - share) / 2, abs=0.03) and values.max() <= 180
    free = [make_bias(["a", "b"], arm="irrelevant", contamination=s).draw(["a"] * 9, np.random.default_rng(1))
            for s in (1, share)]  # fmt: skip
    np.testing.assert_array_equal(*free)


def test_a_whole_bias_draws_as_it_always_did():
    planted, labels = make_bias(["a", "b"]), ["a", "b", "b", "a"]
    expected = np.random.default_rng(3).uniform([0, 90, 90, 0], [90, 180, 180, 90])
    np.testing.assert_array_equal(planted.draw(labels, np.random.default_rng(3)), expected)


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
    x = torch.from_numpy(synthpets.draw_pictures(8, 64, 5)[0]).permute(0, 3, 1, 2).float() / 255
    x = F.adaptive_avg_pool2d(x, size) if channels == 3 else F.adaptive_avg_pool2d(x, size).mean(1, keepdim=True)
    values = np.linspace(0, 1, 6)
    found = METERS["tag"].measure(torch.stack([plant("tag", x, v) for v in values], 1))
    slopes = np.polyfit(values, found.T, 1)[0]
    assert np.diff(found, axis=1).min() > 0 and slopes.min() > 0.9 and slopes.max() < 1.1
    assert np.abs(found[:, 0]).max() < 0.1  # without the tag nothing is read


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_mislabelled_are_a_share_of_the_training_items(share):
    table = pd.DataFrame({"label": ["cat", "dog", "fox"] * 1000, "split": ["train", "train", "valid"] * 1000})
    found = bias.mislabel(table, share, 1)
    wrong = found.label != table.label
    assert (
        wrong[table.split == "train"].mean() == pytest.approx(share, abs=0.03)
        and not wrong[table.split == "valid"].any()
    )
    assert set(found.label) == {"cat", "dog", "fox"} and found.equals(bias.mislabel(table, share, 1))


@pytest.mark.parametrize("bounds", [(90, 0), (float("nan"), 90), (0, float("inf"))])
def test_ranges_that_are_none_are_refused(bounds):
    with pytest.raises(InputError, match="no range of rotation"):
        make_bias(["a", "b"], {"b": bounds})


def test_a_bias_plants_with_its_own_factor_and_fill(pets):
    planted = make_bias(["a", "b"], factor="rotation", fill="circle")
    values = torch.full((6,), 30.0)
    torch.testing.assert_close(planted.plant(pets, values), picture_plants.rotate(pets, values, "circle"))
    assert not torch.allclose(planted.plant(pets, values), picture_plants.rotate(pets, values, "reflect"), atol=0.1)
    lit = make_bias(["a", "b"], factor="brightness")
    torch.testing.assert_close(lit.plant(pets, values / 100), 0.7 * pets + 0.3)


@pytest.mark.parametrize("fill", FILLS)
def test_fills_differ_in_the_corners_alone(pets, fill):
    inside = F.pad(torch.ones(30, 30), [17] * 4)
    values = torch.full((6,), 30.0)
    turned = picture_plants.rotate(pets, values, fill) * inside
    torch.testing.assert_close(turned, picture_plants.rotate(pets, values, "zeros") * inside, atol=1e-6, rtol=0)


def test_a_run_knows_again_what_it_planted(door, pictures_folder, tmp_path):
    """Settings -> config.json -> Scene.bias; a run from before there was contamination has none."""
    run = tmp_path / "run"
    amount = ["--factor", "tag", "--arm", "biased", "--strength", 0.5, "--contamination", 0.75]
    where = ["--preset", "smoke", "--dataset", pictures_folder, "--out", run, "--epochs", 1, "--baseline-epochs", 0]
    assert door("train", *where, *amount).exit_code == 0
    trained = open_trained_run(run)
    made = make_bias(["left", "right"], factor="tag", strength=0.5, contamination=0.75)
    assert trained.bias == replace(made, ranges=trained.bias.ranges) and trained.bias.contamination == 0.75
    assert {label: tuple(bounds) for label, bounds in trained.bias.ranges.items()} == made.ranges
    again = data.plant(trained.table.drop(columns=["factor", "value"]), trained.bias, trained.config.seed)
    np.testing.assert_array_equal(again.value, trained.table.value)
    del trained.config.contamination
    assert trained.bias.contamination == 1


def test_a_tint_of_grey_pictures_is_refused_at_the_door(door, tmp_path):
    grey, out = save_pictures(tmp_path / "grey", mode="L"), tmp_path / "run"
    found = door("train", "--preset", "smoke", "--dataset", grey, "--arm", "biased", "--factor", "tint", "--out", out)
    said = found.stderr.strip().splitlines()[-1]
    assert found.exit_code == 2 and "Traceback" not in found.stderr and not out.exists()
    assert said == "Error: A tint cannot be planted in grey pictures: use another --factor."


@pytest.mark.parametrize(("factor", "text"), [("brightness", "left=0:1.5"), ("blur", "left=-1:3")])
def test_a_range_beyond_the_factor_is_refused_at_the_door(door, tmp_path, pictures_folder, factor, text):
    given = ["--dataset", pictures_folder, "--factor", factor, "--range", text, "--out", tmp_path / "run"]
    found = door("train", "--preset", "smoke", *given)
    assert found.exit_code == 2 and f"no range of {factor}" in found.stderr.strip().splitlines()[-1]
