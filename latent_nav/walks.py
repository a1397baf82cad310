"""Walks: codes moved along a direction and decoded, frame by frame."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import bootstrap, spearmanr

from latent_nav.codes import batches, device_of
from latent_nav.meters import rotation, wrap


@dataclass
class Walk:
    """S starts of T frames: frames (S, T, C, H, W) in [0, 1], alpha (T,) in standard deviations of the codes,
    angle (S, T) in degrees against the first frame, match (S, T) correlation after un-rotating, probability (S, T, K)
    of the re-encoded frames, discriminator (S, T) score of the codes."""

    frames: np.ndarray
    alpha: np.ndarray
    angle: np.ndarray
    match: np.ndarray
    probability: np.ndarray | None = None
    discriminator: np.ndarray | None = None

    def spans(self):
        """Angle between the first and the last frame of each start, in [-180, 180) degrees: (S,)."""
        return wrap(self.angle[:, -1] - self.angle[:, 0])

    def spearmans(self):
        """Rank correlation of alpha and angle for each start: (S,), 0 where the angle never changes."""
        return np.array([spearmanr(self.alpha, a)[0] if np.ptp(a) else 0.0 for a in self.angle])


def alphas(frames=21, reach=3.0):
    """Steps from -reach to reach standard deviations: (T,)."""
    return np.linspace(-reach, reach, frames)


def move(z, direction, alpha):
    """Codes z (S, D) moved by alpha (T,) steps along a Direction: (S, T, D); alpha 0 is home."""
    step = torch.as_tensor(alpha[:, None] * direction.scale * direction.vector, dtype=z.dtype, device=z.device)
    return z[:, None] + step


@torch.inference_mode()
def decode(model, z):
    """Frames of codes z (S, T, D): NumPy (S, T, C, H, W) in [0, 1]."""
    flat = z.flatten(0, 1).to(device_of(model))
    frames = torch.cat([model.decode(flat[part]).float().clamp(0, 1).cpu() for part in batches(len(flat))])
    return frames.view(*z.shape[:2], *frames.shape[1:]).numpy()


@torch.inference_mode()
def second_look(model, frames):
    """Class probabilities (S, T, K) that the model gives its own frames (S, T, C, H, W) when it meets them as input."""
    flat = torch.from_numpy(frames).flatten(0, 1)
    device = device_of(model)
    found = [model.classify(flat[part].to(device)).softmax(-1).float().cpu() for part in batches(len(flat))]
    return torch.cat(found).view(*frames.shape[:2], -1).numpy()


@torch.inference_mode()
def scores(model, z, y):
    """Discriminator's scores (S, T) of codes z (S, T, D); y (S, K) one-hot classes of the starts."""
    flat, device = z.flatten(0, 1), device_of(model)
    onehot = y.repeat_interleave(z.shape[1], 0).to(device)
    return model.discriminate(flat.to(device), onehot).float().view(*z.shape[:2]).cpu().numpy()


def turn(model, z, direction, alpha):
    """A walk of starts z (S, D) with its rotation measured and nothing else."""
    frames = decode(model, move(z, direction, alpha))
    return Walk(frames, alpha, *rotation(frames))


def walk(model, z, y, direction, alpha):
    """A whole walk: frames, angles, class probabilities of the re-encoded frames, discriminator scores."""
    found = turn(model, z, direction, alpha)
    found.probability = second_look(model, found.frames)
    found.discriminator = scores(model, move(z, direction, alpha), y)
    return found


def null(model, z, directions, alpha):
    """Median |span| and median |Spearman| over starts z (S, D) for each random direction: two arrays (R,)."""
    walks = (turn(model, z, d, alpha) for d in directions)
    pairs = [(np.median(np.abs(w.spans())), np.median(np.abs(w.spearmans()))) for w in walks]
    return np.array(pairs, dtype=float).T


def median_interval(values, rng, confidence=0.95):
    """Bootstrap interval of the median of `values` (N,): (low, high)."""
    found = bootstrap((values,), np.median, confidence_level=confidence, method="percentile", rng=rng, n_resamples=2000)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def p_value(value, null_values):
    """(1 + number of null values at least as high) / (R + 1)."""
    return float((1 + np.sum(null_values >= value)) / (len(null_values) + 1))


def reconstruction_error(model, items, rows, plant, grid):
    """Can the decoder show the factor? Mean |meter - planted| in degrees over the grid, on reconstructions.

    items(rows) gives upright pictures, `plant(x, degrees)` turns them; grid (A,) starts with 0.
    """
    x = items(rows)
    turned = torch.stack([plant(x, torch.full((len(x),), float(a))) for a in grid], 1)
    flat, device = turned.flatten(0, 1), device_of(model)
    with torch.inference_mode():
        x_hat = torch.cat([model.decode(model.encode(flat[p].to(device))).float().cpu() for p in batches(len(flat))])
    angle, _ = rotation(x_hat.view(turned.shape).numpy())
    return float(np.abs(wrap(angle - np.asarray(grid))).mean())
