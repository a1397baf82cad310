"""Jobs for worker processes, which load this module for them and no other: nothing here takes long to load."""

import os
import random
import signal
import sys
from pathlib import Path

from helpers.waiting import wait_until


def die_once(folder):
    """Leave a trace; end the process the first time, the process' number the second."""
    times = len(list(Path(folder).iterdir()))
    (Path(folder) / f"{times}-{os.getpid()}").touch()
    if times == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def facts_of_process():
    """What a job finds: where it listens, its variables, its folder."""
    import psutil
    import torch

    listening = [c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN]
    return {"listens": listening, "threads": torch.get_num_threads(), "folder": os.getcwd()}


def is_alone_with_its_seed():
    """Does the generator that a job has seeded stay as it is while Dask guesses the size of something, by draws?"""
    from dask.sizeof import sizeof

    random.seed(0)
    before = random.getstate()
    sizeof(list(range(1000)))
    return random.getstate() == before


def wait_for_file(begun, end):
    """Say by one file that it has begun, wait for the other."""
    begun.touch()
    wait_until(end.exists)


def is_loaded(module):
    """Has this process loaded a module of this name?"""
    return module in sys.modules
