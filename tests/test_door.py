"""The door: commands and their help, dry runs, and one sentence with exit status 2 for every kind of bad input."""

import ast
import contextlib
import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from unittest.mock import MagicMock

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers.command_line import TINY, refused, succeed
from helpers.pictures import save_pictures
from helpers.places import HOME
from helpers.sharing import copy_of

from xaae.cli import run
from xaae.cli.door import say_stopped, stoppable, timed, times_in_words
from xaae.main import COMMANDS

COMMAND_FILES = sorted((HOME / "cli").glob("*.py"))
HEAVY = {"torch", "torchvision", "fastai", "matplotlib", "sklearn", "pandas", "scipy", "captum"}


# ---- commands and their help ------------------------------------------------------------------------------------


def test_help_names_every_command_and_the_first_steps(door):
    text = door("--help").output
    named = re.findall(r"^  (\w+)  +[A-Z]", text.partition("Commands:")[2], re.M)
    assert named == list(COMMANDS) and "--preset smoke" in text and "--dry-run" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_file_a_help_text_and_a_help_for_each_option(door, name):
    command = getattr(import_module(f"xaae.cli.{name}"), f"{name}_command")
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert command.name == name and len(command.help) > 20
    assert not [o.name for o in options if not (o.help or "").rstrip().endswith((".", "]", "..."))]
    text = door(name, "--help").output
    assert all(o.opts[0] in text for o in options)


def test_the_readme_names_every_command_in_its_table():
    rows = [line for line in (HOME / "README.md").read_text().splitlines() if line.startswith("| `python main.py")]
    named = {word for row in rows for word in re.findall(r"`python main\.py (\w+)", row)}
    assert named == set(COMMANDS)


def run_main(*args, python=(), folder=HOME):
    """`python main.py ARGS` in a process of its own."""
    command = [sys.executable, *python, str(folder / "main.py"), *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def test_help_loads_nothing_heavy():
    lines = ["import runpy, sys", "heavy = set()"]
    for args in (["--help"], *([name, "--help"] for name in COMMANDS)):
        lines += [f"sys.argv = ['main.py', *{args}]", "try: runpy.run_path('main.py', run_name='__main__')"]
        lines += ["except SystemExit as e: assert e.code == 0, sys.argv"]
    lines += [f"print('loaded:', sorted({HEAVY} & set(sys.modules)))"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, cwd=HOME)
    assert done.stdout.strip().splitlines()[-1:] == ["loaded: []"], done.stdout[-500:] + done.stderr


def imported_names(path):
    """(module, name) of everything that a file imports from this project, in its functions too; name may be None."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "xaae":
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.split(".")[0] == "xaae")


@pytest.mark.parametrize("path", COMMAND_FILES, ids=lambda p: p.stem)
def test_what_a_command_imports_when_it_runs_exists(path):
    for module, name in imported_names(path):
        there = import_module(module)
        assert name is None or hasattr(there, name) or find_spec(f"{module}.{name}"), f"{module} has no {name}"


def test_the_door_is_short_and_only_opens():
    text = (HOME / "main.py").read_text()
    assert len(text.splitlines()) <= 100
    assert {module for module, _ in imported_names(HOME / "main.py")} == {"xaae", "xaae.cli.door"}


def test_without_an_installation_one_sentence_says_how_to_install():
    done = run_main("--help", python=("-I", "-S"))  # no site-packages
    assert done.returncode == 2 and f"`pip install -e .` in {HOME}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not done.stdout


def test_the_code_of_another_clone_is_not_run(tmp_path):
    shutil.copy(HOME / "main.py", tmp_path)
    done = run_main("--help", folder=tmp_path)
    assert done.returncode == 2 and str(tmp_path / "main.py") in done.stderr and str(HOME) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not done.stdout


def test_a_command_that_is_none_is_refused(door):
    assert refused(door("trian"), "trian")


# ---- stopped by Ctrl-C ------------------------------------------------------------------------------------------


def test_ctrl_c_says_what_is_kept_and_is_no_success():
    @click.command()
    def long_work():
        with stoppable("what was finished is kept"), timed("Working"):
            raise KeyboardInterrupt

    result = CliRunner().invoke(long_work)
    assert result.exit_code == 130 and "Stopped: what was finished is kept." in result.stderr
    assert result.stdout == "Working ...\n"  # and no time, since it did not end


def test_ctrl_c_where_nothing_is_kept_ends_a_command_in_a_sentence_too(door, toy_run, monkeypatch):
    for name, place in (("navigate", "latent_nav.navigation.navigate"), ("report", "report.write_report")):
        monkeypatch.setattr(f"xaae.{place}", MagicMock(side_effect=KeyboardInterrupt))
        result = door(name, toy_run)
        assert result.exit_code == 130 and "Stopped: the same command starts it again." in result.stderr


@pytest.mark.parametrize("part", [
    "scan.scan_run.scan", "latent_nav.navigation.navigate", "explain.response_run.answer_to_factor",
    "report.write_report",
])  # fmt: skip
def test_the_whole_job_goes_on_as_a_whole_whatever_part_of_it_was_stopped(door, toy_run, tmp_path, monkeypatch, part):
    """One command does all that is left, and not that part alone."""
    folder = copy_of(toy_run, tmp_path / "run")
    (folder / "report.html").unlink(missing_ok=True)
    for each in ("scan.scan_run.scan", "latent_nav.navigation.navigate", "explain.explanation_run.explain_items"):
        monkeypatch.setattr(f"xaae.{each}", MagicMock(return_value=({}, folder)))
    monkeypatch.setattr("xaae.scan.scan_sentences.scan_in_words", lambda results: "scanned")
    monkeypatch.setattr("xaae.report.write_scan_page", lambda folder: folder)
    monkeypatch.setattr(f"xaae.{part}", MagicMock(side_effect=KeyboardInterrupt))
    result = door("--resume", folder, "--one-by-one")
    assert result.exit_code == 130 and f"Stopped: {folder} is trained, this does what follows." in result.stderr
    assert result.stderr.rstrip().endswith(f"run --resume {folder}")


def test_of_a_training_in_several_processes_the_first_alone_speaks_of_ctrl_c(monkeypatch):
    said = {}
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        result = CliRunner().invoke(click.command()(lambda: say_stopped("all is kept")))
        said[rank] = result.stderr
        assert result.exit_code == 130
    assert "Stopped: all is kept." in said["0"] and said["1"] == ""


def test_a_training_that_is_stopped_says_how_to_start_it_again(door, pictures_folder, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("xaae.training.fitting.train_run", stop)
    out = tmp_path / "run"
    result = door("train", *TINY, "--dataset", pictures_folder, "--out", out)
    assert result.exit_code == 130 and str(out) in result.stderr and "--overwrite" in result.stderr
    assert "Trained" not in result.output


# ---- data and settings ------------------------------------------------------------------------------------------


def test_dry_run_writes_nothing(door, data_root, tmp_path):
    out = tmp_path / "run"
    small = ["--preset", "smoke", "--items", 40, "--dataset", "synthpets", "--data-root", data_root]
    result = door(*small, "--out", out, "--dry-run")
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
    "range backwards": (["--arm", "biased", "--range", "left=90:0"], "LOW <= HIGH"),
    "range text": (["--range", "left=abc"], "CLASS=LOW:HIGH"),
    "range class": (["--arm", "biased", "--range", "fish=0:90"], "'fish'"),
    "range of nothing": (["--range", "left=0:90"], "--arm biased"),
    "negative epochs": (["--epochs", "0"], "--epochs"),
    "negative weight": (["--adversarial-weight", "-1"], "--adversarial-weight"),
    "no number": (["--lr", "nan"], "no finite number"),
    "no end": (["--reconstruction-weight", "inf"], "no finite number"),
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
    copy_of(toy_run, mine)
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
    copy_of(toy_run, half)
    (half / "model.safetensors").unlink()
    for command in ("navigate", "explain"):
        assert refused(door(command, half), "model.safetensors")
    (half / "model.safetensors").write_bytes(b"not a model at all")
    assert refused(door("navigate", half), "train it again")


def test_a_download_that_fails(door, tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("xaae.sources.oxford_pets.untar_data", offline)
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
    assert "2 files or rows are left out" in result.output


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


def test_the_parts_of_a_command_are_told_again_with_their_times():
    with click.Context(click.Command("run")):
        with timed("Training"):
            pass
        told = times_in_words(7.4, {"Walking": 5.0})
    assert told == "Took 7 s: Training 0 s, beside that Walking 5 s."


class AtOnce:
    """In a SecondProcess's place: does in this process what it is given, when it is waited for."""

    def start(self, function, *arguments):
        return contextlib.nullcontext(SimpleNamespace(end=lambda: function(*arguments)))


@pytest.mark.parametrize("second", [None, AtOnce()], ids=["one process", "two"])
def test_the_whole_job_is_its_commands_each_as_it_would_be_alone(monkeypatch, tmp_path, second):
    steps = ["scan_as_told", "navigate", "ask_both_models", "explain_by_methods", "write_run_page"]
    done = []
    places = {"navigate": "latent_nav.navigation", "health_of_run": "latent_nav.health_run"}
    for name in (*steps, "health_of_run"):
        place = f"xaae.{places.get(name, 'cli.run')}.{name}"
        monkeypatch.setattr(place, lambda *args, name=name, **given: done.append((name, args, given)))
    monkeypatch.setattr("xaae.latent_nav.health_run.add_health", lambda *args: done.append(("add_health", args, {})))
    beside = run._work_on(tmp_path, second, *["answers"] if second else [])
    names = [name for name, _, _ in done]
    assert all(args[0] == tmp_path for _, args, _ in done) and names[-1] == "write_run_page"
    assert dict(zip(names, (given for *_, given in done), strict=True))["navigate"] == {"health": not second}
    assert done[names.index("ask_both_models")][2].get("ahead") == ("answers" if second else None)
    assert list(beside) == ([run.WALKING] if second else [])
    if second:  # the health is measured here, and put where the walks have been written
        assert sorted(names) == sorted([*steps, "health_of_run", "add_health"])
        assert names.index("add_health") == names.index("navigate") + 1
    else:
        assert names == steps


def test_beside_the_training_what_needs_nothing_of_the_aae_is_done(monkeypatch, tmp_path):
    done, places = [], ["training.second_training.train_side", "latent_nav.encoded_run.meters_ahead"]
    for place in places:
        monkeypatch.setattr(f"xaae.{place}", lambda folder, place=place: done.append((place, folder)))
    run._beside_the_training(tmp_path)
    assert done == [(place, tmp_path) for place in places]


@pytest.mark.parametrize("shared", [True, False])
def test_where_it_walks_it_asks_ahead_what_training_does_not_wait_for(monkeypatch, tmp_path, shared):
    started, begun, after = [], [], []
    answers = [shared, False]  # while it is at work, this process has half of the cores and would say no

    def start(second, *work):
        started.append(work)
        second.works += [work] if work[0] is run._ahead_of_the_walks else []
        return work

    monkeypatch.setattr(run, "train_as_told", lambda _, second, begin: begun.append(begin(tmp_path)) or tmp_path)
    monkeypatch.setattr(run.SecondProcess, "start", start)
    monkeypatch.setattr(run, "_is_shared", lambda folder, asked: answers.pop(0))
    monkeypatch.setattr(
        run, "_work_on", lambda folder, second, *ahead: after.append((second is not None, *ahead)) or {}
    )
    succeed("run")
    works = run._beside_the_training, run._ahead_of_the_walks, run._ahead_of_the_answers
    beside, walks, answers = ((work, tmp_path) for work in works)
    assert begun == [beside] and started == ([beside, walks, answers] if shared else [beside])
    assert after == ([(True, answers)] if shared else [(False,)])


def test_each_command_can_run_again_alone(door, toy_run, tmp_path):
    run = copy_of(toy_run, tmp_path / "run")
    before = np.load(run / "latents.npz")["z"]
    again = {
        "navigate": ("navigate.json", "--directions", "lda", "--maps", "pca", "--counterfactuals", 1),
        "explain": ("explanations/status.csv", "--methods", "saliency", "--items", 1),
        "report": ("report.html",),
    }
    for command, (made, *options) in again.items():
        (run / made).unlink()
        result = door(command, run, *options)
        assert result.exit_code == 0 and (run / made).is_file(), result.output
    np.testing.assert_allclose(np.load(run / "latents.npz")["z"], before, atol=1e-5)
