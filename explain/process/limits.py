"""What a worker does about itself: it ends with its parent, keeps what it prints, and bounds and tells its memory."""

import faulthandler
import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing import connection, parent_process
from pathlib import Path

try:
    import resource
except ImportError:  # not on this platform
    resource = None

GIB = 2**30


def guard(environment=None):
    """Make this process the head of a group of its own, which ends with its parent; first to go if memory is short."""
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    if hasattr(os, "setsid"):
        os.setsid()
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("1000")
    threading.Thread(target=_end_with, args=(parent_process(),), daemon=True).start()


def _end_with(parent):
    """Wait for the end of the parent process, then end this one and all that it started."""
    connection.wait([parent.sentinel])
    if hasattr(os, "killpg"):
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def keep_output(path):
    """Send all that is printed, by libraries in C too, to a file; a crash or an early end leaves its stack there."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for number in (1, 2):
        os.dup2(file, number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))
    faulthandler.enable(2)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGTERM, 2, chain=True)


def limit_memory(gib):
    """Let this process take `gib` GiB more than it has, None for all there is. The limit, None if there is none.

    Only where the system counts private writable memory for it (Linux); address space would count what is only mapped.
    """
    if resource is None or not held("self", "VmData"):
        return None
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = most if gib is None else int(held("self", "VmData") + gib * GIB)
    resource.setrlimit(resource.RLIMIT_DATA, (soft if most < 0 else min(soft, most), most))
    return gib


def held(pid, what):
    """Bytes that a process holds by its status file ("VmData", "VmHWM": most at once); 0 where there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:")), 0)


def peak_memory():
    """Most memory (MB) that this process held at once."""
    if resource is None:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return max(held("self", "VmHWM"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit) / 1e6
