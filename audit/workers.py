"""Who does the jobs of an audit beside this process: worker processes on this machine, or those of a Dask scheduler.

Nothing here loads torch or Dask before a job needs it.
"""

import logging
import multiprocessing
import os
import random
import signal
import socket
import sys
import threading
import uuid
from contextlib import ExitStack, closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from importlib.util import module_from_spec
from io import StringIO
from multiprocessing import forkserver
from pathlib import Path
from tempfile import TemporaryDirectory

from xaae.experiment.errors import InputError
from xaae.experiment.machine import quieten

NEED = 2 * 2**30  # bytes of memory that one worker is given at least: libraries, items and models take 1 to 1.5 GB
DEATHS = 2  # a job during which so many workers ended by themselves is tried once more, and then given up
ANSWER = "10 s"  # how long a scheduler may take to answer
CLOSING = 20.0  # seconds that workers of this machine have to end in, when nothing runs any more
NOT_DASKS = {"MALLOC_TRIM_THRESHOLD_": None, "MKL_NUM_THREADS": None, "OPENBLAS_NUM_THREADS": None}  # left as they are
CHANGED = (
    *NOT_DASKS,
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "__DASK_PARENT_PID",
)  # variables that Dask enters for workers
GOES_ON = "repeat the command, it goes on where it was"
_alone = threading.Lock()


@dataclass(frozen=True)
class Place:
    """Where a job is done. folder: that its relative paths start from. proof: a file that has to be seen from there.

    None for workers of this machine.
    """

    folder: str | None = None
    proof: str | None = None

    def enter(self):
        """Prepare this worker. InputError if it does not see the files that the command sees."""
        if self.proof and not Path(self.proof).exists():
            raise InputError(
                f"The worker on {socket.gethostname()} does not see {Path(self.proof).parent}: start workers on"
                " machines that share this folder under the same path."
            )
        if self.folder:
            os.chdir(self.folder)


def do_job(place, function, *arguments):
    """In a worker: (function(*arguments), what it printed). One at a time: jobs seed and print for a whole process."""
    with _alone, redirect_stdout(StringIO()) as said, redirect_stderr(said):
        place.enter()
        _leave_draws_alone()
        return function(*arguments), said.getvalue()


def _leave_draws_alone():
    """Give Dask a generator of its own: its thread draws now and then, between the draws of a job that has seeded."""
    own = module_from_spec(random.__spec__)
    random.__spec__.loader.exec_module(own)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("dask", "distributed", "tornado") and getattr(module, "random", None) is random:
            module.random = own


def dask_setup(worker):
    """What Dask calls in each worker process that it starts here: no chatter, and Ctrl-C is the parent's to handle."""
    quieten()
    if "torch" in sys.modules:  # it was loaded before this worker was forked, with the server's number of threads
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which what it starts would inherit


def default_workers():
    """How many processes an audit uses by itself: one for each core that has memory; one where an accelerator is."""
    import torch
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    return 1 if torch.accelerator.is_available() else max(1, min(CPU_COUNT, int(MEMORY_LIMIT // NEED)))


def default_threads(workers):
    """Threads of PyTorch in each of so many workers of this machine: its share of the cores."""
    from dask.system import CPU_COUNT

    return max(1, CPU_COUNT // workers)


class LocalWorkers:
    """Worker processes of this machine, `count` at most, that share its cores and memory; they end with this process.

    They speak with it on the loopback address, and keep nothing on disk but in a folder that is removed. preload:
    names of modules that their jobs need, which are loaded once for all of them where the system can fork safely.
    """

    def __init__(self, count, preload=()):
        self.count, self.preload, self.place = count, preload, Place()
        self.client = self.cluster = None
        self.stack = ExitStack()

    def ready(self, jobs):
        """The Dask client, with as many workers as there are jobs, if they may be so many."""
        if self.client is None:
            try:
                self._start(min(self.count, jobs))
            except (OSError, RuntimeError) as e:
                self.close()
                raise InputError(f"Worker processes cannot be started here ({e}): --workers 1 needs none.") from e
        self.cluster.scale(max(len(self.cluster.workers), min(self.count, jobs)))
        return self.client

    def _start(self, workers):
        """Start scheduler, workers and client."""
        import dask
        from distributed import Client, LocalCluster

        _silence_dask()  # for good: threads of it may speak of a lost connection when all is closed
        self.stack.enter_context(_same_environment())
        folder = self.stack.enter_context(TemporaryDirectory(prefix="xaae-dask-", ignore_cleanup_errors=True))
        threads = default_threads(self.count)
        method = "forkserver" if _fork_server_runs(self.preload) else "spawn"
        self.stack.enter_context(dask.config.set(_local_settings(folder, threads, method)))
        self.cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=_memory_limit(self.count),
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # a port that is free, with no page on it
            local_directory=folder,
            preload=[__name__],
            env={"OMP_NUM_THREADS": str(threads)} | dict(os.environ),  # a fork has those of the server
            silence_logs=logging.CRITICAL,
        )
        self.stack.callback(self._end_cluster)
        self.client = self.stack.enter_context(closing(Client(self.cluster, set_as_default=False)))

    def at_once(self):
        """How many jobs are done at once."""
        return self.count

    def kill(self):
        """End what is running."""
        for nanny in list(self.cluster.workers.values()) if self.cluster else ():
            nanny.auto_restart = False
            with suppress(ProcessLookupError, TypeError):  # it has ended, or never begun
                os.kill(nanny.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def close(self):
        """End the workers, and everything that was started for them."""
        self.stack.close()

    def _end_cluster(self):
        """Close the cluster; one that does not close, since a worker was killed at a bad moment, is left behind."""
        with suppress(TimeoutError):
            self.cluster.close(timeout=CLOSING)
            return
        self.kill()

    def given_up(self, title):
        """The InputError for a job during which workers ended by themselves."""
        return InputError(
            f"A worker process ended by itself, {DEATHS + 1} times at the same work ({title}), most likely for"
            " lack of memory: repeat the command with fewer --workers; it goes on where it was."
        )

    def lost(self):
        """The InputError for a job that nobody does any more."""
        return InputError(f"The worker processes have ended: {GOES_ON}.")


class ClusterWorkers:
    """The workers of a Dask scheduler at `address` that is there; they have to see `folder`, where results are kept."""

    def __init__(self, address, folder, say=print):
        self.address, self.folder, self.say = address, Path(folder).absolute(), say
        self.client, self.place = None, None
        self.stack = ExitStack()

    def ready(self, jobs):
        """The Dask client; waits until there is a worker. InputError if one cannot do the jobs."""
        if self.client is None:
            client = _connect(self.address)
            self.stack.enter_context(_quiet_dask())
            self.client = self.stack.enter_context(closing(client))
            proof = self.stack.enter_context(_proof(self.folder))
            self.place = Place(os.getcwd(), str(proof))
        if not self.client.nthreads():
            self.say(f"Waiting for the first worker of {self.address} ...")
            self.client.wait_for_workers(1)
        self._check()
        return self.client

    def _check(self):
        """InputError if one of the workers cannot do the jobs."""
        for worker, threads in self.client.nthreads().items():
            if threads > 1:
                raise InputError(f"Worker {worker} has {threads} threads: start it with --nthreads 1 (and --nworkers).")
        try:
            self.client.run(self.place.enter)
        except InputError:
            raise
        except OSError as e:
            raise self.lost() from e
        except Exception as e:
            raise InputError(
                f"The workers of {self.address} cannot do the work ({type(e).__name__}: {e}): start them in a Python in"
                " which the same xaae is installed."
            ) from e

    def at_once(self):
        """How many jobs are done at once: workers may come and go."""
        with suppress(Exception):  # the scheduler is busy or gone: what is being done is known soon
            return max(1, len(self.client.nthreads()))
        return 1

    def kill(self):
        """The workers are not ours to end: what they are doing they end and keep."""

    def close(self):
        """Leave the scheduler and its workers alone."""
        self.stack.close()

    def given_up(self, title):
        """The InputError for a job during which workers ended by themselves."""
        return InputError(
            f"Several workers of {self.address} ended by themselves at the same work ({title}), most likely for lack of"
            f" memory: start fewer on a machine, then {GOES_ON}."
        )

    def lost(self):
        """The InputError for a job that nobody does any more."""
        return InputError(f"The Dask scheduler at {self.address} is gone: start it again, then {GOES_ON}.")


def check_scheduler(address):
    """InputError if no Dask scheduler answers at this address."""
    _connect(address).close()


def _connect(address):
    """A Dask client of the scheduler at `address`."""
    from distributed import Client

    client = Client.__new__(Client)
    try:
        client.__init__(address, timeout=ANSWER, set_as_default=False)
        return client
    except (OSError, ValueError, TypeError) as e:
        # closed here: left to Python's collector it is closed at any moment, also while the next one starts, and then
        # waits for ever for the lock that its own thread holds
        with suppress(Exception):
            client.close()
        raise InputError(
            f"No Dask scheduler answers at {address} ({type(e).__name__}): start one with `dask scheduler`, write its"
            " address as tcp://HOST:8786, or leave out --scheduler."
        ) from e


@contextmanager
def _proof(folder):
    """A new file in `folder`, by which a worker proves that it sees the same folder; removed in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".shared-{uuid.uuid4().hex}"
    path.touch()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _same_environment():
    """Take back what Dask enters into the environment of this process for that of its workers."""
    before = {name: os.environ.get(name) for name in CHANGED}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _memory_limit(workers):
    """Bytes that each of so many workers may take before it is ended."""
    from distributed.system import MEMORY_LIMIT

    return MEMORY_LIMIT // workers


def _local_settings(folder, threads, method):
    """Settings of Dask for LocalWorkers, whose jobs are long and leave their results on disk, not in memory.

    threads: of each worker, unless OMP_NUM_THREADS says otherwise. method: how multiprocessing starts it.
    """
    return {
        "temporary-directory": folder,
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.scheduler.worker-saturation": 1.0,  # a waiting job is not a dying worker's
        "distributed.scheduler.worker-ttl": None,  # the end of a process is seen, however busy it was
        "distributed.scheduler.active-memory-manager.start": False,
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.worker.profile.enabled": False,
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,  # a paused worker would never do anything again
        "distributed.worker.multiprocessing-method": method,
        "distributed.nanny.pre-spawn-environ": NOT_DASKS | {"OMP_NUM_THREADS": threads},  # the user's own comes first
    }


def _fork_server_runs(preload):
    """Start the server that workers are forked from, with these modules loaded, if it does not run yet. Does it run?

    Not on macOS, nor where importing fastai makes the context of an accelerator, which does not survive a fork; nor
    where the folder of temporary files has too long a name for a socket.
    """
    known = "forkserver" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    if not known or (preload and _has_accelerator()):
        return False
    multiprocessing.get_context("forkserver").set_forkserver_preload(["__main__", "distributed", *preload])
    with suppress(OSError):
        forkserver.ensure_running()
        return True
    return False


def _has_accelerator():
    """Is there an accelerator, whose context the libraries of a job would make in the server?"""
    import torch

    return torch.accelerator.is_available()


@contextmanager
def _quiet_dask():
    """No messages of Dask in this process: what is wrong with a job is told by the audit itself."""
    levels = _silence_dask()
    try:
        yield
    finally:
        for handler, level in levels.items():
            handler.setLevel(level)


def _silence_dask():
    """Let through no message of Dask: {handler: its level before}."""
    levels = {handler: handler.level for handler in logging.getLogger("distributed").handlers}
    for handler in levels:
        handler.setLevel(logging.CRITICAL)
    return levels
