"""A second process beside this one, for work that waits for nothing that this one is doing.

A training of small networks gains little from a second core; two that work side by side gain most of it. Nothing here
loads torch before it is asked for.
"""

import importlib
import io
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import wait

from xaae.experiment.machine import interrupts_held, quieten
from xaae.experiment.process_group import process_count

PATIENCE = 20.0  # seconds in which a process whose work is done ends
ENDED = "The second process ended by itself: its work is done here."


def cores_for_two():
    """Do two processes gain by working side by side here?

    Each needs a core of its own, and an accelerator would be shared; processes that train together are several already.
    """
    import torch

    return process_count() == 1 and torch.get_num_threads() > 1 and not torch.accelerator.is_available()


class SecondProcess:
    """A process that does one thing after the other for this one; they share the cores while both are at work.

    To be used in a `with`, at whose end it is ended whatever it does. It begins with the first thing it is given, or
    before that to load what it will need.
    """

    def __enter__(self):
        self.process = self.pipe = self.threads = None
        self.works, self.asked = deque(), False  # begun, and not yet known to be done
        return self

    def __exit__(self, *_):
        self.end()

    def start(self, function, *arguments):
        """Let it call function(*arguments), which has to be one of a module, after what it has to do already.

        A Work to wait for.
        """
        if self.process is not None and not self.process.is_alive():
            self.end()
        if self.process is None:
            self.begin()
        self._share()
        self.asked, work = True, Work(self, function, arguments)
        self.works.append(work)
        self.pipe.send((function, arguments))
        return work

    def receive(self):
        """Wait until the oldest of the works is done. EOFError or OSError if the process is gone."""
        self.works[0].came = self.pipe.recv()
        self.works.popleft()
        if not self.works:
            self.take_back()

    def begin(self, *modules):
        """Start the process, which loads modules of these names while this one goes on."""
        spawn = multiprocessing.get_context("spawn")  # a fork would inherit the locks of torch's threads
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(theirs, max(1, _threads() // 2), modules))
        with interrupts_held():  # until it has said what it does about them
            self.process.start()
        theirs.close()

    def _share(self):
        """Leave half of the cores to the second process."""
        if self.threads is None:
            self.threads = _threads()
            _set_threads(self.threads - self.threads // 2)

    def take_back(self):
        """Have all cores again."""
        if self.threads is not None:
            _set_threads(self.threads)
            self.threads = None

    def end(self):
        """End the process, whatever it is doing; one whose work is done ends by itself and tidies up."""
        self.take_back()
        if self.process is not None:
            self.pipe.close()
            if self.asked and not self.works:
                self.process.join(PATIENCE)
            self.process.kill()
            self.process.join()
            self.process, self.asked = None, False
            self.works.clear()


class Work:
    """Something that a SecondProcess is doing. In a `with` that is left by an error the process is ended at once."""

    def __init__(self, second, function, arguments):
        self.second, self.function, self.arguments = second, function, arguments
        self.came = None  # what it printed, returned and raised, when that is known

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.second.end()

    def end(self):
        """Wait until it is done, print what it printed, and return what it returned, or raise what it raised.

        What a process leaves undone that ended by itself, as one does for lack of memory, is done in this one.
        """
        try:
            while self.came is None and self in self.second.works:
                self.second.receive()
        except (EOFError, OSError):
            self.second.end()
        if self.came is None:
            print(ENDED)
            return self.function(*self.arguments)
        said, result, fault = self.came
        print(said, end="")
        if fault is not None:
            raise fault
        return result


def _serve(pipe, threads, modules):
    """What the second process does: loads modules of these names, then calls what comes through the pipe, until nobody
    is at its other end any more."""
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the first process, which ends this one
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # what is started from here hears of it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    quieten()
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))  # torch reads them as it loads
    if "torch" in sys.modules:  # of the program's own script
        _set_threads(threads)
    for name in modules:
        importlib.import_module(name)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(_called(function, arguments))


def _end_with_parent():
    """End this process at once when the one that started it is gone: it may be killed at any moment."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _called(function, arguments):
    """(what a function printed, what it returned, what it raised or None)."""
    said, result, fault = io.StringIO(), None, None
    with redirect_stdout(said), redirect_stderr(said):
        try:
            result = function(*arguments)
        except Exception as e:
            fault = e
    return said.getvalue(), result, fault


def _threads():
    import torch

    return torch.get_num_threads()


def _set_threads(count):
    import torch

    torch.set_num_threads(count)
