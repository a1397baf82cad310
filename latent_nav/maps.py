"""Two-dimensional maps of the codes, for looking at; no walk is made in them."""

import numpy as np
from sklearn.manifold import TSNE


def tsne(z, seed=0):
    """t-SNE of codes z (M, D): (M, 2)."""
    perplexity = min(30.0, (len(z) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(z)


def class_arrow(xy, labels, classes):
    """(2, 2): from the mean of the first class to that of the last in the map."""
    return np.stack([xy[labels == classes[0]].mean(0), xy[labels == classes[-1]].mean(0)])


def along(xy, arrow, n=7):
    """Indices of the items nearest to n points of the arrow, none twice: (n,) or fewer."""
    points = arrow[0] + np.linspace(-0.15, 1.15, n)[:, None] * (arrow[1] - arrow[0])
    nearest = [int(np.argmin(((xy - p) ** 2).sum(1))) for p in points]
    return list(dict.fromkeys(nearest))
