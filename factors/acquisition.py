"""What a camera, a scanner or a file leaves in a picture: noise, JPEG, sharpening, a black border; and their meters.

The meters read one picture at a time. They are not among those of walks: a decoder draws neither noise nor blocks, so
that a spread of theirs over decoded frames means nothing.
"""

import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from xaae.factors.geometry import disc_weight, plane
from xaae.factors.measuring import Meter
from xaae.factors.photometry import Sight
from xaae.factors.picture_plants import as_column, blur

SOFT = 3  # % of the side: sigma of the blur that unsharp masking takes away
BLOCK = 8  # pixels a side of what JPEG compresses together
DARK = 0.1  # luma from which a line of pixels is no longer part of a black border
RADIX = 2**31
SIDE_BY_SIDE = 2**20  # bytes of pixels that are compressed in threads: for fewer, starting these takes longer


def noise_like(x):
    """Standard normal noise (B, C, *places) for items x, the same for the same item whatever is in its batch."""
    seeds = (x.detach().cpu().double().abs().flatten(1).sum(1) * 1e6).long().tolist()  # not every device has doubles
    draws = [torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(s % RADIX)) for s in seeds]
    return torch.stack(draws).to(x)


def add_noise(x, percent, fill=None):
    """Items x (B, C, *places) with Gaussian noise of a standard deviation of `percent` (B,) of full scale.

    The same item gets the same noise every time, whatever is in its batch: what is planted stays planted.
    """
    noisy = (x + noise_like(x) * as_column(percent, x) / 100).clamp(0, 1)
    return torch.where(as_column(percent, x) == 0, x, torch.cat([noisy[:, :3], x[:, 3:]], 1))


def compress(x, quality, fill=None):
    """Pictures x (B, 1, 3 or 4, H, W) as JPEG of a `quality` (B,) of 1 to 99 shows them; 100 leaves them as they are.

    Not differentiable. Chroma is kept at full size.
    """
    quality = torch.as_tensor(quality).round().int().tolist()
    coded = (x[:, :3] if x.shape[1] >= 3 else x[:, :1]).detach().mul(255).round().byte().cpu().movedim(1, -1).numpy()
    with ThreadPoolExecutor() if coded.size >= SIDE_BY_SIDE else nullcontext() as pool:
        seen = list((pool.map if pool else map)(_through_jpeg, coded, quality))
    seen = torch.from_numpy(np.stack(seen)).to(x.device).movedim(-1, 1).to(x.dtype) / 255
    kept = torch.tensor(quality, device=x.device).view(-1, 1, 1, 1) >= 100
    return torch.where(kept, x, torch.cat([seen, x[:, seen.shape[1] :]], 1))


def _through_jpeg(pixels, quality):
    """Pixels (H, W, 1 or 3) uint8 written as JPEG and read again."""
    if quality >= 100:
        return pixels
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(
        file, "JPEG", quality=max(1, quality), subsampling=0
    )
    return np.asarray(Image.open(file)).reshape(pixels.shape)


def sharpen(x, amount, fill=None):
    """Pictures x (B, C, H, W) plus `amount` (B,) of what a blur of 3 % of the side takes away: unsharp masking."""
    soft = blur(x, torch.full((len(x),), float(SOFT), device=x.device))
    sharp = (x + as_column(amount, x) * (x - soft)).clamp(0, 1)
    return torch.cat([sharp[:, :3], x[:, 3:]], 1)


def frame_black(x, percent, fill=None):
    """Pictures x (B, C, H, W) whose outermost `percent` (B,) of the side is black, on all four sides."""
    at = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device) + 1
    inwards = torch.minimum(at, at.flip(0))
    inwards = torch.minimum(inwards[:, None], inwards[None])  # 1 for the outermost pixels
    shown = (inwards - as_column(percent, x)[:, 0] * x.shape[-1] / 100).clamp(0, 1)[:, None]
    return torch.cat([x[:, :3] * shown, x[:, 3:]], 1)


# ---- meters -----------------------------------------------------------------------------------------------------

CHECK = torch.tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])


def noise_level(light):
    """Noise of grey pictures (N, H, H) in % of full scale: what no flat piece of a picture has (N,).

    Immerkaer 1996, doi 10.1006/cviu.1996.0060.
    """
    bend = F.conv2d(light[:, None], CHECK[None, None].to(light))[:, 0].abs()
    weight = disc_weight(plane(light.shape[-1]), light.shape[-1])[1:-1, 1:-1]
    mean = (bend * weight).sum((1, 2)) / weight.sum()
    return 100 * mean * (torch.pi / 2) ** 0.5 / 6


def _noise(sight):
    """Noise of each frame."""
    return noise_level(sight.luma.flatten(0, 1)).view(sight.luma.shape[:2])


def _blockiness(sight):
    """How much larger steps of luma are at the borders of 8 x 8 blocks than elsewhere: 0 alike, 1 twice as large."""
    if sight.size <= BLOCK:
        return sight.luma.new_zeros(sight.luma.shape[:2])
    steps = [sight.luma.diff(dim=d).abs().mean(-1 if d == -2 else -2) for d in (-2, -1)]
    at = torch.arange(1, sight.size) % BLOCK == 0
    on, off = (sum(s[..., where].mean(-1) for s in steps) for where in (at, ~at))
    return on / off.clamp_min(1e-4) - 1


def _border(sight):
    """Width of the black border in % of the side: lines of pixels from each side until one is not black, mean of 4."""
    lines = [sight.luma.mean(-1), sight.luma.mean(-2)]  # (S, T, H) from the top, (S, T, W) from the left
    dark = [(1 - line / DARK).clamp(0, 1) for line in lines for line in (line, line.flip(-1))]
    width = sum(d.cumprod(-1)[..., : sight.size // 2].sum(-1) for d in dark) / 4
    return 100 * width / sight.size


ACQUISITION_METERS = {
    name: Meter(name, unit, read, *words, digits=digits, sight=Sight)
    for name, unit, read, words, digits in (
        ("noise", "% of full scale", _noise, ("gains {} % of noise", "loses {} % of noise"), 1),
        ("blockiness", "of the steps inside of blocks", _blockiness,
         ("gains {} of blockiness", "loses {} of blockiness"), 2),
        ("border", "% of the side", _border, ("gains {} % of black border", "loses {} % of black border"), 1),
    )
}  # fmt: skip
