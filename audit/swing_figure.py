"""The figure of a factor scan's cell: how far each factor alone moves the answers of biased and of other models."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xaae.experiment.figure_style import styled
from xaae.factors.registry import FACTORS
from xaae.scan.verdicts import RULE, USED

BIASED, IRRELEVANT = "#b8560f", "#1f5fa8"
DOTS = (("biased", BIASED, "o", -0.16), ("irrelevant", IRRELEVANT, "s", 0.16))  # arm, colour, marker, beside the row
DPI = 120


@styled
def swing_dots(scans, planted):
    """A dot for each factor and model, filled where the model goes by the factor: a Figure.

    scans {"biased", "irrelevant": answers to ScanQuestions, one for each model}. planted: name of the planted factor.
    """
    names = [str(name) for name in scans["biased"][0]["factor"]]
    figure = Figure(figsize=(6.4, 1.4 + 0.27 * len(names)), layout="constrained")
    ax = figure.subplots()
    ax.axvspan(0, RULE.no_swing, color=IRRELEVANT, alpha=0.07, lw=0)
    ax.axvspan(RULE.swing, 1, color=BIASED, alpha=0.07, lw=0)
    for arm, colour, marker, beside in DOTS:
        swing, used = (np.stack([scan[key] for scan in scans[arm]]) for key in ("swing", "used"))
        at = np.broadcast_to(np.arange(len(names)) + beside, swing.shape)
        ax.scatter(swing, at, s=26, marker=marker, facecolors=np.where(used == USED, colour, "white").ravel(),
                   edgecolors=colour, linewidths=1.2, clip_on=False, zorder=3)  # fmt: skip
        ax.scatter([], [], s=26, marker=marker, color=colour, label=f"{arm} models")
    ax.scatter([], [], s=26, facecolors="white", edgecolors="#5f6368", label="hollow: not said to use it")
    nouns = [FACTORS[name].noun + (" (planted)" if name == planted else "") for name in names]
    ax.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6), yticks=range(len(names)), yticklabels=nouns)
    ax.set_xlabel(f"swing of the mean probability\nshaded: not used below {RULE.no_swing:g}, used from {RULE.swing:g}")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def as_canvas(figure):
    """A Figure as pixels, uint8 (H, W, 3)."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
