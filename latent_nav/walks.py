"""Walks: codes moved along a direction and decoded, frame by frame."""

from dataclasses import dataclass, field

import numpy as np
import torch

from xaae.experiment.device import batches, device_of, places_of
from xaae.experiment.kinds import kind_of
from xaae.experiment.statistics import rank_correlations
from xaae.factors.geometry import rotation
from xaae.factors.measuring import measure_all
from xaae.factors.meters import meters_for
from xaae.latent_nav.directions import REACH
from xaae.latent_nav.gradient import follow


@dataclass
class Walk:
    """S starts of T frames: frames (S, T, C, *places) in [0, 1], alpha in standard deviations of the codes.

    alpha is (T,), or (S, T) where the frames of each start are spaced by what is seen of it: see SPACINGS, `spacing`.
    z (S, T, D) their codes, readings {meter: (S, T)}, match (S, T) correlation with the first frame after un-rotating,
    probability (S, T, K) of the re-encoded frames, discriminator (S, T) score of the codes, None without one.
    path_steps {spacing: (S,)}: see `gliding.spaced_walk`. led (S, T, K): probabilities that the classifier gives the
    frames which leads the walk, None where none does. severity (S, T): what it, else the model itself, says of the
    severity, None where items have none.
    """

    frames: np.ndarray
    alpha: np.ndarray
    z: torch.Tensor
    readings: dict = field(default_factory=dict)
    match: np.ndarray | None = None
    probability: np.ndarray | None = None
    discriminator: np.ndarray | None = None
    spacing: str = "alpha"
    path_steps: dict = field(default_factory=dict)
    led: np.ndarray | None = None
    severity: np.ndarray | None = None

    @property
    def answers(self):
        """Probabilities (S, T, K) of the classifier that the walk is about: its leader, else the model itself."""
        return self.probability if self.led is None else self.led


def alphas(frames=21, reach=REACH):
    """Steps from -reach to reach standard deviations: (T,)."""
    return np.linspace(-reach, reach, frames)


def move(z, direction, alpha):
    """Codes z (S, D) moved by alpha (T,) steps along a Direction: (S, T, D); alpha 0 is home."""
    step = torch.as_tensor(alpha[:, None] * direction.scale * direction.vector, dtype=z.dtype, device=z.device)
    return z[:, None] + step


def path(model, z, direction, alpha, target=1):
    """Codes (S, T, D) of a walk from z (S, D): straight on, or by each start's own gradient for class `target`.

    alpha (T,) in even steps, one of them 0. By the gradient, each step starts from the re-encoded frame of the last.
    """
    if direction.vector is not None:
        return move(z, direction, alpha)
    home, step = int(np.abs(alpha).argmin()), direction.scale * float(alpha[1] - alpha[0])
    classify = direction.leader.logits if direction.leader else None
    back = follow(model, z, target, -step, home + 1, classify)
    there = follow(model, z, target, step, len(alpha) - home, classify)
    return torch.cat([back.flip(1)[:, :-1], there], 1)


@torch.inference_mode()
def decode_codes(model, z):
    """Frames of codes z (S, T, D): NumPy (S, T, C, *places) in [0, 1]."""
    flat = z.flatten(0, 1).to(device_of(model))
    parts = batches(len(flat), places=places_of(model))
    frames = torch.cat([model.decode(flat[part]).float().clamp(0, 1).cpu() for part in parts])
    return frames.view(*z.shape[:2], *frames.shape[1:]).numpy()


@torch.inference_mode()
def second_look(model, frames):
    """Class probabilities (S, T, K) that the model gives its own frames (S, T, C, *places) as input."""
    flat = torch.from_numpy(frames).flatten(0, 1)
    device = device_of(model)
    parts = batches(len(flat), places=flat[0].numel())
    found = [model.classify(flat[part].to(device)).float().softmax(-1).cpu() for part in parts]
    return torch.cat(found).view(*frames.shape[:2], -1).numpy()


@torch.inference_mode()
def frame_logits(model, frames, classify=None):
    """Logits (S, T, K) of frames (S, T, C, *places) by the model or by `classify(x)`: NumPy float64."""
    flat, device = torch.from_numpy(frames).flatten(0, 1), device_of(model)
    answer = classify or (lambda x: model.classify(x.to(device)))
    found = [answer(flat[part]).double().cpu() for part in batches(len(flat), places=flat[0].numel())]
    return torch.cat(found).view(*frames.shape[:2], -1).numpy()


@torch.inference_mode()
def discriminator_scores(model, z, y):
    """Discriminator's scores (S, T) of codes z (S, T, D); y (S, K) one-hot classes of the starts. None without one."""
    if getattr(model, "discriminator", None) is None:
        return None
    flat, device = z.flatten(0, 1), device_of(model)
    onehot = y.repeat_interleave(z.shape[1], 0).to(device)
    return model.discriminate(flat.to(device), onehot).float().view(*z.shape[:2]).cpu().numpy()


PLANES = {  # kind -> its frames (S, T, C, *places) as pictures (S, T, channels, H, W), of which a match can be taken
    "picture": lambda frames: frames,
    "volume": lambda frames: frames.reshape(*frames.shape[:2], -1, *frames.shape[-2:]),
}


def match_with_first(frames):
    """Correlation (S, T) of each of the frames (S, T, C, *places) with the first, its turn undone; None of signals."""
    planes = PLANES.get(kind_of(frames.shape[1:]).name)
    return planes and rotation(planes(frames))[1]


def walk(model, z, y, direction, alpha, meters=None, target=None):
    """A whole Walk from z (S, D): frames, all `meters` (those for its channels, if None), class probabilities of the
    re-encoded frames, discriminator scores. y (S, K) one-hot classes of the starts; target: the class that the gradient
    leads to, by default the last."""
    codes = path(model, z, direction, alpha, y.shape[1] - 1 if target is None else target)
    return watch(model, decode_codes(model, codes), alpha, codes, y, meters)


def watch(model, frames, alpha, codes, y, meters=None):
    """The Walk of frames (S, T, C, *places), decoded from codes (S, T, D) at steps alpha; meters and y as in `walk`."""
    kind = kind_of(frames.shape[1:])
    readings = measure_all(frames, meters_for(frames.shape[2], kind) if meters is None else meters)
    match, seen = match_with_first(frames), second_look(model, frames)
    return Walk(frames, alpha, codes, readings, match, seen, discriminator_scores(model, codes, y))


def median_interval(values, rng, confidence=0.95):
    """Bootstrap interval of the median of `values` (N,): (low, high)."""
    again = np.median(np.asarray(values)[rng.integers(0, len(values), (2000, len(values)))], 1)
    return tuple(float(np.percentile(again, 50 + 50 * side * confidence)) for side in (-1, 1))


def rank_correlation(alpha, reading):
    """Median over starts of the Spearman correlation of alpha (T,) and readings (S, T), 0 where nothing changes."""
    return float(np.median(rank_correlations(alpha, reading)))


def p_value(value, null_values):
    """(1 + number of null values at least as high) / (R + 1)."""
    return float((1 + np.sum(null_values >= value)) / (len(null_values) + 1))


# ---- gate 1: can the decoder show the factor? -------------------------------------------------------------------


def reconstruction_error(model, x, plant, grid, meter):
    """Mean error, in the meter's unit, of a factor's change read on reconstructions instead of the pictures themselves.

    items x (S, C, *places) without the factor, `plant(x, values (S,))` gives it to them, at each value of grid (A,).
    """
    planted = torch.stack([plant(x, torch.full((len(x),), float(a))) for a in grid], 1)
    flat, device = planted.flatten(0, 1), device_of(model)
    with torch.inference_mode():
        parts = batches(len(flat), places=flat[0].numel())
        x_hat = torch.cat([model.decode(model.encode(flat[p].to(device))).float().cpu() for p in parts])
    real, seen = (meter.measure(frames) for frames in (planted, x_hat.view(planted.shape)))
    error = meter.between(real - real[:, :1], seen - seen[:, :1])
    return float(np.abs(error).mean())


def planted_shift(x, plant, low, high, meter):
    """By how much a meter's reading of items x (S, C, *places) changes from the value `low` to `high`: the median."""
    ends = torch.stack([plant(x, torch.full((len(x),), float(a))) for a in (low, high)], 1)
    reading = meter.measure(ends)
    return float(np.median(meter.between(reading[:, 0], reading[:, 1])))
