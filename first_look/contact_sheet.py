"""A sheet with a few items of each class, one row a class, as a model gets them."""

import numpy as np
from matplotlib.figure import Figure

from xaae.experiment.amounts import counted
from xaae.experiment.figure_style import short_name, styled
from xaae.experiment.traces import TraceSheet, draw_traces
from xaae.sources.item_faults import evenly_spread

ROWS, COLUMNS = 12, 8  # classes and items of each on the sheet
CELL, GAP, LEFT, TOP = 0.95, 0.06, 1.5, 0.5  # inches: an item, between items, beside and above them
TRACE = 190  # pixels of width of a signal


def sheet_rows(table):
    """{class: row numbers} of up to COLUMNS items of the ROWS most frequent classes, spread over the table."""
    labels = table.label.astype(str)
    rows = {name: np.flatnonzero(labels == name) for name in labels.value_counts().index[:ROWS]}
    return {name: evenly_spread(at, COLUMNS) for name, at in sorted(rows.items())}


@styled
def draw_contact_sheet(items, rows, counts):
    """The sheet as a Figure. items: Items. rows {class: row numbers of items}; counts {class: how many there are}."""
    wide, tall = LEFT + COLUMNS * (CELL + GAP), TOP + len(rows) * (CELL + GAP)
    figure, plural = Figure(figsize=(wide, tall)), items.kind.plural
    for i, (name, numbers) in enumerate(rows.items()):
        top = tall - TOP - i * (CELL + GAP)
        about = f"{short_name(name, 18)}\n{counted(counts[name], plural)}"
        figure.text((LEFT - 0.1) / wide, (top - CELL / 2) / tall, about, ha="right", va="center", fontsize=8)
        for j, item in enumerate(items[numbers].numpy()):
            place = (LEFT + j * (CELL + GAP)) / wide, (top - CELL) / tall, CELL / wide, CELL / tall
            DRAW[items.kind.name](figure.add_axes(place), item)
    more = f", {len(rows)} of {len(counts)} classes" if len(rows) < len(counts) else ""
    figure.text(0.5, 1 - 0.22 / tall, f"A few {plural} of each class{more}", ha="center", va="center", fontsize=10)
    return figure


def _draw_picture(ax, item):
    """An item (C, H, W) in [0, 1]."""
    shown = np.moveaxis(item, 0, -1)
    shown = shown[..., :3] if shown.shape[-1] >= 3 else shown[..., 0]
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()


def _draw_signal(ax, item):
    """An item (C, T): a trace for each channel, one below the other, each in its own range."""
    low, high = item.min(1, keepdims=True), item.max(1, keepdims=True)
    share = (item - low) / np.where(high > low, high - low, 1)
    ax.imshow(draw_traces(share, TraceSheet.of({}, len(item)), TRACE))
    ax.set_axis_off()


def _draw_volume(ax, item):
    """The middle slice of an item (C, D, H, W) in [0, 1]."""
    _draw_picture(ax, item[:, item.shape[1] // 2])


DRAW = {"picture": _draw_picture, "signal": _draw_signal, "volume": _draw_volume}  # kind -> what draws an item
