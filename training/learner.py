"""Fitting: a fastai Learner for the AAE, its stages, and the ResNet34 it is set beside."""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError

import fastai.callback.progress
import fastai.callback.schedule  # noqa: F401  (patches fit_one_cycle and lr_find onto the Learner)
import pandas as pd
import torch
from fastai.callback.progress import CSVLogger
from fastai.callback.tracker import EarlyStoppingCallback
from fastai.callback.training import GradientAccumulation
from fastai.learner import Learner
from fastai.vision.learner import vision_learner
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassPrecision,
    MulticlassRecall,
    MultilabelAUROC,
    MultilabelAveragePrecision,
)
from torchmetrics.regression import MeanAbsoluteError, R2Score, SpearmanCorrCoef
from torchvision.models import ResNet34_Weights, resnet34

from xaae import model as models
from xaae.callbacks import (
    PAIR_PARTS,
    PARTS,
    TARGET_LOSSES,
    AAELoss,
    Adversarial,
    BFloat16,
    CodeMoments,
    DiscriminatorAccuracy,
    EpochLine,
    FastLayout,
    KeepBest,
    KeepInput,
    LossPart,
    SampleGrid,
    SplitPairs,
    TorchMetric,
)
from xaae.experiment.tasks import CLASSES
from xaae.experiment.text_tables import write_texts
from xaae.training.fused_adam import FusedAdam
from xaae.training.learner_state import memory_kept
from xaae.training.signal_resnet import SignalResNet
from xaae.training.volume_resnet import VolumeResNet


class PlainLoss:
    """A task's loss of a network that gives answers (B, K) alone, in the form that a Learner takes."""

    def __init__(self, task, weights=None):
        self.task, self.weights, self.reduction = TARGET_LOSSES[task], weights, "mean"

    def __call__(self, answers, y):
        weights = None if self.weights is None else self.weights.to(answers.device)
        each = self.task.each(answers.as_subclass(torch.Tensor).float(), y.as_subclass(torch.Tensor), weights)
        return each if self.reduction == "none" else each.mean()

    def activation(self, answers):
        """What the answers mean, for `get_preds`."""
        return self.task.activation(answers)

    def decodes(self, answers):
        """The decisions, for `get_preds`."""
        return self.task.decision(answers)


FETCH_ERRORS = (  # what fetching weights raises
    OSError,  # no connection, refused, timed out, no certificate, no place in the cache
    HTTPException,  # an answer that breaks off, or none in HTTP
    RuntimeError,  # another file than was asked for (torch compares its hash), or a broken one in the cache
    EOFError,
    UnpicklingError,  # a cached file that is no archive of weights
)
HEALTH = ("valid_discriminator_accuracy", "valid_code_cov_error")


@dataclass(frozen=True)
class Stage:
    """One fit: its epochs, learning rate (None: `lr_find`), loss weights, and when to stop early (patience)."""

    name: str
    epochs: int
    lr: float | None
    reconstruction: float
    adversarial: float
    classification: float
    accumulate: int = 0
    patience: int = 0


def default_stages(epochs, lr=3e-3, reconstruction=30.0, adversarial=0.2, classification=0.1):
    """One stage in which all parts of the loss are at work."""
    return [Stage("all", epochs, lr, reconstruction, adversarial, classification)]


def class_metrics(classes):
    """Accuracy, precision and recall (mean over classes) by torchmetrics."""
    kinds = {"accuracy": MulticlassAccuracy, "precision": MulticlassPrecision, "recall": MulticlassRecall}
    average = {"accuracy": "micro"}
    return [TorchMetric(n, kind(num_classes=classes, average=average.get(n, "macro"))) for n, kind in kinds.items()]


def _severity_metrics(_):
    """Mean absolute error, in standard deviations of the severity in training, R2 and Spearman's correlation."""
    kinds = {"mae": MeanAbsoluteError, "r2": R2Score, "spearman": SpearmanCorrCoef}
    warnings.filterwarnings("ignore", message="Metric `SpearmanCorrcoef` will save")
    return [TorchMetric(name, kind(), "severity") for name, kind in kinds.items()]


def _label_metrics(labels):
    """Area under the ROC curve and average precision, means over labels; unknown ones are left out."""
    warnings.filterwarnings("ignore", message="No (negative|positive) samples in targets")
    kinds = {"auroc": MultilabelAUROC, "average_precision": MultilabelAveragePrecision}
    return [TorchMetric(name, kind(labels, ignore_index=-1), "labels") for name, kind in kinds.items()]


METRICS = {  # task -> the metrics of its answers, for so many outputs
    "classes": class_metrics,
    "severity": _severity_metrics,
    "labels": _label_metrics,
}
WATCHED = {  # task -> metrics of the line that each epoch has, those of the held-out items
    "classes": ("accuracy", "recall"),
    "severity": ("mae", "spearman"),
    "labels": ("auroc", "average_precision"),
}


def _autoencoder_parameters(model):
    """The weights that the autoencoder's optimiser moves: all but the discriminator's."""
    parts = [part for name, part in model.named_children() if name != "discriminator"]
    return [[p for part in parts for p in part.parameters() if p.requires_grad]]


def precision_callbacks(precision):
    """bf16 in the layout that suits it, or nothing for fp32."""
    return [FastLayout(), BFloat16()] if precision == "bf16" else []


def aae_learner(dls, model, folder, game=None, loss=None, precision="fp32", more=()):
    """The Learner of an AAE: named losses, class metrics and latent health in its log, sample grids in `folder`.

    game, loss: the adversarial callback and the loss, None for the usual ones. A loss for pairs of items has `moves`.
    more: callbacks of this model alone.
    """
    loss = loss or AAELoss(task=model.task.name)
    paired = hasattr(loss, "moves")
    parts = [*PARTS, *(PAIR_PARTS if paired else ())]
    metrics = [*map(LossPart, parts), *METRICS[model.task.name](model.classes)]
    health = [DiscriminatorAccuracy(), CodeMoments("mean"), CodeMoments("covariance")]
    columns = ["valid_reconstruction", *(f"valid_{name}" for name in WATCHED[model.task.name]), *HEALTH]
    watch = [SampleGrid(Path(folder) / "samples"), EpochLine(columns)]
    cbs = [*([SplitPairs()] if paired else []), KeepInput(), game or Adversarial(), *watch, *more]
    cbs += precision_callbacks(precision)
    learn = Learner(
        dls,
        model,
        loss,
        metrics=metrics + health,
        cbs=cbs,
        opt_func=FusedAdam,
        splitter=_autoencoder_parameters,
        path=folder,
        model_dir="checkpoints",
    )
    learn.recorder.train_metrics = True
    return learn


def _stage_callbacks(stage):
    """fastai's callbacks that a stage asks for."""
    cbs = [CSVLogger(f"history_{stage.name}.csv")]
    if stage.accumulate:
        cbs.append(GradientAccumulation(stage.accumulate))
    if stage.patience:
        best = {"monitor": "valid_loss", "min_delta": 1e-4}
        cbs += [KeepBest(**best), EarlyStoppingCallback(patience=stage.patience, **best)]
    return cbs


def fit_aae(learn, stages, progress=None):
    """Train the AAE stage by stage; returns the history (one row an epoch) and writes it to `history.csv`.

    progress: a Progress, from which it goes on, and which keeps the state after each epoch; None to keep nothing.
    """
    for stage in stages:
        if progress and progress.is_past(stage.name):
            continue
        learn.loss_func.reconstruction, learn.loss_func.classification = stage.reconstruction, stage.classification
        learn.adversarial.weight = stage.adversarial
        lr = stage.lr or (progress and progress.rate_of(stage.name)) or find_rate(learn)
        with _watching(progress, learn, stage.name, rate=lr, last=stage is stages[-1]) as watch:
            learn.fit_one_cycle(stage.epochs, lr, cbs=[*_stage_callbacks(stage), *watch])
    return _join_histories(learn.path, "history.csv", [s.name for s in stages])


def find_rate(learn):
    """The learning rate that `lr_find` proposes; all weights and all optimisers are afterwards as they were before.

    fastai gives back the model and the learner's own optimiser, and knows of no other.
    """
    with memory_kept(learn):
        return learn.lr_find(show_plot=False).valley


@contextmanager
def _watching(progress, learn, stage, **options):
    """In a list the callback that keeps the state of a stage and lets it go on; [] without a Progress."""
    if progress is None:
        yield []
        return
    with progress.watching(learn, stage, **options) as watch:
        yield [watch]


def _join_histories(folder, name, stages):
    """The stages' CSV logs as one table with the columns epoch and stage, epochs counted on."""
    logs = [Path(folder) / f"{Path(name).stem}_{stage}.csv" for stage in stages]
    tables = [pd.read_csv(log).assign(stage=stage) for log, stage in zip(logs, stages, strict=True)]
    history = pd.concat(tables, ignore_index=True).assign(epoch=lambda t: range(1, len(t) + 1))
    history = history[["epoch", "stage", *(c for c in history if c not in ("epoch", "stage"))]]
    write_texts(history, Path(folder) / name)
    for log in logs:
        log.unlink()
    return history


def _fetch_weights():
    """Have ImageNet's weights on this disk; why they cannot be had, or "". Nothing else is done here that may fail."""
    try:
        ResNet34_Weights.DEFAULT.get_state_dict(progress=False, check_hash=True)
    except FETCH_ERRORS as e:
        return type(e).__name__
    return ""


def _baseline_learner(dls, target, channels, folder, precision="fp32", pretrained=True):
    """A ResNet34 by `vision_learner` on the same items; (Learner, are its weights ImageNet's, one line on that).

    target: the Target that it learns.
    """
    classes = target.outputs
    make = partial(vision_learner, dls, resnet34, n_out=classes, n_in=channels, normalize=False, path=folder)
    make = partial(make, opt_func=FusedAdam)
    cbs = [EpochLine(["train_loss", "valid_loss", *WATCHED[target.task]]), *precision_callbacks(precision)]
    make = partial(make, metrics=METRICS[target.task](classes), cbs=cbs, model_dir="checkpoints")
    make = partial(make, **({} if target.task == CLASSES.name else {"loss_func": PlainLoss(target.task)}))
    missing = _fetch_weights() if pretrained else ""
    has = pretrained and not missing
    learn = make(pretrained=has)
    learn.model = models.baseline(classes, channels, learn.model)
    why = f"ImageNet weights could not be fetched: {missing}"
    return learn, has, "ImageNet weights" if has else f"trained from scratch{f' ({why})' if missing else ', as asked'}"


def _new_learner(network, dls, target, channels, folder, precision="fp32", pretrained=True):
    """A new `network` on the same items, which nobody has trained before; (Learner, False, one line on that)."""
    cbs = [EpochLine(["train_loss", "valid_loss", *WATCHED[target.task]]), *precision_callbacks(precision)]
    options = {"metrics": METRICS[target.task](target.outputs), "cbs": cbs, "path": folder, "model_dir": "checkpoints"}
    learn = Learner(dls, network(target.outputs, channels), PlainLoss(target.task), FusedAdam, **options)
    return learn, False, "trained from scratch"


BASELINE_LEARNERS = {  # kind -> what makes the learner of its baseline
    "picture": _baseline_learner,
    "signal": partial(_new_learner, SignalResNet),
    "volume": partial(_new_learner, VolumeResNet),
}


def fit_baseline(learn, epochs, pretrained, lr=2e-3, progress=None):
    """Fine-tune a pretrained ResNet34 or train a new one, so many epochs in all; log in `baseline_history.csv`.

    Of several epochs the first one of a pretrained network moves its new head alone. progress: as of `fit_aae`.
    """
    stages, rates = ["baseline"], slice(lr / 100, lr) if pretrained else lr
    if pretrained and epochs > 1:
        if not (progress and progress.is_past("head")):
            learn.freeze()
            with _watching(progress, learn, "head") as watch:
                learn.fit_one_cycle(1, lr, cbs=[CSVLogger("baseline_history_head.csv"), *watch])
        stages, rates, epochs = ["head", "baseline"], slice(lr / 100, lr / 4), epochs - 1
    learn.unfreeze()
    with _watching(progress, learn, "baseline", last=True) as watch:
        learn.fit_one_cycle(epochs, rates, cbs=[CSVLogger("baseline_history_baseline.csv"), *watch])
    return _join_histories(learn.path, "baseline_history.csv", stages)
