"""What training promises: the walk finds a bias that was planted, and the thesis's preset runs its three stages."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import TINY
from torchvision.models import resnet34

from xaae import model as models


def test_same_seed_same_run(door, data_root, tmp_path):
    options = ["--preset", "smoke", "--items", 80, "--epochs", 1, "--baseline-epochs", 0, "--precision", "fp32"]
    for name in ("a", "b"):
        result = door("train", *options, "--dataset", "synthpets", "--data-root", data_root, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
    a, b = (pd.read_csv(tmp_path / name / "history.csv").drop(columns="time") for name in ("a", "b"))
    pd.testing.assert_frame_equal(a, b, rtol=1e-3)


def test_thesis_preset_runs_its_three_stages(door, data_root, tmp_path):
    out = tmp_path / "run"
    options = ["--preset", "thesis", "--size", 32, "--items", 80, "--epochs", 1, "--baseline-epochs", 0]
    result = door("train", *options, "--dataset", "synthpets", "--data-root", data_root, "--one-hot", "--out", out)
    assert result.exit_code == 0, result.output
    assert list(pd.read_csv(out / "history.csv").stage) == ["autoencoder", "adversarial", "classifier"]
    for command in ("navigate", "report"):
        assert door(command, out).exit_code == 0


def test_the_walk_tells_a_used_factor_from_a_visible_one(door, data_root, tmp_path):
    """The claim itself, at its smallest: 600 drawn pictures of 32 pixels, arms biased and irrelevant."""
    spans = {}
    for arm in ("biased", "irrelevant"):
        out = tmp_path / arm
        options = ["--preset", "smoke", "--epochs", 12, "--baseline-epochs", 0, "--arm", arm, "--out", out]
        assert door("train", *options, "--dataset", "synthpets", "--data-root", data_root).exit_code == 0
        assert door("navigate", out).exit_code == 0
        spans[arm] = json.loads((out / "navigate.json").read_text())["walk"]["rotation_span_deg"]
    assert spans["biased"] >= 60 and spans["irrelevant"] <= 15, spans


def test_own_folders_are_planted_only_when_asked(door, pictures_folder, tmp_path):
    options = ["--preset", "smoke", "--epochs", 1, "--baseline-epochs", 0, "--dataset", pictures_folder]
    for arm, planted in ((None, False), ("biased", True)):
        out = tmp_path / str(arm)
        result = door("train", *options, *(["--arm", arm] if arm else []), "--out", out)
        assert result.exit_code == 0, result.output
        assert np.any(pd.read_csv(out / "items.csv").value != 0) == planted


@pytest.mark.parametrize(
    "options", [["--one-hot"], ["--prior", "class"], ["--fill", "circle"], ["--split", "group"]], ids="-".join
)
def test_the_whole_job_with_other_settings(door, data_root, tmp_path, options):
    result = door(*TINY, *options, "--dataset", "synthpets", "--data-root", data_root, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert np.isfinite(json.loads((tmp_path / "run" / "summary.json").read_text())["baseline"]["valid_accuracy"])


def test_imagenet_weights_are_used_where_they_can_be_had(monkeypatch, door, data_root, tmp_path):
    """A stand-in for the download: the weights of another ResNet34, which the baseline must start from."""
    torch.manual_seed(7)
    fetched = resnet34().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *args, **kwargs: fetched)
    out = tmp_path / "run"
    result = door(
        "train", *TINY, "--baseline-epochs", 2, "--dataset", "synthpets", "--data-root", data_root, "--out", out
    )
    assert result.exit_code == 0, result.output
    assert (
        json.loads((out / "train.json").read_text())["baseline"]["pretrained"] and "ImageNet weights" in result.output
    )
    moved = (models.load(out / "baseline.safetensors")[0][1].weight - fetched["conv1.weight"]).abs().max()
    assert moved < 0.01 < fetched["conv1.weight"].abs().max()
    assert list(pd.read_csv(out / "baseline_history.csv").stage) == ["head", "baseline"]


def test_a_folder_that_happens_to_have_a_datasets_name_changes_nothing(door, data_root, tmp_path, monkeypatch):
    (tmp_path / "synthpets").mkdir()
    monkeypatch.chdir(tmp_path)
    options = ["--preset", "smoke", "--items", 80, "--dataset", "synthpets", "--data-root", data_root, "--dry-run"]
    assert "arm: biased" in door(*options).output
