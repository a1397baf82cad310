"""The command `audit`: a whole small one, its files, its cache, its resumption, and what it refuses."""

import json
import os
import shutil
import signal

import pytest
import torch
from helpers.audit_fakes import fake_audit
from helpers.command_line import refused, succeed
from helpers.sharing import copy_of
from helpers.waiting import wait_until

from xaae.audit.audit_plan import SETTINGS_FILE
from xaae.benchmarks import resume

TINY = ["--preset", "smoke", "--items", "100", "--size", "16", "--epochs", "1", "--baseline-epochs", "0"]
TINY += ["--seeds", "2", "--probe", "13", "--random-directions", "19", "--workers", "1"]
TINY += ["--methods", "saliency,guided_backprop"]


@pytest.fixture(scope="module")
def ended(tmp_path_factory, data_root):
    """The folder of a small audit that ran to its end."""
    folder = tmp_path_factory.mktemp("audit")
    succeed(*resume.audit_arguments(folder, data_root, TINY))
    return folder


@pytest.fixture(scope="module")
def result(ended):
    return json.loads((ended / "out" / "audit.json").read_text())


def test_every_cell_has_a_verdict_and_the_clause_that_decided(result):
    cells = {c["explanation"]: c for c in result["cells"]}
    asked = {"walk:head", "scan", "sorted", "saliency", "guided_backprop", "control:oracle", "control:edges"}
    assert asked <= set(cells)
    assert all(c["verdict"] in ("REVEALS", "DOES NOT", "UNDECIDED") and c["clause"] for c in result["cells"])
    assert cells["guided_backprop"]["status"] == "refused" and "ReLU" in cells["guided_backprop"]["clause"]
    judged = [c for c in result["cells"] if c["status"] == "ok"]
    assert all(0 <= c["auroc"] <= 1 and c["low"] <= c["high"] and c["p_holm"] >= c["p"] for c in judged)


def test_every_model_has_a_row_of_its_factor_scan(result):
    rows = {c["model"]: c for c in result["cells"] if c["explanation"] == "scan"}
    assert set(rows) == set(result["factors"]["tag"]["gates"]) - {"shown"}
    assert all(c["gates"] == [model] and c["naming"].startswith("the scan names tag in") for model, c in rows.items())


def test_controls_come_out_as_they_must(result):
    cells = {c["explanation"]: c for c in result["cells"]}
    assert cells["control:constant"]["verdict"] == cells["control:edges"]["verdict"] == "DOES NOT"
    assert cells["control:oracle"]["auroc"] > 0.95


def test_gates_thresholds_and_settings_are_told(result):
    gate = result["factors"]["tag"]["gates"]
    assert set(gate) == {"aae", "shown"} and len(gate["aae"]["spurious"]["biased"]) == 2
    assert result["thresholds"]["detection"] == 0.9
    settings = {"probe": 13, "size": 16, "seeds": 2, "preset": "smoke", "factors": ["tag"], "workers": 1}
    assert settings.items() <= result["settings"].items()
    assert result["seconds"]["total"] > 0 and result["memory_mb"] > 100 and result["arms_trained"] == 6


def by_kind(audit):
    """The first cell of each kind of explanation that has scores, of the factor tag."""
    kinds = {name: about["kind"] for name, about in audit["explanations"].items()}
    cells = [c for c in audit["cells"] if c["factor"] == "tag" and c["status"] == "ok"]
    return {kinds[c["explanation"]]: c for c in reversed(cells)}


def test_the_made_up_audit_of_the_page_has_the_keys_of_a_real_one(result):
    fake = fake_audit(("tag",))
    real_cells, fake_cells = by_kind(result), by_kind(fake)
    assert set(real_cells) == set(fake_cells) == {"walk", "scan", "sorted", "map", "control"}
    for kind, cell in real_cells.items():
        assert set(cell) == set(fake_cells[kind]) and set(cell["scores"]) == set(fake_cells[kind]["scores"])
    real_factor, fake_factor = result["factors"]["tag"], fake["factors"]["tag"]
    assert set(real_factor) == set(fake_factor) and set(result) == set(fake)
    for gate in ("aae", "shown"):
        assert set(real_factor["gates"][gate]) == set(fake_factor["gates"][gate])
    arms = [factor["response"]["aae"] for factor in (real_factor, fake_factor)]
    assert arms[0].keys() == arms[1].keys() and all(set(a["biased"]) == {"value", "cat", "dog"} for a in arms)


def test_pages_and_pictures_are_there(ended, result):
    out = ended / "out"
    for name in ("report.html", "quiz.html", "quiz-key.json"):
        assert (out / name).stat().st_size > 500
    figures = [c["figure"] for c in result["cells"] if c["figure"]] + [result["factors"]["tag"]["figure"]]
    assert len(figures) >= 4 and all((out / f).is_file() for f in figures)


def test_a_second_audit_does_nothing_again_and_says_the_same(ended, result, data_root):
    files = [path for path in (ended / "arms").rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    succeed(*resume.audit_arguments(ended, data_root, TINY))
    again = json.loads((ended / "out" / "audit.json").read_text())
    assert again["arms_trained"] == 0 and again["arms_cached"] == 6 and again["cells"] == result["cells"]
    assert before == {path: path.stat().st_mtime_ns for path in (ended / "arms").rglob("*") if path.is_file()}


@pytest.fixture
def begun(ended, tmp_path):
    """The folder of an audit that is over except for its last two arms, which are not trained."""
    arms = sorted((ended / "arms").glob("*/train.json"), key=lambda path: path.stat().st_mtime_ns)
    copy_of(ended / "arms", tmp_path / "arms")
    for path in arms[-2:]:
        shutil.rmtree(tmp_path / "arms" / path.parent.name)
    return tmp_path


def test_killed_twice_it_ends_with_the_same_table(ended, begun, data_root, warm, monkeypatch):
    monkeypatch.setattr(resume, "subprocess", warm)
    kept, results = resume.kept_results(begun), resume.kept_results(ended)
    while_training, while_asking = kept + 1, (kept + 2 + results) // 2
    assert kept < while_training < while_asking < results
    assert resume.kill_audit(begun, data_root, [while_training, while_asking], TINY) == 2
    assert resume.kept_results(begun) < results
    succeed(*resume.audit_arguments(begun, data_root, TINY))
    assert resume.kept_results(begun) == results
    assert resume.read_table(begun) == resume.read_table(ended)
    assert not list((begun / "arms").glob("*.part*"))


def test_two_workers_one_of_them_killed_end_with_the_same_table(ended, begun, data_root, warm, monkeypatch):
    monkeypatch.setattr(resume, "subprocess", warm)
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))  # as many for the workers: sums come out alike
    running = resume.start_audit(begun, data_root, [*TINY, "--workers", "2"])
    trains = wait_until(lambda: running.poll() is not None or next((begun / "arms").glob("*.part*"), None))
    os.kill(killed := int(trains.name.rpartition("-")[2]), signal.SIGKILL)
    assert killed != running.pid and running.wait() == 0, (begun / "log.txt").read_text()
    assert resume.kept_results(begun) == resume.kept_results(ended)
    assert resume.read_table(begun) == resume.read_table(ended)
    assert not list((begun / "arms").glob("*.part*"))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], "leave out --workers"),
        (["--factors", "hat"], "no factor 'hat'"),
        (["--methods", "magic"], "magic"),
        (["--seeds", "1"], "seeds"),
        (["--strength", "0"], "above 0"),
        (["--probe", "1000"], "held out"),
        (["--directions", "nowhere"], "no direction"),
        (["--directions", "gradient"], "no direction"),
        (["--directions", "head", "--code", "factored"], "no direction 'head' with the factored code"),
        (["--directions", "led:baseline", "--baseline-epochs", "0"], "choose from lda"),
        (["--dataset", "no-such-thing"], "no dataset"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_trained(door, tmp_path, data_root, extra, words):
    arguments = resume.audit_arguments(tmp_path, data_root, ["--preset", "smoke", "--items", "100", *extra])
    assert refused(door(*arguments), words)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_else_is_left_alone(door, tmp_path, data_root):
    (tmp_path / "notes.txt").write_text("mine")
    arguments = ["--preset", "smoke", "--data-root", data_root, "--out", tmp_path, "--arms", tmp_path / "a"]
    assert refused(door("audit", *arguments), "something other")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("files", [[], [SETTINGS_FILE], [SETTINGS_FILE, "notes.txt"]])
def test_a_stopped_audit_leaves_no_folder_that_nothing_will_fill(door, tmp_path, data_root, monkeypatch, files):
    """Repeated it has the next number, and what was trained lies elsewhere."""

    def stop(audit, missing, pool):
        for name in files:
            (audit.folder / name).write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr("xaae.audit.audit_run._train_arms", stop)
    monkeypatch.chdir(tmp_path)
    result = door("audit", *TINY, "--data-root", data_root)
    assert result.exit_code == 130 and "repeat the command to go on" in result.stderr
    assert [p.name for p in tmp_path.glob("runs/0*")] == ["0001-audit-synthpets"] * (len(files) > 1)
