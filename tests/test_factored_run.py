"""A trained run with a factored code, in seconds: its coordinate, its led walk, its explanations, its page."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import call, refused

from xaae.audit.arm_walks import walk_from_probe
from xaae.audit.arms import Condition
from xaae.audit.opened_arm import OpenedArm
from xaae.audit.walk_cells import explained_model
from xaae.callbacks import PAIR_PARTS
from xaae.experiment import run_folder
from xaae.experiment.command_settings import NavigationSettings
from xaae.experiment.settings import RunSettings
from xaae.latent_nav.encoded_run import encode_run
from xaae.latent_nav.navigation import navigate
from xaae.report import write_report
from xaae.training.fitting import train_run
from xaae.training.preparation import prepare_training, resolve
from xaae.training.trained_run import open_trained_run

SHAPE = {"size": 16, "items": 240, "step_channels": 16, "batch_size": 32, "epochs": 9, "baseline_epochs": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory, data_root):
    """A factored run, navigated along its led walk."""
    folder = tmp_path_factory.mktemp("factored") / "run"
    settings = RunSettings.from_options(
        "smoke",
        dataset="synthpets",
        data_root=str(data_root),
        code="factored",
        precision="fp32",
        starts=6,
        random_directions=4,
        **SHAPE,
    )
    settings, note = resolve(settings)
    torch.manual_seed(0)
    folder.mkdir()
    train_run(prepare_training(settings, note), folder, quiet=True)
    navigate(folder, NavigationSettings(specs=("led:aae", "lda"), maps=("pca",), counterfactuals=24))
    return folder


def test_the_coordinate_follows_what_was_planted_though_nobody_told_it(run):
    trained = open_trained_run(run)
    rows = trained.rows("valid")
    with torch.inference_mode():
        z = trained.model().encode(trained.planted(rows)).numpy()
    planted = trained.table.value.to_numpy()[rows]
    assert np.corrcoef(z[:, -1], planted)[0, 1] > 0.9


def test_the_decoder_plants_nothing_that_no_training_item_has(run):
    """Whatever the code says: a walk that went on would show what no classifier has met."""
    trained = open_trained_run(run)
    model, rows = trained.model(), trained.rows("train")
    (low, high), value = model.coordinates[0].limits, trained.table.value.to_numpy()[rows]
    assert abs(low - value.min()) < 30 and abs(high - value.max()) < 30 and high - low > 120
    with torch.inference_mode():
        z = model.encode(trained.planted(rows[:4]))
        far, farther, back = (z.clone() for _ in range(3))
        far[:, -1], farther[:, -1], back[:, -1] = z[:, -1] + 9, z[:, -1] + 99, z[:, -1] - 9
        torch.testing.assert_close(model.decode(far), model.decode(farther))
        assert (model.decode(far) - model.decode(back)).abs().mean() > 0.02


def test_an_audit_walks_where_a_classifier_leads(run):
    """The walk is judged by the answer that leads it, and shows what that goes by."""
    trained = open_trained_run(run)
    arm = OpenedArm(trained, Condition("rotation"))
    encoded = encode_run(trained, meters=arm.meters)
    question = SimpleNamespace(directions=("led:aae", "means"), random_directions=3, spacing="arc")
    probe = arm.probe_items(12)
    arrays, tables = walk_from_probe(encoded, arm, probe, question, np.random.default_rng(0))
    assert set(arrays) == set(tables) == {"led_aae", "means", "pca_1"}
    assert arrays["led_aae"]["flips"].mean() > 0.7 and explained_model("led_aae") == "aae"
    turned = arrays["led_aae"]["meter.rotation"]
    assert abs(np.median(turned[:, -1] - turned[:, 0])) > 45


def test_what_only_pairs_have_is_logged_of_training_alone(run):
    history = pd.read_csv(run / "history.csv")
    for name in PAIR_PARTS:
        assert history[f"train_{name}"].notna().all() and history[f"valid_{name}"].isna().all()
    assert history.valid_reconstruction.notna().all()


def test_the_led_walk_turns_the_way_the_classes_do_and_glides(run):
    walk = run_folder.read_json(run / "navigate.json")["walk"]["by_direction"]["led_aae"]
    assert walk["change"] > 45 and walk["spearman"] > 0.95 and walk["largest_step_share"] < 0.25
    assert walk["match"] > 0.9


def test_counterfactuals_are_found_for_all_items(run):
    found = run_folder.read_json(run / "navigate.json")["counterfactual"]
    assert found["flipped"] is None and found["flipped_when_seen"] == 1.0 and found["items"] == 24
    with np.load(run / "counterfactuals.npz") as arrays:
        before, after = arrays["probability"].argmax(2).T
    assert (before != after).all()


def test_its_page_tells_the_walk_and_whether_reconstructions_are_recognised(run):
    text, summary = write_report(run).read_text(), run_folder.read_json(run / "summary.json")
    assert summary["walk"]["direction"] == "led_aae" and 0 <= summary["aae"]["recon_agreement"] <= 1
    assert "Reconstructions recognised" in text and "a coordinate of its own for rotation" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--code", "plain", "--coordinates", "rotation"), "--coordinates are part of a factored code"),
        (("--preset", "thesis", "--code", "factored"), "has the plain code"),
        (("--code", "factored", "--coordinates", "jpeg"), "cannot be a coordinate"),
    ],
)
def test_codes_that_make_no_sense_are_refused_before_anything_is_written(tmp_path, data_root, options, words):
    data = "--dataset", "synthpets", "--data-root", data_root, "--items", "40", "--out", tmp_path / "run"
    assert refused(call("train", "--preset", "smoke", *data, *options), words) and not (tmp_path / "run").exists()
