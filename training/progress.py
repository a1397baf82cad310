"""How far the training of a run has come, kept in its folder so that it goes on after any stop as if there was none.

One file, `checkpoints/training.safetensors`: tensors, and the rest as JSON among its metadata; nothing is pickled. It
is written whole or not at all after each epoch and each part of the training, and removed when the training ends well.
"""

import json
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from xaae.callbacks import Checkpoint, beginning_at
from xaae.experiment.errors import InputError
from xaae.experiment.run_folder import CHECKPOINT, SIDE_CHECKPOINT
from xaae.experiment.seeds import seed_all
from xaae.experiment.tasks import target_of
from xaae.experiment.whole_file import whole_file
from xaae.sources.fingerprints import fingerprint
from xaae.training.learner_state import learner_state, random_states, restore_learner, set_random_states

LOOKED = 500  # items by whose content the data are known again


class Progress:
    """The parts of a training that are done, and the state of the one that is not.

    folder: the run's. prepared: what is trained on. kept: what `read_progress` found there, None to begin anew. file:
    where it is kept in the folder. `facts` {name: value}: what the part that is at work has to remember.
    """

    def __init__(self, folder, prepared, kept=None, file=CHECKPOINT):
        self.path, self.kept, self.seed = Path(folder) / file, kept, prepared.config.seed
        self.data = _data_print(prepared)
        self.done, self.before = (kept["done"], kept["seconds"]) if kept else ({}, 0.0)
        self.began = time.perf_counter()
        self._begin(kept["part"] if kept else "")
        if kept:
            set_random_states(kept["random"])

    def _begin(self, part):
        """What is known of a part when it begins."""
        kept = self.kept if self.kept and self.kept["part"] == part else {}
        self.part, self.past, self.facts = part, kept.get("past", []), kept.get("facts", {})
        self.part_began, self.part_before = time.perf_counter(), kept.get("part_seconds", 0.0)

    def seconds(self):
        """Seconds of the whole training so far, without the time in which it was stopped."""
        return self.before + time.perf_counter() - self.began

    def part_seconds(self):
        """The same of the part that is at work."""
        return self.part_before + time.perf_counter() - self.part_began

    def do(self, part, work):
        """What `work()` returns, numbers and tensors by name: from what is kept if it was done before.

        Each part has random numbers of its own, so that it is the same whatever came before it, and in which process.
        """
        if part not in self.done:
            if not (self.kept and self.kept["part"] == part):
                seed_all(self.seed)
            self._begin(part)
            self.done[part] = work()
            self._keep(f"{part} is done", part="", past=[], facts={}, part_seconds=0.0)
        return self.done[part]

    def take_over(self):
        """What a second process has done of this training is done: see `second_training`."""
        self.done |= read_progress(self.path.parents[1], SIDE_CHECKPOINT)["done"]

    # ---- the stages of a part -----------------------------------------------------------------------------------

    def is_past(self, stage):
        """Was a stage of this part done before the training was stopped?"""
        return stage in self.past

    def rate_of(self, stage):
        """The learning rate of the stage in which the training was stopped; None for another stage."""
        return self._state_of(stage).get("rate")

    def _state_of(self, stage):
        """What is kept of a stage that was not ended; {} of another."""
        kept = self.kept if self.kept and self.kept["part"] == self.part else {}
        return kept.get("stage", {}) if kept.get("stage", {}).get("name") == stage else {}

    @contextmanager
    def watching(self, learn, stage, rate=None, last=False):
        """The callback that keeps the state of a stage, whose fit in this context goes on where it was stopped.

        rate: a learning rate that was looked for. last: is it the last stage of its part?
        """
        kept = self._state_of(stage)
        restore = partial(restore_learner, state=kept["learner"]) if kept else None
        keep = partial(self._keep_epoch, stage=stage, rate=rate)
        with beginning_at(learn, kept["epoch"] if kept else 0):
            yield Checkpoint(keep, restore, without_last=last)
        self.past, self.kept = [*self.past, stage], None

    def _keep_epoch(self, learn, stage, rate):
        """Keep the state after an epoch."""
        done = learn.epoch + 1
        state = {"name": stage, "epoch": done, "rate": rate, "learner": learner_state(learn)}
        about = {"part": self.part, "past": self.past, "facts": self.facts, "part_seconds": self.part_seconds()}
        self._keep(f"{self.part}: epoch {done} of {learn.n_epoch}", stage=state, **about)

    # ---- the file -----------------------------------------------------------------------------------------------

    def _keep(self, words, **state):
        """Write the file. InputError if the disk refuses; then the one before stays."""
        state |= {"done": self.done, "seconds": self.seconds(), "random": random_states(), "data": self.data}
        tensors = {}
        text = json.dumps(_packed(state, tensors))
        self.path.parent.mkdir(exist_ok=True)
        try:
            with whole_file(self.path, durable=True) as part:
                save_file(tensors, part, {"state": text, "words": words})
        except SafetensorError as e:
            raise InputError(f"{self.path} cannot be written ({e}): free some room on the disk.") from e

    def end(self):
        """Remove what was kept: the training has ended well."""
        ended = {self.path.name} | ({Path(SIDE_CHECKPOINT).name} if self.path.name == Path(CHECKPOINT).name else set())
        for path in (path for name in ended for path in self.path.parent.glob(f"{name}*")):
            path.unlink()
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()


def read_progress(folder, file=CHECKPOINT):
    """What was kept of a training that was stopped, for Progress; None if nothing was. InputError for a broken file."""
    path = Path(folder) / file
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            return _unpacked(json.loads(file.metadata()["state"]), file.get_tensor)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as e:
        raise InputError(
            f"{path} is not what the training kept ({type(e).__name__}): remove it, and the training begins anew."
        ) from e


def kept_in_words(folder):
    """How far the training of a folder has come, as far as it is kept, in a few words; "" if nothing is."""
    try:
        with safe_open(Path(folder) / CHECKPOINT, "pt") as file:
            return file.metadata()["words"]
    except (SafetensorError, OSError, KeyError, TypeError):
        return ""


def check_same_data(kept, prepared, folder):
    """InputError if the data are not those that a training began with."""
    if kept["data"] != _data_print(prepared):
        raise InputError(
            f"The items of {folder}, or its items.csv, are not those that its training began with: put them back, or"
            " train anew with --overwrite."
        )


def _data_print(prepared):
    """A fingerprint of what is trained on: the content of up to LOOKED items, and all labels, splits and values.

    Of a severity, or of several labels, the label says too little: their own columns count too.
    """
    table = prepared.table
    targets = [table[column].to_numpy(float) for column in target_of(prepared.config).columns]
    rows = np.unique(np.linspace(0, len(table) - 1, min(len(table), LOOKED)).astype(int))
    return fingerprint(prepared.items, rows, table.label, table.split, table.value, *targets)


def _packed(value, tensors):
    """A nested value as JSON knows it; its tensors are put into `tensors` by name."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().as_subclass(torch.Tensor).cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_packed(key, tensors), _packed(each, tensors)] for key, each in value.items()]}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "type": str(value.dtype)}
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, float, type(None))) else [_packed(each, tensors) for each in value]


def _unpacked(value, tensor):
    """What `_packed` was given, with lists for tuples. tensor: name -> tensor."""
    if isinstance(value, list):
        return [_unpacked(each, tensor) for each in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensor(value["tensor"])
    if "array" in value:
        return np.array(value["array"], dtype=value["type"])
    return {_unpacked(key, tensor): _unpacked(each, tensor) for key, each in value["dict"]}
