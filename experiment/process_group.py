"""One training in several processes, on one machine or more: `torchrun` and `accelerate launch` start them.

They say in environment variables how many processes there are and which of them this is. Nothing here loads torch
before a process joins the others.
"""

import os
from contextlib import contextmanager

from xaae.experiment.errors import InputError


def process_count():
    """How many processes train together: 1 where nobody says otherwise."""
    return int(os.environ.get("WORLD_SIZE", 1))


def process_rank():
    """The number of this process, from 0; process 0 is the one that writes the run."""
    return int(os.environ.get("RANK", 0))


def refuse_lone_process():
    """InputError where `accelerate launch` was asked for several processes and started one, as it does without GPUs.

    It says so nowhere, and the training would be that of one process.
    """
    asked = "ACCELERATE_USE_CPU" in os.environ and "MASTER_ADDR" in os.environ  # which it sets for several alone
    if asked and "WORLD_SIZE" not in os.environ:
        raise InputError(
            "accelerate launch starts one process only where it sees no GPUs: on CPUs use `torchrun --nproc_per_node 2"
            " main.py train ...`, or give accelerate launch --multi_gpu, which starts as many there too."
        )


@contextmanager
def joined_processes():
    """A context in which this process can speak with the others: over NCCL on GPUs, each with its own, else over gloo.

    Afterwards it is alone, for libraries as well: fastai reads the same variables. InputError without accelerate.
    """
    try:
        from accelerate import PartialState
    except ImportError as e:
        raise InputError("Several processes need accelerate: pip install 'xaae[processes]'.") from e
    import torch

    state = PartialState(cpu=not torch.accelerator.is_available())
    try:
        yield
    finally:
        state.destroy_process_group()
        for name in ("WORLD_SIZE", "RANK"):
            os.environ.pop(name, None)
