"""A sheet with a few items of each class, one row a class, as a model gets them.

Signals have their time, scale, unit, names of channels and names of items, large enough to be read on a page.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure

from xaae.experiment.amounts import counted
from xaae.experiment.figure_style import styled
from xaae.experiment.planes import LAID_OUT, lay_flat
from xaae.experiment.traces import TraceSheet, draw_traces, lay_out_traces
from xaae.experiment.vocabulary import short_name
from xaae.sources.formats import split_item
from xaae.sources.item_faults import evenly_spread

ROWS = 12  # classes on the sheet
GAP, EDGE = 0.06, 0.1  # inches between items, and at the edge
TITLE, LINE = 0.5, 0.18  # inches of height of the title, of a line of text
TRACE = 390  # pixels of width of a signal's traces
SIGNAL_DPI = 166  # dots per inch: a sheet of three signals a row is 1,400 pixels wide, which a page shows on 940
LETTERS, LINES = 11, 3  # of a class's name: for each inch, and below each other
LONGEST = 45  # letters of an item's name
MOST_CHANNELS = 12  # of a signal that are drawn


def sheet_rows(table, kind):
    """{class: row numbers} of a few items of the ROWS most frequent classes, spread over the table, by name of class.

    kind: a Kind, which says how many items of a class there is room for.
    """
    labels = table.label.astype(str)
    rows = {name: np.flatnonzero(labels == name) for name in labels.value_counts().index[:ROWS]}
    return {name: evenly_spread(at, FORMS[kind.name].columns) for name, at in sorted(rows.items())}


@styled
def draw_contact_sheet(items, rows, counts, paths):
    """The sheet as a Figure.

    items: Items. rows {class: row numbers of items}; counts {class: how many there are}; paths (N,): what items are
    called.
    """
    form, plural = FORMS[items.kind.name], items.kind.plural
    said = form.words(items)
    cell, above = form.shape(items), GAP + form.named * LINE  # above each item
    top = TITLE + LINE * bool(said)
    wide = form.left + form.columns * (cell[0] + GAP) + EDGE
    tall = top + len(rows) * (cell[1] + above) + EDGE
    figure = Figure(figsize=(wide, tall), dpi=form.dpi)
    for i, (name, numbers) in enumerate(rows.items()):
        bottom = tall - top - (i + 1) * (cell[1] + above)
        about = f"{_class_name(name, form.left)}\n{counted(counts[name], plural)}"
        figure.text((form.left - 0.1) / wide, (bottom + cell[1] / 2) / tall, about, ha="right", va="center", fontsize=8)
        for j, (number, item) in enumerate(zip(numbers, items[numbers].numpy(), strict=True)):
            across = form.left + j * (cell[0] + GAP)
            form.draw(figure.add_axes((across / wide, bottom / tall, cell[0] / wide, cell[1] / tall)), item, items)
            if form.named:
                place = (across / wide, (bottom + cell[1] + GAP / 2) / tall)
                figure.text(*place, _item_name(paths[number]), va="bottom", fontsize=7)
    more = f", {len(rows)} of {len(counts)} classes" if len(rows) < len(counts) else ""
    figure.text(
        0.5,
        1 - 0.22 / tall,
        f"A few {plural}{' of each class' * (len(counts) > 1)}{more}",
        ha="center",
        va="center",
        fontsize=10,
    )
    figure.text(0.5, 1 - (0.22 + LINE) / tall, said, ha="center", va="center", fontsize=8)
    return figure


def _class_name(name, left):
    """The name of a class on up to LINES lines, as `left` inches have room for."""
    letters = round(LETTERS * left)
    return "\n".join(wrap(short_name(name, LINES * letters - letters // 2), letters)[:LINES])


def _item_name(path):
    """What an item FILE or FILE#ITEM is called above its traces."""
    file, item = split_item(path)
    return short_name(f"{os.path.basename(file)}{'#' if item else ''}{item}", LONGEST)


# ---- pictures and volumes ---------------------------------------------------------------------------------------


def _draw_picture(ax, item, items):
    """An item (C, H, W) in [0, 1]."""
    shown = np.moveaxis(item, 0, -1)
    shown = shown[..., :3] if shown.shape[-1] >= 3 else shown[..., 0]
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()


def _draw_volume(ax, item, items):
    """The middle slices of an item (C, D, H, W) in [0, 1]."""
    _draw_picture(ax, lay_flat(item), items)


# ---- signals ----------------------------------------------------------------------------------------------------


def _trace_sheet(items):
    """What the first channels of signals are drawn on."""
    scale = getattr(items, "measured", {}).get("signal_scale", {})
    channels = min(items.channels, MOST_CHANNELS)
    return TraceSheet.of({k: v[:channels] if isinstance(v, list) else v for k, v in scale.items()}, channels)


def _draw_signal(ax, item, items):
    """An item (C, T) in [0, 1] as traces one below the other, with time, scale and names."""
    sheet = _trace_sheet(items)
    ax.imshow(draw_traces(item[: len(sheet.units)], sheet, TRACE), aspect="auto")
    ax.set_axis_off()


def _trace_shape(items):
    """(width, height) in inches of a signal's traces."""
    height, width = lay_out_traces(_trace_sheet(items), TRACE).size
    return width / SIGNAL_DPI, height / SIGNAL_DPI


def _trace_words(items):
    """What a trace shows, in a sentence."""
    sheet = _trace_sheet(items)
    few = f"The first {len(sheet.units)} of {items.channels} channels. " if len(sheet.units) < items.channels else ""
    return few + sheet.in_words(items.size, TRACE)


@dataclass(frozen=True)
class SheetForm:
    """How items of a kind are laid out. columns: items of a class. left: inches beside them. dpi: dots per inch.

    draw(ax, item, items) draws an item; shape(items) -> (width, height) of one in inches; words(items) -> what is said
    of all. named: do names of items stand above them?
    """

    draw: Callable
    columns: int = 8
    left: float = 1.5
    dpi: int = 110
    shape: Callable = lambda items: (0.95, 0.95)
    words: Callable = lambda items: ""
    named: bool = False


FORMS = {  # kind -> how its items are laid out
    "picture": SheetForm(_draw_picture),
    "signal": SheetForm(_draw_signal, 3, 1.2, SIGNAL_DPI, _trace_shape, _trace_words, named=True),
    "volume": SheetForm(_draw_volume, 3, shape=lambda items: (2.9, 0.92), words=lambda items: LAID_OUT),
}
