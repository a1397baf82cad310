"""What a worker process does for its own control: it ends with its parent, writes its output to a file, and limits its
memory."""

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


def end_with_parent(environment=None):
    """Make this process the leader of a new process group, which is killed when the parent process ends.

    If memory is short, the system ends it before other processes. environment: replaces the environment variables.
    """
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    if hasattr(os, "setsid"):
        os.setsid()
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("1000")
    threading.Thread(target=_wait_and_end, args=(parent_process(),), daemon=True).start()


def _wait_and_end(parent):
    """Wait for the end of the parent process, then end this process and its group."""
    connection.wait([parent.sentinel])
    if hasattr(os, "killpg"):
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def keep_output(path):
    """Send everything that is printed, also by C libraries, to a file.

    A crash or SIGTERM writes the Python stack there.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for number in (1, 2):
        os.dup2(file, number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))
    faulthandler.enable(2)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGTERM, 2, chain=True)


def limit_memory(gib):
    """Let this process take `gib` GiB more memory than it has now; None removes the limit.

    Returns the limit, None if there is none. Only Linux can limit private writable memory; a limit on the address space
    would also count files that are only mapped.
    """
    if resource is None or not memory_held("self", "VmData"):
        return None
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = hard if gib is None else int(memory_held("self", "VmData") + gib * GIB)
    resource.setrlimit(resource.RLIMIT_DATA, (soft if hard < 0 else min(soft, hard), hard))
    return gib


def memory_held(pid, field):
    """Bytes that a process holds, by a field of its status file: "VmData", or "VmHWM" for the peak; 0 if unknown."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), 0)


def peak_memory():
    """The largest memory (MB) that this process held at once."""
    if resource is None:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return max(memory_held("self", "VmHWM"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit) / 1e6
