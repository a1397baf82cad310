"""The autoencoder's loss, its parts by name, and the columns they get in the log."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from fastai.learner import Metric

from xaae.callbacks.adversarial import one_hot

PARTS = ("reconstruction", "adversarial", "discriminator", "classification")
PAIR_PARTS = ("equivariance", "content", "perceptual")  # of a factored code, in training only


def _squared(x_hat, x):
    """Squared error of every value."""
    return F.mse_loss(x_hat, x, reduction="none")


def huber(x_hat, x):
    """The thesis's reconstruction loss of every value: Huber with delta 0.5."""
    return F.huber_loss(x_hat, x, delta=0.5, reduction="none")


def class_loss(logits, y):
    """Loss of each item (B,): cross entropy for categories y (B,), binary cross entropy for one-hot targets (B, K)."""
    if y.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits, y.float(), reduction="none").mean(1)
    return F.cross_entropy(logits, y, reduction="none")


@dataclass(frozen=True)
class TargetLoss:
    """A task's part of the loss. each: answers (B, K), targets -> (B,). activation, decision: of answers (B, K)."""

    each: Callable
    activation: Callable
    decision: Callable


TARGET_LOSSES = {
    "classes": TargetLoss(class_loss, lambda logits: logits.softmax(-1), lambda logits: logits.argmax(-1)),
}  # task -> loss, activation and decision


class AAELoss:
    """reconstruction * d(x_hat, x) + classification * the task's loss of (logits, x_hat, z) against the targets.

    `parts` holds the unweighted value of each term of the last batch; the adversarial callback adds its own two.
    `model_input` is the batch the reconstruction is compared with; `KeepInput` sets it. task: a name in TASKS. While
    `reduction` is "none" the loss of each item (B,) is returned: fastai sets it so for `get_preds(with_loss=True)`.
    """

    def __init__(self, reconstruction=1.0, classification=0.1, distance=_squared, task="classes"):
        self.task = TARGET_LOSSES[task]
        self.reconstruction, self.classification, self.distance = reconstruction, classification, distance
        self.parts, self.model_input, self.reduction = {}, None, "mean"

    def __call__(self, pred, y):
        logits, x_hat, _ = pred
        x, x_hat = self.model_input.as_subclass(torch.Tensor), x_hat.float()
        classification = self.task.each(logits.float(), y.as_subclass(torch.Tensor))
        found = {"reconstruction": F.mse_loss(x_hat, x), "classification": classification.mean()}
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


class TorchMetric(Metric):
    """A torchmetrics metric of the class decision as a fastai metric; logits (B, K) come alone or first in a tuple."""

    def __init__(self, name, metric):
        self._name, self.metric = name, metric

    @property
    def name(self):
        return self._name

    def reset(self):
        self.metric.reset()

    def accumulate(self, learn):
        logits = learn.pred[0] if isinstance(learn.pred, tuple) else learn.pred
        y = one_hot(learn.yb[0], logits.shape[1]).argmax(1)
        self.metric = self.metric.to(logits.device)
        self.metric.update(logits.detach().argmax(1).as_subclass(torch.Tensor), y.as_subclass(torch.Tensor))

    @property
    def value(self):
        return float(self.metric.compute())
