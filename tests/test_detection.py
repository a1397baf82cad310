"""Laws of detection: who knows the factor is found, who knows nothing is not, chance raises no alarm."""

import numpy as np
import pytest
import torch

from xaae.audit import verdict as judge
from xaae.audit.controls import CONTROLS, EXPECTED, control_maps
from xaae.audit.detection import detect, map_features, map_planes, plane_features, pooled
from xaae.audit.probe_items import make_probe_items
from xaae.factors.bias import make_bias

ITEMS, SIDE = 60, 16


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def items(rng):
    """Inputs (P, C, H, W) that all models explain."""
    return rng.normal(size=(ITEMS, 3, SIDE, SIDE))


def edges(items):
    """A map of the input alone."""
    return np.abs(np.diff(items, axis=-1, append=0)) + np.abs(np.diff(items, axis=-2, append=0))


def model_maps(kind, biased, items, rng):
    """Maps of one model: what it explains by, its own noise, and the factor if it knows it."""
    noise = rng.normal(size=items.shape)
    corner = np.zeros((SIDE, SIDE))
    corner[:4, :4] = 1
    return {
        "oracle": items + 0.5 * noise + 3 * corner * biased,
        "constant": np.ones_like(items),
        "random": noise,
        "edges": edges(items),
    }[kind]


def verdict_on(kind, items, rng, biased_arm=True):
    """Verdict and Detection on an explanation, three models an arm."""
    sides = [biased and biased_arm for biased in (True, False)]
    arms = [[map_features(model_maps(kind, biased, items, rng)) for _ in range(3)] for biased in sides]
    found = detect(*arms, rng, draws=200)
    about = {"auroc": found.auroc, "high": found.high, "false_alarms": found.false_alarms, "p_holm": found.p}
    about["named"] = True if kind == "oracle" else None
    return judge.decide_verdict(None, about, judge.Thresholds()), found


def test_an_oracle_reveals(items, rng):
    verdict, found = verdict_on("oracle", items, rng)
    assert verdict.value == judge.REVEALS and found.auroc > 0.95 and found.false_alarms == 0
    assert found.low <= found.auroc <= found.high and found.pairs.shape == (3, 3) and found.null.shape == (6,)


@pytest.mark.parametrize("kind", ["constant", "random", "edges"])
def test_what_knows_nothing_of_the_model_does_not_reveal(kind, items, rng):
    verdict, found = verdict_on(kind, items, rng)
    assert verdict.value == judge.DOES_NOT and found.auroc == pytest.approx(0.5, abs=0.12)


def test_seeds_alone_raise_no_alarm(items, rng):
    verdict, found = verdict_on("oracle", items, rng, biased_arm=False)
    assert verdict.value != judge.REVEALS and (found.null < 0.9).all()


def test_two_seeds_have_no_null(items, rng):
    features = [[map_features(model_maps("random", False, items, rng)) for _ in range(2)] for _ in range(2)]
    found = detect(*features, rng, draws=50)
    assert np.isnan(found.false_alarms) and found.null.shape == (0,)


def test_the_detector_sees_no_scale_of_a_whole_model_but_each_items_share(items):
    np.testing.assert_allclose(map_features(items), map_features(1000 * items))
    louder = items.copy()
    louder[0] *= 3
    assert not np.allclose(map_features(items)[0], map_features(louder)[0])
    assert map_features(np.zeros_like(items)).max() == 0


@pytest.mark.parametrize("shape", [(5, 2, 30), (5, 1, 7, 9), (5, 3, 8, 8, 8)])
def test_pooling_keeps_means(shape, rng):
    maps = rng.normal(size=shape)
    assert pooled(np.ones(shape), 4).shape == (5, 4 ** (len(shape) - 2))
    np.testing.assert_allclose(pooled(maps, 1)[:, 0], maps.sum(1).reshape(5, -1).mean(1))


# ---- controls ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", ["rotation", "tag"])
@pytest.mark.parametrize("name", CONTROLS)
def test_controls_are_detected_or_not_as_they_must(name, factor):
    rng = np.random.default_rng(1)
    x_0 = torch.from_numpy(rng.uniform(0.2, 0.8, (26, 3, 32, 32))).float()
    probe = make_probe_items(x_0, ["cat", "dog"] * 13, make_bias(["cat", "dog"], factor=factor))
    arms = [
        [plane_features(map_planes(control_maps(name, probe.x, probe.values, biased, rng))) for _ in range(3)]
        for biased in (True, False)
    ]
    found = detect(*arms, rng, draws=200)
    if EXPECTED[name] == judge.REVEALS:
        assert found.auroc > 0.95 and found.false_alarms == 0 and found.p < 1e-4
    else:
        assert found.auroc < 0.65 and found.high < 0.75


@pytest.mark.parametrize("shape", [(4, 2, 30), (4, 3, 8, 9), (4, 1, 5, 6, 7)])
@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_has_one_value_for_each_place_of_any_kind_of_item(name, shape, rng):
    maps = control_maps(name, rng.normal(size=shape), np.arange(4.0), True, rng)
    assert maps.shape == (4, 1, *shape[2:]) and np.isfinite(maps).all()


def test_edges_are_the_size_of_the_gradient():
    ramp = np.broadcast_to(3 * np.arange(6.0)[:, None] + 4 * np.arange(7.0), (2, 1, 6, 7))
    np.testing.assert_allclose(control_maps("edges", ramp, np.zeros(2), True, None), 5)
