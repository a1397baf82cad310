"""torchvision without torch's compiler, which takes a third of the time of loading both and which nothing here needs.

Of all modules of torchvision one asks for `torch._dynamo` as it is loaded, for a function of object detection. While
that one is loaded it gets a stand-in, which loads the compiler when it is called.
"""

import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from types import ModuleType

ASKS = "torchvision.ops.roi_align"  # the module that asks for the compiler as it is loaded
COMPILER, TOOLS = "torch._dynamo", "torch._dynamo.utils"


def load_compiler_late():
    """From now on this process loads torch's compiler when it is used; once is enough. To be called before torchvision
    is loaded."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the one module, as Python does, and has it loaded beside the stand-in."""

    def find_spec(self, name, path, target=None):
        """The spec of the one module; None for every other, which the other finders look for."""
        spec = PathFinder.find_spec(name, path, target) if name == ASKS and COMPILER not in sys.modules else None
        if spec and spec.loader:
            spec.loader = _BesideStandIn(spec.loader)
        return spec


class _BesideStandIn(Loader):
    """Loads a module as another loader does, with the stand-in in the place of the compiler."""

    def __init__(self, usual):
        self.usual = usual

    def create_module(self, spec):
        """What the usual loader makes."""
        return self.usual.create_module(spec)

    def exec_module(self, module):
        """Load it; with the compiler itself where it asks for more of it than the stand-in has."""
        module.__spec__.loader = module.__loader__ = self.usual
        try:
            with _stand_in():
                return self.usual.exec_module(module)
        except (ImportError, AttributeError):
            return self.usual.exec_module(module)


@contextmanager
def _stand_in():
    """A package in the place of torch's compiler that has the one function, with the parameters of the one meant."""
    package, tools = ModuleType(COMPILER), ModuleType(TOOLS)
    tools.is_compile_supported = lambda device_type: import_module(TOOLS).is_compile_supported(device_type)
    package.utils, package.__path__ = tools, []
    sys.modules.update({COMPILER: package, TOOLS: tools})
    try:
        yield
    finally:
        for name in (COMPILER, TOOLS):
            sys.modules.pop(name, None)
