"""What a classifier answers when only the planted factor changes: the most direct explanation there is."""

import numpy as np
import pandas as pd
import torch

from xaae.explain.methods.cams import gradcam
from xaae.explain.network.subject import Ask, Subject


@torch.inference_mode()
def probabilities(score, x, grid, plant, size=128):
    """Class probabilities (N, A, K) of upright pictures x (N, C, H, W) planted at each value of grid (A,).

    score(x) -> logits (B, K); plant(x, values) -> x.
    """
    answers = []
    for value in grid:
        parts = [
            score(plant(part, torch.full((len(part),), float(value)))).float().softmax(-1) for part in x.split(size)
        ]
        answers.append(torch.cat(parts).cpu())
    return torch.stack(answers, 1).numpy()


def _interval(values, rng, n=1000):
    """95 % bootstrap interval of the mean of values (N,): (low, high)."""
    means = values[rng.integers(0, len(values), (n, len(values)))].mean(1)
    return tuple(np.percentile(means, [2.5, 97.5]))


def response_table(probability, labels, grid, rng):
    """Table of the last class's mean probability for each true class and value: label, value, mean, low, high, n."""
    rows = []
    for label in sorted(set(labels)):
        mine = probability[labels == label, :, -1]
        for value, column in zip(grid, mine.T, strict=True):
            low, high = _interval(column, rng)
            rows.append((label, value, column.mean(), low, high, len(column)))
    return pd.DataFrame(rows, columns=["label", "value", "mean", "low", "high", "n"])


def swing(table):
    """Largest less smallest mean probability over the grid, for each true class."""
    return {label: {"swing": float(np.ptp(group["mean"]))} for label, group in table.groupby("label")}


def spurious_score(score, x, labels, classes, middles, plant):
    """Adebayo et al. 2022: how often planting another class's value makes the model say that class.

    labels (N,) class names; middles {class: value in the middle of its range}. Counts only items that the model does
    not call by that class when they carry their own class's value. NaN if there are none.
    """
    own = torch.tensor([middles[label] for label in labels], dtype=torch.float32)
    hits = total = 0
    for k, target in enumerate(classes):
        other = np.asarray(labels) != target
        before = _probabilities_at(score, x[other], own[other], plant).argmax(1)
        after = _probabilities_at(score, x[other], torch.full((int(other.sum()),), middles[target]), plant).argmax(1)
        counted = before != k
        hits, total = hits + int((after[counted] == k).sum()), total + int(counted.sum())
    return hits / total if total else float("nan")


@torch.inference_mode()
def _probabilities_at(score, x, values, plant):
    """Class probabilities (N, K) of pictures x (N, C, H, W), each planted with its own value (N,)."""
    return score(plant(x, values)).float().softmax(-1).cpu().numpy()


def gradcam_over_values(network, x, target, grid, plant):
    """Pictures (S, A, C, H, W), heat (S, A, H, W) and probabilities (S, A, K) of x (S, C, H, W) at each grid value.

    The heat is >= 0 and not normalised, of the deepest layer with at least 4 cells a side: the last stage of a ResNet
    halves 224 pixels five times to 7 x 7; of a small picture it leaves 2 x 2, which locates nothing.
    """
    turned = torch.stack([plant(x, torch.full((len(x),), float(a))) for a in grid], 1)
    subject = Subject(network, turned.flatten(0, 1))
    flat = turned.flatten(0, 1).to(subject.device)
    maps = gradcam(Ask(subject, flat, subject.targets(flat, np.repeat(target, len(grid)))))[:, 0]
    with torch.inference_mode():
        probability = network(flat).softmax(-1).float().cpu().numpy()
    shape = turned.shape[:2]
    heat = maps.detach().cpu().numpy()
    return turned.numpy(), heat.reshape(*shape, *heat.shape[1:]), probability.reshape(*shape, -1)


def unrotated_ncc(maps, grid, turn_back):
    """Mean correlation of each map (S, A, H, W), turned back by its angle, with the map at the first grid value.

    About 1: the heat only turned with the animal. `turn_back(x, degrees)` turns (B, C, H, W). NaN if no map has heat.
    """
    s, a = maps.shape[:2]
    back = turn_back(torch.from_numpy(maps).view(s * a, 1, *maps.shape[2:]), -torch.tensor(grid).repeat(s)).flatten(1)
    centred = (back - back.mean(1, keepdim=True)).view(s, a, -1).numpy()
    first = centred[:, :1]
    scale = np.sqrt((centred**2).sum(-1) * (first**2).sum(-1))
    ncc = (centred * first).sum(-1)[:, 1:] / np.where(scale > 0, scale, np.nan)[:, 1:]
    return float(np.nanmean(ncc)) if np.isfinite(ncc).any() else float("nan")
