"""Laws of a training that is stopped: it goes on, and ends with the weights and numbers of one that never was."""

import errno
import json
import signal
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Metric
from helpers.command_line import call, refused, succeed
from helpers.places import HOME
from helpers.same_runs import check_same_run
from helpers.sharing import made_once
from helpers.waiting import wait_until
from PIL import Image
from safetensors import SafetensorError

from xaae import callbacks
from xaae.experiment import manifest, run_folder
from xaae.experiment.run_folder import CHECKPOINT
from xaae.experiment.tasks import Target
from xaae.sources.items import ArrayItems
from xaae.training import progress
from xaae.training.learner_state import REMEMBERED

SMALL = ["--preset", "smoke", "--no-pretrained", "--dataset", "synthpets", "--items", 60, "--size", 16]
BRIEF = [*SMALL, "--step-channels", 4, "--batch-size", 16, "--epochs", 3, "--baseline-epochs", 2]
CASES = {  # what is trained -> its options
    "fp32": [*BRIEF, "--code", "factored", "--precision", "fp32"],
    "bf16": [*BRIEF, "--code", "factored", "--precision", "bf16"],
    "thesis": [*SMALL, "--preset", "thesis", "--size", 32, "--step-channels", 4, "--epochs", 2, "--baseline-epochs", 0,
               "--contamination", 0.8, "--label-noise", 0.1, "--precision", "fp32"],
}  # fmt: skip
BRIEFEST = [*BRIEF, "--code", "plain", "--precision", "fp32", "--baseline-epochs", 0]
JUDGED = ["the judge's training is done", "judge is done"]
AAE_AND_BASELINE = ["AAE: epoch 1 of 3", "AAE: epoch 2 of 3", "AAE is done", JUDGED[0]]
AAE_AND_BASELINE += ["ResNet34: epoch 1 of 2", "ResNet34 is done"]
STOPS = {  # after what each is stopped
    "fp32": AAE_AND_BASELINE,
    "bf16": AAE_AND_BASELINE,
    "thesis": [*["AAE: epoch 1 of 2", "AAE: epoch 2 of 2"] * 2, "AAE: epoch 1 of 2", "AAE is done", JUDGED[0]],
}
pytestmark = pytest.mark.usefixtures("small_baseline")


@pytest.fixture
def undisturbed(data_root, tmp_path_factory, request):
    """The run of a case that nobody stopped."""
    name = request.getfixturevalue("case")
    options = [*CASES[name], "--data-root", data_root]
    make = lambda folder: succeed("train", *options, "--out", folder)  # noqa: E731
    return made_once(tmp_path_factory, f"undisturbed-{name}", make)


@pytest.fixture(params=CASES)
def case(request):
    return request.param


def stopped(monkeypatch, *args):
    """Run a command whose training keeps its state once and is stopped when it would keep it again.

    All that was learned in between is lost, as if it had been killed there. Returns click's result.
    """
    keep, kept = progress.Progress._keep, []

    def once(self, words, **state):
        if kept:
            raise KeyboardInterrupt
        kept.append(words)
        keep(self, words, **state)

    with monkeypatch.context() as patch:
        patch.setattr(progress.Progress, "_keep", once)
        return call(*args)


def test_ends_as_if_it_had_never_been_stopped(case, undisturbed, data_root, tmp_path, monkeypatch):
    """Stopped in every epoch and every part of the training: each time the work of one epoch or part is lost."""
    out, stops = tmp_path / "run", []
    result = stopped(monkeypatch, "train", *CASES[case], "--data-root", data_root, "--out", out)
    while result.exit_code == 130:
        assert f"train --resume {out}" in result.stderr
        stops.append(progress.kept_in_words(out))
        assert stops[-1] in result.stderr
        result = stopped(monkeypatch, "train", "--resume", out)
        assert f"Kept: {stops[-1]}." in result.output
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    assert stops == STOPS[case]
    check_same_run(out, undisturbed)


@pytest.fixture
def half(tmp_path, monkeypatch, data_root):
    """A run that was stopped in its second epoch."""
    out = tmp_path / "half"
    stopped(monkeypatch, "train", *BRIEFEST, "--data-root", data_root, "--out", out)
    return out


def is_kept(folder, words):
    """Is this what is kept of a training?"""
    return progress.kept_in_words(folder) == words


def test_goes_on_after_a_kill(warm, data_root, tmp_path):
    """SIGKILL as soon as an epoch is kept, again and again; half-written files of the killed are cleared away."""
    runs = [tmp_path / "peace", tmp_path / "killed"]
    options = [*BRIEFEST, "--epochs", 4, "--data-root", data_root]
    succeed("train", *options, "--out", runs[0])
    command = ["train", *options, "--out", runs[1]]
    for number in (1, 2):
        process = warm.Popen([sys.executable, HOME / "main.py", *command], stdout=warm.PIPE, stderr=warm.PIPE)
        kept = partial(is_kept, runs[1], f"AAE: epoch {number} of 4")
        wait_until(lambda kept=kept, process=process: kept() or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        command = ["train", "--resume", runs[1]]
    (runs[1] / f"{CHECKPOINT}.77.part").write_bytes(b"half")
    succeed(*command)
    check_same_run(*runs)


def test_a_training_that_had_learned_nothing_begins_again(half, data_root, tmp_path):
    (half / CHECKPOINT).unlink()
    assert "begins anew" in succeed("train", "--resume", half)
    succeed("train", *BRIEFEST, "--data-root", data_root, "--out", tmp_path / "peace")
    check_same_run(half, tmp_path / "peace")


def test_what_is_kept_is_no_pickle_and_is_the_projects_own(half):
    files = [path for path in half.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pth", ".pkl", ".part")]
    assert b"\x80" + b"\x02}q" not in (half / CHECKPOINT).read_bytes()
    assert CHECKPOINT in manifest.written_files(half) and manifest.other_files(half) == []


@pytest.mark.parametrize("others", [["--epochs", 9], ["--seed", 1, "--overwrite"]])
def test_its_settings_are_its_own(half, others):
    result = call("train", "--resume", half, *others)
    assert refused(result, "--resume takes no such option", others[0])


def change_items(folder):
    """Another picture in the place of one."""
    path = pd.read_csv(folder / "items.csv").path[0]
    size = Image.open(path).size
    Image.new("RGB", size, (9, 9, 9)).save(path)


def change_labels(folder):
    """Other classes in items.csv."""
    table = pd.read_csv(folder / "items.csv")
    table.assign(label=table.label[::-1].to_numpy()).to_csv(folder / "items.csv", index=False)


@pytest.mark.parametrize("change", [change_items, change_labels])
def test_other_data_are_refused(pictures_folder, tmp_path, monkeypatch, change):
    out = tmp_path / "run"
    stopped(monkeypatch, "train", *BRIEFEST, "--dataset", pictures_folder, "--out", out)
    change(out)
    assert refused(call("train", "--resume", out), "items.csv", "--overwrite")
    assert (out / CHECKPOINT).is_file()


def test_other_numbers_of_a_severity_are_other_data():
    """Though they leave each item in its half, which is all that the column label says."""
    table = pd.DataFrame({"label": list("lh"), "split": "train", "value": 0.0, "age": [20.5, 60.5]})
    config = SimpleNamespace(target=Target("severity", ("age",)).as_dict(), classes=("l", "h"), one_hot=False)
    prepared = SimpleNamespace(table=table, items=ArrayItems(np.zeros((2, 1, 16, 16))), config=config)
    older = SimpleNamespace(**vars(prepared) | {"table": table.assign(age=[20.5, 70.5])})
    assert progress._data_print(prepared) != progress._data_print(older)


def test_other_versions_are_told(half):
    config = json.loads((half / "config.json").read_text())
    config["versions"]["torch"] = "1.0"
    (half / "config.json").write_text(json.dumps(config))
    assert "began with other means (torch 1.0, now" in succeed("train", "--resume", half)


def test_a_broken_file_is_told(half):
    (half / CHECKPOINT).write_bytes(b"\0" * 99)
    assert refused(call("train", "--resume", half), "remove it")


def test_a_full_disk_leaves_the_last_good_one(half, monkeypatch):
    before = (half / CHECKPOINT).read_bytes()

    def full(tensors, path, about):
        Path(path).write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patch:
        patch.setattr(progress, "save_file", full)
        assert refused(call("train", "--resume", half), "free some room", f"--resume {half}")
    assert (half / CHECKPOINT).read_bytes() == before and not list(half.rglob("*.part"))
    succeed("train", "--resume", half)


def test_a_full_disk_in_a_first_training_leaves_what_was_kept(data_root, tmp_path, monkeypatch):
    keep, out = progress.Progress._keep, tmp_path / "run"

    def full_later(self, words, **state):
        if self.path.is_file():
            raise OSError(errno.ENOSPC, "No space left on device", str(self.path))
        keep(self, words, **state)

    with monkeypatch.context() as patch:
        patch.setattr(progress.Progress, "_keep", full_later)
        result = call("train", *BRIEFEST, "--data-root", data_root, "--out", out)
    assert refused(result, "no room on the disk", f"--resume {out}")
    succeed("train", "--resume", out)


def test_a_finished_training_says_so(half):
    succeed("train", "--resume", half)
    assert refused(call("train", "--resume", half), "trained already", "navigate")


def test_run_goes_on_with_what_follows_a_training(half, monkeypatch):
    done = []
    monkeypatch.setattr("xaae.cli.run._work_on", lambda folder, second, *_: done.append(folder))
    succeed("run", "--resume", half)
    assert "trained already" in succeed("--resume", half) and done == [half, half]
    (half / "report.html").touch()
    assert refused(call("run", "--resume", half), "is finished")


def test_nobody_else_trains_there_meanwhile(half):
    with run_folder.resumed_run(half):
        assert refused(call("train", "--resume", half), "Another command is writing")


def test_a_callback_that_is_not_restored_is_noticed():
    """Every callback of the project that has something to remember is in REMEMBERED, or is known to begin anew."""
    anew = {"BFloat16", "Checkpoint", "Compiled", "Corrupt", "EpochLine", "FastLayout", "KeepAnswers", "KeepInput"}
    anew |= {"KeepPairs", "NoValidation", "SplitPairs", "Together"}
    known = {name for name, each in vars(callbacks).items() if isinstance(each, type) and issubclass(each, Callback)}
    kept = {each.__name__ for each in REMEMBERED}
    assert {name for name in known if not issubclass(vars(callbacks)[name], Metric)} <= anew | kept


def test_states_come_back_as_they_were():
    """Numbers to the last bit, whatever their type; keys that are no texts; nested as deep as they are."""
    tensors = {}
    state = {"a": [1, 0.1, None, True, np.float64(1 / 3)], 2: {"t": torch.tensor(0.1), "n": np.arange(3, dtype="u4")}}
    again = progress._unpacked(json.loads(json.dumps(progress._packed(state, tensors))), tensors.get)
    assert again["a"] == [1, 0.1, None, True, 1 / 3] and list(again) == ["a", 2]
    assert again[2]["t"].equal(state[2]["t"]) and again[2]["n"].dtype == "u4" and list(again[2]["n"]) == [0, 1, 2]
