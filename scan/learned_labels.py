"""Has a model learned anything of the labels? Only then is what moves its answer something that it learned to go by."""

import numpy as np
import pandas as pd
import torch
from scipy.stats import chi2_contingency

from xaae.experiment.device import batches
from xaae.scan.verdicts import CANNOT_TELL, USED

CHANCE = 0.01  # p, see chance_of_labels, up to which answers are said to have something to do with labels


def chance_of_labels(answered, labels):
    """p of answers (N,) and labels (N,) as dependent as these if they had nothing to do with each other.

    By Pearson's chi-square test; 1 where all answers, or all labels, are the same.
    """
    counts = pd.crosstab(np.asarray(answered), np.asarray(labels)).to_numpy()
    return 1.0 if min(counts.shape) < 2 else float(chi2_contingency(counts).pvalue)


def answers_as_trained(answer, items, base, rng):
    """Which output `answer` prefers for ScanItems that are made as at training, with values of their class: (N,).

    base (N, K): its outputs for the items as they are, which is how they were trained on where nothing is planted.
    """
    if items.bias is None:
        return base.argmax(1)
    x = items.bias.plant(items.x, torch.from_numpy(items.bias.draw(items.labels, rng)).float())
    return np.concatenate([answer(x[part]).float().cpu().numpy().argmax(1) for part in batches(len(x), 64)])


def without_use(rows, p):
    """(rows of a scan, none of them called used, why); the same rows and "" where the answers' p is at most CHANCE."""
    if p <= CHANCE:
        return rows, ""
    why = f"its answers to held-out items have nothing to do with their labels (p = {p:.2f}): no factor is called used"
    return [row | {"used": CANNOT_TELL} if row["used"] == USED else row for row in rows], why
