"""Callbacks that prepare the batch, choose the precision and show what is being learned."""

import logging
import warnings
from functools import partial
from itertools import zip_longest
from pathlib import Path

import torch
import torch.nn.functional as F
from fastai.callback.core import Callback, CancelValidException
from fastai.callback.fp16 import AMPMode, MixedPrecision
from fastcore.foundation import L
from torch.amp import GradScaler, autocast
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchvision.utils import save_image

from xaae.callbacks.adversarial import one_hot
from xaae.callbacks.losses import PAIR_PARTS
from xaae.callbacks.trace_grid import save_trace_grid
from xaae.experiment.device import lay_out
from xaae.experiment.errors import InputError
from xaae.experiment.planes import lay_flat

COMPILER = "inductor"  # of torch's, the one that writes kernels


class KeepInput(Callback):
    """Hands the batch's items, in all their versions, to the loss, which compares the reconstruction with them."""

    order = -5

    def before_batch(self):
        self.loss_func.model_input = self.xb[0] if len(self.xb) == 1 else torch.cat(self.xb)


class SplitPairs(Callback):
    """Training batches of pairs, (x (2 B, ...), y, moves (B, P)), become the inputs x, moved and the target y.

    The moves go to `loss_func.moves`; validation has none. See `factors.coordinates.Moves`.
    """

    order = -10  # before KeepInput

    def before_validate(self):
        """What only pairs have is not held over from training into the log of validation."""
        for name in PAIR_PARTS:
            self.loss_func.parts.pop(name, None)

    def before_batch(self):
        self.loss_func.moves = None
        if self.training:
            x, (y, self.loss_func.moves) = self.xb[0], self.yb
            self.learn.xb, self.learn.yb = x.chunk(2), (y,)


class FastLayout(Callback):
    """Trains in the memory format in which a model's convolutions are fastest; fastai's own knows pictures alone."""

    order = -1  # before anything changes the model

    def before_fit(self):
        lay_out(self.learn.model)


class Compiled(Callback):
    """Trains by what torch compiles of the model, which takes most of a minute; its weights and name stay its own.

    Held-out items are answered by the model as it is written. InputError where nothing can be compiled.
    """

    order = 0  # after the layout

    def before_fit(self):
        warnings.filterwarnings("ignore", module=r"torch\._dynamo")  # what it compiles in several parts is no news
        for name in ("torch._dynamo", "torch.utils.cpp_extension"):
            logging.getLogger(name).setLevel(logging.ERROR)
        compiled = partial(torch.compile, backend=COMPILER)
        try:  # now, and not in the middle of a batch
            compiled(torch.sin)(torch.ones(1, device=self.dls.device))
        except RuntimeError as e:  # which torch raises for want of a C++ compiler too
            why = str(e).strip().partition("\n")[0].rstrip(".:")
            raise InputError(f"Nothing can be compiled here ({why}): leave out --compile, or mend that.") from e
        self.compiled_forward = compiled(self.model.forward)

    def before_train(self):
        self.model.forward = self.compiled_forward

    def after_train(self):
        """The model is as it is written again."""
        del self.model.forward


class BFloat16(MixedPrecision):
    """fastai's mixed precision on whatever device the data is on; fastai's own only knows CUDA. No scaler needed."""

    def __init__(self):
        super().__init__(amp_mode=AMPMode.BF16)

    def before_fit(self):
        kind = self.dls.device.type
        self.autocast = autocast(kind, dtype=torch.bfloat16)
        self.learn.scaler, self.scales = GradScaler(kind, enabled=False), L()


class NoValidation(Callback):
    """Ends each epoch where its validation would begin."""

    def before_validate(self):
        """Leave it out."""
        raise CancelValidException


class KeepPairs(Callback):
    """Keeps what the model answers of the held-out items, of the last epoch or validation, and the targets.

    answers (N, K), targets (N, ...): on the CPU, in the order of the items.
    """

    run_train = False

    def before_validate(self):
        """Begin anew."""
        self.kept = []

    def after_batch(self):
        answers = self.pred[0] if isinstance(self.pred, tuple) else self.pred
        pair = answers.detach(), self.yb[0]
        self.kept.append([each.as_subclass(torch.Tensor).float().cpu() for each in pair])

    @property
    def answers(self):
        """(N, K)."""
        return torch.cat([answers for answers, _ in self.kept])

    @property
    def targets(self):
        """(N, ...)."""
        return torch.cat([targets for _, targets in self.kept])


class KeepAnswers(Callback):
    """Counts the held-out items by true class and answer: `confusion` (K, K), as of the last epoch or validation.

    classes: K. Logits (B, K) come alone or first in a tuple; targets are class numbers (B,) or one-hot (B, K).
    """

    run_train = False

    def __init__(self, classes):
        self.classes = classes

    def before_validate(self):
        """Begin to count anew."""
        self.confusion = torch.zeros(self.classes, self.classes, dtype=torch.long)

    def after_batch(self):
        logits = self.pred[0] if isinstance(self.pred, tuple) else self.pred
        answers = logits.detach().argmax(1).as_subclass(torch.Tensor).cpu()
        truth = one_hot(self.yb[0], self.classes).argmax(1).as_subclass(torch.Tensor).cpu()
        self.confusion += multiclass_confusion_matrix(answers, truth, self.classes)


class EpochLine(Callback):
    """One short line an epoch: the columns of the log named in `columns`, above the progress bar where there is one.

    The mean recall of all classes is called by its other name, balanced accuracy.
    """

    run_valid, remove_on_fetch, order = False, True, 55

    def __init__(self, columns):
        self.columns = columns

    def after_epoch(self):
        row = dict(zip(self.recorder.metric_names, self.recorder.log, strict=False))
        if "time" not in row or len(row) < len(self.recorder.metric_names):
            return  # a mere validation
        values = "  ".join(f"{_short_name(name)} {row[name]:.4f}" for name in self.columns if name in row)
        line = f"epoch {self.epoch + 1}/{self.n_epoch}  {values}  {row['time']}"
        bar = getattr(getattr(self.learn, "progress", None), "mbar", None)
        print(line) if bar is None else bar.write(line)


def _short_name(column):
    """What a column of the log is called in an epoch's line."""
    name = column.removeprefix("valid_")
    return "balanced_accuracy" if name == "recall" else name


def _picture_grid(items, path):
    """Pictures (2 N, C, H, W), the items and then their reconstructions, as a grid of two rows."""
    save_image(items[:, :3], path, nrow=len(items) // 2)


def _volume_grid(items, path):
    """Volumes (2 N, C, D, H, W) likewise, by their middle slices, IN_ROW items a row, each row above its own
    reconstructions."""
    flat = torch.from_numpy(lay_flat(items[:, :1].cpu().float().numpy()))
    rows = zip(*(half.split(IN_ROW) for half in flat.chunk(2)), strict=True)
    white = lambda few: F.pad(few, (0, 0) * 3 + (0, IN_ROW - len(few)), value=1)  # noqa: E731
    save_image(torch.cat([white(few) for pair in rows for few in pair]), path, nrow=IN_ROW, pad_value=1)


IN_ROW = 4  # volumes of a grid
MOST_SHOWN = 40  # columns of a grid
GRIDS = {  # kind -> what draws items and their reconstructions; other kinds have no grid
    "picture": _picture_grid,
    "signal": save_trace_grid,
    "volume": _volume_grid,
}


HEAPS = {  # task -> K outputs -> (how many heaps grids take turns from, targets -> the heap (B,) of each item)
    "classes": lambda classes: (classes, lambda y: one_hot(y, classes).argmax(1)),
    "severity": lambda _: (2, lambda y: (y.flatten() > 0).long()),
    "labels": lambda _: (2, lambda y: (y[:, 0] > 0).long()),
}


class SampleGrid(Callback):
    """After each `every` epochs, a figure of validation items above their reconstructions, in `folder`.

    n: how many items, or one of each class where there are more classes (up to MOST_SHOWN); the classes in turn.
    """

    run_valid, remove_on_fetch = False, True

    def __init__(self, folder, every=1, n=8):
        self.sample_folder, self.every, self.n, self.grids_drawn = Path(folder), every, n, 0

    def before_fit(self):
        self.grid = GRIDS.get(self.model.kind.name)
        if self.grid is not None:
            self.sample_folder.mkdir(parents=True, exist_ok=True)
        self.sample_input = self._items_of_each_class()
        self.trained = False

    def _items_of_each_class(self):
        """The first items (n, C, *places) of each class, the classes in turn; batches are read until there are enough.

        Items may be sorted by class, so that the first batch holds one class only.
        """
        classes, heap_of = HEAPS[self.model.task.name](self.model.classes)
        n = min(max(self.n, classes), MOST_SHOWN)
        kept, loader = [[] for _ in range(classes)], self.dls.valid
        with loader.fake_l.no_multiproc():  # as fastai's one_batch
            for x, y, *_ in loader:
                for item, number in zip(
                    x.as_subclass(torch.Tensor), heap_of(y.as_subclass(torch.Tensor)).tolist(), strict=True
                ):
                    kept[number].append(item)
                if all(len(items) >= -(-n // classes) for items in kept):
                    break
        turns = zip_longest(*(items[:n] for items in kept))
        return torch.stack([item for turn in turns for item in turn if item is not None][:n])

    def after_train(self):
        self.trained = True  # a mere validation gives no picture

    def after_epoch(self):
        if self.grid is None or not self.trained or (self.epoch % self.every and self.epoch != self.n_epoch - 1):
            return
        self.grids_drawn += 1
        with torch.no_grad():
            x_hat = self.model(self.sample_input)[1].float().clamp(0, 1)
        self.grid(torch.cat([self.sample_input, x_hat]), self.sample_folder / f"epoch_{self.grids_drawn:04d}.png")
