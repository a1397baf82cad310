"""Laws of the second process: it does what it is given, shares the cores, ends with the first, changes no result."""

import math
import os
import signal
import sys
import time
from functools import partial
from unittest.mock import MagicMock

import psutil
import pytest
import torch
from helpers.command_line import succeed
from helpers.same_runs import check_same_run
from helpers.waiting import wait_until
from helpers.worker_jobs import is_loaded

from xaae.experiment import second_process
from xaae.experiment.run_folder import CHECKPOINT, SIDE_CHECKPOINT
from xaae.experiment.second_process import ENDED, SecondProcess
from xaae.experiment.settings import RunSettings
from xaae.training import second_training
from xaae.training.fitting import Diverged, train_run
from xaae.training.preparation import prepare_training, resolve

BRIEF = ["--preset", "smoke", "--no-pretrained", "--dataset", "synthpets", "--items", 60, "--size", 16]
BRIEF += ["--step-channels", 4, "--batch-size", 16, "--epochs", 2, "--baseline-epochs", 2, "--precision", "fp32"]
ONE_THREAD = (  # main.py in one thread, and so in its second process: how a sum is split decides its last digits
    "import sys, torch; torch.set_num_threads(1);"
    " from xaae.main import main; main(args=sys.argv[1:], prog_name='main.py')"
)


@pytest.fixture
def two_threads(threads):
    """Two threads for torch."""
    threads(2)


def is_gone(process):
    """Has this psutil.Process ended? Its parent may not have looked yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_returns_prints_and_raises_what_the_function_did(capsys):
    with SecondProcess() as second:
        assert second.start(os.getpid).end() not in (os.getpid(), None)
        second.start(print, "said there").end()
        assert capsys.readouterr().out == "said there\n"
        with pytest.raises(ValueError, match="math domain error|expected a nonnegative input"):
            second.start(math.sqrt, -1.0).end()


def test_it_loads_what_it_will_need_and_keeps_nobody_waiting():
    with SecondProcess() as second:
        second.begin("xml.dom.expatbuilder")
        asked = second.process.pid
        assert second.start(is_loaded, "xml.dom.expatbuilder").end() and second.process.pid == asked
    with SecondProcess() as second:
        second.begin("torch")
        process = second.process
    assert process.exitcode == -signal.SIGKILL


def test_the_cores_are_shared_while_it_works_and_given_back(threads):
    threads(4)
    with SecondProcess() as second:
        work = second.start(torch.get_num_threads)
        assert torch.get_num_threads() == 2
        assert work.end() == 2 and torch.get_num_threads() == 4
        second.start(time.sleep, 1e9)
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 4


def test_what_a_killed_one_left_undone_is_done_here(capsys):
    with SecondProcess() as second:
        work = second.start(time.sleep, 0.01)
        second.process.kill()
        assert work.end() is None and ENDED in capsys.readouterr().out
        assert second.start(os.getpid).end() != os.getpid()  # a new one begins
        second.process.kill()  # while it has nothing to do
        second.process.join()
        assert second.start(os.getpid).end() != os.getpid()


def test_it_does_one_thing_after_the_other_and_each_is_told_when_it_is_asked_for(two_threads, capsys):
    with SecondProcess() as second:
        works = [second.start(print, "first"), second.start(os.getpid), second.start(torch.get_num_threads)]
        there = second.process.pid
        assert works[1].end() == there and capsys.readouterr().out == ""
        works[0].end()
        assert capsys.readouterr().out == "first\n" and torch.get_num_threads() == 1
        assert works[2].end() == 1 and torch.get_num_threads() == 2


def test_what_a_killed_one_had_not_begun_is_done_here_too(capsys):
    with SecondProcess() as second:
        done = second.start(os.getpid)
        assert done.end() == second.process.pid
        works = [second.start(time.sleep, 1e9), second.start(os.getpid), second.start(math.sqrt, 4.0)]
        second.process.kill()
        second.process.join()
        works[0].arguments = (0,)
        assert second.start(os.getpid).end() not in (os.getpid(), done.end())  # by a new one
        assert works[1].end() == os.getpid() and works[2].end() == 2 and works[0].end() is None
        assert capsys.readouterr().out == f"{ENDED}\n" * 3


def test_an_error_beside_it_ends_it_at_once():
    with SecondProcess() as second, pytest.raises(RuntimeError), second.start(time.sleep, 1e9):
        process = psutil.Process(second.process.pid)
        raise RuntimeError
    assert is_gone(process)


def test_it_ends_with_a_process_that_is_killed(warm, tmp_path, threads):
    """And what both had learned is gone on with: as if there had been one process and no kill."""
    runs = [tmp_path / "peace", tmp_path / "killed"]
    train = partial(warm.Popen, stdout=warm.PIPE, stderr=warm.PIPE)
    command = [sys.executable, "-c", ONE_THREAD, "train", *BRIEF, "--epochs", 8]
    assert train([*command, "--one-by-one", "--out", runs[0]]).wait() == 0
    process = train([*command, "--beside", "--out", runs[1]])
    for file, number in ((CHECKPOINT, signal.SIGSTOP), (SIDE_CHECKPOINT, signal.SIGKILL)):
        wait_until(lambda path=runs[1] / file: path.exists() or process.poll() is not None)
        children = psutil.Process(process.pid).children()
        process.send_signal(number)  # stopped after an epoch, it waits until the side has learned something
    assert process.wait() == -signal.SIGKILL
    wait_until(lambda: all(map(is_gone, children)))
    (runs[1] / f"{SIDE_CHECKPOINT}.77.part").write_bytes(b"half")
    threads(1)
    succeed("train", "--resume", runs[1], "--beside")
    check_same_run(*runs)


def test_nothing_is_left_to_go_on_with_of_a_training_that_diverged_there(tmp_path):
    settings = RunSettings.from_options("smoke", dataset="synthpets", items=60, size=16, epochs=1, baseline_epochs=1)
    prepared, work = prepare_training(*resolve(settings)), MagicMock()
    work.__exit__.return_value = False
    work.end.side_effect = Diverged("The training of the ResNet34 diverged")
    with pytest.raises(Diverged):
        train_run(prepared, tmp_path, quiet=True, beside=lambda: work)
    assert not (tmp_path / CHECKPOINT).exists() and not (tmp_path / "train.json").exists()


def test_a_second_process_is_used_where_there_is_work_and_room_for_it(two_threads, monkeypatch):
    settings = RunSettings.from_options("smoke", dataset="synthpets", items=60, size=16, epochs=2)
    prepared = prepare_training(*resolve(settings))
    large = RunSettings.from_options("default")
    assert not second_training.pays(prepared) and not second_training.may_pay(settings)  # too little to do
    monkeypatch.setattr(second_training, "WORTH", 1)
    for found in (second_training.pays(prepared), *map(second_training.may_pay, (settings, large))):
        assert found is not torch.accelerator.is_available()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not second_process.cores_for_two()
    monkeypatch.delenv("WORLD_SIZE")
    torch.set_num_threads(1)
    assert not second_process.cores_for_two()
