"""Figures of walks, curves and maps. Each function returns a Figure; the command saves it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from xaae.experiment.errors import InputError
from xaae.experiment.figure_style import styled
from xaae.experiment.kinds import KINDS
from xaae.experiment.planes import LAID_OUT, lay_flat
from xaae.experiment.traces import TraceSheet, draw_change, draw_traces, shade_traces, walk_traces
from xaae.experiment.vocabulary import MODELS, MOST_LETTERS, PALETTE, short_name

MAPS = {"side": "Direction and PCA", "pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
SHADE = np.array([20, 90, 160])  # what a shaded place lacks of white: it is orange
WIDE_THUMB = 0.16  # of a map: width of an item that is no square
LETTERS_PER_INCH = 13  # of a title
GAP, CAPTION = 0.06, 0.3  # of a frame's side: between frames, and for the text above one
TRACE_INCHES, STRIP_TRACE, FILM_TRACE = 2.4, 400, 320  # width of a trace on paper, its pixels there and in a film


def three_channels(pictures):
    """Pictures (..., 1 or 3) uint8 as colour (..., 3)."""
    return np.repeat(pictures, 3, -1) if pictures.shape[-1] == 1 else pictures[..., :3]


def _show(ax, picture, **place):
    """Draw one picture (H, W, C) without axes, or at a place of axes that go on being used."""
    ax.imshow(three_channels(picture), **place)
    ax.set_axis_off()


def _warm(heat):
    """Heat (H, W) >= 0 as a colour picture (H, W, 3) uint8, its largest value brightest."""
    share = heat / max(float(heat.max()), 1e-12)
    return np.round(255 * sns.color_palette("rocket", as_cmap=True)(share)[..., :3]).astype(np.uint8)


@styled
def strip(frames, captions, title, heat=None, note=""):
    """Walks below each other: frames (S, T, H, W, C) uint8, each with its caption (S lists of T texts) above.

    heat (S, H, W) >= 0, if given, is a last column: how much each pixel changes along the walk; (S, H, W, 3) uint8 if
    it is drawn already. note: a line below, such as the scale of what is drawn.
    """
    frames = three_channels(frames)
    if heat is not None:
        last = np.stack([each if each.ndim == 3 else _warm(np.asarray(each, float)) for each in heat])
        frames = np.concatenate([frames, last[:, None]], 1)
        captions = [[*texts, "" if i else "change"] for i, texts in enumerate(captions)]
    high, broad = frames.shape[2:4]
    scale = 1.05 / high if high >= broad else TRACE_INCHES / broad
    lines = max(text.count("\n") + 1 for texts in captions for text in texts)
    above = round(max(CAPTION * min(high, broad), (0.13 * lines + 0.05) / scale))
    sheet = _mosaic(frames, above)
    tall, wide = (scale * length for length in sheet.shape[:2])
    below = 0.22 if note else 0
    figure = Figure(figsize=(wide, tall + 0.35 + below))
    ax = figure.add_axes([0, below / (tall + 0.35 + below), 1, tall / (tall + 0.35 + below)])
    ax.imshow(sheet, aspect="auto")
    ax.set_axis_off()
    for i, j in np.ndindex(*frames.shape[:2]):
        y, x = (i + 1) * (sheet.shape[0] / len(frames)) - high, (j + 0.5) * sheet.shape[1] / frames.shape[1]
        ax.text(x, y - 0.05 / scale, captions[i][j], ha="center", va="bottom", fontsize=7)
    title = short_name(title, max(MOST_LETTERS, int(LETTERS_PER_INCH * wide)))
    figure.suptitle(title, fontsize=10, y=1 - 0.08 / (tall + 0.35), va="top")
    if note:
        figure.text(0.005, 0.06 / (tall + 0.35 + below), note, fontsize=7, color="#5f6368")
    return figure


def _mosaic(frames, above):
    """Frames (S, T, H, W, 3) uint8 as one white sheet with room around each and `above` pixels for a caption."""
    gap = max(1, round(GAP * min(frames.shape[2:4])))
    room = [(0, 0), (0, 0), (above, 0), (gap // 2, gap - gap // 2), (0, 0)]
    padded = np.pad(frames, room, constant_values=255)
    return padded.transpose(0, 2, 1, 3, 4).reshape(len(frames) * padded.shape[2], -1, 3)


@styled
def impact_figure(curves, numbers, factor, titles=MODELS):
    """Impact curves of the AAE and the baseline with both correlations in the legend; factor as in config.json.

    titles {model: what it is called}.
    """
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    ax = figure.subplots()
    for (name, c), shade in zip(curves.items(), PALETTE, strict=False):
        n = numbers[name]
        label = f"{titles[name]}: Spearman {n['spearman']:.2f}, within a class {n['within_class_spearman']:.2f}"
        ax.plot(c["distance"], c["difference"], "o-", color=shade, label=label)
    ax.set(
        xlabel="distance along the most discriminant direction", ylabel=f"mean {factor['noun']} less the first tenth's"
    )
    ax.legend(frameon=False)
    sns.despine(figure)
    return figure


@styled
def maps_figure(found, labels, thumbs, at):
    """The maps {name: xy (M, 2)} side by side by class, with real images thumbs (P, H, W, C) at the points `at` (P,).

    "pca.arrow" (2, 2) is drawn in its map; no other has one, since no other is linear.
    """
    names = [name for name in MAPS if f"{name}.xy" in found]
    figure = Figure(figsize=(5.0 * len(names), 4.8), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _one_map(ax, found[f"{name}.xy"], labels, thumbs, at, found.get(f"{name}.arrow"))
        ax.set_title(MAPS[name])
    return figure


def _one_map(ax, xy, labels, thumbs, at, arrow):
    """One map on its axes."""
    order = sorted(set(labels))
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(order))]
    number = np.searchsorted(order, labels).astype(str)  # a legend has no room for a name that begins with _
    shown = {"hue": number, "hue_order": [str(i) for i in range(len(order))], "palette": colours}
    sns.scatterplot(x=xy[:, 0], y=xy[:, 1], **shown, s=12, linewidth=0, ax=ax)
    for text, name in zip(ax.get_legend().get_texts(), order, strict=True):
        text.set_text(short_name(name))
    ax.set(xticks=[], yticks=[])
    if arrow is not None:
        ax.update_datalim(arrow)  # an end of the arrow may lie beyond all points
        ax.autoscale_view()
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    for picture, (x, y) in zip(thumbs, xy[at], strict=True):
        tall, wide = picture.shape[:2]
        high, broad = np.array([tall, wide]) / max(tall, wide) * (0.08 if tall == wide else WIDE_THUMB)
        place = [(x - x0) / (x1 - x0) - broad / 2, (y - y0) / (y1 - y0) - high / 2, broad, high]
        _show(ax.inset_axes(place), picture)
    if arrow is not None:
        above = ax.inset_axes([0, 0, 1, 1], zorder=10, xlim=(x0, x1), ylim=(y0, y1))  # above points and pictures
        above.set_axis_off()
        style = {"arrowstyle": "-|>", "lw": 1.8, "color": "black", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 14}
        style["path_effects"] = [Stroke(linewidth=3.4, foreground="white"), Normal()]
        above.annotate("", xy=arrow[1], xytext=arrow[0], arrowprops=style, annotation_clip=False)


def rows_of_pictures(columns, titles, captions, title, note=""):
    """Items below each other: columns, a list of pictures (S, H, W, C) uint8 each, with titles above the first row.

    captions: one list of S texts for each column, or None.
    """
    sheet = np.stack([three_channels(c) for c in columns], 1)
    texts = [[(t if not i else "") + ("\n" if t and not i and c else "") + (c[i] if c else "")
              for t, c in zip(titles, captions, strict=True)] for i in range(len(sheet))]  # fmt: skip
    return strip(sheet, texts, title, note=note)


def diverging(difference):
    """Signed differences (S, H, W) in blue, white and red around 0, one scale for all: (S, H, W, 3) uint8."""
    top = max(float(np.abs(difference).max()), 1e-12)
    share = (difference / top + 1) / 2
    return np.round(255 * sns.diverging_palette(250, 15, s=90, l=45, as_cmap=True)(share)[..., :3]).astype(np.uint8)


# ---- drawing, by kind -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawing:
    """How items of one kind, as a run keeps them, become pictures (..., H, W, 1 or 3) uint8.

    items(items), walk(frames (S, T, item)), beside(items, others): alone, each over the first one, and beside those
    that they are compared with. film(frames (S, T, item)): as large as films show them. heat(how much each place
    changes (S, *places), the frames (S, item) under it): (S, H, W), or (S, H, W, 3) if drawn. difference(items,
    others): (S, ...) as it is stored; change(differences): in colours. note: what every picture shows, "" for what
    needs no words. every: which frames of a walk a strip has room for.
    """

    items: Callable
    walk: Callable
    beside: Callable
    film: Callable
    heat: Callable
    difference: Callable
    change: Callable
    note: str = ""
    every: int = 2


def _as_it_is(pictures, *others):
    return pictures


def _drawn_pictures(config):
    """The Drawing of pictures."""
    mean_change = lambda frames, others: (frames - others).mean(1)  # noqa: E731  (of channels)
    return Drawing(*[_as_it_is] * 5, difference=mean_change, change=diverging)


def _drawn_signals(config):
    """The Drawing of signals: traces on the sheet that a run's config describes."""
    sheet = TraceSheet.of(config.signal_scale, config.input_channels)
    return Drawing(
        items=lambda x: draw_traces(x, sheet, STRIP_TRACE),
        walk=lambda frames: walk_traces(frames, sheet, STRIP_TRACE),
        beside=lambda x, others: draw_traces(x, sheet, STRIP_TRACE, behind=others),
        film=lambda frames: walk_traces(frames, sheet, FILM_TRACE),
        heat=lambda level, frames: _shaded(level, frames, sheet),
        difference=lambda frames, others: frames - others,
        change=lambda change: draw_change(change / max(float(np.abs(change).max()), 1e-12), sheet, STRIP_TRACE),
        note=f"{sheet.in_words(config.input_size)} Grey: the first frame, or what an item is compared with.",
        every=4,
    )


def _shaded(level, frames, sheet):
    """Traces (S, C, T) over how much each place changes, (S, T): pale where nothing does."""
    pale = lambda share: np.round(255 - share[..., None] * SHADE).astype(np.uint8)  # noqa: E731
    level = np.asarray(level, float)
    ground = shade_traces(level[:, None] / np.maximum(level.max(), 1e-12), sheet, STRIP_TRACE, pale)
    return np.minimum(draw_traces(frames, sheet, STRIP_TRACE), ground)


def _drawn_volumes(config):
    """The Drawing of volumes, which a run keeps as pictures of their middle slices."""
    return Drawing(
        *[_as_it_is] * 4,
        heat=lambda level, frames: lay_flat(np.asarray(level, float), 0.0),
        difference=lambda frames, others: lay_flat((frames - others).mean(1), 0.0),
        change=diverging,
        note=LAID_OUT,
        every=4,
    )


DRAWINGS = {"picture": _drawn_pictures, "signal": _drawn_signals, "volume": _drawn_volumes}  # kind -> config -> Drawing


def drawing_of(config):
    """The Drawing of a run's items. InputError for a kind that cannot be drawn yet."""
    if config.kind not in DRAWINGS:
        raise InputError(
            f"Walks of {KINDS[config.kind].plural} cannot be drawn yet: give a run of"
            f" {' or '.join(KINDS[kind].plural for kind in DRAWINGS)}."
        )
    return DRAWINGS[config.kind](config)
