"""The probe items: held-out items at every value of a factor, so that factor and class are independent in them."""

from dataclasses import dataclass

import numpy as np
import torch

from xaae.experiment.kinds import kind_of
from xaae.experiment.run_folder import as_pictures, as_planes
from xaae.experiment.seeds import generator
from xaae.experiment.traces import TraceSheet, draw_traces

TRACE = 144  # pixels: width of a signal in figures


def _as_traces(x):
    """Signals x (B, C, T) in [0, 1] as traces: uint8 (B, H, W, 3)."""
    return draw_traces(x, TraceSheet.of({}, x.shape[1]), TRACE)


SNAPSHOTS = {  # how items of each kind are kept for figures
    "picture": as_pictures,
    "signal": _as_traces,
    "volume": as_planes,
}
VALUES = 13  # of the factor, over the whole range: 0, 15, ..., 180 degrees


@dataclass(frozen=True)
class ProbeItems:
    """Items x (P, C, *places) with the factor at `values` (P,), and x_0 without it; labels (P,) class names."""

    x: torch.Tensor
    x_0: torch.Tensor
    values: np.ndarray
    labels: np.ndarray


def _grid_values(labels, grid, rng):
    """A value of the grid for each item such that each class meets each value as often as any other: (P,)."""
    values = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        times = -(-len(rows) // len(grid))
        values[rows] = np.concatenate([rng.permutation(grid) for _ in range(times)])[: len(rows)]
    return values


def make_probe_items(x_0, labels, bias, seed=0):
    """The ProbeItems of items x_0 (P, C, *places) for a Bias, the same for all of its arms; `seed` draws the values."""
    values = _grid_values(np.asarray(labels), bias.grid(VALUES), generator(seed, "probe"))
    return ProbeItems(bias.plant(x_0, torch.from_numpy(values).float()), x_0, values, np.asarray(labels))


def decided_by_factor(classifier, x_0, bias, ends):
    """Which items x_0 (P, C, *places) a classifier gives another class at the two values `ends` of the factor: (P,).

    classifier(x) -> logits (P, K).
    """
    at_ends = [bias.plant(x_0, torch.full((len(x_0),), float(value))) for value in ends]
    first, last = (classifier(x).argmax(-1) for x in at_ends)
    return (first != last).cpu().numpy()


def snapshots(x):
    """Items x (B, C, *places), a tensor or an array, as pictures for figures: uint8 (B, H, W, 1 or 3)."""
    return SNAPSHOTS[kind_of(x.shape).name](np.asarray(x))
