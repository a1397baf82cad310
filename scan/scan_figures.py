"""Figures of a scan: how far every factor swings the answers, and strips of real items with the answers under them."""

import numpy as np
from matplotlib.figure import Figure

from xaae.experiment.figure_style import short_name, styled
from xaae.factors.registry import FACTORS
from xaae.scan.verdicts import CANNOT_TELL, NOT_USED, USED

COLOURS = {USED: "#b8560f", CANNOT_TELL: "#8a8f96", NOT_USED: "#1f5fa8"}
MARKS = {USED: "o", CANNOT_TELL: "D", NOT_USED: "s"}  # told apart without colour too
FRAME, LINE, GAP = 0.85, 0.13, 0.06  # inches: a side of a frame, a line of text, between frames


@styled
def swing_chart(results):
    """The swing of every factor with its interval, a panel for each model, from what scan.json holds: a Figure."""
    models = results["models"]
    rows = max(len(m["factors"]) for m in models.values())
    figure = Figure(figsize=(1.6 + 3.9 * len(models), 1.15 + 0.27 * rows), layout="constrained")
    axes = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    for ax, model in zip(axes, models.values(), strict=True):
        _one_chart(ax, model, results["rule"])
    axes[0].legend(loc="lower right", fontsize=7, frameon=True)
    figure.suptitle("How far one factor alone moves the answer, within what the data hold", fontsize=10)
    return figure


def _one_chart(ax, model, rule):
    """The panel of one model."""
    names = [FACTORS[row["factor"]].noun for row in model["factors"]]
    ax.axvspan(0, rule["no_swing"], color="#1f5fa8", alpha=0.07, lw=0)
    ax.axvspan(rule["swing"], 1, color="#b8560f", alpha=0.07, lw=0)
    for verdict in (USED, CANNOT_TELL, NOT_USED):
        at = [i for i, row in enumerate(model["factors"]) if row["used"] == verdict]
        rows = [model["factors"][i] for i in at]
        swing = np.array([row["swing"] for row in rows])
        ends = np.abs(np.array([[row["swing_low"], row["swing_high"]] for row in rows]).reshape(-1, 2).T - swing)
        ax.errorbar(swing, at, xerr=ends, fmt=MARKS[verdict], ms=4, lw=1.2, color=COLOURS[verdict], label=verdict)
    ax.set(xlim=(-0.02, 1.02), ylim=(len(names) - 0.4, -0.6), yticks=range(len(names)), yticklabels=names)
    ax.set_title(short_name(model["title"]), fontsize=9)
    ax.set_xlabel("swing of the mean probability", fontsize=8)
    ax.tick_params(labelsize=8)


def places_in_words(row):
    """The places of a row's axis as short texts, with the sign of their unit."""
    factor = FACTORS[row["factor"]]
    if row["source"] == "data":  # readings of the meter, in its own unit
        return [f"{value:.3g}" for value in row["axis"]]
    return [f"{value:.{factor.digits}f}{factor.sign}" for value in row["axis"]]


@styled
def factor_strip(results, arrays, name):
    """Real items with one factor at each value, under each frame what every model answers: a Figure.

    results: what scan.json holds. arrays: those of scan/strips.npz.
    """
    frames, models = arrays[f"{name}.frames"], results["models"]
    some = next(iter(models.values()))
    row = next(r for r in some["factors"] if r["factor"] == name)
    n, v = frames.shape[:2]
    left, under = 0.95, LINE * len(models) + 0.06
    wide, tall = left + v * (FRAME + GAP), 0.62 + n * (FRAME + under)
    figure = Figure(figsize=(wide, tall))
    ax = figure.add_axes([0, 0, 1, 1], xlim=(0, wide), ylim=(tall, 0))
    ax.set_axis_off()
    factor, unit = FACTORS[name], row["unit"]
    ax.text(left, 0.17, f"{factor.noun.capitalize()} ({unit}); under each: {_asked(models)}", fontsize=8, va="center")
    for j, text in enumerate(places_in_words(row)):
        ax.text(left + j * (FRAME + GAP) + FRAME / 2, 0.42, text, fontsize=7, ha="center", va="center")
    for i in range(n):
        top = 0.55 + i * (FRAME + under)
        ax.text(0.06, top + FRAME / 2, short_name(str(arrays["label"][i]), 14), fontsize=7, va="center")
        for k, model in enumerate(models.values()):
            y = top + FRAME + 0.07 + k * LINE
            ax.text(0.06, y, short_name(model["title"], 14), fontsize=6.5, color="#5f6368", va="center")
        for j in range(v):
            x = left + j * (FRAME + GAP)
            picture = frames[i, j]
            ax.imshow(np.repeat(picture, 3, -1) if picture.shape[-1] == 1 else picture,
                      extent=(x, x + FRAME, top + FRAME, top), aspect="auto")  # fmt: skip
            for k, (key, model) in enumerate(models.items()):
                text, bold = _answer(arrays[f"{name}.{key}"][i, j], model["classes"])
                ax.text(x + FRAME / 2, top + FRAME + 0.07 + k * LINE, text, fontsize=6.5, ha="center", va="center",
                        weight="bold" if bold else "normal")  # fmt: skip
    ax.set(xlim=(0, wide), ylim=(tall, 0))
    return figure


def _asked(models):
    """What the numbers under the frames are."""
    classes = next(iter(models.values()))["classes"]
    if len(classes) == 2:
        return f"probability of {short_name(classes[-1])} (bold from 0.5)"
    return "the class that is answered and its probability"


def _answer(probability, classes):
    """(text, is it bold) for probabilities (K,)."""
    if len(classes) == 2:
        return f"{probability[-1]:.2f}", probability[-1] >= 0.5
    best = int(probability.argmax())
    return f"{short_name(classes[best], 10)} {probability[best]:.2f}", False


STRIP_DRAWING = {"picture": factor_strip}  # kind -> what draws items of a strip
