"""The thesis's severity: a regression of the code on a label or number, in which rare values weigh more."""

import numpy as np
from sklearn.linear_model import Ridge

BINS, KERNEL, SIGMA = 100, 5, 2.0  # of the thesis's smoothing


def smoothed_weights(values, bins=BINS, size=KERNEL, sigma=SIGMA):
    """Weights (N,), mean 1, that fall with how common a value and its neighbours are: the inverse of the histogram
    smoothed by a Gaussian kernel (label-distribution smoothing, Yang et al. 2021, arXiv 2102.09554)."""
    low, high = values.min(), values.max()
    at = np.minimum(((values - low) / max(high - low, 1e-12) * bins).astype(int), bins - 1)
    kernel = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    smooth = np.convolve(np.bincount(at, minlength=bins), kernel / kernel.sum(), mode="same")
    weights = 1 / smooth[at]
    return weights / weights.mean()


def severity_model(z, values):
    """Ridge regression of values (N,) on codes z (N, D), rare values weighing more; `predict` gives the severity."""
    return Ridge(alpha=1.0).fit(z, values, sample_weight=smoothed_weights(values))
