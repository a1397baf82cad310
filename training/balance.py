"""Rare classes and labels, made up for in the loss.

Weights in the loss and not a weighted sampler: a sampler shows the few items of a rare class over and over, each of
them to the autoencoder and the adversary too, whose codes would then follow another distribution than the data's. A
weight changes the answers alone, an epoch stays an epoch, and labels, of which an item has several, have one as well.
"""

import numpy as np
import torch

from xaae.experiment.tasks import CLASSES, LABELS

MOST = 20.0  # a weight beyond makes single items rule the training


def class_weights(labels, classes):
    """Weights (K,) with which all classes weigh the same: N / (K n_k), at most MOST. labels (N,), classes: K names."""
    count = np.array([max(1, np.sum(np.asarray(labels) == name)) for name in classes])
    return np.minimum(count.sum() / (len(classes) * count), MOST)


def label_weights(truth):
    """Weights (K,) of present labels with which they weigh as much as absent ones; truth (N, K): 1, 0, NaN.

    From 1 / MOST to MOST.
    """
    present, absent = ((truth == value).sum(0) for value in (1, 0))
    return np.clip(np.maximum(absent, 1) / np.maximum(present, 1), 1 / MOST, MOST)


WEIGHTS_OF = {  # task -> (training rows of the table, Target) -> weights (K,)
    CLASSES.name: lambda train, target: class_weights(train.label, target.classes),
    LABELS.name: lambda train, target: label_weights(train[list(target.columns)].to_numpy(float)),
}


def loss_weights(table, target, balance):
    """Weights (K,) of a balance in BALANCES for the training items of a table, a tensor; None where all are 1."""
    if balance == "none":
        return None
    weights = WEIGHTS_OF[target.task](table[table.split == "train"], target)
    return torch.tensor(weights, dtype=torch.float32)
