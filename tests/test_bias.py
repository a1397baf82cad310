"""Laws of the bias: every arm draws what it says, ranges and shares are obeyed, what makes no sense is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.pictures import draw_pets, save_pictures

from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import ARMS
from xaae.factors import bias, picture_plants
from xaae.factors.bias import make_bias
from xaae.factors.registry import FACTORS

CLASSES = ["cat", "dog", "fox"]


@pytest.fixture(scope="module")
def pets():
    """Pictures (6, 3, 64, 64) in the middle of the scale, so that nothing planted here is cut off."""
    return 0.25 + 0.4 * draw_pets(6, 64)


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
        "normal": dict.fromkeys(CLASSES, (FACTORS[name].neutral,) * 2),
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
    planted, rng = make_bias(["a", "b"], factor="rotation", contamination=share), np.random.default_rng(0)
    obeys = planted.draw_obeying(4000, rng)
    values = planted.draw(["a"] * 4000, rng, obeys)
    assert obeys.mean() == pytest.approx(share, abs=0.03) and values[obeys].max(initial=0) <= 90
    assert np.mean(values <= 90) == pytest.approx(share + (1 - share) / 2, abs=0.03) and values.max() <= 180
    assert make_bias(["a", "b"], arm="irrelevant", contamination=share).draw_obeying(9, rng) is None
    assert make_bias(["a", "b"]).draw_obeying(9, rng) is None


@pytest.mark.parametrize("arm", ARMS)
def test_one_value_is_the_one_that_many_would_be(arm):
    planted = make_bias(CLASSES, arm=arm, contamination=0.6)
    one, many = (np.random.default_rng(7) for _ in range(2))
    for label, obeys in zip(CLASSES * 20, [True, False, True, True] * 15, strict=True):
        assert planted.draw_one(label, one, obeys) == planted.draw([label], many, np.array([obeys]))[0]


def test_a_whole_bias_draws_as_it_always_did():
    planted, labels = make_bias(["a", "b"]), ["a", "b", "b", "a"]
    expected = np.random.default_rng(3).uniform([0, 90, 90, 0], [90, 180, 180, 90])
    np.testing.assert_array_equal(planted.draw(labels, np.random.default_rng(3)), expected)


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


def test_a_tint_of_grey_pictures_is_refused_at_the_door(door, tmp_path):
    grey, out = save_pictures(tmp_path / "grey", mode="L"), tmp_path / "run"
    found = door("train", "--preset", "smoke", "--dataset", grey, "--arm", "biased", "--factor", "tint", "--out", out)
    said = found.stderr.strip().splitlines()[-1]
    assert found.exit_code == 2 and "Traceback" not in found.stderr and not out.exists()
    assert said == "Error: A tint cannot be planted in grey pictures: use another --factor."


@pytest.mark.parametrize(("factor", "text"), [("brightness", "left=0:1.5"), ("blur", "left=-1:3")])
def test_a_range_beyond_the_factor_is_refused_at_the_door(door, tmp_path, pictures_folder, factor, text):
    given = ["--dataset", pictures_folder, "--factor", factor, "--range", text, "--out", tmp_path / "run"]
    found = door("train", "--preset", "smoke", "--arm", "biased", *given)
    assert found.exit_code == 2 and f"no range of {factor}" in found.stderr.strip().splitlines()[-1]
