"""Items mixed with their own neighbourhood: what is fine in them, and what is left without it."""

from torch.nn import functional as F

MEANS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}  # by axes of places


def neighbour_means(x):
    """x (B, C, *places) with each value the mean of 3 places along each axis, itself in the middle; 2 at an edge."""
    return MEANS[x.ndim - 2](x, 3, 1, 1, count_include_pad=False)


def grain(x):
    """How far the values of x (B, C, *places) are from the means of their neighbourhoods, a mean: a number."""
    return (x - neighbour_means(x)).abs().mean()
