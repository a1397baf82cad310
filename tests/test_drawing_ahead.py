"""Pets that are drawn while the libraries load."""

import json
import multiprocessing
import os
import signal
from functools import partial
from multiprocessing import resource_tracker

import pytest
from helpers.command_line import succeed
from helpers.waiting import wait_until

from xaae.sources import drawing_ahead
from xaae.sources.drawing_ahead import MANY, draw_ahead
from xaae.sources.synthpets import synthpets


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")  # which OpenMP understands


@pytest.fixture
def begun(monkeypatch, two_cores):
    """What would be drawn: arguments of the process, one list for each that was begun."""
    found = []
    start = lambda process: found.append(process._args)  # noqa: E731
    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", start)
    return found


def test_what_is_drawn_ahead_is_what_the_run_asks_for(tmp_path, two_cores):
    """It is read, and nothing is drawn again."""
    before = set(multiprocessing.active_children())
    draw_ahead("synthpets", str(tmp_path), MANY, 16, 3)
    (process,) = set(multiprocessing.active_children()) - before
    process.join()
    (folder,) = (path for path in tmp_path.iterdir() if path.name[0] != ".")
    drawn = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    table = synthpets(tmp_path, MANY, 16, 3)
    assert len(table) == MANY and {path.parent.parent for path in table.path} == {folder}
    assert drawn == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert json.loads((folder / "settings.json").read_text())["seed"] == 3


def test_an_ended_command_leaves_nothing_half_drawn(tmp_path, two_cores, monkeypatch):
    monkeypatch.setattr(resource_tracker, "_resource_tracker", tracker := resource_tracker.ResourceTracker())
    for name in ("ensure_running", "getfd"):
        monkeypatch.setattr(resource_tracker, name, getattr(tracker, name))  # as in a command: none runs so far
    before = set(multiprocessing.active_children())
    draw_ahead("synthpets", str(tmp_path), None, 64)
    (process,) = set(multiprocessing.active_children()) - before
    os.kill(process.pid, signal.SIGINT)  # Python has not begun yet
    drawn = lambda: len(list(tmp_path.glob(".synthpets-*/new/images/*.png")))  # noqa: E731
    wait_until(drawn)
    os.kill(process.pid, signal.SIGINT)  # Ctrl-C reaches all processes of a terminal: it is the first one's to end it
    by_then = drawn()
    wait_until(lambda: drawn() > by_then + 20)
    process.terminate()  # as Python does at the end of the first process
    process.join()
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("dataset", ["auto", "synthpets"])
def test_pets_that_will_be_wanted_are_begun(tmp_path, begun, dataset):
    draw_ahead(dataset, tmp_path)
    draw_ahead(dataset, tmp_path, MANY, 32, 7)
    assert begun == [(tmp_path, None, 64, 0), (tmp_path, MANY, 32, 7)]


def test_nothing_else_is_begun(tmp_path, begun, monkeypatch):
    for dataset in ("pets", "synthbeats", "medmnist:pathmnist", str(tmp_path)):
        draw_ahead(dataset, tmp_path)
    draw_ahead("synthpets", tmp_path, MANY - 1)  # done in a moment
    (tmp_path / "found" / "oxford-iiit-pet").mkdir(parents=True)
    draw_ahead("auto", tmp_path / "found")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    draw_ahead("synthpets", tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    draw_ahead("synthpets", tmp_path)
    assert begun == []


def test_a_run_begins_it_with_what_it_will_ask_for(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("xaae.cli.train.draw_ahead", lambda *given: asked.append(given))
    options = ("--dataset", "synthpets", "--data-root", tmp_path, "--items", 40, "--size", 16, "--seed", 5)
    succeed("train", "--preset", "smoke", *options, "--dry-run", "--out", tmp_path / "run")
    assert asked == [("synthpets", str(tmp_path), 40, 16, 5)]
    assert (tmp_path / "synthpets-40-32-5").is_dir()


def test_what_goes_wrong_is_left_to_the_run_to_tell(tmp_path, capfd):
    (tmp_path / "data").write_text("a file")
    ask = partial(multiprocessing.get_context("spawn").Process, target=drawing_ahead._draw)
    process = ask(args=(tmp_path / "data", MANY, 16, 0))
    process.start()
    process.join()
    assert process.exitcode == 0 and capfd.readouterr().err == ""
