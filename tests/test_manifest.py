"""Laws of run folders: what is removed was written by this project, and two commands never write into one folder."""

import json
import os
import shlex
import sys

import pytest
from helpers.at_once import Gate, begin, returned
from helpers.command_line import TINY, call, refused, succeed
from helpers.sharing import copy_of

from xaae.experiment import manifest, run_folder
from xaae.experiment.errors import InputError

CONFIG = json.dumps({"dataset": "d", "arm": "normal", "seed": 0, "class_ranges": {}})
OWN = (  # files that a user may put anywhere into a run folder
    "notes.txt", "notes.csv", "data.json", "plot.png", "table.npz", "my model.safetensors", "config (copy).json",
    ".hidden", "walks/mine.png", "explanations/mine.csv", "samples/best.png", "thesis/figure.png", "summary.csv",
)  # fmt: skip


def files(folder):
    """Names of all files in a folder but the manifest."""
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    return names - {manifest.FILE}


def put(folder, names, text="mine"):
    """Write files into a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def whole(toy_run, tmp_path):
    """A copy of a run that was trained, navigated, explained and reported."""
    return copy_of(toy_run, tmp_path / "whole")


@pytest.mark.parametrize("version", ["this one", "an earlier one"])
def test_only_what_was_written_is_removed(whole, version):
    if version == "an earlier one":
        (whole / manifest.FILE).unlink()
    made = files(whole)
    put(whole, OWN)
    assert set(manifest.written_files(whole)) == made and set(manifest.other_files(whole)) == set(OWN)
    lines = []
    with run_folder.new_run(whole, overwrite=True, said=lines.append):
        assert files(whole) == set(OWN)
        (whole / "config.json").write_text(CONFIG)
    assert all(name in " ".join(lines) for name in OWN) and "stay" in lines[0]
    assert files(whole) == {*OWN, "config.json"} and manifest.written_files(whole) == ["config.json"]


def test_a_users_file_that_is_called_like_ours_stays(tmp_path):
    """Where it was there before, and where it came while a command ran under a name that no command uses."""
    put(tmp_path, ["config.json"], CONFIG)
    (tmp_path / manifest.FILE).write_text(json.dumps({"began": "1", "others": [], "wrote": ["config.json"]}) + "\n")
    with (tmp_path / manifest.FILE).open("a") as f:
        f.write(json.dumps({"ended": "1", "wrote": []}) + "\n")
    put(tmp_path, ["maps.png", "correlations.csv"])
    with manifest.recording(tmp_path):
        put(tmp_path, ["walks/lda.npz"])
        put(tmp_path, ["walks/notes.npz"])
    assert manifest.written_files(tmp_path) == ["config.json", "walks/lda.npz"]


def test_what_a_killed_command_wrote_is_told_from_what_was_there(tmp_path):
    put(tmp_path, ["config.json"], CONFIG)
    with manifest.recording(tmp_path):
        pass
    put(tmp_path, ["maps.png"])
    began = {"began": "killed", "others": ["maps.png"]}
    with (tmp_path / manifest.FILE).open("a") as f:
        f.write(json.dumps(began) + '\n{"ended": "kil')  # the line that was cut off says nothing
    put(tmp_path, ["walks/lda.npz", "latents.part", "notes.csv"])
    assert manifest.written_files(tmp_path) == ["config.json", "latents.part", "walks/lda.npz"]


def test_a_run_of_an_earlier_version_keeps_its_files_when_a_command_of_this_one_writes(whole):
    (whole / manifest.FILE).unlink()
    made = files(whole)
    with manifest.recording(whole):
        put(whole, ["evaluate.json"])
    assert set(manifest.written_files(whole)) == made | {"evaluate.json"}


def test_every_command_lists_what_it_wrote(whole):
    lines = [json.loads(line) for line in (whole / manifest.FILE).read_text().splitlines()]
    assert len(lines) == 2 * len([line for line in lines if "ended" in line]) >= 8
    assert {name for line in lines for name in line["wrote"]} == files(whole)


def test_a_walk_that_is_the_users_survives_another_navigation(toy_run, whole, monkeypatch):
    from xaae.latent_nav.walk_results import _forget_others

    put(whole, ["walks/mine.png"])
    encoded = type("Encoded", (), {"trained": type("Trained", (), {"folder": whole}), "directions": {"lda": None}})
    _forget_others(encoded)
    left = {name for name in files(whole) if name.startswith("walks/")}
    assert "walks/mine.png" in left and {n.partition(".")[0] for n in left} == {
        "walks/mine",
        "walks/lda",
        "walks/random",
    }


# ---- stopped, refused -------------------------------------------------------------------------------------------


def stopping(prepared, folder, **_):
    """A training that is stopped by Ctrl-C after its first file."""
    put(folder, ["config.json"], CONFIG)
    raise KeyboardInterrupt


@pytest.mark.parametrize("typed", [[], ["--out", "a run's folder"], ["--out=x/y"]], ids=["numbered", "named", "equals"])
def test_the_command_that_ctrl_c_names_starts_the_same_run_again(pictures_folder, tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    args = [*TINY, "--dataset", str(pictures_folder), *typed]
    monkeypatch.setattr(sys, "argv", ["main.py", "train", *args])
    monkeypatch.setattr("xaae.training.fitting.train_run", stopping)
    result = call("train", *args)
    assert result.exit_code == 130
    (folder,) = [path.parent for path in tmp_path.rglob("config.json")]
    command = shlex.split(result.stderr.splitlines()[-1].partition("main.py")[2])
    monkeypatch.setattr("xaae.training.fitting.train_run", lambda _, out, **__: put(out, ["train.json"]))
    succeed(*command)
    assert files(folder) == {"train.json"}
    assert len(list(tmp_path.rglob(manifest.FILE))) == 1


@pytest.mark.parametrize("error", [InputError("no"), OSError(28, "No space left on device")])
def test_a_run_that_cannot_be_made_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)), run_folder.new_run(tmp_path / "a" / "run"):
        put(tmp_path / "a" / "run", ["config.json", "samples/epoch_0001.png"])
        raise error
    assert not (tmp_path / "a" / "run").exists()


# ---- two at once ------------------------------------------------------------------------------------------------


def claim_many(parent, gate):
    """Claim a few numbered folders in a process of its own, all from the same plan."""
    planned = [parent / run_folder.next_name(parent, "set-normal-s0") for _ in range(5)]
    gate.wait()
    return [run_folder.claim_folder(folder).name for folder in planned]


def test_no_two_processes_have_the_same_numbered_folder(warm, tmp_path):
    gate = Gate(tmp_path / "gate")
    processes = [begin(warm, claim_many, tmp_path / "runs", gate) for _ in range(4)]
    gate.wait_for(4)
    gate.open()
    names = [name for process in processes for name in returned(process)]
    assert len(set(names)) == 20 == len(list((tmp_path / "runs").iterdir()))
    assert sorted(names) == [f"{i:04d}-set-normal-s0" for i in range(1, 21)]


def hold(folder, gate):
    """Write into a folder in a process of its own until it is released."""
    with run_folder.new_run(folder):
        put(folder, ["config.json"], CONFIG)
        gate.wait()
        put(folder, ["train.json"])


@pytest.mark.skipif(manifest.fcntl is None, reason="this system has no locks of this kind")
def test_a_folder_that_another_command_fills_is_refused_and_stays(pictures_folder, warm, tmp_path):
    gate, out = Gate(tmp_path / "gate"), tmp_path / "run"
    other = begin(warm, hold, out, gate)
    gate.wait_for(1)
    result = call("train", *TINY, "--dataset", pictures_folder, "--out", out, "--overwrite")
    gate.open()
    returned(other)
    assert refused(result, "Another command is writing", "--out") and files(out) == {"config.json", "train.json"}


def test_a_run_that_came_after_the_plan_is_not_overwritten_unasked(tmp_path):
    folder = run_folder.plan_folder(tmp_path / "run", "")
    with run_folder.new_run(folder):
        put(folder, ["config.json"], CONFIG)
    with pytest.raises(InputError, match="unfinished run already"), run_folder.new_run(folder):
        pass
    assert files(folder) == {"config.json"}


def train_slowly(folder, gate):
    """Train an arm whose training is a file, once it is told to go on."""
    from xaae.audit import arm_training

    def train(settings, note, folder):
        gate.wait()
        put(folder, [arm_training.DONE, str(os.getpid())])

    arm_training._train_into = train
    arm_training.train_arm(None, "", folder)


@pytest.mark.skipif(manifest.fcntl is None, reason="this system has no locks of this kind")
def test_an_arm_that_another_audit_trains_is_waited_for_and_trained_once(warm, tmp_path):
    gate, arm = Gate(tmp_path / "gate"), tmp_path / "arms" / "tag-biased-s0"
    processes = [begin(warm, train_slowly, arm, gate) for _ in range(3)]
    gate.wait_for(1)
    gate.open()
    for process in processes:
        returned(process)
    assert len(files(arm)) == 2 and [p.name for p in arm.parent.iterdir()] == [arm.name] and len(gate.came()) == 1
