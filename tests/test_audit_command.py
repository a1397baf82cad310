"""The command `audit`: a whole small one, its files, its cache, its resumption, and what it refuses."""

import json
import random

import pytest

from xaae.benchmarks import resume

EXTRA = ["--workers", "1", "--baseline-epochs", "0", "--methods", "saliency,guided_backprop"]


@pytest.fixture(scope="module")
def ended(tmp_path_factory, data_root):
    """The folder of a small audit that ran to its end in a process of its own."""
    folder = tmp_path_factory.mktemp("audit")
    assert resume.start(folder, data_root, EXTRA).wait() == 0, (folder / "log.txt").read_text()
    return folder


@pytest.fixture(scope="module")
def result(ended):
    return json.loads((ended / "out" / "audit.json").read_text())


def test_every_cell_has_a_verdict_and_the_clause_that_decided(result):
    cells = {c["explanation"]: c for c in result["cells"]}
    assert {"walk:head", "sorted", "saliency", "guided_backprop", "control:oracle", "control:edges"} <= set(cells)
    assert all(c["verdict"] in ("REVEALS", "DOES NOT", "UNDECIDED") and c["clause"] for c in result["cells"])
    assert cells["guided_backprop"]["status"] == "refused" and "ReLU" in cells["guided_backprop"]["clause"]
    assert cells["control:constant"]["verdict"] == cells["control:edges"]["verdict"] == "DOES NOT"
    assert cells["control:oracle"]["auroc"] > 0.95
    assert all(0 <= c["auroc"] <= 1 and c["low"] <= c["high"] for c in result["cells"] if c["status"] == "ok")
    assert all(c["p_holm"] >= c["p"] for c in result["cells"] if c["status"] == "ok")


def test_gates_thresholds_and_settings_are_told(result):
    gate = result["factors"]["tag"]["gates"]
    assert set(gate) == {"aae", "shown"} and len(gate["aae"]["spurious"]["biased"]) == 2
    assert result["thresholds"]["detection"] == 0.9 and result["settings"]["probe"] == 13
    assert result["seconds"]["total"] > 0 and result["memory_mb"] > 100 and result["arms_trained"] == 6


def test_pages_and_pictures_are_there(ended, result):
    out = ended / "out"
    for name in ("report.html", "quiz.html", "quiz-key.json"):
        assert (out / name).stat().st_size > 500
    figures = [c["figure"] for c in result["cells"] if c["figure"]] + [result["factors"]["tag"]["figure"]]
    assert len(figures) >= 4 and all((out / f).is_file() for f in figures)


def test_a_second_audit_trains_nothing_and_says_the_same(ended, result, data_root):
    before = {p: p.stat().st_mtime_ns for p in (ended / "arms").glob("*/model.safetensors")}
    assert resume.start(ended, data_root, EXTRA).wait() == 0
    again = json.loads((ended / "out" / "audit.json").read_text())
    assert again["arms_trained"] == 0 and again["cells"] == result["cells"]
    assert before == {p: p.stat().st_mtime_ns for p in (ended / "arms").glob("*/model.safetensors")}


def test_killed_twice_it_ends_with_the_same_table(ended, tmp_path, data_root):
    moments = resume.killed(tmp_path, data_root, 2, 30, random.Random(0), EXTRA)
    assert moments and resume.verdicts(tmp_path) == resume.verdicts(ended)
    assert not list((tmp_path / "arms").glob("*.part*"))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--factors", "hat"], "no factor 'hat'"),
        (["--methods", "magic"], "magic"),
        (["--seeds", "1"], "seeds"),
        (["--strength", "0"], "above 0"),
        (["--probe", "1000"], "held out"),
        (["--directions", "nowhere"], "no direction"),
        (["--dataset", "no-such-thing"], "no dataset"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_trained(door, tmp_path, data_root, extra, words):
    result = door("audit", "--preset", "smoke", "--data-root", data_root, "--arms", tmp_path / "arms", "--out",
                  tmp_path / "out", *extra)  # fmt: skip
    assert result.exit_code == 2 and words in result.stderr and "Traceback" not in result.output
    assert not (tmp_path / "arms").exists() and not (tmp_path / "out").exists()


def test_a_folder_with_something_else_is_left_alone(door, tmp_path, data_root):
    (tmp_path / "notes.txt").write_text("mine")
    result = door("audit", "--preset", "smoke", "--data-root", data_root, "--out", tmp_path, "--arms", tmp_path / "a")
    assert result.exit_code == 2 and "something other" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
