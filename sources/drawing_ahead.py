"""The drawn pets, made in a process of their own while this one loads PyTorch, which takes as long on another core.

Nothing here loads PyTorch, nor the libraries that draw.
"""

import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from xaae.experiment.errors import InputError
from xaae.experiment.machine import interrupts_held
from xaae.sources.data_root import PETS_FOLDER, default_root

MANY = 1000  # fewer are drawn in about the time in which a process begins


def draw_ahead(dataset, root=None, items=None, size=64, seed=0):
    """Begin to draw what the dataset function `synthpets` will be asked for, if it will be; asked, that waits for it.

    dataset, root: of a run, as they were typed; root None for the usual one. Nothing is begun for few pictures, nor
    where there is one core or OMP_NUM_THREADS allows one.
    """
    root = Path(root or default_root()).absolute()
    wanted = dataset == "synthpets" or (dataset == "auto" and not (root / PETS_FOLDER).is_dir())
    room = (os.cpu_count() or 1) > 1 and os.environ.get("OMP_NUM_THREADS") != "1"
    if wanted and room and (items is None or items >= MANY):
        spawn = multiprocessing.get_context("spawn")
        with interrupts_held():  # Ctrl-C is for the run, at whose end the process is ended
            spawn.Process(target=_draw, args=(root, items, size, seed), daemon=True).start()


def _draw(root, items, size, seed):
    """What the process does. What goes wrong is told by the run, which then does the same."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be held back
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # what is half drawn is removed
    from xaae.sources.synthpets import synthpets

    with suppress(InputError):
        synthpets(root, items, size, seed)
