"""`audit --unknown`: what a run's direction changes, with nulls, and what cannot be known."""

import json
import shutil

import numpy as np
import pytest

from commands import unknown


@pytest.fixture(scope="module")
def asked(toy_run, tmp_path_factory):
    """A run that has been asked, and what was found."""
    folder = tmp_path_factory.mktemp("unknown") / "run"
    shutil.copytree(toy_run, folder)
    return folder, unknown.unknown(folder)


def test_every_meter_stands_beside_its_nulls(asked):
    folder, found = asked
    kept = json.loads((folder / "unknown.json").read_text())
    assert {m["meter"] for m in kept["meters"]} >= {"rotation", "luminance", "tag"}
    assert all(0 < m["p_any"] <= 1 and m["change_ci"][0] <= m["change_ci"][1] for m in kept["meters"])
    assert kept["shuffled"]["directions"] == unknown.SHUFFLES == len(kept["shuffled"]["named"])
    assert kept["random_directions"] == 4 and kept["named"] == [m["meter"] for m in kept["meters"] if m["named"]]
    assert all(0.5 <= r["auroc"] <= 1 and 0 < r["p"] <= 1 for r in kept["real"].values())
    assert "rotation" not in kept["real"] and found["contrast"] == "cat to dog"


def test_page_and_words_say_what_cannot_be_known(asked):
    folder, found = asked
    page = (folder / "unknown.html").read_text()
    assert "What this cannot know" in page and "data:image" in page and "https://" not in page
    words = unknown.in_words(found)
    assert "shuffled labels" in words and "mean squared error" in words and "useless" in words


def test_classes_that_differ_are_told_apart_and_the_same_are_not():
    rng = np.random.default_rng(0)
    a = rng.normal(1.5, 1, 80)
    other, same = (unknown.separation(b, rng.normal(0, 1, 80), rng) for b in (a, rng.normal(0, 1, 80)))
    assert other["auroc"] > 0.75 and other["p"] < 0.01 and other["low"] <= other["auroc"] <= other["high"]
    assert same["auroc"] < 0.65 and same["p"] > 0.05
    below = unknown.separation(-a, rng.normal(0, 1, 80), rng)
    assert below["auroc"] > 0.75 and below["low"] > 0.5


def test_limits_follow_what_was_found():
    real = {"luminance": {"auroc": 0.9, "p": 0.001}, "tag": {"auroc": 0.5, "p": 1.0}}
    both = unknown.limits(["luminance"], real, 0.01, ["luminance"], [[]])
    alone = unknown.limits(["tag"], real, 0.01, ["tag"], [[], ["tag"]])
    none = unknown.limits([], real, 0.01, ["tag"], [[]])
    assert "luminance in the real pictures too" in both[0] and "tag along the walk was not found" in alone[0]
    assert "no proof of innocence" in none[0] and "Of 2 directions" in alone[-1] and ", 1 would" in alone[-1]


def test_a_folder_that_is_no_run_is_refused(door, tmp_path):
    result = door("audit", "--unknown", tmp_path)
    assert result.exit_code == 2 and "not a run folder" in result.stderr
    assert not list(tmp_path.iterdir())
