"""How far a reconstruction is from its item, by name: each (x_hat, x) -> distances (B, ...), averaged for each item.

And how far an item is from its own neighbourhoods: what is fine in it.
"""

import torch
import torch.nn.functional as F
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE, kind_of

MEANS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}  # by axes of places
LEVELS = 4  # of the pyramid that reconstructions are compared in
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights of MS-SSIM's scales, from fine to coarse (Wang et al. 2003)
WINDOW = 7  # side of its window; each scale needs a larger picture than that
STRUCTURE = 0.84  # share of MS-SSIM beside L1 (Zhao et al. 2017)


def squared_distance(x_hat, x):
    """Squared error of every value."""
    return F.mse_loss(x_hat, x, reduction="none")


def absolute_distance(x_hat, x):
    """Absolute error of every value."""
    return F.l1_loss(x_hat, x, reduction="none")


def huber(x_hat, x):
    """The thesis's reconstruction loss of every value: Huber with delta 0.5."""
    return F.huber_loss(x_hat, x, delta=0.5, reduction="none")


def structural_distance(x_hat, x):
    """0.84 (1 - MS-SSIM) + 0.16 L1 of each picture (B, 1) (Zhao et al. 2017, arXiv 1511.08861).

    Small pictures have fewer scales. InputError for what is no picture, or one with less than 2 * WINDOW pixels a side.
    """
    side = min(x.shape[2:])
    scales = SCALES[: max(n for n in range(len(SCALES) + 1) if n == 0 or side // 2 ** (n - 1) > WINDOW)]
    if kind_of(x.shape) is not PICTURE or len(scales) < 2:
        raise InputError("The loss ms-ssim compares pictures of 16 pixels a side or more: use l1, huber or mse.")
    weights = tuple(w / sum(scales) for w in scales)
    with torch.autocast(x.device.type, enabled=False):
        alike = multiscale_structural_similarity_index_measure(
            x_hat.float(), x.float(), kernel_size=WINDOW, sigma=1.0, gaussian_kernel=True, reduction="none",
            data_range=1.0, betas=weights, normalize="simple",
        )  # fmt: skip
    return (STRUCTURE * (1 - alike) + (1 - STRUCTURE) * absolute_distance(x_hat, x).flatten(1).mean(1))[:, None]


def pyramid_distance(x_hat, x):
    """Absolute differences of x_hat and x (B, C, *places), band by band from fine to coarse, summed: (B, 1).

    A Laplacian pyramid (Burt and Adelson 1983) in L1: each coarser band, with a quarter of the values in pictures,
    counts twice as much a value, so that outlines are not given up for the mean.
    """
    rest, total = x_hat - x, 0.0
    pool = MEANS[x.ndim - 2]
    for level in range(LEVELS):
        coarsest = level == LEVELS - 1 or min(rest.shape[2:]) < 4
        coarse = pool(rest, 2, ceil_mode=True, count_include_pad=False) if not coarsest else None
        mode = ("linear", "bilinear", "trilinear")[x.ndim - 3]
        band = rest if coarsest else rest - F.interpolate(coarse, rest.shape[2:], mode=mode)
        total = total + 2**level * band.abs().flatten(1).mean(1, keepdim=True)
        if coarsest:
            return total
        rest = coarse
    return total


def neighbour_means(x):
    """x (B, C, *places) with each value the mean of 3 places along each axis, itself in the middle; 2 at an edge."""
    return MEANS[x.ndim - 2](x, 3, 1, 1, count_include_pad=False)


def grain(x):
    """How far the values of x (B, C, *places) are from the means of their neighbourhoods, a mean: a number."""
    return (x - neighbour_means(x)).abs().mean()


DISTANCES = {
    "mse": squared_distance,
    "l1": absolute_distance,
    "huber": huber,
    "ms-ssim": structural_distance,
    "pyramid": pyramid_distance,
}
