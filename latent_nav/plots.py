"""Figures of walks, curves and maps. Each function returns a Figure; the command saves it."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from xaae.experiment.figure_style import MOST_LETTERS, short_name, styled
from xaae.experiment.vocabulary import MODELS, PALETTE

MAPS = {"side": "Direction and PCA", "pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
LETTERS_PER_INCH = 13  # of a title
GAP, CAPTION = 0.06, 0.3  # of a frame's side: between frames, and for the text above one


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
def strip(frames, captions, title, heat=None):
    """Walks below each other: frames (S, T, H, W, C) uint8, each with its caption (S lists of T texts) above.

    heat (S, H, W) >= 0, if given, is a last column: how much each pixel changes along the walk.
    """
    frames = three_channels(frames)
    if heat is not None:
        last = np.stack([_warm(np.asarray(each, float)) for each in heat])
        frames = np.concatenate([frames, last[:, None]], 1)
        captions = [[*texts, "" if i else "change"] for i, texts in enumerate(captions)]
    sheet, side = _mosaic(frames), frames.shape[2]
    tall, wide = (1.05 * length / side for length in sheet.shape[:2])
    figure = Figure(figsize=(wide, tall + 0.35))
    ax = figure.add_axes([0, 0, 1, tall / (tall + 0.35)])
    ax.imshow(sheet, aspect="auto")
    ax.set_axis_off()
    for i, j in np.ndindex(*frames.shape[:2]):
        y, x = (i + 1) * (sheet.shape[0] / len(frames)) - side, (j + 0.5) * sheet.shape[1] / frames.shape[1]
        ax.text(x, y - 0.05 * side, captions[i][j], ha="center", va="bottom", fontsize=7)
    title = short_name(title, max(MOST_LETTERS, int(LETTERS_PER_INCH * wide)))
    figure.suptitle(title, fontsize=10, y=1 - 0.08 / (tall + 0.35), va="top")
    return figure


def _mosaic(frames):
    """Frames (S, T, H, W, 3) uint8 as one white sheet with room around each and for a caption above it."""
    side = frames.shape[2]
    above, gap = round(CAPTION * side), max(1, round(GAP * side))
    room = [(0, 0), (0, 0), (above, 0), (gap // 2, gap - gap // 2), (0, 0)]
    padded = np.pad(frames, room, constant_values=255)
    return padded.transpose(0, 2, 1, 3, 4).reshape(len(frames) * padded.shape[2], -1, 3)


@styled
def impact_figure(curves, numbers, factor):
    """Impact curves of the AAE and the baseline with both correlations in the legend; factor as in config.json."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    ax = figure.subplots()
    for (name, c), shade in zip(curves.items(), PALETTE, strict=False):
        n = numbers[name]
        label = f"{MODELS[name]}: Spearman {n['spearman']:.2f}, within a class {n['within_class_spearman']:.2f}"
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
        _show(ax.inset_axes([(x - x0) / (x1 - x0) - 0.04, (y - y0) / (y1 - y0) - 0.04, 0.08, 0.08]), picture)
    if arrow is not None:
        above = ax.inset_axes([0, 0, 1, 1], zorder=10, xlim=(x0, x1), ylim=(y0, y1))  # above points and pictures
        above.set_axis_off()
        style = {"arrowstyle": "-|>", "lw": 1.8, "color": "black", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 14}
        style["path_effects"] = [Stroke(linewidth=3.4, foreground="white"), Normal()]
        above.annotate("", xy=arrow[1], xytext=arrow[0], arrowprops=style, annotation_clip=False)


def rows_of_pictures(columns, titles, captions, title):
    """Items below each other: columns, a list of pictures (S, H, W, C) uint8 each, with titles above the first row.

    captions: one list of S texts for each column, or None.
    """
    sheet = np.stack([three_channels(c) for c in columns], 1)
    texts = [[(t if not i else "") + ("\n" if t and not i and c else "") + (c[i] if c else "")
              for t, c in zip(titles, captions, strict=True)] for i in range(len(sheet))]  # fmt: skip
    return strip(sheet, texts, title)


def diverging(difference):
    """Signed differences (S, H, W) in blue, white and red around 0, one scale for all: (S, H, W, 3) uint8."""
    top = max(float(np.abs(difference).max()), 1e-12)
    share = (difference / top + 1) / 2
    return np.round(255 * sns.diverging_palette(250, 15, s=90, l=45, as_cmap=True)(share)[..., :3]).astype(np.uint8)


STRIPS = {"picture": strip}  # kind -> what draws walks below each other
