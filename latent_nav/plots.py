"""Figures of walks, curves and maps. Each function returns a Figure; the door saves it."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

sns.set_theme(style="ticks", context="paper")
PALETTE = sns.color_palette("colorblind")
MODELS = {"aae": "AAE", "baseline": "ResNet34"}


def show(ax, picture):
    """Draw one picture (H, W, C) without axes."""
    ax.imshow(picture[..., 0] if picture.shape[-1] == 1 else picture[..., :3], cmap="gray", vmin=0, vmax=255)
    ax.set_axis_off()


def strip(frames, angle, probability, name, label, starts=6, every=2):
    """A walk as a strip: starts below each other, frames (S, T, H, W, C) uint8 with their angle and probability."""
    frames, angle, probability = frames[:starts, ::every], angle[:starts, ::every], probability[:starts, ::every]
    rows, columns = frames.shape[:2]
    figure = Figure(figsize=(columns, 1.35 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for i, j in np.ndindex(rows, columns):
        show(axes[i, j], frames[i, j])
        axes[i, j].set_title(f"{angle[i, j]:.0f}°  {probability[i, j, -1]:.2f}", fontsize=7, pad=2)
    figure.suptitle(f"Walk along {name}: measured turn of each decoded frame, probability of {label}", fontsize=9)
    return figure


def impact_figure(curves, numbers):
    """Rotation-impact curves of the AAE and the baseline with both correlations in the legend."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    ax = figure.subplots()
    for (name, c), colour in zip(curves.items(), PALETTE, strict=False):
        n = numbers[name]
        label = f"{MODELS[name]}: Spearman {n['spearman']:.2f}, within a class {n['within_class_spearman']:.2f}"
        ax.plot(c["distance"], c["difference"], "o-", color=colour, label=label)
    ax.set(xlabel="distance along the most discriminant direction", ylabel="mean angle less that of the first tenth, °")
    ax.legend(frameon=False)
    sns.despine(figure)
    return figure


def map_figure(xy, labels, arrow, thumbs, thumb_xy):
    """t-SNE map of held-out codes by class, the arrow between the class means, real images along it."""
    figure = Figure(figsize=(5.6, 5.0), layout="constrained")
    ax = figure.subplots()
    sns.scatterplot(x=xy[:, 0], y=xy[:, 1], hue=labels, palette=PALETTE[: len(set(labels))], s=12, linewidth=0, ax=ax)
    ax.set(xticks=[], yticks=[], title="t-SNE of held-out codes; the walk was not made here")
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    for picture, (x, y) in zip(thumbs, thumb_xy, strict=True):
        show(ax.inset_axes([(x - x0) / (x1 - x0) - 0.04, (y - y0) / (y1 - y0) - 0.04, 0.08, 0.08]), picture)
    above = ax.inset_axes([0, 0, 1, 1], zorder=10, xlim=(x0, x1), ylim=(y0, y1))
    above.set_axis_off()
    style = {"arrowstyle": "-|>", "lw": 1.6, "color": "black", "shrinkA": 0, "shrinkB": 0}
    above.annotate("", xy=arrow[1], xytext=arrow[0], arrowprops=style)
    return figure
