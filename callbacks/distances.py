"""How far a reconstruction is from its item, by name: each (x_hat, x) -> distances (B, ...), averaged for each item.

And how far an item is from its own neighbourhoods: what is fine in it.
"""

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from xaae.callbacks.pyramid import pyramid_distance
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE, kind_of

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


def neighbour_means(x):
    """x (B, C, *places) with each value the mean of 3 places along each axis, itself in the middle; 2 at an edge."""
    return _NeighbourMeans.apply(x.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)


class _NeighbourMeans(torch.autograd.Function):
    """Along one axis after the other: for few channels some times as quick as the library's average pooling.

    In full precision, where a third is not 0.334. There are no gradients of gradients.
    """

    @staticmethod
    def forward(ctx, x):
        for axis in range(2, x.ndim):
            x = _sums_of_three(x, axis).mul_(_shares_of_three(x, axis))
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        """The gradient of x (B, C, *places)."""
        for axis in range(2, g.ndim):
            g = _sums_of_three(g * _shares_of_three(g, axis), axis)
        return g


def _sums_of_three(x, axis):
    """x with each value the sum of itself and its neighbours along an axis."""
    found, inner = x.clone(), x.shape[axis] - 1
    found.narrow(axis, 1, inner).add_(x.narrow(axis, 0, inner))
    found.narrow(axis, 0, inner).add_(x.narrow(axis, 1, inner))
    return found


def _shares_of_three(x, axis):
    """1 over the number of values in each of `_sums_of_three`: (n, 1, ...) for the n places along an axis of x."""
    summed = x.new_ones(x.shape[axis])
    summed[1:] += 1
    summed[:-1] += 1
    return (1 / summed).view(-1, *[1] * (x.ndim - 1 - axis))


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
