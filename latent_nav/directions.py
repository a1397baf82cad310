"""Directions: unit vectors of the latent space with the scale of one step, fitted on training codes.

All point from the first class to the last. Two-dimensional maps such as t-SNE give no direction: they have no inverse.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis


@dataclass(frozen=True)
class Direction:
    """vector (D,) of length 1; scale: standard deviation of the training codes along it."""

    name: str
    vector: np.ndarray
    scale: float


def lda(z, last, head=None):
    """Linear discriminant analysis with Ledoit-Wolf shrinkage: the direction that separates the classes best."""
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(z, last).coef_[0]


def means(z, last, head=None):
    """Difference of the class means."""
    return z[last].mean(0) - z[~last].mean(0)


def head_weights(z, last, head):
    """Difference of the classifier head's weight rows (K, D): the direction the model itself decides by."""
    return head[-1] - head[0]


DIRECTIONS = {"lda": lda, "head": head_weights, "means": means}


def scaled(name, vector, z):
    """A Direction along `vector` (D,) with the scale of the codes z (N, D)."""
    unit = np.asarray(vector, dtype=np.float64) / max(np.linalg.norm(vector), 1e-12)
    return Direction(name, unit.astype(np.float32), float((z @ unit).std()))


def fit_directions(z, labels, classes, head, names=tuple(DIRECTIONS)):
    """Directions by name from training codes z (N, D) and labels (N,); head (K, D) holds the classifier's weights.

    With more than two classes only the items of the first and the last count.
    """
    labels = np.asarray(labels)
    ends = np.isin(labels, [classes[0], classes[-1]])
    last = labels[ends] == classes[-1]
    return [scaled(name, DIRECTIONS[name](z[ends], last, head), z) for name in names]


def random_directions(k, z, rng):
    """k directions drawn evenly from the sphere, each with the scale of the codes z (N, D): the walk's null."""
    return [scaled(f"random_{i}", rng.standard_normal(z.shape[1]), z) for i in range(k)]
