"""Processes for tests that start in no time, of a Python that has loaded the libraries (`helpers.warm_server`).

For tests in which it is the point that a process is another one (it is killed, it is asked what it has imported), but
not how it comes to be. What is tested of the start itself (the help, what is loaded for it) takes `subprocess`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from tempfile import TemporaryFile

from filelock import FileLock

from helpers import warm_server
from helpers.waiting import GENEROUS

LONGEST = 100  # bytes of the path of a socket


@contextmanager
def processes(folder):
    """What has `Popen` and `run` for Python's commands: WarmProcesses where the system can, else `subprocess`."""
    if not hasattr(os, "pidfd_open") or len(os.fsencode(folder / "warm.socket")) >= LONGEST:
        yield subprocess
        return
    with closing(WarmProcesses(folder)) as found:
        yield found


class WarmProcesses:
    """`Popen`, `run` and PIPE as `subprocess` has them, for commands that begin with this Python.

    All processes of tests that share `folder` share one server, which the first that asks starts. It ends when none of
    them is connected to it any more.
    """

    PIPE = subprocess.PIPE

    def __init__(self, folder):
        self.path, self.kept, self.server = folder / "warm.socket", None, None

    def connect(self):
        """A new connection to the server, which is started if there is none."""
        with FileLock(self.path.with_suffix(".lock")):
            connection = self.connected() or self.started()
            self.kept = self.kept or self.connected()  # as long as this is open, the server runs
        return connection

    def connected(self):
        """A new connection to the server; None if there is none."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(str(self.path))
        except OSError:
            connection.close()
            return None
        return connection

    def started(self):
        """Start the server; a new connection to it. What it and its libraries say is in a file beside the socket."""
        self.path.unlink(missing_ok=True)
        told = self.path.with_suffix(".log")
        command = [sys.executable, "-W", "ignore", warm_server.__file__, str(self.path)]
        with open(told, "w") as log:
            options = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
            self.server = subprocess.Popen(command, **options)
        if self.server.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the server of processes did not start: {told.read_text()}")
        return self.connected()

    def close(self):
        """Let the server end; where it was started here, wait until the others that use it have let it go too."""
        if self.kept:
            self.kept.close()
        if self.server:
            self.server.wait(GENEROUS)
            self.server.stdout.close()

    def Popen(self, args, **options):
        """A WarmProcess."""
        return WarmProcess(self.connect(), args, **options)

    def run(self, args, check=False, capture_output=False, input=None, **options):
        """Run a command to its end: a CompletedProcess. input: bytes that it reads."""
        pipe = self.PIPE if capture_output else None
        with TemporaryFile() as told:
            told.write(input or b"")
            told.seek(0)
            process = self.Popen(args, **{"stdin": told, "stdout": pipe, "stderr": pipe} | options)
        said = process.communicate()
        done = subprocess.CompletedProcess(args, process.returncode, *said)
        if check:
            done.check_returncode()
        return done


class WarmProcess:
    """A process that the server forked, as far as tests need a `subprocess.Popen`. Without stdin it reads nothing."""

    def __init__(self, connection, args, stdin=None, stdout=None, stderr=None, cwd=None, env=None, text=False,
                 start_new_session=False):  # fmt: skip
        python, *arguments = map(str, args)
        if python != sys.executable:
            raise ValueError(f"only {sys.executable} can be run, not {python}")
        self.args, self.connection, self.returncode = args, connection, None
        self.stdout, out = _stream(stdout, 1, text)
        self.stderr, err = _stream(stderr, 2, text)
        command = {"arguments": arguments, "cwd": str(cwd or os.getcwd()), "session": start_new_session}
        command["env"] = dict(os.environ if env is None else env)
        with open(os.devnull) as nothing:
            streams = [(stdin or nothing).fileno(), out, err]
            socket.send_fds(connection, [json.dumps(command).encode()], streams)
        for mine, given in ((self.stdout, out), (self.stderr, err)):
            if mine:
                os.close(given)
        self.pid = int(connection.recv(64))

    def poll(self):
        """Its exit status; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout=None):
        """Its exit status once it has ended: minus the number of the signal that ended it, if one did."""
        if self.returncode is None:
            self.connection.setblocking(True) if timeout is None else self.connection.settimeout(timeout)
            try:
                told = self.connection.recv(64)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout) from None
            self.returncode = int(told or -1)  # the server itself was killed
            self.connection.close()
        return self.returncode

    def communicate(self, timeout=None):
        """What it says until it ends: stdout and stderr, None for what is no pipe."""
        end = None if timeout is None else time.monotonic() + timeout
        left = lambda: None if end is None else max(0, end - time.monotonic())  # noqa: E731
        with ThreadPoolExecutor(2) as pool:
            reading = [pool.submit(stream.read) if stream else None for stream in (self.stdout, self.stderr)]
            try:
                said = tuple(each and each.result(left()) for each in reading)
            except TimeoutError:  # what it does not end by itself is read for ever
                self.send_signal(signal.SIGKILL)
                raise
        self.wait(left())
        return said

    def send_signal(self, number):
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def _stream(asked, own, text):
    """This side of a stream, or None, and the descriptor of the process's side. own: what it has if none is asked."""
    if asked == subprocess.PIPE:
        here, there = os.pipe()
        return open(here, "r" if text else "rb"), there
    return None, own if asked is None else asked.fileno()
