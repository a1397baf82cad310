"""What a fork server loads before it forks workers: see `explain.process.runner.processes`.

This is the one module whose import does something: the server only imports it, and calls nothing. It does so in the
server process alone, where the environment names the modules that every fork shall have already.
"""

import atexit
import gc
import os
from importlib import import_module

from xaae.experiment.late_compiler import load_compiler_late

LOADED = "XAAE_FORK_SERVER"  # environment variable: the names of these modules

if os.environ.get(LOADED):
    load_compiler_late()
    gc.disable()  # nothing of what is loaded is garbage, and looking for it takes a fifth of the time
    for name in os.environ[LOADED].split():
        import_module(name)
    gc.collect()
    gc.enable()
    gc.freeze()  # the garbage collectors of forks then leave the shared memory alone, which keeps it shared
    atexit.register(os._exit, 0)  # the server ends with the command, without unloading all modules, which takes seconds
