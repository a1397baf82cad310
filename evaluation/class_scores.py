"""How good a classifier's answers are: loss, class metrics and calibration of logits (N, K), by torchmetrics."""

import warnings

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import binned_statistic, binomtest
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

from xaae.experiment.errors import InputError

BY_CLASS = {
    "precision": multiclass_precision,
    "recall": multiclass_recall,
    "f1": multiclass_f1_score,
    "auroc": multiclass_auroc,
}
BINS = 10  # of confidence, 0.1 wide
BELOW_ONE = 1 - 1e-7  # torchmetrics, in single precision, gives a confidence of exactly 1 a bin of its own


def classifier_scores(logits, target, classes):
    """Every number about logits (N, K) for the true classes target (N,), named as `evaluate.json` has them.

    classes: K names. All sums are in double precision: a confident model's errors are far below single precision's.
    """
    logits, k = logits.double(), len(classes)
    p = logits.softmax(1)
    right = int((p.argmax(1) == target).sum())
    return {
        "loss": float(F.cross_entropy(logits, target)),
        "accuracy": float(multiclass_accuracy(p, target, k, average="micro")),
        "accuracy_interval": wilson_interval(right, len(target)),
        **{name: _by_class(metric, p, target, classes) for name, metric in BY_CLASS.items()},
        "confusion": multiclass_confusion_matrix(p, target, k).numpy(),
        "calibration": _calibration(p, target),
    }


def wilson_interval(hits, n):
    """95 % interval of a share of `hits` in `n` items by Wilson's score: (low, high), (NaN, NaN) of no items.

    A bootstrap says [1, 1] of 20 right answers in 20; this says [0.84, 1], which is what 20 items can tell.
    """
    if not n:
        return float("nan"), float("nan")
    found = binomtest(int(hits), int(n)).proportion_ci(0.95, "wilson")
    return float(found.low), float(found.high)


def _by_class(metric, p, target, classes):
    """A torchmetrics function of probabilities p (N, K) for each class against the rest, and the mean: `macro`.

    NaN for a class that no item, or every item, belongs to where the metric needs both; the mean leaves it out.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(positive|negative) samples in targets.*")
        each = metric(p, target, len(classes), average="none").double()
    count = torch.bincount(target, minlength=len(classes))
    undefined = (count == 0) | ((count == len(target)) & (metric is multiclass_auroc))
    each = each.masked_fill(undefined, torch.nan)
    return {"macro": float(each.nanmean()), "per_class": dict(zip(classes, each.tolist(), strict=True))}


def _calibration(p, target):
    """Calibration of probabilities p (N, K): expected and maximum error, Brier score, and the reliability curve.

    The errors compare confidence and accuracy in BINS bins of confidence (Naeini et al. 2015; Guo et al. 2017). The
    maximum one is of whichever bin is worst, however few items it holds: see `count`. The Brier score is Brier's own
    (1950), summed over classes: 0 to 2.
    """
    sure = p.clamp(max=BELOW_ONE)
    ece, mce = (
        float(multiclass_calibration_error(sure, target, p.shape[1], n_bins=BINS, norm=norm)) for norm in ("l1", "max")
    )
    truth = F.one_hot(target, p.shape[1]).to(p)
    brier = p.shape[1] * float(mean_squared_error(p.flatten(), truth.flatten()))
    return {
        "expected_error": ece,
        "maximum_error": mce,
        "brier": brier,
        "mean_confidence": float(p.max(1).values.mean()),
        "bins": _reliability(sure.max(1).values.numpy(), (p.argmax(1) == target).numpy()),
    }


def _reliability(confidence, right):
    """The reliability curve of confidence (N,) and right (N,) bool, a row for each bin that holds items.

    A row: low, high (the bin), count, right (how many of them), confidence (mean), accuracy, interval (of that).
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


def check_finite(logits):
    """The same logits. InputError if they are no numbers: the answers of weights that diverged in training."""
    if not logits.isfinite().all():
        raise InputError(
            "The model's answers are not numbers, its training diverged: train it again with a lower --lr."
        )
    return logits
