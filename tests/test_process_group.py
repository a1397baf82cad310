"""Laws of one training in several processes: all take the same steps, the first writes the run, the others nothing."""

import json
import os
import socket
import sys

import pytest
import torch
from helpers.command_line import EXACT, SMALL, call, refused
from helpers.places import HOME
from helpers.waiting import GENEROUS
from safetensors.torch import load_file

from xaae.experiment import process_group
from xaae.experiment.errors import InputError
from xaae.experiment.settings import RunSettings
from xaae.training import fitting
from xaae.training.preparation import prepare_training, resolve

pytest.importorskip("accelerate")

OF_EACH = """
import json, sys
from pathlib import Path
import torch
from xaae.callbacks import together
from xaae.main import main
from xaae.training import fitting, reconstruction_judge

reconstruction_judge.JUDGE_SEEN = 1
note, save = Path(sys.argv[1]), fitting.models.save
rank = note.stem

def saved(model, path):
    save(model, path)
    save(model, note.with_suffix(".safetensors"))
    each = torch.tensor([float(rank)])
    together.average_over_processes([each])
    note.write_text(json.dumps({"average": each.item(), "folder": str(Path(path).parent)}))

fitting.models.save = saved
main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data_root, warm):
    """(folder of a run that two processes trained, what each noted, what each printed)."""
    home = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = ["train", *SMALL, *EXACT, "--dataset", "synthpets", "--data-root", data_root, "--items", 60, "--size", 16]
    command += ["--step-channels", 4, "--batch-size", 16, "--epochs", 2, "--baseline-epochs", 0, "--code", "factored"]
    command += ["--out", home / "run"]
    running = []
    for rank in (0, 1):
        env = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
        args = [sys.executable, "-W", "ignore", "-c", OF_EACH, home / f"{rank}.json", *command]
        options = dict(cwd=HOME, env=os.environ | env | {"MASTER_PORT": port})
        running.append(warm.Popen(args, stdout=warm.PIPE, stderr=warm.PIPE, text=True, **options))
    said = [process.communicate(GENEROUS) for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    notes = [json.loads((home / f"{rank}.json").read_text()) for rank in (0, 1)]
    return home, notes, [out for out, _ in said]


def test_all_processes_end_with_the_same_weights_and_statistics(trained):
    home, notes, _ = trained
    first, second = (load_file(home / f"{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys() and any("running" in name for name in first)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [note["average"] for note in notes] == [0.5, 0.5]


def test_the_first_writes_the_run_and_the_others_leave_nothing(trained):
    home, notes, said = trained
    assert notes[0]["folder"] == str(home / "run") and (home / "run" / "train.json").is_file()
    assert not (home / "run" / "checkpoints").exists()
    assert notes[1]["folder"] != notes[0]["folder"] and not list(home.glob("run?*"))
    assert "Trained:" in said[0] and said[1] == ""


@pytest.mark.parametrize("count", [2, 5])
def test_few_items_are_shared_out_in_batches_that_are_full(monkeypatch, count):
    """None of a batch that is larger than what a process has would be taken."""
    settings = RunSettings.from_options("smoke", dataset="synthpets", items=40, size=16, batch_size=64)
    prepared = prepare_training(*resolve(settings))
    monkeypatch.setattr(fitting, "place_among_processes", lambda: (0, count))
    dls = fitting.run_loaders(prepared)
    assert len(dls.train) > 0 and len(dls.train.one_batch()[0]) == int((prepared.table.split == "train").sum()) // count
    monkeypatch.setattr(fitting, "place_among_processes", lambda: (0, 30))
    with pytest.raises(InputError, match="30 processes"):
        fitting.run_loaders(prepared)


def test_how_many_processes_took_part_is_printed_and_kept(trained):
    home, _, said = trained
    assert "2 processes of " in said[0]
    assert json.loads((home / "run" / "train.json").read_text())["aae"]["processes"] == 2


def test_one_process_where_several_were_asked_for_is_refused(monkeypatch):
    """`accelerate launch --num_processes 2` starts one where it sees no GPUs, and sets these."""
    for name in ("WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    process_group.refuse_lone_process()  # one was asked for
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    assert refused(call("train", "--preset", "smoke", "--dry-run"), "torchrun --nproc_per_node 2", "--multi_gpu")
    monkeypatch.setenv("WORLD_SIZE", "2")
    process_group.refuse_lone_process()


def test_what_one_process_has_to_do_alone_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    (tmp_path / "config.json").write_text("{}")
    for command in (["train", "--preset", "thesis"], ["train", "--resume", tmp_path], ["report", tmp_path]):
        assert refused(call(*command), "one process")
