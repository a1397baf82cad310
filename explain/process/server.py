"""What the fork server loads before it forks workers: see `runner.processes`.

This is the one module whose import does something: the server only imports it, and calls nothing. It does so in the
server process alone, which `runner.processes` marks by an environment variable.
"""

import atexit
import gc
import os

from xaae.explain.process import worker  # noqa: F401  (so that each fork has it already)

if os.environ.get("XAAE_FORK_SERVER"):
    gc.collect()
    gc.freeze()  # the garbage collectors of forks then leave the shared memory alone, which keeps it shared
    atexit.register(os._exit, 0)  # the server ends with the command, without unloading all modules, which takes seconds
