"""Explanations in one figure: a row for each item, a column for each method."""

import itertools
import math
import textwrap
from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from xaae.experiment.errors import InputError
from xaae.experiment.figure_style import literal
from xaae.experiment.kinds import SIGNAL, kind_of
from xaae.experiment.vocabulary import short_name
from xaae.explain.figures import heatmaps
from xaae.explain.method import METHODS

TEXT, FAINT, NEUTRAL = "#22262b", "#69717a", 0.80  # NEUTRAL: grey of a curve where the map is 0
WIDTH, MARGIN, GAP, LINE = 14.0, 0.15, 0.08, 0.125  # inches: of a sheet, its border, between cells, of a line of text
CELL_WIDTH = {"signal": 2.2, "picture": 1.36, "volume": 3.4}  # inches, by kind
LANE, LETTER = 0.6, 0.066  # inches: height of the curve of one channel, width of a letter
MOST_LINES = 6  # of a text beside a cell
KEYS = {  # preset -> (what its colours mean, the value at the left end of its colour bar)
    "grey": ("how strongly it counts, whatever the sign", 0),
    "signed": ("against the class, for it", -1),
    "overlay": ("against the class, for it, over the input", -1),
}
SCALES = {"image": "each map", "batch": "all maps of a method"}


@dataclass(frozen=True)
class Layout:
    """Where cells lie, in inches from the top left of the sheet.

    `blocks` stand below each other, each with `rows` items and `columns` cells, of which the first shows the input.
    wide, tall: of a cell. head: height of a block's titles. foot: height of an item's label. top, bottom: margins of
    the whole sheet.
    """

    rows: int
    columns: int
    blocks: int
    wide: float
    tall: float
    head: float
    foot: float
    top: float
    bottom: float

    @property
    def block(self):
        """Height of a block."""
        return self.head + self.rows * (self.tall + GAP + self.foot) + GAP

    @property
    def size(self):
        """Width and height of the sheet."""
        width = 2 * MARGIN + self.columns * (self.wide + GAP) - GAP
        return max(width, 3.5), self.top + self.blocks * self.block + self.bottom

    def box(self, block, row, column):
        """Left, right, bottom and top of a cell."""
        left = MARGIN + column * (self.wide + GAP)
        top = self.top + block * self.block + self.head + row * (self.tall + GAP + self.foot)
        return left, left + self.wide, top + self.tall, top


@literal
def side_by_side(x, maps, titles=None, labels=None, *, presets=None, title="", view="slices", **scale):
    """Figure of items x (B, C, *places) and their maps {method: (B, C or 1, *places)}.

    A row for each item: the input, then a column for each method. If there are many methods, further blocks below show
    the inputs again. titles: {method: text} in place of the registry's titles. labels: B texts under the inputs, such
    as class and probability. presets: {method: preset} in place of the one that fits the method. title: of the sheet.
    view: of volumes, "slices" or "projections". scale: normalise, percentile and limit, as for `heatmaps.heatmap`. By
    default the strongest hundredth of the values of a map is cut off, since a few values would leave the others dark;
    not in projections, which show little else. Signals are curves, coloured by the map and thicker where it is strong.
    InputError for maps and labels that do not fit.
    """
    x = heatmaps.as_array(x)
    _check(x, maps, labels)
    scale = {"normalise": "image", "percentile": 100 if view == "projections" else 99, "limit": 1.0} | scale
    presets = {name: (presets or {}).get(name) or heatmaps.preset_for(name) for name in maps}
    names = {name: _wrap((titles or {}).get(name) or _title_of(name), x) for name in maps}
    texts = [_wrap(label, x) for label in labels] if labels is not None else []
    layout = sheet_layout(x, list(names.values()), texts, title, set(presets.values()), view)
    ax = _blank_sheet(layout)
    draw_cell, bar_colours = KIND_DRAWING[kind_of(x.shape).name]
    _draw_cells(ax, layout, names, draw_cell(x, maps, presets, view, scale))
    _put_labels(ax, layout, texts)
    ax.text(MARGIN, MARGIN, title, size=11, color=TEXT, va="top", weight="bold")
    _draw_key(ax, layout, set(presets.values()), bar_colours, scale)
    return ax.figure


def _check(x, maps, labels):
    """InputError if there is nothing to draw, or if maps or labels do not fit the items."""
    if not maps:
        raise InputError("There are no maps to draw: give at least one method's.")
    for name, each in maps.items():
        shape = tuple(each.shape)
        if shape[0] != len(x) or shape[2:] != x.shape[2:]:
            raise InputError(f"The maps of {name} have the shape {shape}, and the items {x.shape}: give theirs.")
    if labels is not None and len(labels) != len(x):
        raise InputError(f"{len(labels)} labels were given for {len(x)} items: give one for each.")


def _title_of(name):
    """A method's title; for any other name the name in words."""
    return METHODS[name].title if name in METHODS else name.replace("_", " ")


# ---- layout -----------------------------------------------------------------------------------------------------


def _cell(x, view):
    """Width and height of a cell for items x, in inches: a signal has a lane for each channel, others their shape."""
    kind = kind_of(x.shape)
    width = CELL_WIDTH[kind.name]
    if kind is SIGNAL:
        return width, LANE * x.shape[1]
    tall, wide = heatmaps.item_images(x[:1], view).shape[1:3]
    return width, float(np.clip(width * tall / wide, width / 4, 4 * width))


def _wrap(text, x):
    """A text broken into lines that fit the width of a cell for items x, and shortened where it is very long."""
    letters = int(CELL_WIDTH[kind_of(x.shape).name] / LETTER)
    return textwrap.fill(short_name(text, MOST_LINES * letters), letters)


def _lines(texts):
    """The number of lines of the longest of these texts; 0 if there are none."""
    return max((text.count("\n") + 1 for text in texts), default=0)


def sheet_layout(x, names, labels, title, presets, view):
    """The Layout of a sheet: as many columns as fit the width, and about as many in each block.

    names: of the methods, labels: of the items, as they are drawn. presets: the set of all that are used.
    """
    wide, tall = _cell(x, view)
    most = max(1, int((WIDTH - 2 * MARGIN + GAP) / (wide + GAP)) - 1)
    blocks = math.ceil(len(names) / most)
    head, foot = LINE * _lines(names) + 0.08, LINE * _lines(labels) + (0.04 if labels else 0)
    top, bottom = MARGIN + (0.3 if title else 0), MARGIN + 0.2 * (len(presets & set(KEYS)) + 1)
    return Layout(len(x), math.ceil(len(names) / blocks) + 1, blocks, wide, tall, head, foot, top, bottom)


def _blank_sheet(layout):
    """Axes that cover a whole new figure, in inches from its top left."""
    width, height = layout.size
    ax = Figure(figsize=(width, height), dpi=150, facecolor="white").add_axes([0, 0, 1, 1])
    ax.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    ax.set_axis_off()
    return ax


def _put_title(ax, box, text, colour):
    """A title above the first cell of a column."""
    left, right, _, top = box
    style = {"ha": "center", "va": "baseline", "linespacing": 1.1}
    ax.text((left + right) / 2, top - 0.075, text, size=8, color=colour, **style)


def _put_labels(ax, layout, texts):
    """Each item's label under its input, in every block."""
    for block, (row, text) in itertools.product(range(layout.blocks), enumerate(texts)):
        left, _, bottom, _ = layout.box(block, row, 0)
        ax.text(left, bottom + 0.03, text, size=7, color=TEXT, va="top")


# ---- cells ------------------------------------------------------------------------------------------------------


def _draw_cells(ax, layout, names, drawers):
    """Title and cells of each column. names {method: title}. drawers {method, None for the input: its function}."""
    methods, of_block = list(names), layout.columns - 1
    for block in range(layout.blocks):
        for column, name in enumerate([None, *methods[block * of_block : (block + 1) * of_block]]):
            _put_title(ax, layout.box(block, 0, column), names.get(name, "input"), FAINT if name is None else TEXT)
            for row in range(layout.rows):
                drawers[name](ax, row, layout.box(block, row, column))


def _images(x, maps, presets, view, scale):
    """{method, None for the input: function that draws an item's image into a box}."""
    images = {None: heatmaps.item_images(x, view)}
    images |= {name: heatmaps.heatmap(each, presets[name], x=x, view=view, **scale) for name, each in maps.items()}
    return {name: _image_drawer(of_items) for name, of_items in images.items()}


def _image_drawer(images):
    """A function that draws one of these images into a box with a hairline around it."""

    def draw(ax, row, box):
        left, right, bottom, top = box
        ax.imshow(images[row], extent=box, aspect="auto")
        ax.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color="#c9cdd2", lw=0.5)

    return draw


def _curves(x, maps, presets, view, scale):
    """{method, None for the input: function that draws the curves of a signal into a box}."""
    drawers = {None: _curve_drawer(x)}
    for name, each in maps.items():
        each, preset = heatmaps.as_array(each), presets[name]
        if preset == "picture":
            drawers[name] = _curve_drawer(each)
        else:
            drawers[name] = _curve_drawer(x, heatmaps.scaled_values(each, preset, **scale)[:, 0], preset)
    return drawers


def _curve_drawer(x, values=None, preset=None):
    """A function that draws one of the signals x (B, C, T) into a box: a lane for each channel, from its lowest to its
    highest value. values (B, C or 1, T) in [-1, 1], if given, colour the curves and make them thicker where they are
    large.
    """
    height = heatmaps.to_unit_range(x, (2,))

    def draw(ax, row, box):
        left, right, bottom, top = box
        across, lane = np.linspace(left, right, x.shape[2]), (bottom - top) / x.shape[1]
        for channel, share in enumerate(height[row]):
            down = top + lane * (channel + 0.92 - 0.84 * share)
            if values is None:
                ax.plot(across, down, color=TEXT, lw=0.9)
            else:
                ax.add_collection(_coloured_curve(across, down, values[row][channel % values.shape[1]], preset))

    return draw


def _coloured_curve(across, down, v, preset):
    """A curve whose pieces have the colours of v (T,), the strongest on top."""
    points = np.stack([across, down], 1)
    middle = np.where(np.abs(v[1:]) > np.abs(v[:-1]), v[1:], v[:-1])  # the stronger end, so that one place is visible
    order = np.argsort(np.abs(middle))
    pieces, size = np.stack([points[:-1], points[1:]], 1)[order], np.abs(middle[order])
    return LineCollection(
        pieces,
        colors=curve_colours(middle[order], preset),
        linewidths=0.8 + 1.8 * size,
        capstyle="round",
        joinstyle="round",
    )


def curve_colours(v, preset):
    """Colours (N, 3) of values v (N,) for curves on white: grey at 0; where large, dark or in the sign's colour."""
    density = np.abs(v)[:, None]
    if preset == "grey":
        return NEUTRAL * (1 - density) * np.ones(3)
    return heatmaps.mix_colour(NEUTRAL, density, v[:, None])


def _image_colours(v, preset):
    """Colours (N, 3) of values v (N,) in images, over a grey input."""
    return heatmaps.PRESETS[preset][0](v[:, None], np.full((len(v), 1), 0.4))


KIND_DRAWING = {
    "signal": (_curves, curve_colours),
    "picture": (_images, _image_colours),
    "volume": (_images, _image_colours),
}  # kind -> (what makes the functions that draw cells, colours of the key's bars)


def _draw_key(ax, layout, presets, bar_colours, scale):
    """What the colours mean, at the bottom of the sheet."""
    y = layout.size[1] - layout.bottom + 0.1
    for preset, (text, least) in ((name, key) for name, key in KEYS.items() if name in presets):
        bar = bar_colours(np.linspace(least, 1, 128), preset)
        ax.imshow(bar[None], extent=(MARGIN, MARGIN + 0.8, y + 0.05, y - 0.05), aspect="auto")
        ax.text(MARGIN + 0.88, y, text, size=7, color=FAINT, va="center_baseline")
        y += 0.2
    if presets & set(KEYS):
        ax.text(MARGIN, y, _scale_in_words(**scale), size=7, color=FAINT, va="center_baseline")


def _scale_in_words(normalise, percentile, limit):
    """What full colour stands for, in a sentence."""
    if normalise == "none":
        return f"Full colour: {limit:g} and more, in all maps."
    what = "largest value" if percentile == 100 else f"percentile {percentile:g}"
    return f"Full colour: {what} of {SCALES[normalise]}."
