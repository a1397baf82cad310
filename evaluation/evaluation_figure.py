"""The figure of an evaluation: confusion matrix, reliability curve, histogram of confidence."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from xaae.experiment.figure_style import styled
from xaae.experiment.vocabulary import PALETTE, short_name

GREY = "#8a9099"
MOST_NUMBERS, MOST_NAMES = 15, 40  # with more classes, the matrix shows no numbers, then no names either


@styled
def evaluation_figure(scores, classes, title):
    """A Figure of three panels with one model's scores (see class_scores.classifier_scores)."""
    classes = [short_name(name) for name in classes]
    side = float(np.clip(0.4 * len(classes), 3.0, 9))
    names = 0.085 * max(map(len, classes)) if len(classes) <= MOST_NAMES else 0.0  # inches
    size = (side + names + 7.6, side + 0.9 + names * _slanted(classes))
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(wspace=0.06)
    left, middle, right = figure.subplots(1, 3, width_ratios=[side + names + 0.8, 3.4, 3.4])
    _confusion_panel(left, np.asarray(scores["confusion"]), classes)
    _reliability_panel(middle, scores["calibration"])
    _histogram_panel(right, scores["calibration"]["bins"])
    figure.suptitle(title, fontsize=11)
    return figure


def _slanted(classes):
    """Are the names too long to stand side by side, so that they have to be turned?"""
    return max(map(len, classes)) * len(classes) > 24


def _confusion_panel(ax, confusion, classes):
    """The numbers of items (K, K): a row for each true class, coloured by the share of the row."""
    share = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    few, names = len(classes) <= MOST_NUMBERS, classes if len(classes) <= MOST_NAMES else False
    sns.heatmap(
        share,
        annot=confusion if few else None,
        fmt="d",
        cmap=sns.light_palette(PALETTE[1], as_cmap=True),
        vmin=0,
        vmax=1,
        square=True,
        linewidths=0.5 if few else 0,
        xticklabels=names,
        yticklabels=names,
        cbar_kws={"label": "share of the true class", "shrink": 0.7},
        ax=ax,
    )
    ax.tick_params("x", rotation=90 if _slanted(classes) else 0)
    ax.tick_params("y", rotation=0)
    ax.set(xlabel="predicted", ylabel="true", title="Items by class")


def _reliability_panel(ax, calibration):
    """Accuracy against confidence: a point for each bin with its 95 % interval. On the dashed line they are equal."""
    bins = calibration["bins"]
    x, y = (np.array([b[k] for b in bins]) for k in ("confidence", "accuracy"))
    low, high = np.array([b["interval"] for b in bins]).T
    ax.plot([0, 1], [0, 1], "--", color=GREY, lw=1)
    ax.vlines(x, y, np.clip(x, 0, 1), color=PALETTE[0], lw=4, alpha=0.3, label="gap")
    spread = np.maximum([y - low, high - y], 0)
    ax.errorbar(x, y, spread, fmt="o-", color=PALETTE[1], lw=1, ms=4, elinewidth=0.8, capsize=2, label="accuracy")
    errors = f"expected error {calibration['expected_error']:.3f}, maximum {calibration['maximum_error']:.3f}"
    ax.set(xlim=(0, 1.02), ylim=(-0.02, 1.2), xlabel="confidence", ylabel="accuracy", title=f"Reliability\n{errors}")
    ax.set_yticks(np.linspace(0, 1, 6))
    ax.set_box_aspect(1)
    ax.legend(frameon=False, loc="upper left", ncols=2)
    sns.despine(ax=ax)


def _histogram_panel(ax, bins):
    """The number of items in each bin of confidence; those with a wrong answer on top."""
    at, width = [b["low"] for b in bins], [b["high"] - b["low"] for b in bins]
    right = np.array([b["right"] for b in bins])
    wrong = np.array([b["count"] for b in bins]) - right
    ax.bar(at, right, width, align="edge", color=PALETTE[1], edgecolor="white", label="right")
    ax.bar(at, wrong, width, right, align="edge", color=PALETTE[0], edgecolor="white", label="wrong")
    top = 1.18 * (right + wrong).max()  # room for the legend
    ax.set(xlim=(0, 1.02), ylim=(0, top), xlabel="confidence", ylabel="items", title=f"Confidence\n{wrong.sum()} wrong")
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set_box_aspect(1)
    ax.legend(frameon=False, loc="upper left", ncols=2)
    sns.despine(ax=ax)
