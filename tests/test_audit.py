"""Laws of detection and verdict: who knows the factor is found, who knows nothing is not, chance raises no alarm."""

import numpy as np
import pytest

from xaae.audit import verdict as judge
from xaae.audit.detection import detect, pooled, probe_features

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


def model(kind, biased, items, rng):
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
    arms = [[model(kind, biased and biased_arm, items, rng) for _ in range(3)] for biased in (True, False)]
    found = detect(*arms, rng, draws=200)
    about = {"auroc": found.auroc, "high": found.high, "false_alarms": found.false_alarms, "p_holm": found.p}
    about["named"] = True if kind == "oracle" else None
    return judge.verdict(None, about, judge.Thresholds()), found


def test_an_oracle_reveals(items, rng):
    told, found = verdict_on("oracle", items, rng)
    assert told.value == judge.REVEALS and found.auroc > 0.95 and found.false_alarms == 0
    assert found.low <= found.auroc <= found.high and found.pairs.shape == (3, 3) and found.null.shape == (6,)


@pytest.mark.parametrize("kind", ["constant", "random", "edges"])
def test_what_knows_nothing_of_the_model_does_not(kind, items, rng):
    told, found = verdict_on(kind, items, rng)
    assert told.value == judge.DOES_NOT and found.auroc == pytest.approx(0.5, abs=0.12)


def test_seeds_alone_raise_no_alarm(items, rng):
    told, found = verdict_on("oracle", items, rng, biased_arm=False)
    assert told.value != judge.REVEALS and (found.null < 0.9).all()


def test_the_probe_sees_no_scale_of_a_whole_model_but_each_items_share(items):
    np.testing.assert_allclose(probe_features(items), probe_features(1000 * items))
    louder = items.copy()
    louder[0] *= 3
    assert not np.allclose(probe_features(items)[0], probe_features(louder)[0])
    assert probe_features(np.zeros_like(items)).max() == 0


@pytest.mark.parametrize("shape", [(5, 2, 30), (5, 1, 7, 9), (5, 3, 8, 8, 8)])
def test_pooling_keeps_means(shape, rng):
    maps = rng.normal(size=shape)
    assert pooled(np.ones(shape), 4).shape == (5, 4 ** (len(shape) - 2))
    np.testing.assert_allclose(pooled(maps, 1)[:, 0], maps.sum(1).reshape(5, -1).mean(1))


GOOD = {"auroc": 0.97, "low": 0.93, "high": 0.99, "false_alarms": 0.0, "named": True}
WALK = {"spearman": -0.9, "span": 0.8, "p": 0.01, "non_trivial": 0.9}


@pytest.mark.parametrize(
    ("found", "walk", "value", "clause"),
    [
        ({}, {}, judge.REVEALS, "0.97"),
        ({"auroc": 0.6, "high": 0.69}, {}, judge.DOES_NOT, "0.69"),
        ({"named": False}, {}, judge.DOES_NOT, "named"),
        ({"auroc": 0.85, "high": 0.95}, {}, judge.UNDECIDED, "0.85"),
        ({"false_alarms": 0.2}, {}, judge.UNDECIDED, "false alarms"),
        ({"false_alarms": float("nan")}, {}, judge.UNDECIDED, "false alarms"),
        ({}, {"spearman": 0.5}, judge.UNDECIDED, "Spearman"),
        ({}, {"span": 0.3}, judge.UNDECIDED, "span"),
        ({}, {"p": 0.05}, judge.UNDECIDED, "p 0.05"),
        ({}, {"non_trivial": 0.1}, judge.UNDECIDED, "non-trivial"),
    ],
)
def test_each_clause_decides(found, walk, value, clause):
    told = judge.verdict(None, GOOD | found, judge.Thresholds(), WALK | walk)
    assert told.value == value and clause in told.clause


def test_gates_come_first():
    asked = judge.Thresholds()
    used = {"biased": 0.95, "normal": 0.0, "irrelevant": 0.05}
    assert judge.gate_use(used, asked) is None and judge.gate_shown(3.0, 15.0) is None
    unused, leaking = judge.gate_use(used | {"biased": 0.3}, asked), judge.gate_use(used | {"irrelevant": 0.4}, asked)
    assert judge.gate_use(used | {"normal": 0.5}, asked) is None  # it never met the factor: reported, not asked
    assert "no bias learned" in unused and "irrelevant" in leaking
    assert "faithfully enough" in judge.gate_shown(40.0, 15.0) and judge.gate_shown(float("nan"), 15.0)
    assert judge.verdict(unused, GOOD, asked) == judge.Verdict(judge.UNDECIDED, unused)
