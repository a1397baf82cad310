"""The planted bias: which values of a factor each class gets, and how a picture is given one."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F

from errors import InputError

ARMS = ("biased", "normal", "irrelevant")
FILLS = ("zeros", "reflect", "circle")
WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in luma, Rec. 601


# ---- factors: what can be planted -------------------------------------------------------------------------------


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


def column(values, x):
    """Values (B,) as (B, 1, 1, 1) like x."""
    return torch.as_tensor(values, dtype=x.dtype, device=x.device).view(-1, 1, 1, 1)


def brighten(x, amount, fill=None):
    """Pictures x (B, C, H, W) moved by `amount` (B,) of the way to white, or to black where it is negative."""
    amount = column(amount, x)
    return torch.cat([x[:, :3] * (1 - amount.abs()) + amount.clamp_min(0), x[:, 3:]], 1)


def tint(x, amount, fill=None):
    """Pictures x (B, 3 or 4, H, W) made warmer by `amount` (B,) of red and blue, colder where negative; luma kept."""
    amount = column(amount, x)
    gain = torch.cat([1 + amount, torch.ones_like(amount), 1 - amount], 1)
    gain = gain / (gain * column(WEIGHTS, x).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return torch.cat([(x[:, :3] * gain).clamp(0, 1), x[:, 3:]], 1)


def blur(x, percent, fill=None):
    """Pictures x (B, C, H, W) smoothed by a Gaussian whose sigma is `percent` (B,) of the side, edges mirrored."""
    sigma = torch.as_tensor(percent, dtype=x.dtype, device=x.device) * x.shape[-1] / 100
    reach = min(int(3 * float(sigma.max()) + 1), x.shape[-1] - 1)
    at = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    bell = torch.exp(-((at / sigma.clamp_min(1e-3)[:, None]) ** 2) / 2)
    bell = (bell / bell.sum(1, keepdim=True)).repeat_interleave(x.shape[1], 0)[:, None]
    flat = F.pad(x.flatten(0, 1)[None], [reach] * 4, mode="reflect")
    flat = F.conv2d(F.conv2d(flat, bell[:, :, None], groups=len(bell)), bell[..., None], groups=len(bell))
    return flat[0].view_as(x)


@dataclass(frozen=True)
class Factor:
    """What a bias can plant: plant(x (B, C, H, W), values (B,), fill) -> x.

    whole: the range that the classes share out between them; allowed: what --range accepts; neutral: the value that
    leaves a picture as it is. meter: the name of the meter that reads it. noun, sign and digits: how values are told.
    """

    name: str
    plant: Callable
    unit: str
    whole: tuple
    allowed: tuple
    meter: str
    noun: str
    sign: str = ""
    digits: int = 2
    neutral: float = 0.0
    needs_colour: bool = False

    def about(self):
        """Everything but the function, ready for JSON."""
        return {k: v for k, v in asdict(self).items() if k != "plant"}


TURN = Factor("rotation", rotate, "degrees", (0, 180), (-360, 360), "rotation", "angle", "\u00b0", 0)
LIGHT = Factor("brightness", brighten, "of the way to white", (-0.4, 0.4), (-0.95, 0.95), "luminance", "shift to white")
COLOUR = Factor("tint", tint, "of red and blue", (-0.4, 0.4), (-0.95, 0.95), "warmth", "tint", needs_colour=True)
SMEAR = Factor("blur", blur, "% of the side", (0, 4), (0, 20), "sharpness", "blur", "\u202f%", 1)
FACTORS = {f.name: f for f in (TURN, LIGHT, COLOUR, SMEAR)}


# ---- the bias: who gets which value -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Bias:
    """Which values of the factor each class gets. ranges: {class: (low, high)} in the factor's unit; see ARMS, FILLS.

    biased: from the range of the item's own class; irrelevant: from the whole range, whatever the class; normal: the
    neutral value.
    """

    ranges: dict
    arm: str = "biased"
    fill: str = "zeros"
    factor: str = "rotation"

    def of(self, label):
        """(low, high) of the values that an item of class `label` gets in this arm."""
        bounds = np.array(list(self.ranges.values()))
        whole, neutral = (bounds.min(), bounds.max()), FACTORS[self.factor].neutral
        return {"biased": self.ranges[label], "irrelevant": whole, "normal": (neutral, neutral)}[self.arm]

    def draw(self, labels, rng):
        """One value for each label, drawn from the NumPy generator `rng`: (N,) float."""
        low, high = np.array([self.of(label) for label in labels], dtype=float).T
        return rng.uniform(low, high)

    def plant(self, x, values):
        """Pictures x (B, C, H, W) given the factor's `values` (B,), in full precision whatever the caller's."""
        with torch.autocast(x.device.type, enabled=False):
            return FACTORS[self.factor].plant(x, values, self.fill)

    def grid(self, n=13):
        """n values that cover all the classes' ranges evenly: (n,)."""
        bounds = np.array(list(self.ranges.values()))
        return np.linspace(bounds.min(), bounds.max(), n)

    def middles(self):
        """The value in the middle of each class's range, whatever the arm: {class: value}."""
        return {label: float(np.mean(bounds)) for label, bounds in self.ranges.items()}


def even_ranges(classes, whole=(0, 180)):
    """The thesis's ranges for any number of classes: equal slices of the whole range in the order given."""
    edges = np.linspace(*whole, len(classes) + 1)
    return {c: (float(a), float(b)) for c, a, b in zip(classes, edges, edges[1:], strict=False)}


def make_bias(classes, ranges=None, arm="biased", fill="zeros", factor="rotation"):
    """The bias for `classes`; `ranges` replaces the default slices. InputError for ranges that make no sense."""
    about = FACTORS[factor]
    ranges, (least, most) = even_ranges(classes, about.whole) | (ranges or {}), about.allowed
    for label, (low, high) in ranges.items():
        if label not in classes:
            raise InputError(
                f"--range names the class {label!r}, but the classes are {', '.join(classes)}: correct it."
            )
        if not least <= low <= high <= most:
            raise InputError(
                f"--range {label}={low:g}:{high:g} is no range of {factor} ({about.unit}): "
                f"give {least:g} <= LOW <= HIGH <= {most:g}."
            )
    return Bias(ranges, arm, fill, factor)
