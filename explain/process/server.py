"""What the server that forks workers loads first: see `explain.process.runner.processes`."""

import atexit
import gc
import os

from xaae.explain.process import worker  # noqa: F401  (so that forks have it)

if os.environ.get("XAAE_FORK_SERVER"):
    gc.collect()
    gc.freeze()  # the collector of a fork does not touch, and so copy, what all share
    atexit.register(os._exit, 0)  # it ends with the command, not seconds later when all modules are taken down
