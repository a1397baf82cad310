"""What training promises: the walk finds a bias that was planted, and the thesis's preset runs its three stages."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.callback.schedule import Learner
from helpers.command_line import BRIEFLY, EXACT, SMALL, call, refused, succeed
from torchvision.models import resnet34

from xaae import model as models
from xaae.factors.meters import METERS
from xaae.latent_nav.encoded_run import encode_run, find_directions
from xaae.latent_nav.walk_results import walk_directions
from xaae.training.trained_run import open_trained_run

QUICK = [*SMALL, "--items", 60, "--epochs", 1, "--baseline-epochs", 0]


@pytest.fixture
def drawn(data_root):
    """Options that train on drawn pictures."""
    return ["--dataset", "synthpets", "--data-root", data_root]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_seed_same_run(drawn, tmp_path, precision):
    for name in ("a", "b"):
        succeed("train", *QUICK, *drawn, "--precision", precision, "--out", tmp_path / name)
    a, b = (pd.read_csv(tmp_path / name / "history.csv").drop(columns="time") for name in ("a", "b"))
    pd.testing.assert_frame_equal(a, b, rtol=1e-3)
    assert json.loads((tmp_path / "a" / "config.json").read_text())["precision"] == precision


@pytest.mark.parametrize("target", [[], ["--target", "size"]])
def test_a_training_that_diverges_is_told_and_leaves_nothing(pictures_folder, tmp_path, target):
    table = pd.DataFrame({"path": sorted(pictures_folder.rglob("*.png"))})
    sized = table.assign(label=[path.parent.name for path in table.path], size=np.arange(len(table)) + 0.5)
    sized.to_csv(pictures_folder / "sized.csv", index=False)
    out, data = tmp_path / "run", ["--dataset", pictures_folder / "sized.csv", *target]
    result = call("train", *QUICK, *data, *EXACT, "--lr", 1e30, "--out", out)
    assert refused(result, "training of the AAE diverged", "--lr") and not out.exists()


@pytest.fixture
def rates_found_in_few_steps(monkeypatch):
    """Twenty steps of `lr_find` in place of a hundred: any rate will do."""
    find = Learner.lr_find
    monkeypatch.setattr(Learner, "lr_find", lambda learn, **options: find(learn, num_it=20, **options))


@pytest.mark.usefixtures("rates_found_in_few_steps")
def test_thesis_preset_runs_its_three_stages(drawn, tmp_path):
    """Each as long as it was told to: a patience of ten ends no stage of one epoch. Other settings go along."""
    out = tmp_path / "run"
    options = ["--preset", "thesis", "--size", 32, "--items", 80, "--epochs", 1, "--baseline-epochs", 0]
    few = ["--starts", 4, "--random-directions", 4]
    succeed("train", *options, *few, "--one-hot", "--fill", "circle", *drawn, "--out", out)
    assert list(pd.read_csv(out / "history.csv").stage) == ["autoencoder", "adversarial", "classifier"]
    succeed("navigate", out, *BRIEFLY)
    succeed("report", out)


def rotation_of_the_walk(run):
    """By how many degrees the walk of a run along LDA turns."""
    trained = open_trained_run(run)
    encoded = encode_run(trained, meters={"rotation": METERS["rotation"]})
    find_directions(encoded, ["lda"])
    return walk_directions(encoded, trained.starts(8, np.random.default_rng(0)))["walk"]["rotation_span_deg"]


def test_the_walk_tells_a_used_factor_from_a_visible_one(drawn, tmp_path):
    """The claim itself, at its smallest: 600 drawn pictures of 16 pixels, arms biased and irrelevant."""
    spans = {}
    options = [*SMALL, *EXACT, "--size", 16, "--epochs", 8, "--step-channels", 8, "--baseline-epochs", 0]
    options += ["--random-directions", 4]
    for arm in ("biased", "irrelevant"):
        succeed("train", *options, *drawn, "--arm", arm, "--out", tmp_path / arm)
        spans[arm] = rotation_of_the_walk(tmp_path / arm)
    assert spans["biased"] >= 60 and spans["irrelevant"] <= 15, spans


def test_own_folders_are_planted_only_when_asked(pictures_folder, tmp_path):
    options = [*SMALL, "--epochs", 1, "--baseline-epochs", 0, "--dataset", pictures_folder]
    for arm, planted in ((None, False), ("biased", True)):
        out = tmp_path / str(arm)
        succeed("train", *options, *(["--arm", arm] if arm else []), "--out", out)
        assert np.any(pd.read_csv(out / "items.csv").value != 0) == planted


@pytest.fixture
def two_heads(drawn, tmp_path):
    """Trains a baseline of two epochs that asks for ImageNet's weights: its folder, and what was printed."""
    out = tmp_path / "run"
    return lambda: (out, succeed("train", *QUICK, "--baseline-epochs", 2, "--pretrained", *drawn, "--out", out))


def test_imagenet_weights_are_used_where_they_can_be_had(monkeypatch, two_heads):
    """A stand-in for the download: the weights of another ResNet34, which the baseline must start from."""
    torch.manual_seed(7)
    fetched = resnet34().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *args, **kwargs: fetched)
    out, printed = two_heads()
    about = json.loads((out / "train.json").read_text())["baseline"]
    assert about["pretrained"] and "ImageNet weights" in printed
    moved = (models.load(out / "baseline.safetensors")[0][1].weight - fetched["conv1.weight"]).abs().max()
    assert moved < 0.01 < fetched["conv1.weight"].abs().max()
    assert list(pd.read_csv(out / "baseline_history.csv").stage) == ["head", "baseline"]


@pytest.mark.usefixtures("small_baseline")
def test_without_them_it_is_trained_from_scratch_and_says_so(monkeypatch, two_heads):
    def offline(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    out, printed = two_heads()
    about = json.loads((out / "train.json").read_text())["baseline"]
    assert not about["pretrained"] and "could not be fetched" in about["note"] and about["note"] in printed
    assert list(pd.read_csv(out / "baseline_history.csv").stage) == ["baseline"] * 2


@pytest.mark.parametrize(("asked", "recipe"), [((), "(60, 0.008)"), (("--baseline-epochs", 2), "()")])
def test_drawn_pets_without_them_have_a_recipe_where_no_epochs_are_asked_for(drawn, asked, recipe):
    printed = succeed("train", *drawn, "--items", 60, "--size", 16, *asked, "--dry-run")
    assert f"baseline_from_scratch: {recipe}\n" in printed


def test_a_folder_that_happens_to_have_a_datasets_name_changes_nothing(drawn, tmp_path, monkeypatch):
    (tmp_path / "synthpets").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "arm: biased" in succeed("train", *QUICK, *drawn, "--dry-run")
