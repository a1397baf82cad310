"""How good answers are that are no classes: severities (errors, R2, correlation) and several labels (AUROC, AP)."""

import math

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

SEVERITY_SCORES = ("mae", "rmse", "r2", "spearman", "mae_of_median", "constant_answer")
LABEL_SCORES = ("auroc", "average_precision", "balanced_accuracy", "labels")
FEWEST = 2  # items of each kind that a score needs


def spearman(a, b):
    """Spearman's rank correlation of a and b (N,); NaN where one of them never changes."""
    if len(a) < FEWEST or not np.ptp(a) or not np.ptp(b):
        return float("nan")
    return float(spearmanr(a, b).statistic)


def severity_scores(answers, truth):
    """Scores of answered severities (N,) for the true ones (N,), in their unit; see SEVERITY_SCORES.

    mae, rmse: mean absolute and root mean square error. r2: share of the variance that is explained. mae_of_median: the
    error of always answering the median. constant_answer: is the answer always the same?
    """
    answers, truth = np.asarray(answers, float), np.asarray(truth, float)
    return {
        "mae": float(mean_absolute_error(truth, answers)),
        "rmse": float(root_mean_squared_error(truth, answers)),
        "r2": float(r2_score(truth, answers)) if len(truth) >= FEWEST and np.ptp(truth) else float("nan"),
        "spearman": spearman(answers, truth),
        "mae_of_median": float(mean_absolute_error(truth, np.full(len(truth), np.median(truth)))),
        "constant_answer": bool(np.ptp(answers) < 1e-6 * max(np.ptp(truth), 1e-12)),
    }


def label_scores(probability, truth, labels):
    """Scores of probabilities (N, K) of labels for truth (N, K) of 1, 0 and NaN where a label is not known.

    auroc, average_precision, balanced_accuracy: means over the labels that have both answers; labels {name: the same,
    present, absent, unknown (numbers of items)}.
    """
    found = {name: _one_label(p, y) for name, p, y in zip(labels, np.transpose(probability), np.transpose(truth),
                                                          strict=True)}  # fmt: skip
    mean = lambda key: _mean([each[key] for each in found.values()])  # noqa: E731
    return {key: mean(key) for key in LABEL_SCORES[:3]} | {"labels": found}


def _mean(values):
    """Mean of the values that are numbers, NaN if there is none."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _one_label(probability, truth):
    """Scores of one label's probabilities (N,)."""
    known = np.isfinite(truth)
    p, y = np.asarray(probability, float)[known], truth[known] > 0.5
    counts = {"present": int(y.sum()), "absent": int((~y).sum()), "unknown": int((~known).sum())}
    if not y.any() or y.all():
        return dict.fromkeys(LABEL_SCORES[:3], float("nan")) | counts
    found = (roc_auc_score(y, p), average_precision_score(y, p), balanced_accuracy_score(y, p > 0.5))
    return dict(zip(LABEL_SCORES, map(float, found), strict=False)) | counts
