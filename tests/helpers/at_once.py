"""Functions of tests that run in processes of their own and wait for each other.

The processes are new ones (`warm`) and no forks of the process that tests: its threads may hold locks at that moment,
which nobody would free in a fork.
"""

import json
import os
import pickle
import sys
from pathlib import Path
from tempfile import TemporaryFile

from helpers.waiting import GENEROUS, wait_until

CALL = """
import json, pickle, sys
sys.path[:0], call = pickle.load(sys.stdin.buffer)
function, *arguments = pickle.loads(call)
print(json.dumps(function(*arguments)))
"""


def begin(warm, function, *arguments):
    """Call function(*arguments) in a process of its own: the WarmProcess. function: of the module of a test."""
    with TemporaryFile() as told:
        pickle.dump(([str(Path(__file__).parents[1])], pickle.dumps((function, *arguments))), told)
        told.seek(0)
        return warm.Popen([sys.executable, "-c", CALL], stdin=told, stdout=warm.PIPE, text=True)


def returned(process):
    """What the function of `begin` returned, which JSON can hold; waits for it."""
    said = process.communicate(GENEROUS)[0]
    assert process.returncode == 0, said
    return json.loads(said)


class Gate:
    """A gate that processes wait at until it is opened. Its state are files in `folder`, so any process may hold it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)

    def wait(self):
        """Come to the gate and wait until it is open."""
        (self.folder / str(os.getpid())).touch()
        wait_until((self.folder / "open").exists)

    def came(self):
        """The numbers of the processes that have come so far."""
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name != "open")

    def wait_for(self, count):
        """Wait until so many processes have come."""
        wait_until(lambda: len(self.came()) >= count, what=f"the arrival of {count} processes")

    def open(self):
        """Let all go on."""
        (self.folder / "open").touch()
