"""A Dask scheduler and its workers on this machine, started by the commands of docs/clusters.md, to be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

HERE = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0", "--no-dashboard"]
ONE = ["--nworkers", "1", "--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]  # as a machine with one core


@contextmanager
def started_cluster(folder, count, options=ONE, variables=()):
    """A scheduler with `count` times `dask worker`: (its Popen, {name of a worker: Popen}, its address).

    Each is in a process group of its own, works in `folder` and writes there; all are ended with the `with`. options:
    of `dask worker`. variables: of their environment, beside those of this process.
    """
    file, began = folder / "scheduler.json", {}
    environment = os.environ | {"DASK_TEMPORARY_DIRECTORY": str(folder)} | dict(variables)

    def start(name, *arguments):
        with open(folder / f"{name}.log", "w") as log:
            command, at = [sys.executable, "-m", "dask", *arguments], {"cwd": folder, "env": environment}
            began[name] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **at)
            return began[name]

    try:
        scheduler = start("scheduler", "scheduler", *HERE, "--scheduler-file", str(file))
        own = ["worker", _address_in(file, scheduler), *options, "--local-directory", str(folder)]
        workers = {name: start(name, *own, "--name", name) for name in (f"worker{i}" for i in range(count))}
        yield scheduler, workers, own[1]
    finally:
        for process in began.values():
            end_group(process)


def end_group(process):
    """Kill a Popen that leads a group, and all that it started, as if their machine lost its power."""
    if process.poll() is None:  # else its number may be another's by now
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _address_in(file, scheduler):
    """The address that a scheduler writes once it can be reached. SystemExit if it ends before."""
    while scheduler.poll() is None:
        with suppress(OSError, ValueError):  # not there, or not whole
            return json.loads(file.read_text())["address"]
        time.sleep(0.02)
    raise SystemExit(f"the scheduler has ended: see {file.parent}")
