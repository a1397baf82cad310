"""Walks of one model for the audit: from the probe images along each direction, with their scores."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr

from xaae.audit.signature import name_of
from xaae.factors.measuring import measure_all
from xaae.latent_nav import codes, directions, naming, walks

NULL_STARTS, NULL_FRAMES = 8, 5
SHOWN, EVERY = 4, 4  # starts and steps between frames that are kept for pictures
ACCEPTED = 5  # percentile of the training codes' discriminator scores above which a code counts as real


@dataclass(frozen=True)
class Ground:
    """A model with what its walks need: training codes z (N, D) and whether each is of the last class (N,), meters.

    planted: the meter that reads the planted factor. K random directions.
    """

    model: torch.nn.Module
    z: np.ndarray
    last: np.ndarray
    onehot: torch.Tensor
    meters: dict
    planted: str
    k: int = 100


def _fitted(ground, specs):
    """The Directions of these kinds, and the first principal axis as a control."""
    head = ground.model.head.weight.detach().cpu().numpy()
    found = directions.Evidence(ground.z, ground.last, head[-1] - head[0])
    return directions.fit_directions(found, [*specs, "pca:1"])


def walk_from_probe(ground, x, specs, rng, oracle=None):
    """Walks from pictures x (P, C, H, W) along each direction: {name: (arrays, table of meters)}.

    oracle(x) -> logits: a classifier that does not use the factor, asked about the end frames; None where there is
    none. arrays: see `one_walk`. Each name's null are K random directions at right angles to the first direction.
    """
    ways, alpha = _fitted(ground, specs), walks.alphas()
    z = torch.from_numpy(codes.encode_items(ground.model, lambda rows: x[rows], np.arange(len(x)))[0])
    rest = directions.random_directions(ground.k, ground.z, rng, ways[0])
    few = walks.alphas(NULL_FRAMES)
    chance = naming.null(ground.model, z[:NULL_STARTS], rest, few, ground.meters)
    spread = naming.spreads(ground.model, ground.z, ground.meters, rng)
    floor = _accepted_from(ground)
    found = {}
    for way in ways:
        arrays = _one_walk(ground, z, way, alpha, floor, oracle)
        readings = {name: arrays[f"meter.{name}"] for name in ground.meters}
        table = naming.naming_table(readings, alpha, spread, chance, ground.meters, rng)
        found[way.name] = arrays, table
    return found


def _accepted_from(ground):
    """The discriminator's score above which a code counts as real."""
    found = walks.discriminator_scores(ground.model, torch.from_numpy(ground.z)[:, None], ground.onehot)
    return float(np.percentile(found, ACCEPTED))


def _one_walk(ground, z, way, alpha, floor, oracle):
    """One direction from codes z (P, D): dict of arrays.

    meter.NAME (P, T); difference (P, C, H, W) last frame less first; flips (P,): does the model decide the end frames
    differently? oracle_flips (P,): and the oracle? realism (P,): share of codes that the discriminator accepts.
    crossing (P,): reading of the planted meter, against home, where the probability of the last class crosses 0.5,
    NaN where it does not. frames: a few, uint8.
    """
    path = walks.move(z, way, alpha)
    frames = walks.decode_codes(ground.model, path)
    readings = measure_all(frames, ground.meters)
    probability = walks.second_look(ground.model, frames)
    ends = torch.from_numpy(frames[:, [0, -1]])
    found = {f"meter.{name}": reading for name, reading in readings.items()}
    found["difference"] = frames[:, -1] - frames[:, 0]
    found["flips"] = probability[:, 0].argmax(-1) != probability[:, -1].argmax(-1)
    found["oracle_flips"] = _changed(oracle, ends) if oracle else np.zeros(len(z), bool)
    score = walks.discriminator_scores(ground.model, path, ground.onehot[: len(z)])
    found["realism"] = (score > floor).mean(1)
    found["crossing"] = crossings(readings[ground.planted], probability[..., -1], int(np.abs(alpha).argmin()))
    found["frames"] = np.round(255 * np.moveaxis(frames[:SHOWN, ::EVERY], 2, -1).clip(0, 1)).astype(np.uint8)
    return found


@torch.inference_mode()
def _changed(answer, ends):
    """Does a classifier decide both end frames (P, 2, C, H, W) differently? (P,) bool."""
    said = answer(ends.flatten(0, 1)).argmax(-1).view(len(ends), 2)
    return (said[:, 0] != said[:, 1]).cpu().numpy()


def crossings(reading, probability, home):
    """Reading (P, T), against its value at `home`, where probability (P, T) first crosses 0.5: (P,), NaN if never."""
    found = np.full(len(reading), np.nan)
    side = probability > 0.5
    for i, step in enumerate(np.diff(side, axis=1)):
        if step.any():
            t = int(step.argmax())
            share = (0.5 - probability[i, t]) / (probability[i, t + 1] - probability[i, t])
            found[i] = reading[i, t] + share * (reading[i, t + 1] - reading[i, t]) - reading[i, home]
    return found


# ---- scores -----------------------------------------------------------------------------------------------------


def score_walk(arrays, table, meter, shift, alpha, rows, found):
    """What one model's walk says of the planted factor, over the starts `rows`: a dict (protocol, section 5).

    meter: the Meter that reads the factor; shift: how far it was planted between the classes, in the meter's unit;
    found: the battery's signatures, see `signature`.
    """
    reading = arrays[f"meter.{meter.name}"][rows]
    change = meter.between(reading[:, 0], reading[:, -1])
    rho = [spearmanr(alpha, r).statistic if np.ptp(r) else 0.0 for r in reading]
    own = next(row for row in table if row["meter"] == meter.name)
    name, alike = name_of(table, found)
    won = arrays["flips"][rows] & ~arrays["oracle_flips"][rows]
    return {
        "spearman": float(np.median(rho)),
        "span": float(np.median(change) / shift),
        "slope": float(np.median(change) / (alpha[-1] - alpha[0])),
        "p_random": own["p"],
        "non_trivial": float(won.mean()),
        "flips": float(arrays["flips"][rows].mean()),
        "realism": float(arrays["realism"][rows].mean()),
        "name": name,
        "alike": alike,
        "changes": [row["meter"] for row in table if row["named"]],
    }
