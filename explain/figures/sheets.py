"""Explanations side by side in one figure: items below each other, methods beside each other."""

import itertools
import math
import textwrap
from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from xaae.experiment.errors import InputError
from xaae.explain.figures import heatmaps
from xaae.explain.method import METHODS

TEXT, FAINT, REST = "#22262b", "#69717a", 0.80  # REST: grey of a curve where the map is 0
WIDTH, MARGIN, GAP, LINE = 14.0, 0.15, 0.08, 0.125  # inches: of a sheet, its border, between cells, of a line of text
PICTURE, VOLUME, SIGNAL, LANE = 1.36, 3.4, 2.2, 0.6  # inches: width of a cell; height of one channel's curve
LETTER = 0.066  # inches of width for a letter
KEYS = {
    "grey": ("how strongly it counts, whatever the sign", 0),
    "signed": ("against the class, for it", -1),
    "overlay": ("against the class, for it, over the input", -1),
}
SCALES = {"image": "each map", "batch": "all maps of a method"}


@dataclass(frozen=True)
class Layout:
    """Where cells lie, in inches from the top left: blocks below each other, each of `rows` items and `columns` cells,
    the input's among them; head: of a block's titles, foot: of an item's label, top and bottom: of the whole sheet.
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


def side_by_side(
    x,
    maps,
    titles=None,
    labels=None,
    *,
    presets=None,
    title="",
    view="slices",
    normalise="image",
    percentile=None,
    limit=1.0,
):
    """Figure of items x (B, C, ...) and their maps {method: (B, C or 1, ...)}: a row for each item, the input first,
    then a column for each method; many methods go on below, in further blocks that show the inputs again.

    titles: {method: text} in place of the registry's titles. labels: B texts, such as class and probability, set under
    the inputs. presets: {method: preset} where it should not be the one that fits the method. title: of the sheet.
    view: of volumes, "slices" or "projections". normalise, percentile, limit: as for `heatmaps.heatmap`; unasked, the
    strongest hundredth of each map is cut off (but in projections, which show little else), since a few values would
    leave the rest in the dark. Signals are drawn as curves, coloured and thickened by the map. InputError for maps that
    do not fit.
    """
    x = heatmaps.as_array(x)
    _check(x, maps, labels)
    percentile = percentile or (100 if view == "projections" else 99)
    presets = {name: (presets or {}).get(name) or heatmaps.preset_for(name) for name in maps}
    names = {name: _wrapped((titles or {}).get(name) or _title_of(name), x) for name in maps}
    texts = [_wrapped(label, x) for label in labels] if labels is not None else []
    place = lay_out(x, list(names.values()), texts, title, set(presets.values()), view)
    scale, ax = {"normalise": normalise, "percentile": percentile, "limit": limit}, _blank(place)
    _draw_cells(
        ax, place, names, _curves(x, maps, presets, scale) if x.ndim == 3 else _pictures(x, maps, presets, view, scale)
    )
    _put_labels(ax, place, texts)
    ax.text(MARGIN, MARGIN, title, size=11, color=TEXT, va="top", weight="bold")
    _key(ax, place, set(presets.values()), x.ndim == 3, scale)
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
    """A method's title, or its name in words."""
    return METHODS[name].title if name in METHODS else name.replace("_", " ")


# ---- layout -----------------------------------------------------------------------------------------------------


def _cell(x, view):
    """Width and height of a cell for items x, in inches."""
    if x.ndim == 3:
        return SIGNAL, LANE * x.shape[1]
    tall, wide = heatmaps.inputs(x[:1], view).shape[1:3]
    width = VOLUME if x.ndim == 5 else PICTURE
    return width, float(np.clip(width * tall / wide, width / 4, 4 * width))


def _wrapped(text, x):
    """A text in lines that fit a cell's width."""
    width = {3: SIGNAL, 5: VOLUME}.get(x.ndim, PICTURE)
    return textwrap.fill(str(text), int(width / LETTER))


def _lines(texts):
    """Most lines that one of these texts has; 0 if there are none."""
    return max((text.count("\n") + 1 for text in texts), default=0)


def lay_out(x, names, labels, title, presets, view):
    """The Layout that holds these: as many columns as fit the width, spread evenly over the blocks."""
    wide, tall = _cell(x, view)
    most = max(1, int((WIDTH - 2 * MARGIN + GAP) / (wide + GAP)) - 1)
    blocks = math.ceil(len(names) / most)
    head, foot = LINE * _lines(names) + 0.08, LINE * _lines(labels) + (0.04 if labels else 0)
    top, bottom = MARGIN + (0.3 if title else 0), MARGIN + 0.2 * (len(presets & set(KEYS)) + 1)
    return Layout(len(x), math.ceil(len(names) / blocks) + 1, blocks, wide, tall, head, foot, top, bottom)


def _blank(place):
    """Axes over a whole new figure, in inches from its top left."""
    width, height = place.size
    ax = Figure(figsize=(width, height), dpi=150, facecolor="white").add_axes([0, 0, 1, 1])
    ax.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    ax.set_axis_off()
    return ax


def _put_title(ax, box, text, colour):
    """A title above the first cell of a column."""
    left, right, _, top = box
    style = {"ha": "center", "va": "baseline", "linespacing": 1.1}
    ax.text((left + right) / 2, top - 0.075, text, size=8, color=colour, **style)


def _put_labels(ax, place, texts):
    """Each item's label under its input, in every block."""
    for block, (row, text) in itertools.product(range(place.blocks), enumerate(texts)):
        left, _, bottom, _ = place.box(block, row, 0)
        ax.text(left, bottom + 0.03, text, size=7, color=TEXT, va="top")


# ---- cells ------------------------------------------------------------------------------------------------------


def _draw_cells(ax, place, names, drawn):
    """Title and cells of every column; names {method: title}, drawn {method, None for the input: its function}."""
    methods, each = list(names), place.columns - 1
    for block in range(place.blocks):
        for column, name in enumerate([None, *methods[block * each : (block + 1) * each]]):
            _put_title(ax, place.box(block, 0, column), names.get(name, "input"), FAINT if name is None else TEXT)
            for row in range(place.rows):
                drawn[name](ax, row, place.box(block, row, column))


def _pictures(x, maps, presets, view, scale):
    """{method or None for the input: function that draws the picture of an item into a box}."""
    found = {None: heatmaps.inputs(x, view)}
    found |= {name: heatmaps.heatmap(each, presets[name], x=x, view=view, **scale) for name, each in maps.items()}
    return {name: _painter(images) for name, images in found.items()}


def _painter(images):
    """A function that draws one of these pictures into a box with a hairline around it."""

    def draw(ax, row, box):
        left, right, bottom, top = box
        ax.imshow(images[row], extent=box, aspect="auto")
        ax.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color="#c9cdd2", lw=0.5)

    return draw


def _curves(x, maps, presets, scale):
    """{method or None for the input: function that draws the curves of a signal into a box}."""
    found = {None: _tracer(x)}
    for name, each in maps.items():
        each, preset = heatmaps.as_array(each), presets[name]
        if preset == "picture":
            found[name] = _tracer(each)
        else:
            found[name] = _tracer(x, heatmaps.strength(each, preset, **scale)[:, 0], preset)
    return found


def _tracer(x, values=None, preset=None):
    """A function that draws a signal x (B, C, T) into a box, a lane for each channel, each from its lowest to its
    highest value; coloured by values (B, C or 1, T) in [-1, 1], if given, and thicker where they are large.
    """
    height = heatmaps.unit(x, (2,))

    def draw(ax, row, box):
        left, right, bottom, top = box
        across, lane = np.linspace(left, right, x.shape[2]), (bottom - top) / x.shape[1]
        for channel, share in enumerate(height[row]):
            down = top + lane * (channel + 0.92 - 0.84 * share)
            if values is None:
                ax.plot(across, down, color=TEXT, lw=0.9)
            else:
                ax.add_collection(_coloured(across, down, values[row][channel % values.shape[1]], preset))

    return draw


def _coloured(across, down, v, preset):
    """A curve whose pieces have the colours of v (T,), the strongest on top."""
    points = np.stack([across, down], 1)
    middle = np.where(np.abs(v[1:]) > np.abs(v[:-1]), v[1:], v[:-1])  # a single strong place is seen
    order = np.argsort(np.abs(middle))
    pieces, size = np.stack([points[:-1], points[1:]], 1)[order], np.abs(middle[order])
    return LineCollection(
        pieces, colors=_inked(middle[order], preset), linewidths=0.8 + 1.8 * size, capstyle="round", joinstyle="round"
    )


def _inked(v, preset):
    """Colours (N, 3) on white of values v (N,): grey at 0, darker or in the sign's colour where they are large."""
    density = np.abs(v)[:, None]
    return REST * (1 - density) * np.ones(3) if preset == "grey" else heatmaps.over(REST, density, v[:, None])


def _key(ax, place, presets, is_signal, scale):
    """What the colours mean, below all."""
    y = place.size[1] - place.bottom + 0.1
    for preset, (text, least) in ((name, key) for name, key in KEYS.items() if name in presets):
        v = np.linspace(least, 1, 128)
        bar = _inked(v, preset) if is_signal else heatmaps.PRESETS[preset][0](v[:, None], np.full((128, 1), 0.4))
        ax.imshow(bar[None], extent=(MARGIN, MARGIN + 0.8, y + 0.05, y - 0.05), aspect="auto")
        ax.text(MARGIN + 0.88, y, text, size=7, color=FAINT, va="center_baseline")
        y += 0.2
    if presets & set(KEYS):
        ax.text(MARGIN, y, _in_words(**scale), size=7, color=FAINT, va="center_baseline")


def _in_words(normalise, percentile, limit):
    """What full colour stands for."""
    if normalise == "none":
        return f"Full colour: {limit:g} and more, in all maps."
    what = "largest value" if percentile == 100 else f"percentile {percentile:g}"
    return f"Full colour: {what} of {SCALES[normalise]}."
