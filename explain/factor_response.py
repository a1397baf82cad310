"""What a classifier answers, and where it looks, when only the planted factor changes: the most direct explanation.

Here `score(x)` -> logits (B, K) is a classifier, and `plant(x, values)` -> x plants a value of the factor in each item.
"""

import numpy as np
import pandas as pd
import torch

from xaae.explain.methods.cams import gradcam
from xaae.explain.network.subject import Ask, Subject


@torch.inference_mode()
def probabilities(score, x, grid, plant, size=128):
    """Class probabilities (N, A, K) of items x (N, C, *places) with each value of grid (A,) planted in them.

    size: how many items are answered at once.
    """
    answers = []
    for value in grid:
        parts = [
            score(plant(part, torch.full((len(part),), float(value)))).float().softmax(-1) for part in x.split(size)
        ]
        answers.append(torch.cat(parts).cpu())
    return torch.stack(answers, 1).numpy()


def _bootstrap_interval(values, rng, n=1000):
    """95 % bootstrap interval of the mean of values (N,): (low, high)."""
    means = values[rng.integers(0, len(values), (n, len(values)))].mean(1)
    return tuple(np.percentile(means, [2.5, 97.5]))


def response_table(probability, labels, grid, rng):
    """The last class's mean probability for each true class and value: columns label, value, mean, low, high, n.

    probability (N, A, K), labels (N,), grid (A,). low, high: 95 % bootstrap interval, drawn from the generator rng.
    """
    rows = []
    for label in sorted(set(labels)):
        of_label = probability[labels == label, :, -1]
        for value, column in zip(grid, of_label.T, strict=True):
            low, high = _bootstrap_interval(column, rng)
            rows.append((label, value, column.mean(), low, high, len(column)))
    return pd.DataFrame(rows, columns=["label", "value", "mean", "low", "high", "n"])


def swing(table):
    """Largest less smallest mean probability over the grid, for each true class of a `response_table`."""
    return {label: {"swing": float(np.ptp(group["mean"]))} for label, group in table.groupby("label")}


def spurious_score(score, x, labels, classes, middles, plant):
    """How often planting another class's value makes the model predict that class (Adebayo et al. 2022); 0 to 1.

    labels (N,): class names. middles: {class: the value in the middle of its range}. An item counts for a class if,
    with its own class's value, the model does not predict that class. NaN if no item counts.
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
    """Class probabilities (N, K) of items x (N, C, *places), each with its own value (N,) planted."""
    return score(plant(x, values)).float().softmax(-1).cpu().numpy()


# ---- where the model looks --------------------------------------------------------------------------------------


def gradcam_over_values(network, x, target, grid, plant):
    """Grad-CAM (Selvaraju et al. 2017) of items x (S, C, *places) with each value of grid (A,) planted in them.

    target (S,): class numbers. Returns the planted items (S, A, C, *places), heat (S, A, *places) and probabilities
    (S, A, K). Heat is >= 0 and not normalised. It is that of the deepest layer with at least 4 cells a side: the last
    stage of a ResNet halves 224 pixels five times to 7 x 7 cells, but leaves 2 x 2 of a small picture, which locates
    nothing.
    """
    planted = torch.stack([plant(x, torch.full((len(x),), float(a))) for a in grid], 1)
    subject = Subject(network, planted.flatten(0, 1))
    flat = planted.flatten(0, 1).to(subject.device)
    maps = gradcam(Ask(subject, flat, subject.targets(flat, np.repeat(target, len(grid)))))[:, 0]
    with torch.inference_mode():
        probability = network(flat).softmax(-1).float().cpu().numpy()
    shape = planted.shape[:2]
    heat = maps.detach().cpu().numpy()
    return planted.numpy(), heat.reshape(*shape, *heat.shape[1:]), probability.reshape(*shape, -1)


def unrotated_ncc(maps, grid, rotate):
    """Mean normalised cross-correlation of each map (S, A, H, W), rotated back by its angle, with that at grid[0].

    grid (A,): angles in degrees. rotate(x, degrees) rotates (B, C, H, W). Near 1: the heat only rotated with the
    content of the picture. NaN if no map has heat.
    """
    s, a = maps.shape[:2]
    back = rotate(torch.from_numpy(maps).view(s * a, 1, *maps.shape[2:]), -torch.tensor(grid).repeat(s)).flatten(1)
    centred = (back - back.mean(1, keepdim=True)).view(s, a, -1).numpy()
    first = centred[:, :1]
    scale = np.sqrt((centred**2).sum(-1) * (first**2).sum(-1))
    ncc = (centred * first).sum(-1)[:, 1:] / np.where(scale > 0, scale, np.nan)[:, 1:]
    return float(np.nanmean(ncc)) if np.isfinite(ncc).any() else float("nan")
