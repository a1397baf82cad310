"""The planted bias: which values of a factor each class gets, and how a picture is given one."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from errors import InputError

ARMS = ("biased", "normal", "irrelevant")
FILLS = ("zeros", "reflect", "circle")


@dataclass(frozen=True)
class Bias:
    """Which values of the factor each class gets. ranges: {class: (low, high)} in degrees; arm, fill: see ARMS, FILLS.

    biased: from the range of the item's own class; irrelevant: from the whole range, whatever the class; normal: 0.
    """

    ranges: dict
    arm: str = "biased"
    fill: str = "zeros"
    factor: str = "rotation"

    def of(self, label):
        """(low, high) of the values that an item of class `label` gets in this arm."""
        bounds = np.array(list(self.ranges.values()))
        whole = (bounds.min(), bounds.max())
        return {"biased": self.ranges[label], "irrelevant": whole, "normal": (0.0, 0.0)}[self.arm]

    def draw(self, labels, rng):
        """One value for each label, drawn from the NumPy generator `rng`: (N,) float."""
        low, high = np.array([self.of(label) for label in labels], dtype=float).T
        return rng.uniform(low, high)


def even_ranges(classes, whole=180.0):
    """The thesis's ranges for any number of classes: equal slices of [0, 180] degrees in the order given."""
    edges = np.linspace(0, whole, len(classes) + 1)
    return {c: (float(a), float(b)) for c, a, b in zip(classes, edges, edges[1:], strict=False)}


def make_bias(classes, ranges=None, arm="biased", fill="zeros"):
    """The bias for `classes`; `ranges` replaces the default slices. InputError for ranges that make no sense."""
    ranges = even_ranges(classes) | (ranges or {})
    for label, (low, high) in ranges.items():
        if label not in classes:
            raise InputError(
                f"--range names the class {label!r}, but the classes are {', '.join(classes)}: correct it."
            )
        if not -360 <= low <= high <= 360:
            raise InputError(
                f"--range {label}={low:g}:{high:g} is no range of degrees: give -360 <= LOW <= HIGH <= 360."
            )
    return Bias(ranges, arm, fill)


def disc(size, device=None):
    """(H, W) mask of the inscribed disc: 1 inside, 0 outside, one pixel of transition."""
    at = torch.linspace(-1, 1, size, device=device)
    radius = (at[:, None] ** 2 + at[None] ** 2).sqrt()
    return ((1 - radius) * size / 2).clamp(0, 1)


def rotate(x, degrees, fill="zeros"):
    """Turn pictures x (B, C, H, W) counter-clockwise by `degrees` (B,) about their centre; corners by `fill`.

    zeros: black corners, as in the thesis. reflect: the picture mirrored. circle: black outside the inscribed disc,
    whatever the angle, so that the corners tell nothing.
    """
    a = torch.deg2rad(torch.as_tensor(degrees, dtype=x.dtype, device=x.device))
    zero = torch.zeros_like(a)
    matrix = torch.stack([torch.stack([a.cos(), -a.sin(), zero], -1), torch.stack([a.sin(), a.cos(), zero], -1)], 1)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    padding = "reflection" if fill == "reflect" else "zeros"
    turned = F.grid_sample(x, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return turned * disc(x.shape[-1], x.device) if fill == "circle" else turned
