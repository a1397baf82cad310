"""The planted bias: which values of a factor each class gets, and how a picture is given one."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F

from xaae.experiment.errors import InputError

ARMS = ("biased", "normal", "irrelevant")
FILLS = ("zeros", "reflect", "circle")
WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in luma, Rec. 601


# ---- factors: what can be planted -------------------------------------------------------------------------------


def disc_mask(size, device=None):
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
    return turned * disc_mask(x.shape[-1], x.device) if fill == "circle" else turned


def _column(values, x):
    """Values (B,) as (B, 1, 1, 1) like x."""
    return torch.as_tensor(values, dtype=x.dtype, device=x.device).view(-1, 1, 1, 1)


def brighten(x, amount, fill=None):
    """Pictures x (B, C, H, W) moved by `amount` (B,) of the way to white, or to black where it is negative."""
    amount = _column(amount, x)
    return torch.cat([x[:, :3] * (1 - amount.abs()) + amount.clamp_min(0), x[:, 3:]], 1)


def _tint(x, amount, fill=None):
    """Pictures x (B, 3 or 4, H, W) made warmer by `amount` (B,) of red and blue, colder where negative; luma kept."""
    amount = _column(amount, x)
    gain = torch.cat([1 + amount, torch.ones_like(amount), 1 - amount], 1)
    gain = gain / (gain * _column(WEIGHTS, x).view(1, 3, 1, 1)).sum(1, keepdim=True)
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


def marker(size):
    """The corner tag for pictures of `size` pixels: a white square with a dark cross, a quarter of the side: (s, s)."""
    side = max(4, size // 4)
    at = (torch.arange(side) + 0.5) / side
    bar = (at - 0.5).abs() < 0.17
    inner = (at - 0.5).abs() < 0.34
    cross = (bar[:, None] & inner) | (inner[:, None] & bar)
    return 1 - 0.9 * cross.float()


def _tag(x, opacity, fill=None):
    """Pictures x (B, C, H, W) with `marker` in the upper left corner, laid over with an `opacity` (B,) of 0 to 1."""
    sign = marker(x.shape[-1]).to(x)
    side = len(sign)
    opacity, tagged = _column(opacity, x), x.clone()
    tagged[:, :3, :side, :side] = x[:, :3, :side, :side] * (1 - opacity) + opacity * sign
    return tagged


def corner(size):
    """Where the tag is in pictures of `size` pixels: (size, size) bool."""
    found = torch.zeros(size, size, dtype=torch.bool)
    side = len(marker(size))
    found[:side, :side] = True
    return found


@dataclass(frozen=True)
class Factor:
    """What a bias can plant: plant(x (B, C, H, W), values (B,), fill) -> x.

    whole: the range that the classes share out between them, of which `gap`, a share, stays empty between them;
    allowed: what --range accepts; neutral: the value that leaves a picture as it is. meter: the name of the meter that
    reads it. noun, sign and digits: how values are told. place: size -> (size, size) bool where a local factor is.
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
    gap: float = 0.0
    place: Callable | None = None

    def about(self):
        """Everything but the functions, ready for JSON."""
        return {k: v for k, v in asdict(self).items() if k not in ("plant", "place")}


TURN = Factor("rotation", rotate, "degrees", (0, 180), (-360, 360), "rotation", "angle", "\u00b0", 0)
LIGHT = Factor(
    "brightness", brighten, "of the way to white", (-0.7, 0.7), (-0.95, 0.95), "luminance", "shift to white", gap=0.36
)
COLOUR = Factor(
    "tint", _tint, "of red and blue", (-0.7, 0.7), (-0.95, 0.95), "warmth", "tint", needs_colour=True, gap=0.36
)
SMEAR = Factor("blur", blur, "% of the side", (0, 10), (0, 20), "sharpness", "blur", "\u202f%", 1, gap=0.6)
TAG = Factor("tag", _tag, "of full opacity", (0, 1), (0, 1), "tag", "opacity of the tag", gap=0.6, place=corner)
FACTORS = {f.name: f for f in (TURN, LIGHT, COLOUR, SMEAR, TAG)}


# ---- the bias: who gets which value -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Bias:
    """Which values of the factor each class gets. ranges: {class: (low, high)} in the factor's unit; see ARMS, FILLS.

    biased: from the range of the item's own class; irrelevant: from the whole range, whatever the class; normal: the
    neutral value. contamination: the share of a biased arm's items that obey; the others are as in irrelevant.
    """

    ranges: dict
    arm: str = "biased"
    fill: str = "zeros"
    factor: str = "rotation"
    contamination: float = 1.0

    def whole(self):
        """(low, high) of all classes' ranges together."""
        bounds = np.array(list(self.ranges.values()))
        return bounds.min(), bounds.max()

    def of(self, label):
        """(low, high) of the values that an item of class `label` gets in this arm."""
        if self.arm == "biased":
            return self.ranges[label]
        return self.whole() if self.arm == "irrelevant" else (FACTORS[self.factor].neutral,) * 2

    def draw(self, labels, rng):
        """One value for each label, drawn from the NumPy generator `rng`: (N,) float."""
        bounds = np.array([self.of(label) for label in labels], dtype=float)
        if self.arm == "biased" and self.contamination < 1:
            bounds[rng.random(len(bounds)) >= self.contamination] = self.whole()
        return rng.uniform(*bounds.T)

    def plant(self, x, values):
        """Pictures x (B, C, H, W) given the factor's `values` (B,), in full precision whatever the caller's."""
        with torch.autocast(x.device.type, enabled=False):
            return FACTORS[self.factor].plant(x, values, self.fill)

    def grid(self, n=13):
        """n values that cover all the classes' ranges evenly: (n,)."""
        return np.linspace(*self.whole(), n)

    def middles(self):
        """The value in the middle of each class's range, whatever the arm: {class: value}."""
        return {label: float(np.mean(bounds)) for label, bounds in self.ranges.items()}


def even_ranges(classes, whole=(0, 180), gap=0.0, strength=1.0):
    """The thesis's ranges for any number of classes: equal slices of the whole range in the order given.

    gap: the share of the range that stays empty, evenly between the classes. strength: the whole range shrunk about
    its middle to this share.
    """
    low, high = np.mean(whole) + (np.array(whole) - np.mean(whole)) * strength
    n, part = len(classes), (high - low) * (1 - gap) / len(classes)
    starts, ends = np.linspace(low, high - part, n), np.linspace(low + part, high, n)
    return {c: (float(a), float(b)) for c, a, b in zip(classes, starts, ends, strict=True)}


def make_bias(classes, ranges=None, arm="biased", fill="zeros", factor="rotation", strength=1.0, contamination=1.0):
    """The bias for `classes`; `ranges` replaces the default slices. InputError for ranges that make no sense."""
    about = FACTORS[factor]
    whole, (least, most) = even_ranges(classes, about.whole, about.gap, strength), about.allowed
    ranges = whole | (ranges or {})
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
    return Bias(ranges, arm, fill, factor, contamination)


def mislabel(table, share, seed=0):
    """The table (columns label, split) with this share of its training items labelled as another class, from `seed`.

    Content then tells less than a factor that is planted by label, as in the coloured MNIST of Arjovsky et al. 2019
    (arXiv 1907.02893). Held-out items keep their label.
    """
    rng, label = np.random.default_rng([seed, 4]), table.label.to_numpy(object, copy=True)
    for row in np.flatnonzero((table.split == "train") & (rng.random(len(table)) < share)):
        label[row] = rng.choice(sorted(set(table.label) - {label[row]}))
    return table.assign(label=label)
