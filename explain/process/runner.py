"""Many methods, each in a process of its own: with a time limit that ends it and errors kept from the others."""

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

from xaae.experiment.errors import InputError
from xaae.explain.method_plan import Entry
from xaae.explain.process import status
from xaae.explain.process.case import Case
from xaae.explain.process.limits import held
from xaae.explain.process.worker import work

START, GRACE, TICK = 300.0, 2.0, 0.2  # seconds: to load the libraries, to end when told to, between two looks
SERVER = {"CUDA_VISIBLE_DEVICES": "", "PYTORCH_NVML_BASED_CUDA_CHECK": "1", "XAAE_FORK_SERVER": "1"}
SERVER |= {"PYTHONWARNINGS": "ignore:`torch.jit"}  # of libraries as they load: a user can do nothing about it


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
        """Name of its files, without a suffix."""
        return f"{self.case.name}-{self.entry.label}"

    def row(self, *outcome):
        """Its line of the status table."""
        return status.Row(self.entry.method, self.case.name, self.entry.label, *outcome)


def cores():
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usual_workers(jobs):
    """How many workers to use unasked: as many as there are cores, jobs, and room; an accelerator is not shared."""
    return 1 if torch.accelerator.is_available() else max(1, min(cores(), jobs, 8))


def usual_memory(share=0.8):
    """GiB that one method may take unasked: most of what is free now; None where that is not known."""
    found = Path("/proc/meminfo")
    lines = found.read_text().splitlines() if found.exists() else []
    free = [int(line.split()[1]) / 2**20 for line in lines if line.startswith("MemAvailable:")]
    group = Path("/sys/fs/cgroup/memory.max")  # of a container; what it holds may be files that can go
    if group.exists() and group.read_text().strip().isdigit():
        free.append(int(group.read_text()) / 2**30)
    return share * min(free) if free else None


# ---- processes --------------------------------------------------------------------------------------------------


@contextmanager
def _environment(**values):
    """Environment variables set inside, as they were afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def processes():
    """How to make processes: forks of a server that has torch and the methods loaded, where forking is safe.

    The server is started with the accelerator hidden from it: a context of a GPU does not survive a fork, and importing
    fastai makes one. The forks get the environment back.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "xaae.explain.process.server"])
    with _environment(**SERVER):
        forkserver.ensure_running()
    return context


class Running:
    """A job at work in its process."""

    def __init__(self, job, folder, context):
        self.job, self.peak, self.began, self.found = job, 0.0, None, None
        self.pipe, theirs = context.Pipe(duplex=False)
        about = {"threads": job.threads, "memory_limit": job.memory_limit, "environment": dict(os.environ)}
        args = (job.case, job.entry, str(folder / job.stem), theirs)
        self.process = context.Process(target=work, args=args, kwargs=about, name=job.stem)
        self.start = time.perf_counter()
        self.process.start()
        self.sources = [self.process.sentinel, self.pipe]  # of news
        theirs.close()

    def outcome(self):
        """Its line of the status table once it has ended, or been ended; None while it is at work."""
        self.peak = max(self.peak, held(self.process.pid, "VmHWM") / 1e6)
        alive = self.process.is_alive()  # before listening: what it said last is not missed
        self.listen()
        if self.found is None and not alive:
            self.found = ("error", self.seconds(), self.peak, _died(self.process.exitcode, self.job.memory_limit))
        elif self.found is None and self.seconds() > (START if self.began is None else self.job.time_limit):
            self.found = ("timeout", self.seconds(), self.peak, self.too_long())
        if self.found is None:
            return None
        self.end()
        return self.job.row(*self.found)

    def listen(self):
        """Take in what the process says."""
        try:
            while self.found is None and self.pipe.poll():
                said = self.pipe.recv()
                if said == "began":
                    self.began = time.perf_counter()
                else:
                    self.found = said
        except (EOFError, OSError):  # it will say nothing more
            self.sources = [self.process.sentinel]

    def seconds(self):
        """Since it began to work, or was started."""
        return time.perf_counter() - (self.began or self.start)

    def too_long(self):
        """Why it was ended."""
        if self.began is None:
            return f"its process did not begin within {START:.0f} s"
        return f"ended after its time limit of {self.job.time_limit:g} s"

    def end(self):
        """End the process and all that it started: asked first unless it is ending by itself, then without asking."""
        if self.found is None or self.found[0] == "timeout":
            _signal_all(self.process, signal.SIGTERM)
        self.process.join(GRACE)
        _signal_all(self.process, getattr(signal, "SIGKILL", signal.SIGTERM))
        self.process.join(GRACE)
        self.pipe.close()


def _signal_all(process, number):
    """Send a signal, once, to a process and its group, as far as they are there.

    Once: a second SIGTERM would end the process while it writes down, at the first, where it was.
    """
    try:
        os.killpg(process.pid, number)
    except (OSError, AttributeError):  # no group any more, not yet, or not on this platform
        if process.is_alive():
            process.kill() if number != signal.SIGTERM else process.terminate()


def _died(code, limit):
    """Why a process ended by itself without a word."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        if -code == getattr(signal, "SIGKILL", 9):
            return f"ended by the system ({name}), most likely because memory ran out"
        return f"crashed ({name}); explain.log has its stack" + (f", its limit was {limit:.3g} GiB" if limit else "")
    return f"its process ended without a result (exit status {code})"


# ---- the run ----------------------------------------------------------------------------------------------------


def _outcomes(jobs, folder, workers=1):
    """Yield (job, its line of the status table) as jobs end, `workers` at once; files come to be in `folder`.

    Closing the generator, or an exception such as Ctrl-C, ends all that is running.
    """
    context = processes()
    waiting, running = deque(jobs), []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                with _undisturbed():  # a process that is half started would be forgotten
                    running.append(Running(waiting.popleft(), folder, context))
            connection.wait([source for each in running for source in each.sources], TICK)
            for each in list(running):
                if (row := each.outcome()) is not None:
                    running.remove(each)
                    yield each.job, row
    finally:
        with _undisturbed():
            for each in running:
                each.end()


@contextmanager
def _undisturbed():
    """Ctrl-C counts only after what is inside."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    before = signal.signal(signal.SIGINT, lambda *about: came.append(about))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(*came[0])


@contextmanager
def workplace(folder):
    """A folder for files that are not whole yet, inside `folder`; gone afterwards. InputError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".work-", dir=folder))
    except OSError as e:
        raise InputError(f"{folder} cannot be written ({e.strerror}): choose another --out.") from e
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def run_jobs(jobs, folder, place, workers=1, say=print):
    """Run jobs and fill `folder`: maps/, status.csv, explain.log. The new rows, as the methods ended.

    place: a `workplace` in `folder`. say(row): called for each method as it ends. Earlier results of other methods
    stay; a method that fails takes its own earlier map away.
    """
    maps, table = folder / "maps", folder / "status.csv"
    maps.mkdir(exist_ok=True)
    earlier, rows = status.read_status(table), []
    with closing(_outcomes(jobs, place, workers)) as ended:
        for job, row in ended:
            for suffix in (".npz", ".png"):
                _keep(place / f"{job.stem}{suffix}", maps / f"{job.stem}{suffix}", row.status == "ok")
            _note(folder / "explain.log", row, place / f"{job.stem}.log")
            rows.append(row)
            status.write_status(table, status.merged(earlier, rows))
            say(row)
    return rows


def _keep(new, old, good):
    """Put a new file in the place of the old one if it is good and there; else neither stays."""
    if good and new.exists():
        os.replace(new, old)
    else:
        old.unlink(missing_ok=True)


def _note(log, row, printed=None):
    """Add to the log how a method ended and what it printed."""
    text = printed.read_text(errors="replace")[-20_000:] if printed and printed.exists() else ""
    lines = [f"{time.strftime('%Y-%m-%d %H:%M:%S')} {row}", *(f"    {line}" for line in text.splitlines())]
    with open(log, "a", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
