"""Reconstructions compared by the features of a classifier that learns beside them, not by pixels alone."""

import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from torch.autograd.function import once_differentiable

from xaae.callbacks.adversarial import one_hot
from xaae.callbacks.losses import label_loss, severity_loss
from xaae.experiment.device import in_turn
from xaae.experiment.light_adam import LightAdam

WARM_UP = 300  # steps until the part has its full weight: features of an untrained network mean little
SETTLED = 150  # steps before its answers count at all: meanwhile the code finds out which way up all items are
TINY = 1e-6


def feature_distance(seen, wanted):
    """Mean squared distance of two lists of features, each of length 1 at every place, summed over depths: a number.

    As in LPIPS (Zhang et al. 2018, arXiv 1801.03924), without learned weights. seen, wanted: lists of (B, W, *places);
    there is no gradient of `wanted`, and none of gradients.
    """
    return sum(_Unlike.apply(a, b).mean() for a, b in zip(seen, wanted, strict=True))


class _Unlike(torch.autograd.Function):
    """The squared distance (B, *places) of features a and b (B, W, *places), each scaled to length 1 at its place.

    Written out as the lengths less twice the product, in full precision and of some items at once: neither the scaled
    features nor features in full precision are made as a whole.
    """

    @staticmethod
    def forward(ctx, a, b):
        dtype = torch.promote_types(a.dtype, torch.float32)
        long_a, long_b, both = (a.new_empty(len(a), *a.shape[2:], dtype=dtype) for _ in range(3))
        for some in in_turn(a):
            x, y = a[some].to(dtype), b[some].to(dtype)
            torch.sum(x * y, 1, out=both[some])
            torch.sum(x * x, 1, out=long_a[some])
            torch.sum(y * y, 1, out=long_b[some])
        per_a, per_b = (1 / (long + TINY) for long in (long_a, long_b))
        per_both = (per_a * per_b).sqrt()
        ctx.save_for_backward(a, b, per_a * (1 - long_a * per_a + both * per_both), per_both)
        return long_a * per_a + long_b * per_b - 2 * both * per_both

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        """The gradient of a (B, W, *places)."""
        a, b, of_a, of_b = ctx.saved_tensors
        of_a, of_b, found = (2 * g * of_a).unsqueeze(1), (2 * g * of_b).unsqueeze(1), torch.empty_like(a)
        for some in in_turn(a):
            found[some] = (a[some] * of_a[some]).addcmul_(b[some].to(g.dtype), of_b[some], value=-1)
        return found, None


def shares_at(step):
    """(share of its weight that the features' part has after so many steps, the same of the answers' part)."""
    return min(1.0, step / WARM_UP), min(1.0, max(0.0, step - SETTLED) / (WARM_UP - SETTLED))


def _class_teacher(logits, y):
    """Cross entropy of categories (B,) or one-hot targets (B, K)."""
    return F.cross_entropy(logits, one_hot(y, logits.shape[1]))


TEACHERS = {  # task -> (answers (B, K), targets) -> the loss that the features are learned by
    "classes": _class_teacher,
    "severity": lambda answers, y: severity_loss(answers, y).mean(),
    "labels": lambda logits, y: label_loss(logits, y).mean(),
}


ANSWERED = {  # task -> (answers (B, K) to the reconstructions, answers to the items) -> how far they are apart
    "classes": lambda seen, wanted: F.kl_div(seen.log_softmax(1), wanted.softmax(1), reduction="batchmean"),
    "severity": F.mse_loss,
    "labels": lambda seen, wanted: F.binary_cross_entropy_with_logits(seen, wanted.sigmoid()),
}


class Perceptual(Callback):
    """Training only: adds to the loss how far reconstructions and items are apart for a classifier.

    That is `weight` * the distance of its features and `answers` * that of its answers: features alone let what is
    small and tells the classes apart be drawn as the other class has it. The classifier learns from the same batches,
    in which the second versions of the items have factors at random, so that it has to go by the content. It never sees
    a reconstruction while it learns, and is not kept. network: x -> logits (B, K), with `features`: x -> a list of maps
    (B, W, *places), and `answer_by` them.
    """

    order = 4  # before the adversary (5) and gradient accumulation (6)

    def __init__(self, network, weight=3.0, answers=1.0, lr=2e-3):
        self.network, self.weight, self.answers, self.steps = network, weight, answers, 0
        self.feature_opt = LightAdam(network.parameters(), lr, fused=True)

    def before_fit(self):
        self.network.to(next(self.model.parameters()).device)

    def after_loss(self):
        if not self.training:
            return
        x, x_hat = self.loss_func.model_input.as_subclass(torch.Tensor), self.pred[1]
        self._learn(x)
        with torch.no_grad():
            wanted = self.network.features(x)
            expected = self.network.answer_by(wanted).float()
        seen = self.network.features(x_hat.to(x.dtype))
        loss = feature_distance(seen, wanted)
        apart = ANSWERED[self.model.task.name](self.network.answer_by(seen).float(), expected)
        self.network.requires_grad_(True)
        self.loss_func.parts["perceptual"], self.loss_func.parts["answers"] = loss.detach(), apart.detach()
        self.steps += 1
        warm, settled = shares_at(self.steps)
        self.learn.loss_grad = self.learn.loss_grad + warm * self.weight * loss + settled * self.answers * apart
        self.learn.loss = self.learn.loss_grad.detach().clone()

    def _learn(self, x):
        """One step of the classifier on the versions of the items whose factors were drawn at random."""
        y = self.yb[0].as_subclass(torch.Tensor)
        self.network.train()
        loss = TEACHERS[self.model.task.name](self.network(x[-len(y) :]).float(), y)
        self.feature_opt.zero_grad()
        loss.backward()
        self.feature_opt.step()
        self.network.eval().requires_grad_(False)
