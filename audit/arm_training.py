"""How one arm of an audit is trained, whole or not at all, also where several audits share their arms."""

import contextlib
import os
import shutil
import socket
import time
from pathlib import Path

from xaae.experiment import manifest, run_folder
from xaae.experiment.text_tables import write_texts
from xaae.training.fitting import train_run
from xaae.training.preparation import prepare_training

DONE = "train.json"  # written last by training
PART = ".part"  # then the machine and the process that trains: the folder of an arm that is being trained
GIVEN_UP = 24 * 3600  # seconds without a new byte, after which what another machine trains is taken for dead


def train_arm(settings, note, folder):
    """Train one arm, by its resolved RunSettings, into `folder`, whole or not at all. note: on which data it is.

    Where another audit trains the same arm, wait until it has ended and take what it made.
    """
    folder = Path(folder)
    with manifest.locked(folder.with_name(f".{folder.name}.lock")):
        if not is_trained(folder):
            _train_into(settings, note, folder)


def _train_into(settings, note, folder):
    """Train one arm beside its folder, then give it the folder's name."""
    part = folder.with_name(f"{folder.name}{PART}{socket.gethostname()}-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with open(part / "train.log", "w") as log, contextlib.redirect_stdout(log):
        prepared = prepare_training(settings, note)
        train_run(prepared, part, quiet=True, judged=False)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def is_trained(folder):
    """Has this arm been trained to its end?"""
    return (Path(folder) / DONE).is_file()


def point_to_items(folder, paths):
    """Enter the paths (N,) of the items, as they are now, into a trained arm whose data were moved since."""
    table = run_folder.read_items(folder)
    if list(table.path) != list(paths):
        write_texts(table.assign(path=list(paths)), Path(folder) / "items.csv")


def forget_dead(kept):
    """Remove what killed processes left half trained in the folder `kept`; what living ones train is left alone.

    Whether a process of another machine lives is not known: what it has not touched for a day is removed.
    """
    for part in Path(kept).glob(f"*{PART}*"):
        machine, _, pid = part.name.partition(PART)[2].rpartition("-")
        here = machine in ("", socket.gethostname())  # earlier versions wrote the process alone
        if pid.isdigit() and (not _is_alive(int(pid)) if here else _last_touched(part) < time.time() - GIVEN_UP):
            shutil.rmtree(part, ignore_errors=True)


def _last_touched(folder):
    """When a file in the folder, or the folder itself, was last written: seconds since 1970."""
    times = [folder.stat().st_mtime]
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it has just gone
            times.append(path.stat().st_mtime)
    return max(times)


def _is_alive(pid):
    """Is there a process of this number?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # there is one, of another user
        return True
    return True
