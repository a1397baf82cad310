"""Two sides of what a model answers, for the rooms that lead from one side to another.

Walks, contrasts, counterfactuals, maps and scans ask any model for the logits of classes. A model of a severity or of
labels is opened as a classifier of two sides, exactly: its last linear layer is changed, nothing else.

- Severity: the sides are below and above the median. The logit of the upper side less that of the lower one is the
  answered severity's distance from the median in units of its error on held-out items (that of a logistic distribution
  with the same standard deviation), so that the probability is that of a severity above the median. It is a straight
  line of the answer: who explains it explains the severity.
- Labels: the sides are absence and presence of the first label; the logits' difference is that of the label itself.
"""

import math

from xaae.experiment.tasks import CLASSES, LABELS, SEVERITY

LOGISTIC = math.pi / math.sqrt(3)  # standard deviation of the standard logistic distribution
LEAST_ERROR = 0.02  # standard deviations of the severity: a smaller error makes every answer sure


def severity_slope(target, error=None):
    """(slope, middle): the difference of the sides' logits is slope * (answer - middle).

    The answer of a model is in standard deviations of training. error: root mean square error on held-out items in the
    severity's unit, None where it is not known.
    """
    error = target.std if error is None or not math.isfinite(error) else error
    return LOGISTIC / max(error / target.std, LEAST_ERROR), (target.middle - target.mean) / target.std


def _of_severity(target, error, label):
    """Both sides of a severity."""
    slope, middle = severity_slope(target, error)
    return ((-slope / 2,), (slope / 2,)), (slope * middle / 2, -slope * middle / 2)


def _of_labels(target, error, label):
    """Absence and presence of one label."""
    half = tuple(0.5 * (name == label) for name in target.names)
    return (tuple(-x for x in half), half), (0.0, 0.0)


SIDES = {SEVERITY.name: _of_severity, LABELS.name: _of_labels}  # task -> what makes them; classes are sides already


def answers_to_sides(target, error=None, label=None):
    """(weights (2, K), bias (2,)) that make logits of the two sides of a model's K answers; () for classes.

    label: the one of several labels whose sides they are, None for the first.
    """
    return () if target.task == CLASSES.name else SIDES[target.task](target, error, label or target.names[0])


def severity_of(target, logits, error=None):
    """The severity (...) in its unit of logits (..., 2) of its two sides, as `answers_to_sides` makes them."""
    slope, middle = severity_slope(target, error)
    return target.mean + target.std * ((logits[..., 1] - logits[..., 0]) / slope + middle)
