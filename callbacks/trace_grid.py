"""Signals and their reconstructions as traces, drawn after an epoch."""

import numpy as np
from matplotlib.figure import Figure

from xaae.experiment.figure_style import save_png
from xaae.experiment.vocabulary import PALETTE

WIDE, TALL, GAP = 1.6, 0.7, 0.15  # inches of a trace; share of a trace that stays empty around it
MOST_TRACES = 12  # channels of an item; of more the first ones are drawn


def save_trace_grid(items, path):
    """Signals (2 N, C, T) in [0, 1], the items and then their reconstructions, as a PNG: a column an item.

    A channel is a row, all in the same range: the item in grey, its reconstruction over it in colour.
    """
    values = np.asarray(items)[:, :MOST_TRACES]
    real, again = values[: len(values) // 2], values[len(values) // 2 :]
    columns, rows, samples = real.shape
    figure = Figure(figsize=(WIDE * columns, TALL * rows + 0.3))
    ax = figure.add_axes([0, 0, 1, TALL * rows / (TALL * rows + 0.3)])
    for column, row in np.ndindex(columns, rows):
        time = column + np.linspace(GAP / 2, 1 - GAP / 2, samples)
        for trace, style in (real, {"color": "0.6", "lw": 2.0}), (again, {"color": PALETTE[0], "lw": 0.9}):
            ax.plot(time, -row + (1 - GAP) * trace[column, row], **style)
    ax.set(xlim=(0, columns), ylim=(-rows + 1 - GAP / 2, 1))
    ax.set_axis_off()
    figure.suptitle("Held-out signals (grey) and their reconstructions (coloured)", fontsize=9, y=0.99, va="top")
    save_png(figure, path, dpi=80)
