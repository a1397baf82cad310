"""A Python that has loaded the libraries and none of the project, and forks for each command that it is asked to run.

Started by `helpers.warm_process` as `python warm_server.py SOCKET`. It has computed nothing and runs one thread, so
that a fork of it is as good as a new process, without the seconds that torch, torchvision and fastai take to load.
It ends as soon as nobody is connected any more.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import types
import warnings
from pathlib import Path

LATE = Path(__file__).parents[2] / "experiment" / "late_compiler.py"  # run as a file: nothing of the project is loaded
LIBRARIES = ("fastai.vision.all", "torchmetrics")
MESSAGE = 1 << 20  # bytes of the longest command with its environment


def load_libraries():
    """Import what takes long, quietly: which of it a command needs is not for this process to say."""
    runpy.run_path(LATE)["load_compiler_late"]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LIBRARIES:
            __import__(name)
    gc.freeze()  # what is loaded stays: no fork looks through it


def next_command(door):
    """Serve until a command comes: return it in a fork of this process. None once nobody is connected any more."""
    connected, running, poll = {}, {}, select.poll()  # connections by descriptor; (pid, connection) by a child's
    poll.register(door, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready == door.fileno():
                connection = door.accept()[0]
                connected[connection.fileno()] = connection
                poll.register(connection, select.POLLIN)
                continue
            if ready in running:
                poll.unregister(ready)
                tell_end(ready, *running.pop(ready))
                continue
            message, inherited = receive(connected[ready])
            if not message:
                poll.unregister(ready)
                connected.pop(ready).close()
                continue
            if not (pid := os.fork()):
                close_all([door.detach(), *(each.detach() for each in connected.values()), *running])
                return prepared(message, inherited)
            child = os.pidfd_open(pid)
            running[child] = pid, connected[ready]
            poll.register(child, select.POLLIN)
            connected[ready].send(str(pid).encode())
            close_all(inherited)
        if not (connected or running):
            return None


def receive(connection):
    """The next message of a connection and the descriptors that came with it; nothing once it is closed."""
    try:
        message, inherited, *_ = socket.recv_fds(connection, MESSAGE, 3)
    except ConnectionError:
        return b"", []
    return message, inherited


def close_all(descriptors):
    """Close these."""
    for descriptor in descriptors:
        os.close(descriptor)


def tell_end(child, pid, connection):
    """Tell whoever asked for it with which exit status a child has ended."""
    os.close(child)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        connection.send(str(status).encode())
    except OSError:
        pass  # nobody waits for it any more


def prepared(message, inherited):
    """In the fork: the command, after everything that it would find in a new process is as it should be."""
    command = json.loads(message)
    if command["session"]:
        os.setsid()
    for target, descriptor in enumerate(inherited):
        os.dup2(descriptor, target)
    close_all(inherited)
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["env"])
    sys.modules["numpy"].random.seed()  # Python's own generator does so by itself
    return command


def run(command):
    """Run `[-u] [-W ACTION] (-c CODE | -m MODULE | SCRIPT) ARGUMENTS` as `python` would."""
    rest = list(command["arguments"])
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    while rest[0] in ("-u", "-W"):
        if rest.pop(0) == "-u":
            unbuffered = True
        else:
            warnings.simplefilter(rest.pop(0))
    sys.stdout.reconfigure(write_through=unbuffered)
    sys.argv = rest
    if rest[0] == "-m":
        sys.path[0] = os.getcwd()
        return runpy.run_module(rest.pop(1), run_name="__main__", alter_sys=True)
    if rest[0] != "-c":
        sys.path[0] = os.path.dirname(os.path.abspath(rest[0]))
        return runpy.run_path(rest[0], run_name="__main__")
    sys.path[0], code = "", rest.pop(1)
    sys.modules["__main__"] = types.ModuleType("__main__")
    return exec(compile(code, "<string>", "exec"), vars(sys.modules["__main__"]))


def serve(path):
    """Load, listen, say so; a command to run, in a fork, or None."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what runs behind it ignore Ctrl-C
    load_libraries()
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door.bind(path)
    door.listen()
    print("ready", flush=True)
    return next_command(door)


if __name__ == "__main__" and (asked := serve(sys.argv[1])):
    run(asked)
