"""Signals and their reconstructions as traces, drawn after an epoch."""

import numpy as np
from PIL import Image

from xaae.experiment.traces import TraceSheet, between_colours, draw_traces
from xaae.experiment.whole_file import whole_file

WIDTH, COLUMNS, GAP = 190, 4, 6  # pixels of a trace, traces in a row, pixels between them


def save_trace_grid(items, path):
    """Signals (2 N, C, T) in [0, 1], the items and then their reconstructions, as a PNG of rows of four items.

    A channel lies below the other, all in the same range: the item in grey, its reconstruction over it in colour.
    """
    values = np.asarray(items)
    real, again = np.split(values, 2)
    tiles = draw_traces(again, TraceSheet.of({}, values.shape[1]), WIDTH, real, between_colours(2)[0])
    tiles = np.pad(tiles, [(0, -len(tiles) % COLUMNS), (0, GAP), (0, GAP), (0, 0)], constant_values=255)
    rows = tiles.reshape(-1, COLUMNS, *tiles.shape[1:]).transpose(0, 2, 1, 3, 4)
    with whole_file(path) as part:
        Image.fromarray(rows.reshape(rows.shape[0] * rows.shape[1], -1, 3)).save(part, format="PNG")
