"""The figures of an evaluation of a severity (answers against the truth) and of labels (ROC curves)."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from xaae.experiment.figure_style import styled
from xaae.experiment.vocabulary import PALETTE, short_name

GREY = "#8a9099"
MOST_CURVES = 12  # labels with a curve of their own


@styled
def severity_figure(scores, target, title):
    """A Figure of two panels: answered against true severity, and the errors. scores: as of `evaluate.json`."""
    answers, truth = np.asarray(scores["answers"]), np.asarray(scores["truth"])
    figure = Figure(figsize=(8.2, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    noun = short_name(target.noun)
    ends = min(truth.min(), answers.min()), max(truth.max(), answers.max())
    left.plot(ends, ends, "--", color=GREY, lw=1)
    left.plot(truth, answers, "o", color=PALETTE[1], ms=4, alpha=0.6, mec="none")
    left.set(xlabel=f"true {noun}", ylabel=f"answered {noun}")
    left.set(title=f"R2 {scores['r2']:.3f}, Spearman {scores['spearman']:.3f}")
    right.axhline(0, ls="--", color=GREY, lw=1)
    right.plot(truth, answers - truth, "o", color=PALETTE[0], ms=4, alpha=0.6, mec="none")
    right.set(xlabel=f"true {noun}", ylabel="answered less true")
    right.set(title=f"mean error {scores['mae']:.3g}; always the median {scores['mae_of_median']:.3g}")
    for ax in (left, right):
        ax.set_box_aspect(1)
        sns.despine(ax=ax)
    figure.suptitle(title, fontsize=11)
    return figure


@styled
def label_figure(scores, target, title):
    """A Figure of the ROC curve of each label, the first MOST_CURVES of them. scores: as of `evaluate.json`."""
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], "--", color=GREY, lw=1)
    drawn = {name: each for name, each in scores["labels"].items() if "roc" in each}
    for i, (name, each) in enumerate(list(drawn.items())[:MOST_CURVES]):
        style = {"color": PALETTE[i % len(PALETTE)], "ls": "-" if i < len(PALETTE) else ":"}
        curve = each["roc"]["false_positive"], each["roc"]["true_positive"]
        ax.plot(*curve, label=f"{short_name(name)} {each['auroc']:.2f}", **style)
    ax.set(xlabel="false positives (share of absent)", ylabel="true positives (share of present)")
    ax.set(title=f"mean AUROC {scores['auroc']:.3f}")
    ax.set_box_aspect(1)
    if drawn:
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), title="AUROC")
    sns.despine(ax=ax)
    figure.suptitle(title, fontsize=11)
    return figure
