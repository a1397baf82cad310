"""Laws of rating explanations: what each metric says of maps whose quality is known, and the table of all."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from xaae import model as models
from xaae.benchmarks.networks import SignalNet
from xaae.experiment.errors import InputError
from xaae.explain.method import METHODS, Method
from xaae.explain.rating import quality
from xaae.explain.rating.metrics import METRICS
from xaae.explain.rating.quality import CHANCE, rate_methods
from xaae.sources import oxford_pets
from xaae.sources.picture_files import decode_picture

pytest.importorskip("quantus", reason="quantus is not installed (the extra `quality`)")

SHAPES = {"picture": (3, 16, 16), "grey": (1, 16, 16), "signal": (2, 64), "volume": (1, 8, 8, 8)}
LOCALISATION = [name for name, m in METRICS.items() if m.group == "localisation"]
QUICK = {"subsets": 16, "steps": 8, "copies": 2}


def corner(shape, n=6):
    """Masks (n, 1, ...) of the first half of each side."""
    masks = np.zeros((n, 1, *shape[1:]), bool)
    masks[(slice(None), slice(None), *(slice(side // 2) for side in shape[1:]))] = True
    return masks


def reader(shape):
    """A linear network that reads the corner alone: its first logit is the mean there, its second 0."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 2))
    weights = np.broadcast_to(corner(shape, 1)[0], shape).reshape(1, -1).astype(np.float32)
    with torch.no_grad():
        network[1].weight.copy_(torch.from_numpy(np.concatenate([weights / weights.sum(), 0 * weights])))
        network[1].bias.zero_()
    return network


def items(shape, n=6, seed=0):
    """Items whose corner is brighter than the rest."""
    x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))
    return x + torch.from_numpy(corner(shape, n)).float()


@pytest.fixture(scope="module")
def signals():
    """A small convnet on signals, with items."""
    torch.manual_seed(0)
    return SignalNet().eval(), torch.randn(5, 2, 96)


# ---- the metrics ------------------------------------------------------------------------------------------------


def test_metrics_keep_the_names_that_tables_have():
    groups = {
        "faithfulness": ["faithfulness_correlation", "pixel_flipping"],
        "robustness": ["max_sensitivity"],
        "localisation": ["relevance_mass", "relevance_rank", "pointing_game"],
        "complexity": ["sparseness", "complexity"],
        "randomisation": ["parameter_randomisation", "random_logit"],
    }
    assert [(m.group, name) for name, m in METRICS.items()] == [
        (g, name) for g, names in groups.items() for name in names
    ]
    assert {m.better for m in METRICS.values()} == {"higher", "lower"}


def test_without_quantus_its_installation_is_named(signals, monkeypatch):
    monkeypatch.setitem(sys.modules, "quantus", None)
    with pytest.raises(InputError, match="pip install"):
        rate_methods(*signals, ["saliency"])


@pytest.mark.parametrize("kind", SHAPES)
def test_the_truth_beats_chance(kind):
    shape, masks = SHAPES[kind], corner(SHAPES[kind])
    given = {"maps": {"truth": masks}, "baseline": 0.0} | QUICK
    judged = rate_methods(reader(shape), items(shape), target=0, masks=masks, **given)
    found = judged.means
    for name in ("faithfulness_correlation", "pixel_flipping", "relevance_mass", "relevance_rank"):
        sign = 1 if METRICS[name].better == "higher" else -1
        assert sign * (found.loc["truth", name] - found.loc[CHANCE, name]) > 0.02, name
    assert (found.loc["truth", LOCALISATION] == 1).all() and judged.values.relevance_mass.between(0, 1).all()
    assert found.loc["truth", "faithfulness_correlation"] > 0.8
    assert abs(found.loc[CHANCE, "relevance_rank"] - masks.mean()) < 0.1


@pytest.mark.parametrize("kind", SHAPES)
def test_a_flat_map_is_the_most_complex_and_a_single_place_the_simplest(kind):
    shape = SHAPES[kind]
    flat, single = (np.zeros((6, 1, *shape[1:])) for _ in range(2))
    flat += 0.3
    single.reshape(6, -1)[:, 7] = -2.0
    maps = {"flat": flat, "single": single}
    found = rate_methods(reader(shape), items(shape), maps=maps, metrics=["complexity", "sparseness"]).means
    places = np.prod(shape[1:])
    assert found.complexity["flat"] == pytest.approx(np.log(places), abs=1e-6) and found.complexity.idxmax() == "flat"
    assert found.complexity["single"] == pytest.approx(0, abs=1e-6)
    assert found.sparseness["flat"] == pytest.approx(0, abs=1e-6)
    assert found.sparseness["single"] == pytest.approx(1 - 1 / places, abs=1e-3)


@pytest.mark.parametrize("kind", SHAPES)
def test_the_gradient_of_a_linear_network_does_not_mind_noise(kind):
    methods = ["saliency", "input_x_gradient"]
    found = rate_methods(
        reader(SHAPES[kind]), items(SHAPES[kind]), methods, target=0, metrics=["max_sensitivity"], copies=3
    )
    assert found.means.max_sensitivity["saliency"] < 1e-6 < 1e-3 < found.means.max_sensitivity["input_x_gradient"]


def test_more_noise_changes_the_map_more(signals):
    changes = [
        rate_methods(*signals, ["saliency"], metrics=["max_sensitivity"], noise=noise).means.max_sensitivity["saliency"]
        for noise in (1e-6, 0.01, 0.3)
    ]
    assert changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("baseline", ["mean", 0.0])
def test_removing_all_places_at_once_leaves_the_baseline(signals, baseline):
    network, x = signals
    hidden = x.mean(2, keepdim=True).expand_as(x) if baseline == "mean" else torch.zeros_like(x)
    expected = (network(x) - network(hidden))[:, 1].detach().numpy()
    found = rate_methods(network, x, ["saliency"], 1, metrics=["pixel_flipping"], steps=1, baseline=baseline).values
    np.testing.assert_allclose(found.pixel_flipping["saliency"], expected, atol=1e-5)


@pytest.fixture
def blind(monkeypatch):
    """A method that never looks at the network."""
    look = lambda ask: ask.x[:, :1]  # noqa: E731
    monkeypatch.setitem(METHODS, "blind", Method("blind", "gradient", "Blind", "none", "the item itself", look))


def test_what_ignores_the_network_is_caught(blind, signals):
    names = ["parameter_randomisation", "random_logit"]
    found = rate_methods(*signals, ["blind", "input_x_gradient"], metrics=names, seed=3).means
    assert found.loc["blind"].to_list() == pytest.approx([1, 1])
    assert (found.loc["input_x_gradient"] < 0.9).all()


# ---- the table --------------------------------------------------------------------------------------------------


def test_a_row_for_each_method_and_a_column_for_each_metric(signals):
    network, x = signals
    found = rate_methods(network, x, ["saliency", "layer_activation"], masks=corner((2, 96), 5), **QUICK)
    assert list(found.means.index) == ["saliency", "layer_activation", CHANCE] == list(found.errors.index)
    assert list(found.means.columns) == list(METRICS) and found.values.shape == (15, len(METRICS))
    assert found.means.loc[["saliency", "layer_activation"]].notna().all(axis=None)
    assert (found.reasons.loc[["saliency", "layer_activation"]] == "").all(axis=None)
    assert (found.seconds > 0).all() and found.mask_share == 0.5
    chance = found.values.complexity[CHANCE]
    assert found.errors.complexity[CHANCE] == pytest.approx(chance.std() / np.sqrt(5))


def test_the_same_seed_gives_the_same_table_whatever_else_is_asked(signals):
    few = rate_methods(
        *signals, ["smoothgrad"], metrics=["faithfulness_correlation", "max_sensitivity"], seed=5, **QUICK
    )
    torch.manual_seed(99)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    all_ = rate_methods(*signals, ["saliency", "smoothgrad"], seed=5, **QUICK)
    pair = [q.values.loc["smoothgrad", ["faithfulness_correlation", "max_sensitivity"]] for q in (few, all_)]
    assert pair[0].equals(pair[1])
    after = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    other = rate_methods(*signals, ["smoothgrad"], metrics=["max_sensitivity"], seed=6, **QUICK)
    assert not other.values.max_sensitivity["smoothgrad"].equals(pair[0].max_sensitivity)


def test_parts_give_what_the_whole_gives(signals):
    names = ["pixel_flipping", "sparseness", "complexity", *LOCALISATION]
    given = {"metrics": names, "masks": corner((2, 96), 5), "target": [0, 1, 2, 0, 1]}
    whole, parts = (rate_methods(*signals, ["saliency"], batch_size=n, **given).values for n in (8, 2))
    np.testing.assert_allclose(whole, parts, rtol=1e-4)


def test_parameters_reach_the_method(signals):
    methods, given = ["saliency", "smoothgrad"], {"smoothgrad": {"sigma": 0.0}}
    found = rate_methods(*signals, methods, parameters=given, metrics=["complexity", "pixel_flipping"]).means
    np.testing.assert_allclose(found.loc["saliency"], found.loc["smoothgrad"], rtol=1e-5)


def test_items_without_a_mask_do_not_count(signals):
    masks = corner((2, 96), 5)
    masks[3:] = False
    found = rate_methods(*signals, maps={"truth": corner((2, 96), 5)}, masks=masks, metrics=LOCALISATION, batch_size=2)
    assert (found.means.loc["truth"] == 1).all() and found.mask_share == 0.5
    assert found.values.loc["truth"].isna().all(axis=1).to_list() == [False] * 3 + [True] * 2
    assert "2 of 5" in found.reasons.loc["truth", "pointing_game"]


def test_without_masks_localisation_is_empty_and_says_so(signals):
    for masks in (None, np.zeros((5, 1, 96))):
        found = rate_methods(*signals, ["saliency"], masks=masks, metrics=["complexity", *LOCALISATION])
        assert found.means.loc["saliency", LOCALISATION].isna().all() and found.means.complexity["saliency"] > 0
        assert found.reasons.loc["saliency", LOCALISATION].str.contains("mask").all() and np.isnan(found.mask_share)


def test_one_failure_leaves_the_others(signals, monkeypatch):
    def broken(case):
        raise ZeroDivisionError("no luck")

    monkeypatch.setitem(METRICS, "sparseness", METRICS["sparseness"].__class__(*["x"] * 6, broken))
    picture = Method("dream", "visualisation", "", "", "", lambda ask: ask.x, shows="picture")
    monkeypatch.setitem(METHODS, "dream", picture)
    methods = ["deeplift_shap", "dream", "saliency"]  # the first needs a background
    found = rate_methods(*signals, methods, metrics=["sparseness", "complexity"])
    assert found.means.complexity.notna().to_list() == [False, False, True, True]
    assert found.means.sparseness.isna().all() and "no luck" in found.reasons.sparseness["saliency"]
    assert "background" in found.reasons.complexity["deeplift_shap"] and "picture" in found.reasons.complexity["dream"]


def test_a_place_along_a_direction_has_no_other_class():
    aae = models.AAE(16, 1, encoding_dims=4).eval()
    network = models.position(aae, [1.0, 0.0, 0.0, 0.0])
    found = rate_methods(network, torch.rand(3, 1, 16, 16), ["saliency"], **QUICK)
    assert "no other class" in found.reasons.random_logit["saliency"]
    kinds = ["faithfulness_correlation", "pixel_flipping", "max_sensitivity", "parameter_randomisation"]
    assert found.means.loc["saliency", kinds].notna().all()


def test_class_names_that_are_numbers_are_not_mixed_up(signals):
    names = {"metrics": ["pixel_flipping"], "classes": ["2", "0", "1"]}
    named = rate_methods(*signals, ["saliency"], "2", **names).values
    assert named.equals(rate_methods(*signals, ["saliency"], 0, metrics=["pixel_flipping"]).values)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"methods": ["saliencey"]}, "saliency"),
        ({"metrics": ["beauty"]}, "beauty"),
        ({"parameters": {"saliency": {"steps": 3}}}, "steps"),
        ({"masks": np.ones((5, 2, 96))}, "Masks"),
        ({"maps": {"mine": np.ones((5, 3, 96))}}, "Maps"),
        ({"copies": 0}, "copies"),
        ({"noise": 0.0}, "noise"),
        ({"step": 3}, "no option 'step'"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(signals, given, said):
    with pytest.raises(InputError, match=said):
        rate_methods(*signals, **({"methods": ["saliency"]} | given))


def test_it_is_quiet(signals, capfd, recwarn):
    rate_methods(*signals, ["saliency"], masks=corner((2, 96), 5), **QUICK)
    assert capfd.readouterr() == ("", "") and not recwarn.list


def test_relevance_is_one_value_for_each_place_whatever_the_scale():
    maps = np.random.default_rng(0).normal(size=(3, 2, 5))
    maps[2] = 0
    signed, size = quality.relevance(maps), quality.relevance(maps, "size")
    assert signed.shape == (3, 1, 5) and (abs(signed[:2]).max((1, 2)) == 1).all() and (signed[2] == 0).all()
    assert (size >= 0).all() and np.allclose(signed, quality.relevance(1e-6 * maps))


@pytest.mark.real
def test_real_pictures_have_masks_and_explanations_are_rated_by_them(real):
    paths = sorted(str(p) for p in (real / "oxford-iiit-pet" / "images").glob("*.jpg"))[::20]
    found, has = oxford_pets.animal_masks(paths, 32)
    assert 0.4 < has.mean() < 0.95 and 0.2 < found[torch.from_numpy(has)].float().mean() < 0.7
    chosen = np.flatnonzero(has)[:6]
    x = torch.stack([decode_picture(paths[i], 32, 3) for i in chosen]).float() / 255
    torch.manual_seed(0)
    network, masks = models.AAE(32, 3).eval(), found[chosen]
    judged = rate_methods(network, x, ["saliency"], masks=masks, maps={"truth": masks}, **QUICK)
    assert (judged.means.loc["truth", LOCALISATION] == 1).all()
    assert judged.means.loc["saliency"].notna().all() and judged.means.relevance_mass["saliency"] < 1
    assert abs(judged.means.relevance_rank[CHANCE] - judged.mask_share) < 0.1
