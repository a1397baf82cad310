"""The runner: each method in a process of its own, whatever it does; the table is right, nothing is left running."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.waiting import GENEROUS, wait_until

from xaae.explain.call import explain
from xaae.explain.method import METHODS
from xaae.explain.method_plan import Entry
from xaae.explain.process import limits, runner, status
from xaae.explain.process.case import Case, own_network, plugins
from xaae.explain.process.runner import Job

NETWORK = """
import torch
from torch import nn

def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
"""
BAD = """
import ctypes, os, pathlib, signal, subprocess, sys, time
import torch
from xaae.explain import method

STARTED = pathlib.Path(__file__).parent / "started"

@method("gradient", "Sleeps in C", "none", "nothing")
def sleeps(ask):
    (STARTED / "sleeps").touch()
    ctypes.PyDLL(None).sleep(3600)  # holds the interpreter's lock

@method("gradient", "Ignores SIGTERM", "none", "nothing")
def deaf(ask):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(3600)  # MARK"])
    (STARTED / "deaf").touch()
    while True:
        time.sleep(1)

@method("gradient", "Raises", "none", "nothing")
def raises(ask):
    print("printed before")
    raise KeyError("no, thank you")

@method("gradient", "Leaves", "none", "nothing")
def leaves(ask):
    sys.exit(0)

@method("gradient", "Not a number", "none", "nothing")
def nans(ask):
    return ask.x / 0 * 0

@method("gradient", "Eats", "none", "nothing")
def eats(ask):
    kept = []
    while True:
        kept.append(torch.ones(2**24))

@method("gradient", "Aborts", "none", "nothing")
def aborts(ask):
    os.abort()

@method("gradient", "Killed", "none", "nothing")
def killed(ask):
    os.kill(os.getpid(), signal.SIGKILL)

@method("gradient", "Needs dropout", "none", "nothing", needs=("dropout",))
def unfit(ask):
    return ask.x

@method("gradient", "Blank", "none", "nothing")
def blank(ask):
    return 0 * ask.x

@method("gradient", "Bears", "none", "nothing")
def bears(ask):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)  # MARK"])
    return ask.x
"""
MARK = f"xaae-test-{os.getpid()}"


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A small network of the user's own, four items, and methods that do everything wrong."""
    place = tmp_path_factory.mktemp("case")
    (place / "started").mkdir()
    (place / "net.py").write_text(NETWORK)
    (place / "bad.py").write_text(BAD.replace("MARK", MARK))
    x = np.random.default_rng(0).random((4, 3, 8, 8), dtype=np.float32)
    np.savez(
        place / "case.npz", x=x, row=np.arange(4), target=np.array([0, 1, 2, 0]), background=x + 0.1, text=list("abcd")
    )
    plugin = (str(place / "bad.py"),)
    return Case("small", str(place / "case.npz"), function=f"{place / 'net.py'}:small", plugins=plugin)


class EndedOnceStarted:
    """A Job whose time is up as soon as its method has started, however slow the machine is."""

    def __init__(self, job):
        self.job, self.started = job, Path(job.case.plugins[0]).parent / "started" / job.entry.method
        self.started.unlink(missing_ok=True)

    def __getattr__(self, name):
        return getattr(self.job, name)

    @property
    def time_limit(self):
        """Seconds: as good as none before the method has started, nothing after that."""
        return 0.0 if self.started.exists() else GENEROUS


def run(case, folder, names, workers=2, report=lambda row: None, stopped=(), **limits):
    """{label: row} after the methods called `names` have run into `folder`; those `stopped` end once they started."""
    jobs = [Job(case, Entry(name, name), **({"time_limit": GENEROUS} | limits)) for name in names]
    jobs = [EndedOnceStarted(job) if job.entry.method in stopped else job for job in jobs]
    with runner.workplace(folder) as place:
        return {row.label: row for row in runner.run_jobs(jobs, folder, place, workers, report)}


def left_running():
    """Processes that the fork server or one of its forks started and that still exist."""
    server = forkserver._forkserver._forkserver_pid
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    lines = [(p, (p / "cmdline").read_bytes()) for p in Path("/proc").glob("[0-9]*") if (p / "cmdline").exists()]
    return children + [p.name for p, line in lines if MARK.encode() in line]


def wait_until_none_is_left():
    """Wait for the system to clear away the processes that were ended."""
    wait_until(lambda: not left_running(), what="the end of all processes")


def test_maps_are_those_of_the_one_call(case, tmp_path):
    rows = run(case, tmp_path, ["saliency", "deeplift_shap"])
    x, background = (torch.from_numpy(np.load(case.arrays)[name]) for name in ("x", "background"))
    for name, row in rows.items():
        with np.load(tmp_path / "maps" / f"small-{name}.npz") as found:
            own = explain(own_network(case.function), x, name, found["target"], background=background)
            np.testing.assert_allclose(found["attribution"], own, rtol=1e-4, atol=1e-7)
            assert found["attribution"].dtype == np.float32 and found["row"].tolist() == [0, 1, 2, 3]
        assert row.status == "ok" and row.seconds > 0 and row.peak_mb > 50


EXPECTED = {
    "saliency": ("ok", ""),
    "raises": ("error", "KeyError"),
    "leaves": ("error", "SystemExit"),
    "nans": ("error", "no finite numbers"),
    "aborts": ("error", "SIGABRT"),
    "killed": ("error", "memory ran out"),
    "unfit": ("refused", "dropout"),
    "bears": ("ok", ""),
    "blank": ("ok", "0 everywhere"),
    "input_x_gradient": ("ok", ""),
}


def test_bad_methods_hurt_nobody_else(case, tmp_path):
    seen = []
    rows = run(case, tmp_path, list(EXPECTED), report=seen.append)
    assert {label: row.status for label, row in rows.items()} == {k: v[0] for k, v in EXPECTED.items()}
    assert all(EXPECTED[label][1] in row.reason and "\n" not in row.reason for label, row in rows.items())
    assert all(bool(row.reason) == bool(EXPECTED[label][1]) for label, row in rows.items())
    assert status.read_status(tmp_path / "status.csv")[0].label == seen[0].label and len(seen) == len(EXPECTED)
    good = sorted(label for label, row in rows.items() if row.status == "ok")
    assert sorted(p.stem for p in (tmp_path / "maps").glob("*.npz")) == [f"small-{label}" for label in good]
    log = (tmp_path / "explain.log").read_text()
    assert "no, thank you" in log and "Traceback" in log and "printed before" in log
    wait_until_none_is_left()


def test_the_time_limit_ends_a_method(case, tmp_path):
    rows = run(case, tmp_path, ["sleeps"], time_limit=0.5)
    assert rows["sleeps"].status == "timeout" and 0.5 <= rows["sleeps"].seconds < 3600
    assert "its time limit of 0.5 s" in rows["sleeps"].reason
    wait_until_none_is_left()


def test_a_method_that_is_ended_leaves_its_stack_and_hurts_nobody(case, tmp_path):
    rows = run(case, tmp_path, ["sleeps", "deaf", "saliency"], workers=3, stopped=["sleeps", "deaf"])
    assert {name: row.status for name, row in rows.items()} == dict(sleeps="timeout", deaf="timeout", saliency="ok")
    wait_until_none_is_left()
    assert "in sleeps" in (tmp_path / "explain.log").read_text()  # where it hung


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits the memory of a process")
def test_the_memory_limit_ends_a_method(case, tmp_path):
    rows = run(case, tmp_path, ["eats", "saliency"], memory_limit=0.5)
    assert rows["eats"].status == "error" and "out of memory (the limit is 0.5 GiB)" in rows["eats"].reason
    assert rows["saliency"].status == "ok"
    wait_until_none_is_left()
    assert rows["eats"].peak_mb - rows["saliency"].peak_mb < 0.5 * 2**30 / 1e6 + 50


def test_earlier_results_stay_but_not_the_earlier_map_of_a_failure(case, tmp_path):
    run(case, tmp_path, ["saliency", "input_x_gradient"])
    stale = tmp_path / "maps" / "small-raises.npz"
    stale.write_bytes(b"an earlier map")
    run(replace(case, seed=1), tmp_path, ["raises", "saliency"])
    table = status.read_status(tmp_path / "status.csv")
    assert sorted((r.label, r.status) for r in table) == [
        ("input_x_gradient", "ok"),
        ("raises", "error"),
        ("saliency", "ok"),
    ]
    assert not stale.exists() and (tmp_path / "maps" / "small-input_x_gradient.npz").exists()


def test_nothing_is_left_half_written(case, tmp_path):
    run(case, tmp_path, ["saliency", "sleeps"], stopped=["sleeps"])
    assert {p.name for p in tmp_path.iterdir()} == {"maps", "status.csv", "explain.log"}
    assert [p.name for p in (tmp_path / "maps").iterdir() if p.suffix == ".npz"] == ["small-saliency.npz"]


def test_an_interruption_ends_all_and_keeps_what_is_finished(case, tmp_path):
    def interrupt(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(case, tmp_path, ["saliency", "deaf", "sleeps"], workers=3, report=interrupt)
    assert [(r.label, r.status) for r in status.read_status(tmp_path / "status.csv")] == [("saliency", "ok")]
    assert not list(tmp_path.glob(".work-*"))
    wait_until_none_is_left()


ORPHAN = """
import importlib.util, multiprocessing, subprocess, sys, time

def work():
    spec = importlib.util.spec_from_file_location("limits", sys.argv[1])  # by itself: its package would load torch
    limits = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(limits)
    limits.end_with_parent()
    subprocess.run([sys.executable, "-c", "import time; time.sleep(3600)"])

if __name__ == "__main__":
    multiprocessing.get_context("forkserver").Process(target=work).start()
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks processes up in /proc")
def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    script, mark = tmp_path / "parent.py", f"{MARK}-orphan"
    script.write_text(ORPHAN)
    parent = subprocess.Popen([sys.executable, script, limits.__file__], env=os.environ | {"XAAE": mark})
    wait_until(lambda: parent.poll() is not None or any(b"3600" in line for line in marked(mark)))
    assert len(marked(mark)) >= 4  # the parent, the fork server, the worker, its own child
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not marked(mark), what="the end of the orphans")


def marked(mark):
    """Command lines of the living processes whose environment holds `mark`."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_bytes())
        except OSError:
            continue
    return found


def test_the_table_comes_back_as_it_was_written(tmp_path):
    rows = [
        status.Row("a", "m", "a", "ok", 1.25, 300.5, "", 1.5, 1.25, 0.2),
        status.Row("b", "NA", "b", "error", 2, 0, 'a, "b"\'s; nan'),
    ]
    status.write_status(tmp_path / "status.csv", rows)
    assert status.read_status(tmp_path / "status.csv") == rows
    header = (tmp_path / "status.csv").read_text().splitlines()[0]
    assert header == "method,model,label,status,seconds,peak_mb,reason,shares,difference,gap"
    again = status.replace_rows(rows, [replace(rows[1], status="ok", reason="")])
    assert len(again) == 2 and {r.status for r in again} == {"ok"}


def test_own_methods_leave_the_registry_as_it_was(case):
    before = dict(METHODS)
    with plugins(case.plugins):
        assert "nans" in METHODS
    assert before == METHODS


def test_the_fork_server_hears_nothing_of_ctrl_c(monkeypatch):
    """It is loading libraries when most are stopped, and would end in a traceback."""
    asks = [sys.executable, "-c", "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"]
    heard = []
    monkeypatch.setattr(forkserver, "ensure_running", lambda: heard.append(subprocess.check_output(asks, text=True)))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    runner.processes()
    assert "SIGINT" in heard[0] and signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
