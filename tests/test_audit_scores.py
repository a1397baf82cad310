"""Laws of the audit's scores: of probe items, maps, sorted items, walks and the names that they get."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from xaae.audit.arm_walks import crossings, walk_arrays
from xaae.audit.factor_signatures import factor_signatures, name_factor
from xaae.audit.probe_items import VALUES, decided_by_factor, make_probe_items
from xaae.audit.sorted_items import SUBSET, correlation_within_classes, draw_subsets, end_differences
from xaae.audit.verdict import Thresholds
from xaae.audit.walk_cells import score_walk_of
from xaae.audit.walk_scores import score_walk, shows_factor, sum_up_walks, what_is_named
from xaae.experiment.audit_settings import AuditSettings
from xaae.experiment.kinds import PICTURE
from xaae.factors.bias import make_bias
from xaae.factors.meters import METERS, meters_for
from xaae.factors.registry import FACTORS, factors_for
from xaae.latent_nav.contrasts import contrast
from xaae.latent_nav.walks import Walk

N, SIDE = 26, 32
SIDES = contrast("", ["cat", "dog"])


@pytest.fixture(scope="module")
def x_0():
    """Soft random pictures without a factor."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0.2, 0.8, (N, 3, 5, 5))).float()
    return torch.nn.functional.interpolate(coarse, SIDE, mode="bicubic").clamp(0, 1)


@pytest.fixture
def labels():
    return np.array(["cat", "dog"] * (N // 2))


# ---- probe items ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", factors_for(PICTURE, 3))
def test_factor_and_class_are_independent_in_the_probe(x_0, labels, factor):
    bias = make_bias(["cat", "dog"], factor=factor)
    found = make_probe_items(x_0, labels, bias)
    by_class = [np.sort(found.values[labels == c]) for c in ("cat", "dog")]
    np.testing.assert_array_equal(*by_class)
    assert len(set(found.values)) == VALUES
    torch.testing.assert_close(
        found.x[3], bias.plant(x_0[3:4], torch.tensor([found.values[3]]).float())[0], atol=2e-3, rtol=0
    )


def test_flips_are_the_items_that_a_factor_decides(x_0):
    bias = make_bias(["cat", "dog"], factor="brightness")
    by_light = lambda x: torch.stack([-x.mean((1, 2, 3)), x.mean((1, 2, 3)) - 1], 1)  # noqa: E731
    never = lambda x: torch.stack([torch.zeros(len(x)), torch.ones(len(x))], 1)  # noqa: E731
    assert decided_by_factor(by_light, x_0, bias, (-0.4, 0.4)).all()
    assert not decided_by_factor(never, x_0, bias, (-0.4, 0.4)).any()


# ---- the plain baseline -----------------------------------------------------------------------------------------


def test_only_the_order_within_a_class_counts():
    rng = np.random.default_rng(0)
    labels = np.repeat(["cat", "dog"], 200)
    logit = (labels == "dog") + 0.1 * rng.standard_normal(400)
    reading = (labels == "dog") + 0.1 * rng.standard_normal(400)
    assert np.corrcoef(logit, reading)[0, 1] > 0.9
    assert correlation_within_classes(logit, reading, labels) < 0.15
    assert correlation_within_classes(logit, logit, labels) == pytest.approx(1)


def test_ends_show_what_the_logit_sorts_by():
    rng = np.random.default_rng(0)
    x = rng.random((120, 1, 4, 4))
    chosen = draw_subsets(120, rng, 5)
    found = end_differences(x, x[:, 0, 1, 2], chosen)
    assert found.shape == (5, 1, 4, 4) and (found[:, 0, 1, 2] > 0.6).all()
    assert all(len(set(rows)) == SUBSET for rows in chosen)


# ---- names ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signatures(x_0):
    return factor_signatures(x_0, METERS)


def walk_table(changes, named, meters=METERS):
    """A table of meters as naming gives it, with these changes."""
    return [{"meter": m, "change": changes.get(m, 0.0), "spread": 1e-3, "named": m in named} for m in meters]


@pytest.mark.parametrize("factor", factors_for(PICTURE, 3))
def test_each_factor_is_named_after_itself(x_0, factor):
    known = meters_for(3, planted=FACTORS[factor].meter)
    signatures = factor_signatures(x_0, known, planted=factor)
    change = signatures[factor]
    meters = [m for m in known if abs(change[m]) > 0.02]
    assert name_factor(walk_table(change, meters, known), signatures)[0] == factor
    backwards = {m: -v for m, v in change.items()}
    assert name_factor(walk_table(backwards, meters, known), signatures)[0] == factor


def test_an_audit_tells_apart_what_it_plants_and_no_factor_with_the_same_meter(x_0):
    assert set(factor_signatures(x_0, METERS)) == set(AuditSettings().factors)
    assert "blur" not in factor_signatures(x_0, METERS, planted="sharpening")


def test_what_is_not_beyond_chance_or_no_factor_has_no_name(signatures):
    assert name_factor(walk_table(signatures["tint"], []), signatures)[0] == ""
    assert name_factor(walk_table({"scale": 40.0}, ["scale"]), signatures)[0] == ""


def test_grey_items_have_no_signature_of_colour(x_0):
    grey = factor_signatures(x_0[:, :1], meters_for(1))
    assert "tint" not in grey and grey["tag"]["tag"] > 0.5


# ---- walks ------------------------------------------------------------------------------------------------------


ALPHA = np.linspace(-3, 3, 11)


def test_crossings_are_where_the_decision_turns():
    reading = np.stack([np.linspace(0, 10, 11)] * 2)
    probability = np.stack([np.linspace(0, 1, 11), np.zeros(11)])
    turned, never = crossings(reading, probability, at_home=reading[:, 2])
    assert turned == pytest.approx(3.0) and np.isnan(never)


@pytest.fixture
def walk():
    """A made-up Walk of 4 starts that brightens its frames and turns the decision halfway, of the first two alone."""
    frames = np.broadcast_to(np.linspace(0, 1, 11)[None, :, None, None, None], (4, 11, 3, 8, 8)).astype(np.float32)
    rising = np.linspace(0, 1, 11)
    last = np.stack([rising, rising, np.zeros(11), np.zeros(11)])
    readings = {"luminance": np.stack([rising] * 4)}
    score = np.stack([np.linspace(-1, 1, 11)] * 4)
    probability = np.stack([1 - last, last], -1)
    return Walk(frames, ALPHA, torch.zeros(4, 11, 2), readings, probability=probability, discriminator=score)


def test_what_is_kept_of_a_walk(walk):
    by_light = lambda x: torch.stack([0.5 - x.mean((1, 2, 3)), x.mean((1, 2, 3)) - 0.5], 1)  # noqa: E731
    arrays = walk_arrays(walk, 0.0, "luminance", SIDES, by_light)
    assert arrays["flips"].tolist() == [True, True, False, False] and arrays["oracle_flips"].all()
    np.testing.assert_allclose(arrays["realism"], 5 / 11)
    np.testing.assert_allclose(arrays["crossing"], [0, 0, np.nan, np.nan], atol=1e-6)
    np.testing.assert_allclose(arrays["difference"], 1)
    assert arrays["frames"].dtype == np.uint8 and arrays["frames"].shape[2:] == (8, 8, 3)
    assert arrays["frames"][0, 0].max() == 0 and not walk_arrays(walk, 0.0, "luminance", SIDES)["oracle_flips"].any()


def luminance_row(**more):
    """The row of the naming table for luminance."""
    return {"meter": "luminance", "change": 1.0, "spread": 0.1, "named": True, "p": 0.01} | more


def test_a_walk_is_scored_over_the_chosen_starts(walk):
    arrays = walk_arrays(walk, 0.0, "luminance", SIDES)
    light = {"brightness": {"luminance": 0.7}, "tag": {"luminance": 0.01}}
    scored = lambda rows, table: score_walk(arrays, table, METERS["luminance"], 0.5, ALPHA, np.array(rows), light)  # noqa: E731
    scores = scored([True, True, False, False], [luminance_row()])
    assert scores["spearman"] == 1 and scores["span"] == 2 and scores["slope"] == pytest.approx(1 / 6)
    assert scores["non_trivial"] == scores["flips"] == 1 and scores["name"] == "brightness"
    assert scored([True] * 4, [luminance_row()])["flips"] == 0.5
    assert scored([True] * 4, [luminance_row(named=False)])["name"] == ""


def test_the_slope_of_a_walk_is_told_by_its_own_reach(walk):
    """A led walk goes as far as it has to: half as far for the same change is twice as steep."""
    about = [luminance_row()], METERS["luminance"], 0.5, ALPHA, np.ones(4, bool), {"tag": {"luminance": 0.5}}
    short = dataclasses.replace(walk, alpha=np.tile(ALPHA / 2, (4, 1)))
    slopes = [score_walk(walk_arrays(w, 0.0, "luminance", SIDES), *about)["slope"] for w in (walk, short)]
    assert slopes == pytest.approx([1 / 6, 1 / 3])


def test_how_steep_a_led_walk_of_an_earlier_version_is_nobody_knows(walk, monkeypatch):
    monkeypatch.setattr("xaae.audit.walk_cells.alphas", lambda: ALPHA)
    kept = walk_arrays(walk, 0.0, "luminance", SIDES)
    del kept["alpha_span"]
    light = {"tag": {"luminance": 0.5}}
    answer = SimpleNamespace(arrays=dict.fromkeys(("lda", "led_aae"), kept), shift=0.5)
    answer.tables = dict.fromkeys(answer.arrays, [luminance_row()])
    judged = SimpleNamespace(walks=lambda *_: answer, meter=METERS["luminance"], flip_set=lambda _: np.ones(4, bool))
    slope = lambda direction: score_walk_of(judged, "biased", 0, direction, light)["slope"]  # noqa: E731
    assert slope("lda") == pytest.approx(1 / 6) and np.isnan(slope("led_aae"))


REACHED = {"spearman": -0.9, "span": 0.6, "p_random": 0.01, "name": "tag", "slope": 0.1, "non_trivial": 1.0}
REACHED |= {"flips": 1.0, "realism": 0.9, "largest_step": 0.1, "ends_explain": 0.5}


@pytest.mark.parametrize(
    "less",
    [
        {"spearman": 0.7},
        {"span": 0.4},
        {"p_random": 0.02},
        {"name": "blur"},
        {"largest_step": 0.3},
        {"ends_explain": 0.95},
    ],
)
def test_a_walk_shows_the_factor_if_it_reaches_everything(less):
    assert shows_factor(REACHED, "tag", Thresholds()) and not shows_factor(REACHED | less, "tag", Thresholds())


@pytest.mark.parametrize("unknown", [{"largest_step": None}, {"ends_explain": None}])
def test_what_says_nothing_of_gliding_takes_nothing_from_a_walk(unknown):
    assert shows_factor(REACHED | unknown, "tag", Thresholds())
    assert sum_up_walks([REACHED | unknown] * 3, "tag")["scores"][next(iter(unknown))] is None


def test_the_walk_of_an_earlier_version_is_scored_by_its_readings_and_a_cross_fade_by_its_ends(walk):
    """Readings are kept in every version; what the ends explain is not, and says nothing of a change that is a fade."""
    arrays, rows = walk_arrays(walk, 0.0, "luminance", SIDES), np.ones(4, bool)
    jump = arrays | {"meter.luminance": np.where(walk.readings["luminance"] > 0.45, 1.0, 0.0)}
    about = METERS["luminance"], 0.5, ALPHA, rows, {"tag": {"luminance": 0.5}}
    scored = lambda kept: score_walk(kept, [luminance_row()], *about)  # noqa: E731
    assert scored(arrays)["largest_step"] == pytest.approx(0.1) and scored(jump)["largest_step"] == 1
    assert scored(arrays)["ends_explain"] is None
    known = lambda real: scored(arrays | {"ends_explain": np.full(4, 0.97), "real_ends_explain": np.array(real)})  # noqa: E731
    assert known(0.5)["ends_explain"] == pytest.approx(0.97) and known(0.99)["ends_explain"] is None
    still = scored(
        arrays | {"meter.luminance": np.zeros((4, 11)), "ends_explain": np.ones(4), "real_ends_explain": 0.5}
    )
    assert still["largest_step"] is still["ends_explain"] is None


def test_walks_of_several_models_are_named_by_most_and_scored_by_the_median():
    summed = sum_up_walks([REACHED, REACHED | {"span": 0.8}, REACHED | {"span": 9.0, "name": "tint"}], "tag")
    assert summed["named"] and summed["scores"]["span"] == 0.8 and summed["scores"]["spearman"] == -0.9
    assert summed["naming"] == "its meters name tag in 2 of 3 models, tint in 1"
    assert not sum_up_walks([REACHED, REACHED | {"name": ""}], "tag")["named"]


def test_walks_are_named_by_how_many_models_name_what():
    assert what_is_named(["tag", "tag", "tag"]) == "its meters name tag in 3 of 3 models"
    assert what_is_named(["", ""]) == "its meters name nothing in 2 of 2 models"
