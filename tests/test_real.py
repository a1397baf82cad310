"""The real data of ../shared/data through the ordinary commands; skipped where they are absent."""

import json

import numpy as np
import pytest
from helpers.command_line import TINY


@pytest.mark.real
@pytest.mark.parametrize(("dataset", "items"), [("pets", 60), ("medmnist:pneumoniamnist", 120)])
def test_the_whole_job_on_real_pictures(door, real, tmp_path, dataset, items):
    out = tmp_path / "run"
    result = door(*TINY, "--items", items, "--epochs", 8, "--dataset", dataset, "--data-root", real, "--out", out)
    assert result.exit_code == 0, result.output
    summary = json.loads((out / "summary.json").read_text())
    assert (out / "report.html").stat().st_size > 50_000 and summary["dataset"] == dataset
    frames = np.load(out / "walks" / "lda.npz")["frames"]
    assert frames.shape[-1] == (3 if dataset == "pets" else 1) and frames.std() > 1


@pytest.mark.real
def test_auto_takes_the_archive_that_is_there(door, real, tmp_path):
    result = door("--preset", "smoke", "--data-root", real, "--out", tmp_path / "r", "--dry-run")
    assert result.exit_code == 0 and "Oxford-IIIT Pets, found in" in result.output
    assert "--dataset synthpets" in result.output


@pytest.mark.real
def test_a_breed_disjoint_split_trains(door, real, tmp_path):
    out = tmp_path / "run"
    result = door("train", *TINY, "--items", 100, "--dataset", "pets", "--data-root", real, "--split", "group", "--baseline-epochs", 0, "--out", out)  # fmt: skip  # noqa: E501
    assert result.exit_code == 0, result.output
