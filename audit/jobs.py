"""The work of an audit, also in several processes, with one bar over all of it."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

import torch
from tqdm.auto import tqdm

from xaae.experiment.errors import InputError
from xaae.experiment.machine import quieten


def start_worker(threads):
    """Prepare a worker process: so many threads, no chatter; it ends as soon as its parent has ended."""
    quieten()
    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process().sentinel
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent):
    """End this process as soon as its parent has ended, however it did."""
    multiprocessing.connection.wait([parent])
    os._exit(1)


class Jobs:
    """Pieces of work with one bar over all of them and an estimate of the time left.

    workers: how many are done at once, each in a process of its own; one alone is done in this process. say(line):
    tells what is done where nobody sees a bar. total: cost of all work, in any unit.
    """

    def __init__(self, workers, say=print, total=0.0):
        self.workers, self.say, self.total, self.done = workers, say, total, 0.0
        self.began, self.waiting = time.perf_counter(), []
        self.pool = _start_pool(workers) if workers > 1 else None
        form = "{l_bar}{bar}| {elapsed} gone, {remaining} left"
        self.bar = tqdm(total=total, desc="audit", disable=None, bar_format=form)

    def add(self, cost, title, function, *arguments):
        """One more piece of work: function(*arguments). title: no two pieces have the same."""
        self.waiting.append((cost, title, function, arguments))

    def run(self):
        """Do what was added: {title: result}.

        A piece that raises is raised at the end, when all others are done; InputError if a process died.
        """
        work, self.waiting, results, errors = self.waiting, [], {}, []
        for cost, title, future, under_way in self._side_by_side(work) if self.pool else _one_by_one(work):
            errors += [future.exception()] * bool(future.exception())
            results[title] = None if future.exception() else future.result()
            self._tell(cost, title, under_way)
        if errors:
            _raise(errors[0])
        return results

    def _side_by_side(self, work):
        """Each piece as it ends: (cost, title, Future, cost of the pieces that are being done)."""
        running = {self.pool.submit(f, *arguments): (cost, title) for cost, title, f, arguments in work}
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                cost, title = running.pop(future)
                yield cost, title, future, sum(c for c, _ in list(running.values())[: self.workers])

    def _tell(self, cost, title, under_way):
        """One piece is done: move the bar, or say a line. under_way: cost of those being done, half done on average."""
        self.done += cost
        self.bar.update(min(cost, self.total - self.bar.n))
        if self.bar.disable:
            gone = time.perf_counter() - self.began
            done = self.done + under_way / 2
            left = gone / done * max(self.total - done, 0)
            self.say(f"  {title}; {gone / 60:.0f} min gone, about {left / 60:.0f} min left")

    def close(self, at_once=False):
        """End the pool; at_once: also what is running."""
        self.bar.close()
        if self.pool is None:
            return
        running = list((self.pool._processes or {}).values()) if at_once else []
        for process in running:
            process.kill()
        for process in running:
            process.join()
        self.pool.shutdown(wait=True, cancel_futures=True)


def _start_pool(workers):
    """Worker processes that share the cores of this machine."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), start_worker, (threads,))


def _one_by_one(work):
    """Each piece, done in this process: (cost, title, Future, 0: nothing else is being done)."""
    for cost, title, function, arguments in work:
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as e:
            future.set_exception(e)
        yield cost, title, future, 0.0


def _raise(error):
    """Raise the error of a piece of work; InputError for a process that ended by itself."""
    if isinstance(error, BrokenProcessPool):
        raise InputError(
            "A process of the audit ended by itself, most likely for lack of memory: repeat the command with fewer"
            " --workers; it goes on where it was."
        )
    raise error
