"""All that a training goes on from: weights, both optimisers, what callbacks remember, every generator, the logs.

Given back to a Learner that was made in the same way, the next epoch is the one that would have followed: bit by bit on
the same machine.
"""

import random
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import torch
from fastai.callback.progress import CSVLogger
from fastai.callback.tracker import EarlyStoppingCallback
from fastai.callback.training import GradientAccumulation
from fastcore.foundation import L

from xaae.callbacks import Adversarial, KeepBest, Perceptual, SampleGrid

STAGE = "history_"  # in the name of the table of a stage's epochs, before the name of the stage
REMEMBERED = {  # callback -> what it remembers from one epoch to the next
    Adversarial: ("discriminator_opt",),
    Perceptual: ("network", "feature_opt", "steps"),
    SampleGrid: ("grids_drawn",),
    KeepBest: ("best", "best_weights"),
    EarlyStoppingCallback: ("best", "wait"),
    GradientAccumulation: ("count",),
}


def learner_state(learn):
    """The state of a Learner after an epoch: nested dicts, lists, numbers, texts and tensors."""
    return {
        "model": learn.model.state_dict(),
        "optimiser": [dict(each) for each in learn.opt.state_dict()["state"]],
        "rates": [dict(each) for each in learn.opt.hypers],
        "gradients": [p.grad for p in learn.model.parameters()] if _accumulates(learn) else [],
        "callbacks": {cb.name: {n: _value(getattr(cb, n)) for n in names} for cb, names in _remembering(learn)},
        "smooth_loss": [learn.recorder.smooth_loss.count, learn.recorder.smooth_loss.val],
        "train_iter": learn.train_iter,
        "loaders": [loader.rng.getstate() for loader in learn.dls.loaders],
        "draws": [rng.bit_generator.state for rng in _generators(learn.dls)],
        "logs": {path.name: path.read_text() for path in _logs(learn)},
        "random": random_states(),
    }


def restore_learner(learn, state):
    """Give a Learner a state. To be called in a fit, after all callbacks have begun anew."""
    learn.model.load_state_dict(state["model"])
    parameters = learn.opt.all_params().itemgot(0)
    remembered = zip(parameters, state["optimiser"], strict=True)
    remembered = [{name: _laid_out(v, p) for name, v in each.items()} for p, each in remembered]
    learn.opt.load_state_dict({"state": remembered, "hypers": L(state["rates"])})
    for p, gradient in zip(learn.model.parameters(), state["gradients"], strict=False):
        p.grad = None if gradient is None else _laid_out(gradient, p)
    for cb, names in _remembering(learn):
        for name in names:
            _set(cb, name, state["callbacks"][cb.name][name])
    learn.recorder.smooth_loss.count, learn.recorder.smooth_loss.val = state["smooth_loss"]
    learn.train_iter = state["train_iter"]
    for loader, kept in zip(learn.dls.loaders, state["loaders"], strict=True):
        loader.rng.setstate(_as_tuples(kept))
    for rng, kept in zip(_generators(learn.dls), state["draws"], strict=True):
        rng.bit_generator.state = kept
    _restore_logs(learn, state["logs"])
    set_random_states(state["random"])


@contextmanager
def memory_kept(learn):
    """What callbacks of a Learner remember, such as the moments of their optimisers, is afterwards as it was before."""
    kept = {
        cb: {n: deepcopy(_value(getattr(cb, n))) for n in names if hasattr(cb, n)} for cb, names in _remembering(learn)
    }
    try:
        yield
    finally:
        for cb, names in _remembering(learn):
            for name in names:
                if name in kept[cb]:
                    _set(cb, name, kept[cb][name])
                elif hasattr(cb, name):
                    delattr(cb, name)  # it is made when the next fit begins


def random_states():
    """The states of the global generators of Python, NumPy and torch, on every device."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    apple = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002  (libraries draw from it)
    return {
        "python": random.getstate(),
        "numpy": numpy_state,
        "torch": torch.get_rng_state(),
        "cuda": devices,
        "mps": apple,
    }


def set_random_states(states):
    """Set the global generators to what `random_states` gave."""
    random.setstate(_as_tuples(states["python"]))
    np.random.set_state(states["numpy"])  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all(states["cuda"])
    if states.get("mps") is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])


def _remembering(learn):
    """(callback, names of what it remembers) of a Learner."""
    return [(cb, REMEMBERED[type(cb)]) for cb in learn.cbs if type(cb) in REMEMBERED]


def _accumulates(learn):
    """Are gradients kept from one batch to the next?"""
    return any(isinstance(cb, GradientAccumulation) for cb in learn.cbs)


def _generators(dls):
    """The project's own generators from which training items are drawn."""
    drawing = [transform for transform in dls.train.after_item.fs if hasattr(transform, "rng")]
    moves = [transform.moves for transform in drawing if getattr(transform, "moves", None) is not None]
    return [each.rng for each in (*drawing, *moves)]


def _value(remembered):
    """What is kept of a network, an optimiser, or of anything else that is remembered."""
    return remembered.state_dict() if hasattr(remembered, "state_dict") else remembered


def _set(callback, name, value):
    """Let a callback remember a value again."""
    now = getattr(callback, name)
    if not hasattr(now, "load_state_dict"):
        return setattr(callback, name, value)
    now.load_state_dict(value)
    for p, state in getattr(now, "state", {}).items():  # of an optimiser
        state.update({key: _laid_out(kept, p) for key, kept in state.items()})


def _laid_out(value, parameter):
    """A tensor of a parameter's shape in the parameter's order in memory: arithmetic in another order rounds otherwise.

    Anything else as it is.
    """
    if not isinstance(value, torch.Tensor) or value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def _as_tuples(value):
    """Lists as tuples, which Python's generators want."""
    return tuple(map(_as_tuples, value)) if isinstance(value, (list, tuple)) else value


def _logs(learn):
    """The tables of epochs of all stages of the network that a Learner trains; another's may be growing beside them."""
    own = next((str(cb.fname) for cb in learn.cbs if isinstance(cb, CSVLogger)), "")
    return sorted(learn.path.glob(f"{own.partition(STAGE)[0]}{STAGE}*.csv")) if own else []


def _restore_logs(learn, logs):
    """The tables of a stage's epochs, one a stage; that of the present one is open, and is written on."""
    now = {str(cb.fname): cb.file for cb in learn.cbs if isinstance(cb, CSVLogger)}
    for name, text in logs.items():
        if name not in now:
            (learn.path / name).write_text(text)
            continue
        now[name].seek(0)
        now[name].truncate()
        now[name].write(text)
        now[name].flush()
