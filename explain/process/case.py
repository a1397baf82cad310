"""What is explained, in a form that another process can load (files, names, plain values), and the user's own code."""

import importlib.util
import inspect
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from fastai.torch_core import default_device
from torch import nn

from xaae import model as models
from xaae.experiment.device import lay_out
from xaae.experiment.errors import InputError
from xaae.explain.method import METHODS
from xaae.explain.network.subject import Subject


@dataclass(frozen=True)
class Case:
    """Items to explain and one network.

    name: of the network, as in file names. arrays: an .npz file with x (B, C, *places), row (B,), target (B,), text
    (B,), the caption of each item, and perhaps background (N, C, *places). weights: a file that `model.save` wrote;
    function: in its place "FILE.py:FUNCTION", which makes a network of the user's own. vector: a latent direction, if
    the position along it is explained; () if the scores of classes are. classes: their names. seed, precision: as for
    `explain`. plugins: files with methods of the user's own. sides: what makes two sides of the model's answers, as of
    `TrainedRun.sides`.
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
    sides: tuple = ()

    def network(self):
        """The network that is explained, on this machine's device. InputError if it cannot be made."""
        network = own_network(self.function) if self.function else models.load(self.weights)
        network = models.answering_sides(network, *self.sides) if self.sides else network
        network = network.to(default_device()).eval()
        network = lay_out(network) if self.precision == "bf16" else network
        return models.position(network, self.vector) if self.vector else network

    def subject(self, x):
        """The network as a Subject. InputError if it does not take items x (B, C, *places)."""
        network = self.network()
        try:
            return Subject(network, x, self.classes)
        except InputError:
            raise
        except Exception as e:  # the user's own network: anything can be raised
            if not (self.function or isinstance(e, RuntimeError)):
                raise
            reason, shape = " ".join(str(e).split())[:150], tuple(x.shape[1:])
            what = f"{type(e).__name__}{_place_in(e, self.function)}: {reason}"
            raise InputError(
                f"The network fails on items of shape {shape} ({what}): give one that takes one tensor x (B, C,"
                " *places) of that shape, see --size, and returns logits."
            ) from e

    def read(self):
        """The arrays by name: numbers as tensors, texts as lists."""
        with np.load(self.arrays, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return {name: a.tolist() if a.dtype.kind == "U" else torch.from_numpy(a) for name, a in arrays.items()}


# ---- the user's own files ---------------------------------------------------------------------------------------


def _import_file(path):
    """The module in a Python file. InputError if there is none or if its code raises."""
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
    """The network that a function of the user's own makes. text: "FILE.py:FUNCTION". InputError if it makes none."""
    path, _, name = text.rpartition(":")
    if not path or not name.isidentifier():
        raise InputError(f"{text!r} names no function: write it as FILE.py:FUNCTION.")
    function = getattr(_import_file(path), name, None)
    if not callable(function):
        raise InputError(f"{path} has no function {name!r}: define it, without arguments, returning an nn.Module.")
    if needed := _required_arguments(function):
        raise InputError(f"{text} needs arguments ({', '.join(needed)}): give a function without any.")
    try:
        network = function()
    except Exception as e:  # the user's own code: anything can be raised
        raise InputError(f"{text} raises {type(e).__name__} ({e}): mend it.") from e
    if not isinstance(network, nn.Module):
        raise InputError(f"{text} returns {type(network).__name__}: it has to return an nn.Module.")
    return network


def _place_in(error, function):
    """ " in line N" for the last line of the user's own file that an error came through; "" if it came through none."""
    file = Path(function.rpartition(":")[0])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == file.name]
    return f" in line {frames[-1].lineno} of {file.name}" if function and frames else ""


def _required_arguments(function):
    """Names of a function's arguments without a default."""
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in arguments if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


@contextmanager
def plugins(paths):
    """A context in which METHODS also holds the methods of the user's own files.

    InputError if a file enters no method, or one with a name that is taken.
    """
    before = dict(METHODS)
    try:
        for path in paths:
            known = dict(METHODS)
            _import_file(path)
            if taken := [name for name, how in known.items() if METHODS.get(name) is not how]:
                raise InputError(f"{path} enters a method {taken[0]!r}, which exists: give its function another name.")
            if len(METHODS) == len(known):
                raise InputError(f"{path} enters no method: decorate a function with explain.method.method.")
        yield
    finally:
        METHODS.clear()
        METHODS.update(before)
