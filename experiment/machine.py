"""This process on this machine: quiet, with threads that wait asleep and memory that is kept; and how it is called."""

import atexit
import ctypes
import gc
import os
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path

from xaae.experiment.late_compiler import load_compiler_late

COLLECT_AFTER = 2_000, 10, 50  # objects, then collections of the new, then of the less new: see `gc.set_threshold`
# PYTHONWARNINGS of processes started from here: libraries warn as they load, and what an ended one leaves is cleared
QUIET_LOADING = "ignore:`torch.jit,ignore:resource_tracker"


def quieten():
    """Before torch is loaded: no warnings that a user can do nothing about, nor in processes started from here; threads
    sleep while they wait (spinning is several times slower beside any other busy program); memory is kept between steps
    (glibc). Garbage is not looked for again and again in the libraries while they load, nor once more at the end. The
    compiler of torch is loaded by what uses it."""
    load_compiler_late()
    gc.set_threshold(*COLLECT_AFTER)
    atexit.register(gc.freeze)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("PYTHONWARNINGS", QUIET_LOADING)
    warnings.filterwarnings("ignore", message=".*torch.jit.*")
    warnings.filterwarnings("ignore", message=".*(GradScaler|lr_scheduler).*")
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    keep = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if keep:
        keep(-3, 2**30)  # M_MMAP_THRESHOLD: large tensors from the heap
        keep(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: and the heap kept


@contextmanager
def interrupts_held():
    """A context in which Ctrl-C waits, to be entered by the main thread; a process that is started in it never hears of
    it. Where there are no such signals, as on Windows, one like any other."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # else what is started starts it, and signals are let through again with that
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def command_line(words):
    """A command, as a text for the terminal, that calls this program with these words from where the user stands.

    `python main.py` in the clone, with the whole path of main.py elsewhere, `xaae` where that was called; by its whole
    path what PATH does not lead to. Words are quoted where they need it.
    """
    words = [*_own_name(), *map(str, words)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _own_name():
    """The first words of a command that calls this program."""
    called, home = Path(sys.argv[0]), Path(__file__).resolve().parents[1]
    if called.stem == "xaae":
        return [_as_called("xaae", called.absolute())]
    script = "main.py" if Path.cwd().resolve() == home else str(home / "main.py")
    return [_as_called("python", Path(sys.executable)), script]


def _as_called(name, program):
    """A program's name where PATH leads to it, else its whole path."""
    found = shutil.which(name)
    same = found and Path(found).parent == program.parent and program.exists() and os.path.samefile(found, program)
    return name if same else str(program)
