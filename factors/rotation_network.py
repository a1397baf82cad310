"""A second meter of rotation: a small network that has learned what upright means in one dataset.

The correlation meter compares frames with the first one; this one reads each frame by itself. It is trained once per
dataset, on upright pictures turned by every angle, and kept in a cache.
"""

from hashlib import sha256

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from xaae.experiment.device import batches
from xaae.experiment.light_adam import LightAdamW
from xaae.experiment.whole_file import whole_file
from xaae.factors.geometry import COARSE, disc_weight, plane, smooth
from xaae.factors.measuring import Meter, wrap
from xaae.factors.photometry import Sight

STEPS, BATCH, LR = 250, 64, 3e-3  # seconds on two cores, and an error of two degrees on synthpets
RECIPE = f"{STEPS} steps of {BATCH}, {LR}"  # part of the cache's key
TRUSTED = 30.0  # degrees of mean error on held-out pictures beyond which the network has learned no upright


class RotationNetwork(nn.Module):
    """Pictures as `prepared` (B, 1, 32, 32) -> (cos, sin) of the angle by which they are turned (B, 2)."""

    def __init__(self, width=16):
        super().__init__()
        sizes = [1, width, 2 * width, 4 * width, 4 * width]
        pairs = zip(sizes, sizes[1:], strict=False)
        layers = [nn.Sequential(nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()) for i, o in pairs]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(sizes[-1] * 4, 2))

    def forward(self, x):
        return self.body(x)


def prepared(luma):
    """Luma (B, H, H) as the network sees it: soft, 32 pixels a side, black and zero-mean: (B, 1, 32, 32).

    Nothing outside the inscribed disc is seen, so that corners tell nothing; light and contrast are taken out.
    """
    small = smooth(luma, 1.0, COARSE)
    if small.shape[-1] != COARSE:
        small = F.interpolate(small[:, None], (COARSE, COARSE), mode="bilinear")[:, 0]
    inside = disc_weight(plane(COARSE), COARSE)
    centred = (small - (small * inside).sum((1, 2), keepdim=True) / inside.sum()) * inside
    return (centred / centred.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-3))[:, None]


def luma_of(x):
    """The brightness (B, H, H) of pictures x (B, C, H, H): mean of the first three channels."""
    return x[:, :3].mean(1)


def train_rotation_network(items, rows, turn, rng, steps=STEPS):
    """A RotationNetwork trained on upright pictures items(rows) (B, C, H, H), by every angle turned.

    turn(x, degrees (B,)) turns pictures.
    """
    seed = int(rng.integers(2**31))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = RotationNetwork()
    schedule = torch.optim.lr_scheduler.OneCycleLR
    optimiser = LightAdamW(network.parameters(), LR)
    rate = schedule(optimiser, LR, total_steps=steps)
    for _ in range(steps):
        chosen = rng.choice(rows, min(BATCH, len(rows)), replace=len(rows) < BATCH)
        degrees = torch.from_numpy(rng.uniform(0, 360, len(chosen)).astype(np.float32))
        loss = F.mse_loss(network(prepared(luma_of(turn(items(chosen), degrees)))), _unit(degrees))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
    return network.eval()


def _unit(degrees):
    """(cos, sin) of degrees (B,): (B, 2)."""
    a = torch.deg2rad(degrees)
    return torch.stack([a.cos(), a.sin()], 1)


@torch.no_grad()
def angles(network, luma):
    """Degrees (B,) in (-180, 180] by which pictures with luma (B, H, H) are turned counter-clockwise."""
    found = torch.cat([network(prepared(luma[part])).float() for part in batches(len(luma))])
    return torch.rad2deg(torch.atan2(found[:, 1], found[:, 0]))


def error(network, items, rows, turn, rng):
    """Mean error in degrees on upright pictures items(rows) turned by every angle."""
    degrees = rng.uniform(0, 360, len(rows)).astype(np.float32)
    seen = angles(network, luma_of(turn(items(rows), torch.from_numpy(degrees)))).numpy()
    return float(np.abs(wrap(seen - degrees)).mean())


def cached(folder, key, make):
    """The network kept under `folder` for `key`, made by `make()` and kept there if it is new. A folder that cannot be
    written keeps nothing and stops nothing.

    key: what the network depends on: RECIPE and the pictures themselves, see `sources.fingerprints`. Paths are not
    enough: other pictures may come to lie under the same names.
    """
    path = folder / f"rotation-{sha256(key.encode()).hexdigest()[:16]}.safetensors"
    try:
        network = RotationNetwork()
        network.load_state_dict(load_file(path))
        return network.eval()
    except (OSError, RuntimeError, ValueError, SafetensorError):
        network = make()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            save_file(network.state_dict(), part)
    except OSError:
        pass
    return network


def meter(network):
    """The Meter "rotation_network": degrees (S, T) of each frame by itself, unwrapped along the walk."""

    def read(sight):
        found = angles(network, luma_of(sight.x.flatten(0, 1))).view(sight.x.shape[:2])
        return torch.from_numpy(np.unwrap(found.numpy(), period=360, axis=1))

    words = "turns left by {} degrees", "turns right by {} degrees"
    return Meter("rotation_network", "degrees", read, *words, digits=0, sight=Sight, confirms="rotation")
