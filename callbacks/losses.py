"""The autoencoder's loss, its parts by name, and the columns they get in the log."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from fastai.learner import Metric

from xaae.callbacks.adversarial import one_hot
from xaae.callbacks.distances import squared_distance

PARTS = ("reconstruction", "adversarial", "discriminator", "classification")
AT_ONCE = 32  # batches that a metric is told of at once
PAIR_PARTS = ("equivariance", "content", "perceptual", "answers")  # of a factored code, in training only


def class_loss(logits, y, weights=None):
    """Loss of each item (B,): cross entropy for categories y (B,), binary cross entropy for one-hot targets (B, K).

    weights (K,): what an item of each class counts for, None where all count the same.
    """
    if y.ndim == 2:
        each = F.binary_cross_entropy_with_logits(logits, y.float(), reduction="none").mean(1)
        return each if weights is None else each * (y.float() @ weights)
    return F.cross_entropy(logits, y, weights, reduction="none")


def severity_loss(answers, y, weights=None):
    """Loss of each item (B,): Huber's of the severity, both in standard deviations, which outliers do not rule."""
    return F.huber_loss(answers[:, 0], y.flatten().float(), reduction="none")


def label_loss(logits, y, weights=None):
    """Loss of each item (B,): mean binary cross entropy of the labels that are known; y (B, K) is NaN where one is not.

    weights (K,): what a present label counts for, beside 1 for an absent one.
    """
    known = y.isfinite()
    each = F.binary_cross_entropy_with_logits(logits, y.nan_to_num().float(), reduction="none", pos_weight=weights)
    return (each * known).sum(1) / known.sum(1).clamp(min=1)


@dataclass(frozen=True)
class TargetLoss:
    """A task's part of the loss.

    each: answers (B, K), targets, weights (K,) or None -> (B,). activation, decision: of answers (B, K).
    """

    each: Callable
    activation: Callable
    decision: Callable


TARGET_LOSSES = {
    "classes": TargetLoss(class_loss, lambda logits: logits.softmax(-1), lambda logits: logits.argmax(-1)),
    "severity": TargetLoss(severity_loss, lambda answers: answers, lambda answers: answers[..., 0]),
    "labels": TargetLoss(label_loss, torch.sigmoid, lambda logits: logits > 0),
}  # task -> loss, activation and decision


class AAELoss:
    """reconstruction * d(x_hat, x) + classification * the task's loss of (logits, x_hat, z) against the targets.

    `parts` holds the unweighted value of each term of the last batch; the adversarial callback adds its own two.
    `model_input` is the batch the reconstruction is compared with; `KeepInput` sets it. task: a name in TASKS. While
    `reduction` is "none" the loss of each item (B,) is returned: fastai sets it so for `get_preds(with_loss=True)`.
    weights (K,): what the classes count for, or a label where it is present; None where all count the same.
    """

    def __init__(self, reconstruction=1.0, classification=0.1, distance=squared_distance, task="classes", weights=None):
        self.task, self.weights = TARGET_LOSSES[task], weights
        self.reconstruction, self.classification, self.distance = reconstruction, classification, distance
        self.parts, self.model_input, self.reduction = {}, None, "mean"

    def __call__(self, pred, y):
        logits, x_hat, *_ = pred
        x, x_hat = self.model_input.as_subclass(torch.Tensor), x_hat.float()
        weights = None if self.weights is None else self.weights.to(logits.device)
        classification = self.task.each(logits.float(), y.as_subclass(torch.Tensor), weights)
        found = {"reconstruction": F.mse_loss(x_hat.detach(), x), "classification": classification.mean()}
        self.parts |= {name: value.detach() for name, value in found.items()}
        missed = self.distance(x_hat, x).flatten(1).mean(1)
        if self.reduction != "none":  # there may be more versions of the items than answers
            return self.reconstruction * missed.mean() + self.classification * classification.mean()
        return self.reconstruction * missed + self.classification * classification

    def activation(self, pred):
        """What the answers mean, such as class probabilities, for `get_preds`."""
        return self.task.activation(pred[0]), *pred[1:]

    def decodes(self, pred):
        """The decisions, such as class indices, for `get_preds`."""
        return self.task.decision(pred[0])


class LossPart(Metric):
    """Mean over items of one named part of the loss, as a column of the log."""

    def __init__(self, name):
        self._name = name

    @property
    def name(self):
        return self._name

    def reset(self):
        self.total, self.count = 0.0, 0

    def accumulate(self, learn):
        if self._name in learn.loss_func.parts:
            self.total += float(learn.loss_func.parts[self._name]) * len(learn.yb[0])
            self.count += len(learn.yb[0])

    @property
    def value(self):
        return self.total / self.count if self.count else None


def _class_pair(logits, y):
    """(decided classes (B,), true ones (B,)), from logits (B, K) and categories (B,) or one-hot targets (B, K)."""
    return logits.argmax(1), one_hot(y, logits.shape[1]).argmax(1)


def _number_pair(answers, y):
    """(answered severities (B,), true ones (B,))."""
    return answers[:, 0].float(), y.flatten().float()


def _label_pair(logits, y):
    """(probabilities (B, K), targets (B, K) with -1 where a label is not known)."""
    return logits.float().sigmoid(), y.nan_to_num(nan=-1).long()


PAIRS = {"classes": _class_pair, "severity": _number_pair, "labels": _label_pair}  # task -> what a metric is given


class TorchMetric(Metric):
    """A torchmetrics metric of a task's answers as a fastai metric; logits (B, K) come alone or first in a tuple.

    It is told of several batches at once, as to be told takes longer than to count.
    """

    def __init__(self, name, metric, task="classes"):
        self._name, self.metric, self.pair, self.waiting = name, metric, PAIRS[task], []

    @property
    def name(self):
        return self._name

    def reset(self):
        self.metric.reset()
        self.waiting.clear()

    def accumulate(self, learn):
        logits = learn.pred[0] if isinstance(learn.pred, tuple) else learn.pred
        self.waiting.append((logits.detach().as_subclass(torch.Tensor), learn.yb[0].as_subclass(torch.Tensor)))
        if len(self.waiting) == AT_ONCE:
            self._tell()

    def _tell(self):
        """Tell the metric of the batches that wait."""
        if self.waiting:
            logits, y = (torch.cat(each) for each in zip(*self.waiting, strict=True))
            self.waiting.clear()
            self.metric = self.metric.to(logits.device)
            self.metric.update(*self.pair(logits, y))

    @property
    def value(self):
        self._tell()
        return float(self.metric.compute())
