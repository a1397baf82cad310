"""How factors are planted in pictures x (B, C, H, W) in [0, 1]: one function a factor, differentiable in both.

Each takes the pictures, a value (B,) for each of them, and what fills places that a move leaves empty (rotation, zoom,
shifts). What a camera or a file leaves in a picture (noise, JPEG, sharpening, a border) is in `acquisition`.
"""

import torch
import torch.nn.functional as F

from xaae.factors.sampling import sampled

LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in luma, Rec. 601


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
    return _moved(x, matrix, fill)


def _moved(x, matrix, fill):
    """Pictures x (B, C, H, W) whose point p shows what was at `matrix` (B, 2, 3) times (p, 1); empty places by `fill`.

    Points are in half sides from the middle, y down.
    """
    grid = _points(matrix, *x.shape[2:])
    moved = sampled(x, grid, "reflection" if fill == "reflect" else "zeros")
    return moved * disc_mask(x.shape[-1], x.device) if fill == "circle" else moved


def _points(matrix, high, broad):
    """`matrix` (B, 2, 3) times (p, 1) of the middles p of all pixels: (B, high, broad, 2).

    A sum of what a row and what a column gives: three to six times as quick as the product that `F.affine_grid` takes.
    """
    down, across = ((2 * torch.arange(n, dtype=matrix.dtype, device=matrix.device) + 1) / n - 1 for n in (high, broad))
    of_column = matrix[:, None, :, 0] * across[:, None]
    of_row = matrix[:, None, :, 1] * down[:, None] + matrix[:, None, :, 2]
    return of_row[:, :, None] + of_column[:, None]


def zoom(x, percent, fill="zeros"):
    """Pictures x (B, C, H, W) grown by `percent` (B,) of their size about the middle, shrunk where it is negative."""
    scale = 1 / (1 + torch.as_tensor(percent, dtype=x.dtype, device=x.device) / 100)
    zero = torch.zeros_like(scale)
    matrix = torch.stack([torch.stack([scale, zero, zero], -1), torch.stack([zero, scale, zero], -1)], 1)
    return _moved(x, matrix, fill)


def _shift(x, right, down, fill):
    """Pictures x (B, C, H, W) moved to the right and down by so many % of the side, (B,) each."""
    right, down = (torch.as_tensor(v, dtype=x.dtype, device=x.device) / 50 for v in (right, down))
    zero, one = torch.zeros_like(right), torch.ones_like(right)
    matrix = torch.stack([torch.stack([one, zero, -right], -1), torch.stack([zero, one, -down], -1)], 1)
    return _moved(x, matrix, fill)


def shift_right(x, percent, fill="zeros"):
    """Pictures x (B, C, H, W) moved to the right by `percent` (B,) of the side, to the left where it is negative."""
    return _shift(x, percent, torch.zeros_like(torch.as_tensor(percent)), fill)


def shift_up(x, percent, fill="zeros"):
    """Pictures x (B, C, H, W) moved up by `percent` (B,) of the side, down where it is negative."""
    percent = torch.as_tensor(percent)
    return _shift(x, torch.zeros_like(percent), -percent, fill)


def as_column(values, x):
    """Values (B,) as (B, 1, ..., 1) like x, with as many dimensions."""
    return torch.as_tensor(values, dtype=x.dtype, device=x.device).view(-1, *[1] * (x.ndim - 1))


def brighten(x, amount, fill=None):
    """Items x (B, C, *places) moved by `amount` (B,) of the way to white, to black where it is negative."""
    amount = as_column(amount, x)
    return torch.cat([x[:, :3] * (1 - amount.abs()) + amount.clamp_min(0), x[:, 3:]], 1)


def stretch_contrast(x, amount, fill=None):
    """Items x (B, C, *places) whose distances from their mean luma grow by `amount` (B,), 1: twice as far.

    They shrink where it is negative. The mean stays, but where light is cut off at black and white.
    """
    amount, colours = as_column(amount, x), x[:, :3]
    middle = luma(x)
    middle = as_column(middle.mean(tuple(range(1, middle.ndim))), x)
    return torch.cat([(middle + (colours - middle) * (1 + amount)).clamp(0, 1), x[:, 3:]], 1)


def luma(x):
    """Rec. 601 luma of pictures x (B, C, H, W) in colour, or the first channel of grey items: (B, *places)."""
    return torch.einsum("bc...,c->b...", x[:, :3], x.new_tensor(LUMA_WEIGHTS)) if x.shape[1] >= 3 else x[:, 0]


def tint(x, amount, fill=None):
    """Pictures x (B, 3 or 4, H, W) made warmer by `amount` (B,) of red and blue, colder where negative; luma kept."""
    amount = as_column(amount, x)
    gain = torch.cat([1 + amount, torch.ones_like(amount), 1 - amount], 1)
    gain = gain / (gain * as_column(LUMA_WEIGHTS, x).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return torch.cat([(x[:, :3] * gain).clamp(0, 1), x[:, 3:]], 1)


def blur(x, percent, fill=None):
    """Pictures x (B, C, H, W) smoothed by a Gaussian whose sigma is `percent` (B,) of the side, edges mirrored."""
    sigma = torch.as_tensor(percent, dtype=x.dtype, device=x.device) * x.shape[-1] / 100
    reach = min(int(3 * float(sigma.detach().max()) + 1), x.shape[-1] - 1)
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


def plant_tag(x, opacity, fill=None):
    """Pictures x (B, C, H, W) with `marker` in the upper left corner, laid over with an `opacity` (B,) of 0 to 1."""
    sign = marker(x.shape[-1]).to(x)
    side = len(sign)
    opacity, tagged = as_column(opacity, x), x.clone()
    tagged[:, :3, :side, :side] = x[:, :3, :side, :side] * (1 - opacity) + opacity * sign
    return tagged


def corner(size):
    """Where the tag is in pictures of `size` pixels: (size, size) bool."""
    found = torch.zeros(size, size, dtype=torch.bool)
    side = len(marker(size))
    found[:side, :side] = True
    return found
