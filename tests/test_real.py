"""The real data of ../shared/data through the ordinary commands; skipped where they are absent."""

import json

import numpy as np
import pytest
from helpers.command_line import BRIEFLY, TINY, succeed

PETS, XRAYS = pytest.mark.real("oxford-iiit-pet"), pytest.mark.real("pneumoniamnist")


@pytest.mark.usefixtures("small_baseline")
@pytest.mark.parametrize(
    ("dataset", "items", "channels"),
    [pytest.param("pets", 60, 3, marks=PETS), pytest.param("medmnist:pneumoniamnist", 120, 1, marks=XRAYS)],
)
def test_real_pictures_go_through_to_the_report(real, tmp_path, dataset, items, channels):
    out = tmp_path / "run"
    succeed("train", *TINY, "--items", items, "--epochs", 8, "--dataset", dataset, "--data-root", real, "--out", out)
    succeed("navigate", out, *BRIEFLY)
    succeed("report", out)
    summary = json.loads((out / "summary.json").read_text())
    assert (out / "report.html").stat().st_size > 50_000 and summary["dataset"] == dataset
    frames = np.load(out / "walks" / "lda.npz")["frames"]
    assert frames.shape[-1] == channels and frames.std() > 1


@PETS
def test_auto_takes_the_archive_that_is_there(real, tmp_path):
    printed = succeed("--preset", "smoke", "--data-root", real, "--out", tmp_path / "r", "--dry-run")
    assert "Oxford-IIIT Pets, found in" in printed and "--dataset synthpets" in printed


@PETS
def test_a_breed_disjoint_split_trains(real, tmp_path):
    where = ["--dataset", "pets", "--data-root", real, "--split", "group", "--out", tmp_path / "run"]
    succeed("train", *TINY, "--items", 100, "--baseline-epochs", 0, *where)
