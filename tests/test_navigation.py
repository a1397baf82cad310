"""Laws of `navigate`: what it promises is there, its flags do what they say, and what makes no sense is refused."""

import json
import pickle

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import BRIEFLY, TINY, succeed
from helpers.sharing import copy_of, in_bf16
from PIL import Image
from scipy.stats import spearmanr

from xaae import model as models
from xaae.experiment import run_folder
from xaae.experiment.kinds import PICTURE
from xaae.experiment.manifest import written_files
from xaae.experiment.walk_words import FADE, GLIDE
from xaae.explain.response_run import answer_to_factor, answers_ahead
from xaae.factors.meters import METERS
from xaae.factors.registry import FACTORS
from xaae.latent_nav import walks
from xaae.latent_nav.gliding import UNEVEN, largest_path_steps
from xaae.latent_nav.health_run import add_health, health_of_run

NAMES = {"lda", "logistic", "head", "means", "severity", "gradient", "pca_1", "pca_2"}  # and three dimensions
WALK_KEYS = """meter unit change change_ci change_words spearman p_value match probability_first probability_last
accepted flips frame_change start_groups spacing largest_step largest_step_share path_step_share ends_explain answers_of
real_ends_explain undone_match rotation_span_deg rotation_span_deg_ci rotation_spearman""".split()
LED_KEYS = set("starts reach brought_over random_change own_probability_first own_probability_last".split())
ROW_KEYS = "meter unit change change_ci spread spreads spearman largest_step_share p p_any words named".split()


def told(run):
    return json.loads((run / "navigate.json").read_text())


def arrays(run, name):
    return dict(np.load(run / f"{name}.npz"))


@pytest.fixture(scope="module")
def numbers(toy_run):
    return told(toy_run)


def walk_names(found):
    return list(found["walk"]["by_direction"])


# ---- the default: everything that is promised -------------------------------------------------------------------


def test_every_kind_of_direction_is_walked(toy_run, numbers):
    names = walk_names(numbers)
    assert names[0] == numbers["walk"]["direction"] == "lda" and NAMES < set(names)
    led = {name for name in names if name.startswith("led_")}  # a model that always says the same leads nowhere
    assert {*led, *numbers["left_out"]} == {"led_aae", "led_baseline"} and not led & set(numbers["left_out"])
    single = set(names) - NAMES - led
    assert len(single) == 3 and all(name.startswith("dim_") for name in single)
    assert single == {f"dim_{d['dimension']}" for d in numbers["dimensions"][:3]}
    assert {p.stem for p in (toy_run / "walks").glob("*.npz")} == {*names, "random"}


def test_every_walk_holds_its_arrays(toy_run, numbers):
    for name in walk_names(numbers):
        found = arrays(toy_run, f"walks/{name}")
        (s, t), side = found["match"].shape, (32, 32)
        assert (s, t) == (4, 21) and found["frames"].shape == (s, t, *side, 3) and found["frames"].dtype == np.uint8
        assert found["alpha"].shape == (s, t) and found["probability"].shape == (s, t, 2)
        assert found["discriminator"].shape == (s, t) and found["start_image"].shape == (s, *side, 3)
        assert {k for k in found if k.startswith("meter.")} >= {f"meter.{m}" for m in METERS} and "angle" not in found
        assert all(found[k].shape == (s, t) for k in found if k.startswith("meter."))
        assert found["heat.integral"].shape == found["heat.ends"].shape == (s, *side)
        assert (found["heat.integral"] >= found["heat.maximum"] - 1e-5).all() and (found["heat.maximum"] >= 0).all()
        assert (toy_run / "walks" / f"{name}.png").exists()


def decoded(model, z):
    """Codes (B, D) as pictures (B, H, W, C) of whole levels, by the model in float32."""
    with torch.no_grad():
        return run_folder.as_stored(model.decode(torch.from_numpy(z)).numpy(), PICTURE).astype(int)


def test_walks_start_at_held_out_items(toy_run, numbers):
    table = run_folder.read_items(toy_run)
    for name in walk_names(numbers):
        found = arrays(toy_run, f"walks/{name}")
        assert (table.split.iloc[found["start"]] == "valid").all()
    table = table.iloc[arrays(toy_run, "walks/lda")["start"]]
    assert table.label.value_counts().to_dict() == {"cat": 2, "dog": 2}


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def precise(request, toy_run, tmp_path_factory):
    """A navigated run of either precision, and how far its levels and its probabilities may be off."""
    if request.param == "fp32":
        return toy_run, 1, 1e-5
    run = in_bf16(copy_of(toy_run, tmp_path_factory.mktemp("bf16") / "run"))
    succeed("navigate", run, *BRIEFLY)
    return run, 6, 2**-7


def test_every_frame_is_the_decoded_code_at_its_alpha_and_probabilities_are_probabilities(precise):
    run, levels, share = precise
    z, model = arrays(run, "latents")["z"], models.load(run / "model.safetensors")
    straight = arrays(run, "directions")
    for name in walk_names(told(run)):
        found, vector = arrays(run, f"walks/{name}"), straight.get(f"{name}.direction")
        if vector is not None:
            moved = z[found["start"]][:, None] + found["alpha"][..., None] * straight[f"{name}.scale"] * vector
            expected = decoded(model, moved.reshape(-1, z.shape[1]).astype(np.float32))
            apart = np.abs(found["frames"].reshape(expected.shape).astype(int) - expected)
            assert apart.max() <= levels
        np.testing.assert_allclose(found["probability"].sum(-1), 1, atol=share)


def test_both_precisions_tell_of_the_same_walk(precise, toy_run):
    """Nearly: frames differ by a few levels, and in bf16 they do differ, or it was not in bf16."""
    run, levels, _ = precise
    ours, theirs = (arrays(folder, "walks/lda")["frames"].astype(int) for folder in (run, toy_run))
    apart = np.abs(ours - theirs)
    assert apart.mean() < levels and (apart.max() > 0) == (run != toy_run)


def decoded_walk(run, name, kept):
    """The frames of a kept walk along a straight direction, decoded again and not rounded."""
    z, straight = arrays(run, "latents")["z"], arrays(run, "directions")
    alpha = np.broadcast_to(kept["alpha"], kept["match"].shape)[..., None]
    moved = z[kept["start"]][:, None] + alpha * straight[f"{name}.scale"] * straight[f"{name}.direction"]
    return walks.decode_codes(models.load(run / "model.safetensors"), torch.from_numpy(moved).float())


def test_frames_are_in_equal_steps_of_the_path_unless_asked_otherwise(toy_run, numbers, again):
    for run, spacing in ((toy_run, "arc"), (again, "alpha")):
        found, name = told(run), told(run)["walk"]["direction"]
        walk = found["walk"]
        kept = arrays(run, f"walks/{name}")
        even = largest_path_steps(decoded_walk(run, name, kept))
        assert walk["spacing"] == spacing == found["options"]["spacing"]
        assert walk["path_step_share"][spacing] == pytest.approx(np.median(even), abs=1e-3)
        np.testing.assert_allclose(kept[f"path_step.{spacing}"], even, atol=1e-3)
        assert walk["path_step_share"]["arc"] <= walk["path_step_share"]["alpha"] + 1e-6
        assert walk["path_step_share"]["arc"] <= UNEVEN / 20 + 1e-6
    np.testing.assert_allclose(kept["alpha"], walks.alphas())


def test_the_main_walk_is_filmed(toy_run):
    assert sorted(p.name for p in (toy_run / "walks").glob("*.[gm][ip][f4]")) == ["lda.gif", "lda.mp4"]
    with Image.open(toy_run / "walks" / "lda.gif") as film:
        there_and_back = [(film.seek(i), film.info["duration"])[1] for i in range(film.n_frames)]
        assert sum(there_and_back) == 40 * 100  # milliseconds; frames that are the same are kept once
    assert cv2.VideoCapture(str(toy_run / "walks" / "lda.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 21


def test_the_null_is_across_the_main_direction(toy_run, numbers):
    found = arrays(toy_run, "walks/random")
    assert {k for k in found if k != "cosine"} >= {f"change.{m}" for m in METERS}
    assert all(v.shape == (4,) for v in found.values()) and np.abs(found["cosine"]).max() < 1e-4
    size = np.median(np.abs(found["change.rotation"]))
    assert numbers["walk"]["random_change"] == pytest.approx(size) == numbers["walk"]["random_span_deg"]


def test_maps_exemplars_and_counterfactuals_have_their_shapes(toy_run):
    table = run_folder.read_items(toy_run)
    held = np.flatnonzero(table.split == "valid")
    found = arrays(toy_run, "maps")
    np.testing.assert_array_equal(found["row"], held)
    assert all(found[f"{m}.xy"].shape == (len(held), 2) for m in ("pca", "tsne", "side"))
    assert found["pca.arrow"].shape == (2, 2) and "tsne.arrow" not in found and (toy_run / "maps.png").exists()
    p = len(found["thumb_row"])
    assert found["thumb_image"].shape == (p, 32, 32, 3) and set(found["thumb_row"]) <= set(held)
    found = arrays(toy_run, "exemplars")
    a, (s, k) = len(found["along_row"]), found["counter_row"].shape
    assert found["along_image"].shape == (a, 32, 32, 3) and (np.diff(found["along_position"]) >= 0).all()
    assert found["counter_image"].shape == (s, k, 32, 32, 3) and found["counter_distance"].shape == (s, k)
    label = table.label.to_numpy()
    assert (label[found["counter_row"]] != label[found["start_row"]][:, None]).all()
    assert found["tenth_image"].shape == (10, 32, 32, 3) and found["tenth_count"].sum() == len(held)
    found = arrays(toy_run, "counterfactuals")
    n = len(found["row"])
    names = ("start_image", "reconstruction", "counterfactual", "nearest_image")
    assert all(found[name].shape == (n, 32, 32, 3) for name in names) and found["probability"].shape == (n, 2, 2)
    assert found["difference"].shape == (n, 32, 32) and found["accepted"].dtype == bool
    assert found["distance"].shape == found["nearest_other"].shape == (n,)


def test_tables_have_a_row_for_each_column_and_item(toy_run):
    items, found = run_folder.read_items(toy_run), pd.read_csv(toy_run / "correlations.csv")
    assert set(found.columns) == {"factor", "items", "within_class_spearman", "p", "p_holm"}
    assert set(found.factor) == set(items.select_dtypes(["number", "bool"]))
    found = pd.read_csv(toy_run / "positions.csv")
    assert list(found.path) == list(items.path) and {"position", "severity", "probability"} < set(found)
    lda, z = arrays(toy_run, "directions"), arrays(toy_run, "latents")["z"]
    along = z @ lda["lda.direction"] / lda["lda.scale"]
    middle = along[items.split == "train"].mean()
    np.testing.assert_allclose(found.position, along - middle, atol=1e-3)


def test_navigate_json_holds_every_promised_number(numbers):
    walk = numbers["walk"]
    assert set(WALK_KEYS) | {"direction", "starts", "frames", "random_directions", "by_direction"} <= set(walk)
    for name, each in walk["by_direction"].items():
        assert set(WALK_KEYS) | (LED_KEYS if name.startswith("led") else set()) == set(each)
        assert each["change_ci"][0] <= each["change"] <= each["change_ci"][1]
        assert {"title", "note", "contrast", "stability", "auc", "cohens_d", "cosine"} <= set(
            numbers["directions"][name]
        )
        naming = numbers["naming"][name]
        assert naming["sentence"] and naming["named"] == [r["meter"] for r in naming["meters"] if r["named"]]
        assert all(set(ROW_KEYS) <= set(row) for row in naming["meters"]) and len(naming["meters"]) >= len(METERS)
    assert numbers["directions"]["lda"]["cosine"] == pytest.approx(1)
    limits = {"clear": 45, "none": 10, "meter_error": 15}
    assert numbers["planted"]["shift"] == pytest.approx(90, abs=2)
    assert numbers["planted"]["limits"] == pytest.approx(limits, rel=0.03) and numbers["planted"]["meter"] == "rotation"
    assert set(numbers["thresholds"]["naming"]) == {"spreads", "p_any", "spearman", "accounts"}
    assert numbers["thresholds"]["glide"] == {"largest_step_share": GLIDE, "ends_explain": FADE}
    wanted = (
        "items flipped flipped_when_seen accepted acceptance_floor_percentile distance nearest_other shorter sentence"
        " sides"
    )
    assert set(wanted.split()) <= set(numbers["counterfactual"]) and numbers["meter"]["reconstruction_error"] >= 0
    assert {"spearman", "slope", "baseline_slope"} <= set(numbers["impact"]) and numbers["seconds"] > 0
    auc = [d["auc"] for d in numbers["dimensions"]]
    assert len(auc) == 16 and auc == sorted(auc, reverse=True)


# ---- with flags -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def again(toy_run, tmp_path_factory):
    """A copy of the run, navigated with every flag that fits on one line."""
    run = copy_of(toy_run, tmp_path_factory.mktemp("again") / "run")
    flags = "--directions head,dims:1,target:value --contrast dog:cat --away pca:1 --between 1:2 --spherical"
    few = ["--spacing", "alpha", "--maps", "pca", "--counterfactuals", 5, "--films", "--against", toy_run]
    succeed("navigate", run, *flags.split(), *few)
    return run


def test_directions_are_those_asked_for_and_keep_away(again, toy_run):
    found, held = told(again), arrays(again, "directions")
    single = f"dim_{found['dimensions'][0]['dimension']}"
    assert walk_names(found) == ["head", single, "target_value"] and found["walk"]["direction"] == "head"
    assert {k.removesuffix(".direction") for k in held if k.endswith(".direction")} == set(walk_names(found))
    axis, before = arrays(toy_run, "directions")["pca_1.direction"], arrays(toy_run, "directions")["head.direction"]
    assert all(abs(held[f"{name}.direction"] @ axis) < 1e-3 for name in walk_names(found))
    rest = before - axis * (before @ axis)
    assert held["head.direction"] @ rest / np.linalg.norm(rest) == pytest.approx(-1, abs=1e-3)  # the other way round
    assert found["directions"]["head"]["contrast"] == "dog to cat"
    assert all((again / "walks" / f"{n}.{kind}").exists() for n in walk_names(found) for kind in ("npz", "gif", "mp4"))


def test_no_walk_of_an_earlier_navigation_stays(again):
    assert {p.stem for p in (again / "walks").glob("*.npz")} == {*walk_names(told(again)), "random"}


def test_the_arc_between_two_items_begins_and_ends_at_them(again):
    found = arrays(again, "interpolations/1-2-spherical")
    z, model = arrays(again, "latents")["z"], models.load(again / "model.safetensors")
    assert found["frames"].shape == (1, 21, 32, 32, 3) and found["row"].tolist() == [1, 2]
    assert found["probability"].shape == (1, 21, 2) and found["meter.rotation"].shape == (1, 21)
    assert np.abs(found["frames"][0, [0, -1]].astype(int) - decoded(model, z[[1, 2]])).max() <= 1
    kinds = {p.suffix for p in (again / "interpolations").iterdir()}
    assert kinds == {".npz", ".png", ".gif", ".mp4"}


def test_two_runs_are_compared_by_the_order_of_the_same_held_out_items(again, toy_run):
    ours, theirs = (pd.read_csv(run / "positions.csv").query("split == 'valid'") for run in (again, toy_run))
    expected = abs(spearmanr(ours.position, theirs.position)[0])
    assert told(again)["agreement"] == {str(toy_run): pytest.approx(expected)}


def test_maps_and_counterfactuals_are_as_many_as_asked_for(again):
    assert told(again)["counterfactual"]["items"] == 5 == len(arrays(again, "counterfactuals")["row"])
    assert {k for k in arrays(again, "maps") if k.endswith(".xy")} == {"pca.xy", "side.xy"}


def test_the_page_of_a_navigation_with_flags_is_made(again, door):
    assert door("report", again).exit_code == 0 and (again / "report.html").stat().st_size > 10_000


# ---- refusals ---------------------------------------------------------------------------------------------------

REFUSED = {  # what is typed -> words of the cause, words of the cure
    "--directions ldaa": ("no direction 'ldaa'", "choose from lda, logistic"),
    "--directions lda,pca:0": ("no direction 'pca:0'", "pca:N"),
    "--directions lda@rest:cow": ("no class 'cow'", "cat, dog"),
    "--directions gradient,lda": ("has to be a straight one", "name another before gradient"),
    "--directions target:age": ("no column of numbers 'age'", "choose from value"),
    "--directions target:pattern": ("no column of numbers 'pattern'", "choose from value"),
    "--directions target:seed": ("'seed' has fewer than two different numbers", "choose another target"),
    "--contrast cat:cow": ("no class 'cow'", "FROM:TO with cat, dog"),
    "--contrast cat:cat": ("same side twice", "two classes"),
    "--away pca:16": ("Nothing is left of lda", "name fewer"),
    "--between 1:99999": ("no item 99999", "rows 0 to 79"),
    "--between -1:2": ("no item -1", "rows 0 to 79"),
    "--between 1-2": ("--between", "ROW:ROW"),
    "--maps pca,atlas": ("no map 'atlas'", "choose from pca, tsne, umap"),
    "--counterfactuals 0": ("--counterfactuals", "x>=1"),
}


@pytest.mark.parametrize("flags", [*REFUSED, "--away gradient"])
def test_what_makes_no_sense_is_refused_in_one_sentence(door, toy_run, flags):
    before = (toy_run / "navigate.json").read_bytes()
    result = door("navigate", toy_run, *flags.split())
    said = result.stderr.strip().splitlines()[-1]
    assert result.exit_code == 2 and "Traceback" not in result.stderr and said.endswith(".")
    assert all(words in said for words in REFUSED.get(flags, ("gradient",)))
    assert (toy_run / "navigate.json").read_bytes() == before


def test_a_run_that_was_not_navigated_cannot_be_compared_with(door, toy_run, tmp_path):
    result = door("navigate", toy_run, "--against", tmp_path)
    assert result.exit_code == 2 and f"python main.py navigate {tmp_path}" in result.stderr


@pytest.mark.parametrize("flags", ["--contrast cat:cow", "--directions ldaa"])
def test_nothing_is_written_before_a_refusal(door, toy_run, tmp_path, flags):
    run = tmp_path / "run"
    copy_of(toy_run, run)
    (run / "latents.npz").unlink()
    before = {p for p in run.rglob("*")}
    assert door("navigate", run, *flags.split()).exit_code == 2 and {p for p in run.rglob("*")} == before


# ---- another factor ---------------------------------------------------------------------------------------------


def _explained(run):
    """What both models answered: the table, and the numbers without the seconds."""
    numbers = json.loads((run / "explain.json").read_text())
    return (run / "explanations" / "response.csv").read_text(), numbers | {"seconds": None}


@pytest.mark.usefixtures("small_baseline")
def test_a_run_of_another_factor_and_with_other_settings_goes_through_to_its_page(data_root, tmp_path):
    run = tmp_path / "bright"
    where = ["--dataset", "synthpets", "--data-root", data_root, "--out", run]
    other = ["--factor", "brightness", "--prior", "class", "--split", "group"]
    succeed("train", *TINY, *where, *other, "--items", 120)  # enough for the health of codes
    succeed("navigate", run, *BRIEFLY)
    answer_to_factor(run)
    found = _explained(run)
    answer_to_factor(run, ahead=pickle.loads(pickle.dumps(answers_ahead(run))))  # it comes from another process
    assert found == _explained(run)
    succeed("report", run)
    assert np.isfinite(json.loads((run / "summary.json").read_text())["baseline"]["valid_accuracy"])
    config, found, table = json.loads((run / "config.json").read_text()), told(run), run_folder.read_items(run)
    assert config["factor"] == "brightness" and config["factor_about"]["meter"] == "luminance"
    assert config["factor_about"]["whole"] == list(FACTORS["brightness"].whole) and set(table.factor) == {"brightness"}
    assert table.value[table.label == "cat"].max() <= 0 <= table.value[table.label == "dog"].min()
    assert found["walk"]["meter"] == found["planted"]["meter"] == "luminance" != found["walk"]["unit"]
    assert 0.4 < found["planted"]["shift"] < 0.55  # from 0.48 of the way to black to 0.48 of the way to white
    assert {"items", "effective_rank", "probe_r2", "dci", "dead_share"} <= set(found["health"])
    assert "value" in found["health"]["probe_r2"] and "item" not in found["health"]["probe_r2"], "a row's number"
    run_folder.write_json(run / "navigate.json", found | {"health": None})
    add_health(run, health_of_run(run))  # as the whole job does it, beside the walks
    assert told(run) == found and "navigate.json" in written_files(run)
    assert list(np.load(run / "explanations" / "gradcam.npz")["value"])[0] >= -0.7
    assert "unrotated_ncc" not in json.dumps(json.loads((run / "explain.json").read_text())["gradcam"])
    assert set(pd.read_csv(run / "explanations" / "response.csv").columns) >= {"model", "label", "value", "mean"}
    page = (run / "report.html").read_text()
    told_of = "brighter", "darker", "keeps its luminance", "does not change visibly"
    assert any(words in page for words in told_of) and "luminance" in page
