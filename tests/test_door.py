"""The door: help, dry runs, and one sentence with exit status 2 for every kind of bad input."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers.command_line import TINY, refused
from helpers.pictures import save_pictures


def test_help_is_for_strangers(door):
    text = door("--help").output
    assert all(word in text for word in ("run", "train", "navigate", "explain", "report", "--preset smoke"))
    options = door("run", "--help").output
    assert all(o in options for o in ("--arm", "--data-root", "--dry-run", "--seed", "--out", "--preset"))


def test_dry_run_writes_nothing(door, data_root, tmp_path):
    out = tmp_path / "run"
    result = door(
        "--preset",
        "smoke",
        "--items",
        40,
        "--dataset",
        "synthpets",
        "--data-root",
        data_root,
        "--out",
        out,
        "--dry-run",
    )
    assert result.exit_code == 0 and "Settings" in result.output and not out.exists()
    assert "training steps: little will be learned" in result.output


def test_auto_says_which_data_and_how_to_get_the_other(door, data_root, tmp_path):
    result = door("--preset", "smoke", "--items", 40, "--data-root", data_root, "--out", tmp_path / "r", "--dry-run")
    assert "synthpets" in result.output and "--dataset pets" in result.output


def bad_folders(tmp_path):
    """Folders that make no dataset, with words the refusal must hold."""
    (tmp_path / "empty").mkdir()
    one = save_pictures(tmp_path / "one", ("only",))
    broken = save_pictures(tmp_path / "broken")
    for picture in sorted((broken / "left").iterdir())[:8]:
        picture.write_text("this is no picture")
    return {
        "empty": (tmp_path / "empty", "No pictures"),
        "one": (one, "at least two"),
        "broken": (broken, "cannot be read"),
    }


@pytest.mark.parametrize("case", ["empty", "one", "broken"])
def test_bad_folders(door, tmp_path, case):
    folder, words = bad_folders(tmp_path)[case]
    out = tmp_path / "run"
    assert refused(door("train", *TINY, "--dataset", folder, "--out", out), words) and not out.exists()


BAD_OPTIONS = {
    "no dataset": (["--dataset", "dragons"], "no dataset"),
    "no folder": (["--dataset", "folder:/no/such/place"], "no folder"),
    "no medmnist": (["--dataset", "medmnist:nonsense"], "MedMNIST has no dataset"),
    "small": (["--size", "8"], "16 to 512"),
    "large": (["--size", "5000"], "16 to 512"),
    "range backwards": (["--range", "left=90:0"], "LOW <= HIGH"),
    "range text": (["--range", "left=abc"], "CLASS=LOW:HIGH"),
    "range class": (["--range", "fish=0:90"], "'fish'"),
    "negative epochs": (["--epochs", "0"], "--epochs"),
    "negative weight": (["--adversarial-weight", "-1"], "--adversarial-weight"),
    "thesis size": (["--preset", "thesis", "--size", "64"], "32, 128 or 512"),
    "no groups": (["--split", "group"], "group"),
    "channels": (["--channels", "2"], "--channels 2"),
    "class prior": (["--prior", "wide"], "--prior"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options(door, pictures_folder, tmp_path, case):
    options, words = BAD_OPTIONS[case]
    out = tmp_path / "run"
    chosen = [] if "--dataset" in options else ["--dataset", pictures_folder]
    assert refused(door("train", *TINY, *chosen, *options, "--out", out), words) and not out.exists()


def test_output_that_cannot_be_written(door, pictures_folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "below", "/proc/no/run"):
        assert refused(door("train", *TINY, "--dataset", pictures_folder, "--out", out), "--out")
    assert (tmp_path / "file").read_text() == "in the way"


def test_runs_and_other_folders_are_safe(door, pictures_folder, tmp_path, toy_run):
    mine, other, odd = tmp_path / "mine", tmp_path / "other", tmp_path / "odd"
    shutil.copytree(toy_run, mine)
    for folder, name in ((other, "diary.txt"), (odd, "config.json")):
        folder.mkdir()
        (folder / name).write_text('{"somebody": "else"}')
    train = ["train", *TINY, "--dataset", pictures_folder, "--baseline-epochs", 0, "--out"]
    before = (mine / "model.safetensors").read_bytes()
    assert refused(door(*train, mine), "--overwrite") and (mine / "model.safetensors").read_bytes() == before
    for folder in (other, odd):
        assert refused(door(*train, folder, "--overwrite"), "other than a run") and len(list(folder.iterdir())) == 1
    (mine / "train.json").unlink()
    assert refused(door(*train, mine), "unfinished")
    (mine / "notes.txt").write_text("keep me")
    assert door(*train, mine, "--overwrite").exit_code == 0
    assert (mine / "notes.txt").exists() and not (mine / "report.html").exists() and not (mine / "walks").exists()


def test_commands_refuse_what_is_no_run(door, tmp_path, toy_run):
    for command in ("navigate", "explain", "report"):
        assert refused(door(command, tmp_path), "not a run folder")
        assert refused(door(command, tmp_path / "nowhere"), "not a run folder")
    half = tmp_path / "half"
    shutil.copytree(toy_run, half)
    (half / "model.safetensors").unlink()
    for command in ("navigate", "explain"):
        assert refused(door(command, half), "model.safetensors")
    (half / "model.safetensors").write_bytes(b"not a model at all")
    assert refused(door("navigate", half), "train it again")


def test_a_download_that_fails(door, tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("xaae.data.untar_data", offline)
    root, out = tmp_path / "data", tmp_path / "run"
    root.mkdir()
    result = door("train", *TINY, "--dataset", "pets", "--data-root", root, "--out", out)
    assert refused(result, "could not be fetched", "synthpets") and not out.exists()
    monkeypatch.setattr("medmnist.PneumoniaMNIST.__init__", offline)
    result = door("train", *TINY, "--dataset", "medmnist:pneumoniamnist", "--data-root", root, "--out", out)
    assert refused(result, "could not be fetched") and not out.exists()


def test_a_few_unreadable_pictures_are_skipped_counted_and_listed(door, tmp_path):
    folder = save_pictures(tmp_path / "pictures", n=40)
    for name in ("000.png", "001.png"):
        (folder / "left" / name).write_text("no picture")
    out = tmp_path / "run"
    result = door("train", *TINY, "--dataset", folder, "--baseline-epochs", 0, "--out", out)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "train.json").read_text())["items"]["skipped"] == 2
    skipped = pd.read_csv(out / "skipped.csv")
    assert sorted(p[-7:] for p in skipped.path) == ["000.png", "001.png"] and skipped.reason.str.len().min() > 5
    assert "2 pictures" in result.output


def test_the_whole_job_leaves_everything(toy_run):
    made = {str(p.relative_to(toy_run)) for p in toy_run.rglob("*") if p.is_file()}
    wanted = (
        "config.json items.csv model.safetensors baseline.safetensors history.csv train.json latents.npz report.html"
    )
    wanted += (
        " directions.npz walks/lda.npz walks/lda.png walks/random.npz impact.png maps.png summary.json navigate.json"
    )
    wanted += " explanations/gradcam.npz explanations/response.csv explain.json baseline_history.csv"
    assert set(wanted.split()) <= made
    summary = json.loads((toy_run / "summary.json").read_text())
    assert summary["aae"]["parameters"] > 0 and np.isfinite(summary["walk"]["rotation_span_deg"])


def test_each_command_can_run_again_alone(door, toy_run):
    before = np.load(toy_run / "latents.npz")["z"]
    for command in ("navigate", "explain", "report"):
        result = door(command, toy_run)
        assert result.exit_code == 0, result.output
    np.testing.assert_allclose(np.load(toy_run / "latents.npz")["z"], before, atol=1e-5)
