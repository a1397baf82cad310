"""The work of an audit in processes of their own: training arms, asking them; each piece is kept once it is done."""

import contextlib
import multiprocessing
import os
import shutil
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import torch
from tqdm.auto import tqdm

from xaae.experiment.errors import InputError

DONE = "train.json"  # written last by training


def start_worker():
    """How a worker begins: one thread each, quiet, and gone when the audit is."""
    from xaae.experiment.machine import quieten

    quieten()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // int(os.environ.get("XAAE_AUDIT_WORKERS", "1"))))
    threading.Thread(target=_leave_with, args=(multiprocessing.parent_process().sentinel,), daemon=True).start()


def _leave_with(parent):
    """End this process as soon as its parent has ended, however it did."""
    multiprocessing.connection.wait([parent])
    os._exit(1)


def train_arm(settings, folder):
    """Train one arm into `folder`, whole or not at all: its seconds."""
    from xaae.training import fitting as command

    began, folder = time.perf_counter(), Path(folder)
    part = folder.with_name(f"{folder.name}.part{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with open(part / "train.log", "w") as log, contextlib.redirect_stdout(log):
        prepared = command.prepare_training(settings)
        command.seed_all(settings["seed"])
        command.train_run(prepared, part, quiet=True)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return time.perf_counter() - began


def is_trained(folder):
    """Has this arm been trained to its end?"""
    return (Path(folder) / DONE).is_file()


def forget_dead(kept):
    """Remove what trainings left that were killed half way; those of processes that live are left alone."""
    for part in Path(kept).glob("*.part*"):
        pid = part.suffix.removeprefix(".part")
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(part, ignore_errors=True)


def _alive(pid):
    """Is there a process of this number?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # there is one, of somebody else
        return True
    return True


class Jobs:
    """Pieces of work for a pool of processes, with one bar over all of them and an estimate of the time left.

    add(weight, words, function, *arguments): weight in units of one training. run(): {words: result} of those added;
    a piece that raises is told and raised at the end, when all others are done.
    """

    def __init__(self, workers, say=print, total=0.0):
        self.workers, self.say, self.total, self.done = workers, say, total, 0.0
        self.began, self.waiting = time.perf_counter(), []
        os.environ["XAAE_AUDIT_WORKERS"] = str(workers)
        self.pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), start_worker)
        form = "{l_bar}{bar}| {elapsed} gone, {remaining} left"
        self.bar = tqdm(total=total, desc="audit", disable=None, bar_format=form)

    def add(self, weight, words, function, *arguments):
        """One more piece of work."""
        self.waiting.append((weight, words, function, arguments))

    def run(self):
        """Do what was added, several at a time; {words: result}."""
        running = {self.pool.submit(f, *arguments): (weight, words) for weight, words, f, arguments in self.waiting}
        self.waiting, found, failed = [], {}, []
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                weight, words = running.pop(future)
                failed += [future.exception()] * bool(future.exception())
                found[words] = None if future.exception() else future.result()
                self.tell(weight, words, sum(w for w, _ in list(running.values())[: self.workers]))
        if failed and isinstance(failed[0], BrokenProcessPool):
            raise InputError(
                "A process of the audit ended by itself, most likely for lack of memory: repeat the command with fewer"
                " --workers; it goes on where it was."
            )
        if failed:
            raise failed[0]
        return found

    def tell(self, weight, words, under_way):
        """One piece is done: the bar, or a line where nobody sees a bar. under_way: weight of those being done, which
        are half done on average."""
        self.done += weight
        self.bar.update(min(weight, self.total - self.bar.n))
        if self.bar.disable:
            gone = time.perf_counter() - self.began
            done = self.done + under_way / 2
            left = gone / done * max(self.total - done, 0)
            self.say(f"  {words}; {gone / 60:.0f} min gone, about {left / 60:.0f} min left")

    def close(self, at_once=False):
        """End the pool; at_once: also what is running."""
        self.bar.close()
        running = list((self.pool._processes or {}).values()) if at_once else []
        for process in running:
            process.kill()
        for process in running:
            process.join()
        self.pool.shutdown(wait=True, cancel_futures=True)
