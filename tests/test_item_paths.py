"""Laws of where a run's items are: it opens from any folder, and a dataset that was moved is found by --data-root."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers.command_line import refused, succeed
from helpers.pictures import save_pictures
from helpers.sharing import copy_of

from xaae import data
from xaae.experiment.errors import InputError
from xaae.training.item_paths import check_items_exist, locate_items
from xaae.training.trained_run import open_trained_run

OPENING = {  # commands that read the items of a run, as briefly as they can
    "navigate": ("navigate", "RUN", "--directions", "lda", "--maps", "pca", "--counterfactuals", 1),
    "explain": ("explain", "RUN", "--methods", "saliency", "--items", 1),
    "response": ("explain", "RUN"),
    "evaluate": ("evaluate", "RUN"),
    "rate": ("rate", "RUN", "--methods", "saliency"),
    "audit": ("audit", "--unknown", "RUN"),
}


def move_items(run, to):
    """Move the drawn pictures of a run to another folder and nothing else; where they are now."""
    table = pd.read_csv(run / "items.csv")
    there = os.path.commonpath(list(table.path.map(os.path.dirname)))
    shutil.copytree(there, to / "images")
    lost = table.assign(path=[f"/nowhere{path}" for path in table.path])
    lost.to_csv(run / "items.csv", index=False)
    return to


@pytest.fixture(scope="module")
def moved(toy_run, tmp_path_factory):
    """(a copy of the toy run whose pictures are not where they were, the folder in which they are now)."""
    place = tmp_path_factory.mktemp("moved")
    run = copy_of(toy_run, place / "run")
    return run, move_items(run, place / "new" / "home")


@pytest.mark.parametrize("layout", ["folders", "csv", "link/../csv"])
def test_items_are_recorded_so_that_a_run_opens_from_any_folder(tmp_path, monkeypatch, layout):
    save_pictures(tmp_path / "pics", n=6)
    (tmp_path / "csv").mkdir()
    os.symlink(tmp_path / "pics" / "left", tmp_path / "link")
    rows = [f"../pics/{side}/{i:03d}.png,{side}" for side in ("left", "right") for i in range(6)]
    (tmp_path / "csv" / "items.csv").write_text("\n".join(["path,label", *rows]))
    os.symlink(tmp_path / "csv", tmp_path / "pics" / "csv")
    monkeypatch.chdir(tmp_path)
    found = data.load_dataset(
        {"folders": "pics", "csv": "csv/items.csv", "link/../csv": "link/../csv/items.csv"}[layout],
        asked={"outside": True},
    )
    monkeypatch.chdir("/")
    assert all(os.path.isabs(path) and os.path.isfile(path) for path in found.table.path)
    assert all(os.path.isabs(path) for path in found.left_out.path)


def test_a_run_of_an_earlier_version_is_looked_for_from_where_it_was_made(tmp_path, monkeypatch):
    save_pictures(tmp_path / "work" / "pics", n=2)
    old = pd.Series(["pics/left/000.png", "pics/right/001.png"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = locate_items(old, tmp_path / "work" / "runs" / "0001-pics")
    assert all(os.path.isfile(path) for path in found)


SHAPES = {  # paths in items.csv -> what of them lies under the folder that is named
    "folders": ("/old/pics/cat/1.png /old/pics/dog/1.png", "cat/1.png dog/1.png"),
    "the folder above": ("/old/pics/cat/1.png /old/pics/dog/1.png", "pics/cat/1.png pics/dog/1.png"),
    "one folder": ("/old/pics/1.png /old/pics/2.png", "1.png 2.png"),
    "relative": ("pics/cat/1.png pics/dog/1.png", "cat/1.png dog/1.png"),
    "relative, the folder above": ("pics/cat/1.png pics/dog/1.png", "pics/cat/1.png pics/dog/1.png"),
    "an archive": ("/old/set.npz#train_images/0 /old/set.npz#test_images/0", "set.npz"),
    "a folder with #": ("/old/set#2/cat/1.png /old/set#2/dog/1.png", "cat/1.png dog/1.png"),
    "beside the CSV": ("/old/csv/../pics/1.png /old/csv/../pics/2.png", "pics/1.png pics/2.png"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_items_that_were_moved_are_found_under_the_folder_that_is_named(tmp_path, shape):
    before, after = (text.split() for text in SHAPES[shape])
    for name in after:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = locate_items(pd.Series(before, index=[4, 7]), "run", str(tmp_path))
    ends = [path.partition(".npz")[1] + path.partition(".npz")[2] if ".npz" in path else path for path in before]
    assert list(found.index) == [4, 7] and all(path.startswith(str(tmp_path)) for path in found)
    assert all(path.endswith(end.rpartition("/")[2]) for path, end in zip(found, ends, strict=True))
    check_items_exist(found, "run")


def test_a_folder_that_holds_some_of_them_is_refused_by_name(tmp_path):
    save_pictures(tmp_path, n=3)
    paths = pd.Series([f"/old/{side}/{i:03d}.png" for side in ("left", "right") for i in range(4)])
    with pytest.raises(InputError, match=r"6 of the 8 items .* not left/003\.png: give --data-root"):
        locate_items(paths, "run", tmp_path)
    with pytest.raises(InputError, match="There is no folder"):
        locate_items(paths, "run", tmp_path / "nowhere")


@pytest.mark.parametrize("name", OPENING)
def test_every_command_that_needs_the_items_says_what_to_do_when_they_are_gone(door, moved, name):
    run, _ = moved
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    result = door(*[run if word == "RUN" else word for word in OPENING[name]])
    assert refused(result, "/nowhere", "--data-root")
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before


@pytest.mark.parametrize("option", ["--data-root", "--dataset"])
def test_a_run_whose_dataset_was_moved_is_judged_as_before(moved, toy_run, tmp_path, option):
    run, home = moved
    stayed = copy_of(toy_run, tmp_path / "stayed")
    succeed("evaluate", run, option, home)
    succeed("evaluate", stayed)
    here, there = (json.loads((folder / "evaluate.json").read_text())["aae"] for folder in (run, stayed))
    assert here == there
    np.testing.assert_array_equal(
        open_trained_run(run, data_root=home).upright([3]), open_trained_run(toy_run).upright([3])
    )


def test_a_picture_of_a_moved_dataset_is_explained(moved):
    run, home = moved
    succeed("explain", run, "--methods", "saliency", "--items", 1, "--data-root", home)


@pytest.mark.parametrize("name", ["navigate", "explain", "evaluate", "rate", "app", "audit"])
def test_the_help_says_how(door, name):
    text = " ".join(door(name, "--help").output.split())
    assert "--data-root" in text and "--dataset" in text and "if they were moved" in text
