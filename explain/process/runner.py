"""Many methods, each in a process of its own: a time limit ends it, and its errors do not reach the others."""

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from pathlib import Path

import torch

from xaae.experiment import fork_server
from xaae.experiment.errors import InputError
from xaae.experiment.machine import QUIET_LOADING, interrupts_held
from xaae.explain.method_plan import Entry
from xaae.explain.process import status
from xaae.explain.process.case import Case
from xaae.explain.process.limits import memory_held
from xaae.explain.process.worker import work
from xaae.model import ARCHITECTURES

START = 300.0  # seconds that a process has to load the libraries
GRACE = 2.0  # seconds that a process has to end after a signal
TICK = 0.2  # seconds between two looks at time limits and memory
SHAPES = "torch.fx.experimental.symbolic_shapes"  # a second of loading, by every method that reads a network's graph
LOADED = [work.__module__, SHAPES, *sorted({each.partition(":")[0] for each in ARCHITECTURES.values()})]
SERVER = {  # environment variables of the fork server
    "CUDA_VISIBLE_DEVICES": "",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    fork_server.LOADED: " ".join(LOADED),
    "PYTHONWARNINGS": QUIET_LOADING,
}


@dataclass(frozen=True)
class Job:
    """One method on one case. time_limit: seconds. memory_limit: GiB, None for none. threads: of torch."""

    case: Case
    entry: Entry
    time_limit: float = 120.0
    memory_limit: float | None = None
    threads: int = 1

    @property
    def stem(self):
        """The name of the job's files, without a suffix."""
        return f"{self.case.name}-{self.entry.label}"

    def row(self, *outcome):
        """The job's line of the status table. outcome: status, seconds, peak_mb, reason."""
        return status.Row(self.entry.method, self.case.name, self.entry.label, *outcome)


def cores():
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usual_workers(jobs):
    """How many methods run at once by default: one for each core, at most 8; only one on an accelerator."""
    return 1 if torch.accelerator.is_available() else max(1, min(cores(), jobs, 8))


def usual_memory(share=0.8):
    """GiB that one method may take by default: most of the memory that is free now; None if that is not known."""
    file = Path("/proc/meminfo")
    lines = file.read_text().splitlines() if file.exists() else []
    free = [int(line.split()[1]) / 2**20 for line in lines if line.startswith("MemAvailable:")]
    group = Path("/sys/fs/cgroup/memory.max")  # the limit of a container; its use may be cached files, so it is ignored
    if group.exists() and group.read_text().strip().isdigit():
        free.append(int(group.read_text()) / 2**30)
    return share * min(free) if free else None


# ---- processes --------------------------------------------------------------------------------------------------


@contextmanager
def _environment(**values):
    """A context with these environment variables; afterwards they are as they were."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def processes():
    """The multiprocessing context that makes workers: forks of a server that has loaded torch and the methods.

    Where forking is not safe or no server can be started, new processes. The server does not see the accelerator: a GPU
    context does not survive a fork, and importing fastai makes one. Workers get the command's environment variables
    back.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", fork_server.__name__])
    try:
        with _environment(**SERVER), interrupts_held():
            forkserver.ensure_running()
    except OSError:  # the folder of temporary files has too long a name for a socket
        return multiprocessing.get_context("spawn")
    return context


class Running:
    """A job whose process is running. sources: what becomes ready when there is news, for multiprocessing's wait."""

    def __init__(self, job, folder, context):
        self.job, self.peak, self.began, self.outcome = job, 0.0, None, None
        self.pipe, workers_end = context.Pipe(duplex=False)
        options = {"threads": job.threads, "memory_limit": job.memory_limit, "environment": dict(os.environ)}
        args = (job.case, job.entry, str(folder / job.stem), workers_end)
        self.process = context.Process(target=work, args=args, kwargs=options, name=job.stem)
        self.start = time.perf_counter()
        self.process.start()
        self.sources = [self.process.sentinel, self.pipe]
        workers_end.close()

    def row_if_ended(self):
        """The job's line of the status table if its process has ended or its time is up; None while it runs.

        A process whose time is up is ended.
        """
        self.peak = max(self.peak, memory_held(self.process.pid, "VmHWM") / 1e6)
        alive = self.process.is_alive()  # before the pipe is read, so that its last message is not missed
        self.receive()
        if self.outcome is None and not alive:
            reason = _death_in_words(self.process.exitcode, self.job.memory_limit)
            self.outcome = ("error", self.seconds(), self.peak, reason)
        elif self.outcome is None and self.seconds() > (START if self.began is None else self.job.time_limit):
            self.outcome = ("timeout", self.seconds(), self.peak, self.timeout_in_words())
        if self.outcome is None:
            return None
        self.end()
        return self.job.row(*self.outcome)

    def receive(self):
        """Read the messages of the process: "began", then its outcome."""
        try:
            while self.outcome is None and self.pipe.poll():
                message = self.pipe.recv()
                if message == "began":
                    self.began = time.perf_counter()
                else:
                    self.outcome = message
        except (EOFError, OSError):  # the process has closed its end: no more messages
            self.sources = [self.process.sentinel]

    def seconds(self):
        """Seconds since the method began, or, before that, since the process was started."""
        return time.perf_counter() - (self.began or self.start)

    def timeout_in_words(self):
        """Why a process whose time was up is ended."""
        if self.began is None:
            return f"its process did not begin within {START:.0f} s"
        return f"ended after its time limit of {self.job.time_limit:g} s"

    def end(self):
        """End the process and everything that it started: by SIGTERM unless it ends by itself, then by SIGKILL."""
        if self.outcome is None or self.outcome[0] == "timeout":
            _signal_all(self.process, signal.SIGTERM)
        self.process.join(GRACE)
        _signal_all(self.process, getattr(signal, "SIGKILL", signal.SIGTERM))
        self.process.join(GRACE)
        self.pipe.close()


def _signal_all(process, number):
    """Send a signal, once, to a process and its group, if they still exist.

    A second SIGTERM would end the process while it still writes its stack after the first.
    """
    try:
        os.killpg(process.pid, number)
    except (OSError, AttributeError):  # the group has ended, is not made yet, or the platform has no groups
        if process.is_alive():
            process.kill() if number != signal.SIGTERM else process.terminate()


def _death_in_words(code, limit):
    """Why a process ended without an outcome. code: exit status, negative for a signal. limit: GiB, None for none."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        if -code == getattr(signal, "SIGKILL", 9):
            return f"ended by the system ({name}), most likely because memory ran out"
        return f"crashed ({name}); explain.log has its stack" + (f", its limit was {limit:.3g} GiB" if limit else "")
    return f"its process ended without a result (exit status {code})"


# ---- the run ----------------------------------------------------------------------------------------------------


def _outcomes(jobs, folder, workers=1):
    """Yield (job, its line of the status table) as jobs end, `workers` at once; their files are written in `folder`.

    When the generator is closed, or an exception such as Ctrl-C is raised, all running processes are ended.
    """
    context = processes()
    waiting, running = deque(jobs), []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                with _interrupt_deferred():  # else a process that is just being started would not be ended
                    running.append(Running(waiting.popleft(), folder, context))
            connection.wait([source for each in running for source in each.sources], TICK)
            for each in list(running):
                if (row := each.row_if_ended()) is not None:
                    running.remove(each)
                    yield each.job, row
    finally:
        with _interrupt_deferred():
            for each in running:
                each.end()


@contextmanager
def _interrupt_deferred():
    """A context in which Ctrl-C takes effect only at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts = []
    before = signal.signal(signal.SIGINT, lambda *args: interrupts.append(args))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts and callable(before):
        before(*interrupts[0])


@contextmanager
def workplace(folder):
    """A temporary folder inside `folder` for unfinished files, removed afterwards. InputError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".work-", dir=folder))
    except OSError as e:
        raise InputError(f"{folder} cannot be written ({e.strerror}): choose another --out.") from e
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def run_jobs(jobs, folder, place, workers=1, report=print):
    """Run jobs, `workers` at once, and fill `folder` with maps/, status.csv and explain.log: the new rows of the table.

    place: a `workplace` in `folder`. report(row) is called for each method as it ends. Earlier results of other methods
    stay; the earlier map of a method that now fails is removed.
    """
    maps, table = folder / "maps", folder / "status.csv"
    maps.mkdir(exist_ok=True)
    earlier, rows = status.read_status(table), []
    with closing(_outcomes(jobs, place, workers)) as ended:
        for job, row in ended:
            for suffix in (".npz", ".png"):
                _replace(maps / f"{job.stem}{suffix}", place / f"{job.stem}{suffix}", row.status == "ok")
            _log(folder / "explain.log", row, place / f"{job.stem}.log")
            rows.append(row)
            status.write_status(table, status.replace_rows(earlier, rows))
            report(row)
    return rows


def _replace(old, new, good):
    """Replace an old file by a new one if that is good and exists; otherwise remove the old one."""
    if good and new.exists():
        os.replace(new, old)
    else:
        old.unlink(missing_ok=True)


def _log(log, row, printed=None):
    """Add to the log how a method ended and what it printed."""
    text = printed.read_text(errors="replace")[-20_000:] if printed and printed.exists() else ""
    lines = [f"{time.strftime('%Y-%m-%d %H:%M:%S')} {row}", *(f"    {line}" for line in text.splitlines())]
    with open(log, "a", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
