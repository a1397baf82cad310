"""Laws of the audit's scores: of maps, probe images, rankings, names, arms and controls."""

import numpy as np
import pytest
import torch

from xaae.audit import arm_walks, controls, map_scores, plan, probe, ranking, signature
from xaae.audit.detection import detect, of_planes, planes
from xaae.explain.method import find_method
from xaae.factors.bias import make_bias
from xaae.factors.meters import METERS
from xaae.factors.picture_plants import corner, rotate
from xaae.factors.registry import FACTORS

N, SIDE = 26, 32


@pytest.fixture(scope="module")
def x_0():
    """Soft random pictures without a factor."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0.2, 0.8, (N, 3, 5, 5))).float()
    return torch.nn.functional.interpolate(coarse, SIDE, mode="bicubic").clamp(0, 1)


@pytest.fixture
def labels():
    return np.array(["cat", "dog"] * (N // 2))


# ---- probe images -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", FACTORS)
def test_factor_and_class_are_independent_in_the_probe(x_0, labels, factor):
    bias = make_bias(["cat", "dog"], factor=factor)
    found = probe.make_probe(x_0, labels, bias)
    by_class = [np.sort(found.values[labels == c]) for c in ("cat", "dog")]
    np.testing.assert_array_equal(*by_class)
    assert len(set(found.values)) == probe.VALUES
    torch.testing.assert_close(
        found.x[3], bias.plant(x_0[3:4], torch.tensor([found.values[3]]).float())[0], atol=2e-3, rtol=0
    )


def test_flips_are_the_items_that_a_factor_decides(x_0):
    bias = make_bias(["cat", "dog"], factor="brightness")
    by_light = lambda x: torch.stack([-x.mean((1, 2, 3)), x.mean((1, 2, 3)) - 1], 1)  # noqa: E731
    never = lambda x: torch.stack([torch.zeros(len(x)), torch.ones(len(x))], 1)  # noqa: E731
    assert probe.flips(by_light, x_0, bias).all() and not probe.flips(never, x_0, bias).any()


# ---- maps -------------------------------------------------------------------------------------------------------


def test_pointing_of_the_place_itself_is_whole_and_of_chance_its_share():
    place, rng = corner(SIDE).numpy(), np.random.default_rng(0)
    exact = np.broadcast_to(np.float32(place), (6, 2, SIDE, SIDE))
    assert all(v == pytest.approx(1) for v in map_scores.pointing(exact, place).values())
    noise = planes(rng.standard_normal((200, 1, SIDE, SIDE)))
    for found in (map_scores.pointing(noise, place), map_scores.pointing(np.zeros((200, 2, SIDE, SIDE)), place)):
        assert found["relevance_rank"] == pytest.approx(place.mean(), abs=0.03)
    elsewhere = np.broadcast_to(np.float32(~place), (6, 2, SIDE, SIDE))
    assert all(v == pytest.approx(0) for v in map_scores.pointing(elsewhere, place).values())


def test_a_map_that_only_turns_is_the_same_map(x_0):
    values = torch.linspace(0, 180, N)
    found = planes(rotate(x_0 - 0.5, values).numpy()), planes((x_0 - 0.5).numpy())
    assert map_scores.same_map(*found, values, turns=True) > 0.85
    assert map_scores.same_map(*found, values, turns=False) < 0.5
    flat = np.zeros_like(found[0])
    assert np.isnan(map_scores.same_map(flat, flat, values, False))


def test_ccm_is_high_for_the_same_model_and_low_for_noise():
    rng = np.random.default_rng(0)
    a, b = (planes(rng.standard_normal((8, 3, SIDE, SIDE))) for _ in range(2))
    both = np.concatenate([a, b])
    same = map_scores.spurious_signal(both, slice(0, 8), slice(8, None), a, b, corner(SIDE).numpy())
    other = map_scores.spurious_signal(both, slice(0, 8), slice(8, None), b, a)
    assert same["ccm"] == pytest.approx(1) and same["fam"] == pytest.approx(1) and other["ccm"] < 0.3
    assert other["k_ssd"] is None and same["k_ssd"] < 0.3


def test_removal_rewards_the_map_that_knows_where_the_evidence_is(x_0):
    place = corner(SIDE)
    answer = lambda x: 20 * torch.stack([-x[:, :, place].std((1, 2)), x[:, :, place].std((1, 2)) - 0.02], 1)  # noqa: E731
    x = make_bias(["a", "b"], factor="tag").plant(x_0, torch.ones(N))
    right = np.broadcast_to(np.float32(place.numpy()), (N, 2, SIDE, SIDE))
    wrong = np.broadcast_to(np.float32(~place.numpy()), (N, 2, SIDE, SIDE))
    gain = [map_scores.removal(answer, x, each, np.random.default_rng(0)) for each in (right, wrong)]
    assert gain[0] > 0.1 > gain[1]


# ---- the plain baseline -----------------------------------------------------------------------------------------


def test_only_the_order_within_a_class_counts():
    rng = np.random.default_rng(0)
    labels = np.repeat(["cat", "dog"], 200)
    logit = (labels == "dog") + 0.1 * rng.standard_normal(400)
    reading = (labels == "dog") + 0.1 * rng.standard_normal(400)
    assert np.corrcoef(logit, reading)[0, 1] > 0.9 and ranking.within_classes(logit, reading, labels) < 0.15
    assert ranking.within_classes(logit, logit, labels) == pytest.approx(1)


def test_ends_show_what_the_logit_sorts_by():
    rng = np.random.default_rng(0)
    x = rng.random((120, 1, 4, 4))
    chosen = ranking.subsets(120, rng, 5)
    found = ranking.ends(x, x[:, 0, 1, 2], chosen)
    assert found.shape == (5, 1, 4, 4) and (found[:, 0, 1, 2] > 0.6).all()
    assert all(len(set(rows)) == ranking.SUBSET for rows in chosen)


# ---- controls ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", controls.MEANS)
@pytest.mark.parametrize("factor", ["rotation", "tag"])
def test_controls_are_detected_or_not_as_they_must(x_0, labels, name, factor):
    asked = probe.make_probe(x_0, labels, make_bias(["cat", "dog"], factor=factor))
    rng = np.random.default_rng(1)
    of = lambda biased: of_planes(planes(controls.control(name, asked.x, asked.values, biased, rng)))  # noqa: E731
    found = detect([of(True) for _ in range(3)], [of(False) for _ in range(3)], rng, draws=200)
    if controls.EXPECTED[name] == "REVEALS":
        assert found.auroc > 0.95 and found.false_alarms == 0 and found.p < 1e-4
    else:
        assert found.auroc < 0.65 and found.high < 0.75


# ---- names ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(x_0):
    return signature.signatures(x_0, METERS)


def walk_table(changes, named):
    """A table of meters as naming gives it, with these changes."""
    return [{"meter": m, "change": changes.get(m, 0.0), "spread": 1e-3, "named": m in named} for m in METERS]


@pytest.mark.parametrize("factor", FACTORS)
def test_each_factor_is_named_after_itself(found, factor):
    change = found[factor]
    meters = [m for m in METERS if abs(change[m]) > 0.02]
    assert signature.name_of(walk_table(change, meters), found)[0] == factor
    backwards = {m: -v for m, v in change.items()}
    assert signature.name_of(walk_table(backwards, meters), found)[0] == factor


def test_what_is_not_beyond_chance_or_no_factor_has_no_name(found):
    assert signature.name_of(walk_table(found["tint"], []), found)[0] == ""
    assert signature.name_of(walk_table({"scale": 40.0}, ["scale"]), found)[0] == ""
    assert "tint" not in signature.battery(1) and "tag" in signature.battery(1)


def test_crossings_are_where_the_decision_turns():
    reading = np.stack([np.linspace(0, 10, 11)] * 2)
    probability = np.stack([np.linspace(0, 1, 11), np.zeros(11)])
    turned, never = arm_walks.crossings(reading, probability, home=2)
    assert turned == pytest.approx(3.0) and np.isnan(never)


# ---- arms -------------------------------------------------------------------------------------------------------


def test_arms_with_the_same_settings_share_a_folder():
    base = {"dataset": "synthpets", "label_noise": 0.4}
    a, b = plan.conditions(["rotation", "tag"])
    assert plan.Arm(a, "normal", 0).key(base) == plan.Arm(b, "normal", 0).key(base)
    assert plan.Arm(a, "biased", 0).key(base) != plan.Arm(b, "biased", 0).key(base)
    half, whole = plan.conditions(["rotation"], contaminations=[0.5, 1.0])
    assert plan.Arm(half, "irrelevant", 1).key(base) == plan.Arm(whole, "irrelevant", 1).key(base)
    assert plan.Arm(half, "biased", 1).key(base) != plan.Arm(whole, "biased", 1).key(base)
    assert plan.Arm(a, "biased", 0).key(base) != plan.Arm(a, "biased", 0).key(base | {"epochs": 3})
    assert plan.Arm(a, "irrelevant", 0).settings(base)["label_noise"] == 0


def test_a_sweep_has_every_combination_and_names_them():
    found = plan.conditions(["tag"], [1.0, 0.5], [1.0, 0.8])
    assert [c.key for c in found] == ["tag", "tag, contamination 0.8", "tag, strength 0.5",
                                      "tag, strength 0.5, contamination 0.8"]  # fmt: skip
    assert len({c.file() for c in found}) == 4
    with pytest.raises(Exception, match="no factor 'hat'"):
        plan.conditions(["hat"])


def test_cams_of_small_pictures_look_at_a_later_stage():

    assert plan.method_parameters(find_method("gradcam"), "baseline", 32) == {"layer": plan.CAM_STAGE}
    assert (
        plan.method_parameters(find_method("gradcam"), "baseline", 64)
        == plan.method_parameters(find_method("gradcam"), "aae", 32)
        == {}
    )
