"""Laws of the scores of heat maps: pointing, likeness of two models' maps, maps that only go along, removal."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from xaae.audit.detection import map_planes
from xaae.audit.map_cells import map_cell, name_by_map
from xaae.audit.map_scores import UNDO, pointing_scores, removal, same_map, spurious_signal_scores
from xaae.audit.verdict import DOES_NOT, REVEALS, UNDECIDED, Thresholds, decide_verdict
from xaae.factors.bias import make_bias
from xaae.factors.picture_plants import corner, rotate

N, SIDE = 26, 32
FOUND = {"auroc": 0.99, "low": 0.95, "high": 1.0, "false_alarms": 0.0, "p_holm": 0.001}


@pytest.fixture(scope="module")
def x_0():
    """Soft random pictures without a factor."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0.2, 0.8, (N, 3, 5, 5))).float()
    return torch.nn.functional.interpolate(coarse, SIDE, mode="bicubic").clamp(0, 1)


def on(mask, n=6):
    """Planes (n, 2, H, W) that are 1 on a mask and 0 elsewhere."""
    return np.broadcast_to(np.float32(mask), (n, 2, *mask.shape))


def test_pointing_of_the_place_itself_is_whole_and_of_elsewhere_nothing():
    place = corner(SIDE).numpy()
    assert all(value == pytest.approx(1) for value in pointing_scores(on(place), place).values())
    assert all(value == pytest.approx(0) for value in pointing_scores(on(~place), place).values())


@pytest.mark.parametrize("flat", [False, True])
def test_noise_and_flat_maps_point_by_chance(flat):
    place, rng = corner(SIDE).numpy(), np.random.default_rng(0)
    planes = np.zeros((200, 2, SIDE, SIDE)) if flat else map_planes(rng.standard_normal((200, 1, SIDE, SIDE)))
    assert pointing_scores(planes, place)["relevance_rank"] == pytest.approx(place.mean(), abs=0.03)


def test_a_map_that_only_turns_is_the_same_map(x_0):
    values = torch.linspace(0, 180, N)
    planes = map_planes(rotate(x_0 - 0.5, values).numpy()), map_planes((x_0 - 0.5).numpy())
    assert same_map(*planes, values, UNDO["rotation"]) > 0.85
    assert same_map(*planes, values) < 0.5
    flat = np.zeros_like(planes[0])
    assert np.isnan(same_map(flat, flat, values))


@pytest.mark.parametrize("shape", [(4, 2, 30), (4, 2, 8, 8), (4, 2, 5, 6, 7)])
def test_any_kind_of_map_is_the_same_as_itself(shape):
    planes = np.random.default_rng(0).normal(size=shape)
    assert same_map(planes, 3 * planes + 1, np.zeros(4)) == pytest.approx(1, abs=1e-5)


def test_ccm_is_high_for_the_same_model_and_low_for_noise():
    rng = np.random.default_rng(0)
    a, b = (map_planes(rng.standard_normal((8, 3, SIDE, SIDE))) for _ in range(2))
    same = spurious_signal_scores((a, b), (a, b), corner(SIDE).numpy())
    other = spurious_signal_scores((a, b), (b, a))
    assert same["ccm"] == pytest.approx(1) and same["fam"] == pytest.approx(1) and other["ccm"] < 0.3
    assert other["k_ssd"] is None and same["k_ssd"] < 0.3


def test_removal_rewards_the_map_that_knows_where_the_evidence_is(x_0):
    place = corner(SIDE)
    answer = lambda x: 20 * torch.stack([-x[:, :, place].std((1, 2)), x[:, :, place].std((1, 2)) - 0.02], 1)  # noqa: E731
    x = make_bias(["a", "b"], factor="tag").plant(x_0, torch.ones(N))
    right, wrong = (removal(answer, x, on(m.numpy(), N), np.random.default_rng(0)) for m in (place, ~place))
    assert right > 0.1 > wrong


@pytest.mark.parametrize(("share", "value"), [(0.7, REVEALS), (0.4, UNDECIDED), (0.2, DOES_NOT)])
def test_a_map_between_pointing_and_not_pointing_is_undecided_and_told_what_was_asked(share, value):
    thresholds, condition = Thresholds(), SimpleNamespace(factor="tag")
    judged = SimpleNamespace(place=np.eye(4, dtype=bool), thresholds=thresholds, condition=condition)
    named, naming = name_by_map(judged, {"relevance_rank": share})
    assert decide_verdict(None, FOUND | {"named": named, "naming": naming}, thresholds).value == value
    assert f"{share:.2f} of its strongest places" in naming and "asked for 0.50" in naming


@pytest.mark.parametrize(("factor", "words"), [("rotation", "only turned"), ("blur", "stayed as it was")])
def test_a_map_of_a_global_factor_names_nothing(factor, words):
    judged = SimpleNamespace(place=None, thresholds=Thresholds(), condition=SimpleNamespace(factor=factor))
    named, naming = name_by_map(judged, {"same_map": 0.9})
    assert named is False and words in naming
    assert name_by_map(judged, {"same_map": 0.5})[0] is None


@pytest.mark.parametrize("arm", ["biased", "irrelevant", "normal"])
def test_a_method_that_refuses_one_model_of_any_arm_is_refused_in_words(arm):
    kept = {name: [{"with": np.zeros((4, 2, 8, 8))} for _ in range(2)] for name in ("biased", "irrelevant", "normal")}
    kept[arm][1] = {"reason": np.array("its sums do not add up")}
    condition = SimpleNamespace(key="rotation", factor="rotation")
    judged = SimpleNamespace(maps=lambda method, model, arm: kept[arm], condition=condition)
    cell = map_cell(judged, "deeplift", "aae", {})
    assert cell["status"] == "refused" and cell["reason"] == "1 of 6 models: its sums do not add up"
