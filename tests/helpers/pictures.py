"""Small pictures on disk and in memory."""

import numpy as np
import torch
from PIL import Image

from xaae.sources import synthpets


def save_pictures(folder, classes=("left", "right"), n=20, size=24, mode="RGB"):
    """One folder of n noisy pictures for each class; the brighter half tells the class. Returns `folder`."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            pixels = rng.integers(0, 120, (size, size, 3)).astype(np.uint8)
            pixels[:, : size // 2] += np.uint8(120 * (k == 0))
            pixels[:, size // 2 :] += np.uint8(120 * (k == 1))
            Image.fromarray(pixels).convert(mode).save(folder / name / f"{i:03d}.png")
    return folder


def draw_pets(n, size, seed=5):
    """Upright drawn cats and dogs (n, 3, size, size) in [0, 1]."""
    return torch.from_numpy(synthpets.draw_pictures(n, size, seed)[0]).permute(0, 3, 1, 2).float() / 255


def draw_noise(rng, side=16):
    """A picture of noise in colours."""
    return Image.fromarray(rng.integers(0, 255, (side, side, 3)).astype(np.uint8))
