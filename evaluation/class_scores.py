"""How good a classifier's answers are: loss, class metrics and calibration of logits (N, K), by torchmetrics.

A task has its own scores: see SCORES.
"""

import warnings

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import binned_statistic, binomtest
from sklearn.metrics import roc_curve
from torchmetrics.functional import mean_squared_error
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from xaae.experiment.class_balance import class_balance
from xaae.experiment.errors import InputError
from xaae.experiment.tasks import CLASSES, LABELS, SEVERITY
from xaae.training.target_scores import label_scores, severity_scores

BY_CLASS = {
    "precision": multiclass_precision,
    "recall": multiclass_recall,
    "f1": multiclass_f1_score,
    "auroc": multiclass_auroc,
}
BINS = 10  # of confidence, 0.1 wide
BELOW_ONE = 1 - 1e-7  # torchmetrics, in single precision, puts a confidence of exactly 1 into a bin of its own


def classifier_scores(logits, target, classes):
    """The scores of logits (N, K) for the true classes target (N,), as a dict with the names of `evaluate.json`.

    classes: K names. Sums are in double precision, since the loss of a confident model is below single precision.
    """
    logits, k = logits.double(), len(classes)
    p = logits.softmax(1)
    right = int((p.argmax(1) == target).sum())
    confusion = multiclass_confusion_matrix(p, target, k).numpy()
    return {
        "loss": float(F.cross_entropy(logits, target)),
        "accuracy": float(multiclass_accuracy(p, target, k, average="micro")),
        "accuracy_interval": wilson_interval(right, len(target)),
        **class_balance(confusion, classes),
        **{name: _by_class(metric, p, target, classes) for name, metric in BY_CLASS.items()},
        "confusion": confusion,
        "calibration": _calibration(p, target),
    }


def _class_scores(logits, truth, target):
    """The scores of classes."""
    return classifier_scores(logits, truth, list(target.classes))


def _severity_scores(answers, truth, target):
    """The scores of severities, answers (N, 1) in standard deviations, with the answers themselves in their unit."""
    given = answers[:, 0].double().numpy() * target.std + target.mean
    scores = severity_scores(given, truth)
    interval = spearman_interval(scores["spearman"], len(truth))
    return scores | {"spearman_interval": interval, "answers": given, "truth": truth}


def _label_scores(logits, truth, target):
    """The scores of labels, with the points of each label's ROC curve."""
    p = logits.double().sigmoid().numpy()
    scores = label_scores(p, truth, target.names)
    for k, name in enumerate(target.names):
        known = np.isfinite(truth[:, k])
        if scores["labels"][name]["present"] and scores["labels"][name]["absent"]:
            false, true, _ = roc_curve(truth[known, k], p[known, k])
            scores["labels"][name]["roc"] = {"false_positive": false, "true_positive": true}
    return scores


def spearman_interval(r, n):
    """95 % interval of a Spearman correlation r of n items (Fisher's z; Bonett and Wright 2000): (low, high)."""
    if n < 5 or not np.isfinite(r):
        return float("nan"), float("nan")
    half = 1.96 * np.sqrt((1 + r**2 / 2) / (n - 3))
    low, high = (np.tanh(np.arctanh(np.clip(r, -0.9999999, 0.9999999)) + sign * half) for sign in (-1, 1))
    return float(low), float(high)


SCORES = {  # task -> function that scores answers: (answers (N, K), truth, Target)
    CLASSES.name: _class_scores,
    SEVERITY.name: _severity_scores,
    LABELS.name: _label_scores,
}


def check_finite(logits):
    """The same logits. InputError if some are not finite, as those of weights that diverged in training are."""
    if not logits.isfinite().all():
        raise InputError(
            "The model's answers are not numbers, its training diverged: train it again with a lower --lr."
        )
    return logits


def wilson_interval(hits, n):
    """Wilson's 95 % interval of the proportion of `hits` in `n` items: (low, high), (NaN, NaN) for no items.

    For 20 right answers in 20 a bootstrap gives [1, 1]; this gives [0.84, 1], which is all that 20 items can show.
    """
    if not n:
        return float("nan"), float("nan")
    interval = binomtest(int(hits), int(n)).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)


def _by_class(metric, p, target, classes):
    """A torchmetrics function of probabilities p (N, K): for each class against the rest, and the mean ("macro").

    It is NaN, and left out of the mean, for a class without items and, for AUROC, for one that all items belong to.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(positive|negative) samples in targets.*")
        values = metric(p, target, len(classes), average="none").double()
    count = torch.bincount(target, minlength=len(classes))
    undefined = (count == 0) | ((count == len(target)) & (metric is multiclass_auroc))
    values = values.masked_fill(undefined, torch.nan)
    return {"macro": float(values.nanmean()), "per_class": dict(zip(classes, values.tolist(), strict=True))}


def _calibration(p, target):
    """Calibration of probabilities p (N, K): expected and maximum error, Brier score, and the reliability curve.

    The errors compare confidence and accuracy in BINS bins of confidence (Naeini et al. 2015; Guo et al. 2017). The
    maximum error is that of the worst bin, however few items it holds (see `count`). The Brier score is that of Brier
    (1950), summed over classes: 0 to 2.
    """
    binned = p.clamp(max=BELOW_ONE)
    ece, mce = (
        float(multiclass_calibration_error(binned, target, p.shape[1], n_bins=BINS, norm=norm))
        for norm in ("l1", "max")
    )
    truth = F.one_hot(target, p.shape[1]).to(p)
    brier = p.shape[1] * float(mean_squared_error(p.flatten(), truth.flatten()))
    return {
        "expected_error": ece,
        "maximum_error": mce,
        "brier": brier,
        "mean_confidence": float(p.max(1).values.mean()),
        "bins": _reliability(binned.max(1).values.numpy(), (p.argmax(1) == target).numpy()),
    }


def _reliability(confidence, right):
    """The reliability curve of confidence (N,) and right (N,) bool: a dict for each bin of confidence with items.

    Its keys: low, high (of the bin), count, right (number of right answers), confidence (mean), accuracy, interval (of
    the accuracy).
    """
    count, hits, total = (
        binned_statistic(confidence, values, "sum", BINS, (0, 1)).statistic
        for values in (np.ones(len(right)), right.astype(float), confidence)
    )
    edges = np.linspace(0, 1, BINS + 1).round(6)
    return [
        {"low": low, "high": high, "count": int(n), "right": int(r), "confidence": c / n, "accuracy": r / n}
        | {"interval": wilson_interval(r, n)}
        for low, high, n, r, c in zip(edges, edges[1:], count, hits, total, strict=False)
        if n
    ]
