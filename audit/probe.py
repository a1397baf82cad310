"""The probe images: held-out items at every value of a factor, so that factor and class are independent in them."""

from dataclasses import dataclass

import numpy as np
import torch

VALUES = 13  # of the factor, over the whole range: 0, 15, ..., 180 degrees


@dataclass(frozen=True)
class Probe:
    """Items x (P, C, H, W) with the factor at `values` (P,), and x_0 without it; labels (P,) class names."""

    x: torch.Tensor
    x_0: torch.Tensor
    values: np.ndarray
    labels: np.ndarray


def _grid_values(labels, grid, rng):
    """A value of the grid for each item such that each class meets each value as often as any other: (P,)."""
    values = np.empty(len(labels))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        times = -(-len(mine) // len(grid))
        values[mine] = np.concatenate([rng.permutation(grid) for _ in range(times)])[: len(mine)]
    return values


def make_probe(x_0, labels, bias, seed=0):
    """The Probe of items x_0 (P, C, H, W) for a Bias, the same for all of its arms; values drawn from `seed`."""
    values = _grid_values(np.asarray(labels), bias.grid(VALUES), np.random.default_rng([seed, 7]))
    return Probe(bias.plant(x_0, torch.from_numpy(values).float()), x_0, values, np.asarray(labels))


def flips(answer, x_0, bias):
    """Which items (P,) a classifier calls differently at the middles of the first and the last class's range.

    answer(x) -> logits (P, K).
    """
    ends = list(bias.middles().values())
    said = [answer(bias.plant(x_0, torch.full((len(x_0),), float(v)))).argmax(-1) for v in (ends[0], ends[-1])]
    return (said[0] != said[1]).cpu().numpy()
