"""What is explained, in a form that another process can load: files, names and plain values."""

import importlib.util
import inspect
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from fastai.torch_core import default_device
from torch import nn

from xaae import model as models
from xaae.experiment.errors import InputError
from xaae.explain.method import METHODS
from xaae.explain.network.subject import Subject


@dataclass(frozen=True)
class Case:
    """Items, and one network that answers for them.

    name: of the model, as it stands in file names. arrays: an .npz file with x (B, C, ...), row (B,), target (B,), text
    (B,) that stands under each item and, where there is one, background (N, C, ...). weights: a file that `model.save`
    wrote; function: instead of weights, "FILE.py:FUNCTION" of the
    user's own network. vector: a latent direction whose position is explained, () for the scores of classes. plugins:
    files with the user's own methods.
    """

    name: str
    arrays: str = ""
    weights: str = ""
    function: str = ""
    vector: tuple = ()
    classes: tuple = ()
    seed: int = 0
    precision: str = "fp32"
    plugins: tuple = ()

    def network(self):
        """The network on this machine's device, to be explained. InputError says what is wrong with it."""
        found = own_network(self.function) if self.function else models.load(self.weights)
        found = found.to(default_device()).eval()
        found = found.to(memory_format=torch.channels_last) if self.precision == "bf16" else found
        return models.position(found, self.vector) if self.vector else found

    def subject(self, x):
        """The network with what methods need to know of it. InputError where it does not take items x (B, C, ...)."""
        network = self.network()
        try:
            return Subject(network, x, self.classes)
        except RuntimeError as e:
            why, shape = " ".join(str(e).split())[:150], tuple(x.shape[1:])
            raise InputError(f"The network does not take items of shape {shape} ({why}): give one that does.") from e

    def read(self):
        """The arrays by name: tensors, and texts as a list."""
        with np.load(self.arrays, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        return {name: a.tolist() if a.dtype.kind == "U" else torch.from_numpy(a) for name, a in found.items()}


# ---- the user's own files ---------------------------------------------------------------------------------------


def _load_file(path):
    """The module in a Python file. InputError if there is none or if it raises."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}: give the path of a Python file.")
    name = f"explain_own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise InputError(f"{path} is no Python file: its name has to end in .py.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as e:  # the user's own code: anything can be raised
        raise InputError(f"{path} cannot be imported ({type(e).__name__}: {e}): mend it.") from e
    return module


def own_network(text):
    """The network that "FILE.py:FUNCTION" makes, a function without arguments. InputError says what is wrong."""
    path, _, name = text.rpartition(":")
    if not path or not name.isidentifier():
        raise InputError(f"{text!r} names no function: write it as FILE.py:FUNCTION.")
    function = getattr(_load_file(path), name, None)
    if not callable(function):
        raise InputError(f"{path} has no function {name!r}: define it, without arguments, returning an nn.Module.")
    if needed := _required(function):
        raise InputError(f"{text} needs arguments ({', '.join(needed)}): give a function without any.")
    try:
        found = function()
    except Exception as e:
        raise InputError(f"{text} raises {type(e).__name__} ({e}): mend it.") from e
    if not isinstance(found, nn.Module):
        raise InputError(f"{text} returns {type(found).__name__}: it has to return an nn.Module.")
    return found


def _required(function):
    """Names of the arguments that a function cannot do without."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in found if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


@contextmanager
def plugins(paths):
    """The methods of the user's own files are in the registry inside. InputError if a file enters none, or a name that
    is taken."""
    before = dict(METHODS)
    try:
        for path in paths:
            known = dict(METHODS)
            _load_file(path)
            if taken := [name for name, how in known.items() if METHODS.get(name) is not how]:
                raise InputError(f"{path} enters a method {taken[0]!r}, which exists: give its function another name.")
            if len(METHODS) == len(known):
                raise InputError(f"{path} enters no method: decorate a function with explain.method.method.")
        yield
    finally:
        METHODS.clear()
        METHODS.update(before)
