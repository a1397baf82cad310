"""Figures of a scan: how far every factor swings the answers, and strips of real items with the answers under them."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from xaae.experiment.factor_questions import SAME, verdict_of
from xaae.experiment.figure_style import styled
from xaae.experiment.vocabulary import PALETTE, short_name
from xaae.scan.verdicts import CANNOT_TELL, NOT_USED, USED

COLOURS = {USED: "#b8560f", CANNOT_TELL: "#8a8f96", NOT_USED: "#1f5fa8", SAME: "#8a8f96"}
MARKS = {USED: "o", CANNOT_TELL: "D", NOT_USED: "s", SAME: "x"}  # told apart without colour too
FRAME, LINE, GAP = 0.85, 0.13, 0.06  # inches: height of a frame, a line of text, between frames
WIDEST = 1.9  # inches of a frame that is no square, such as the slices of a volume
LEFT, TOP = 0.95, 0.55  # inches beside and above the frames


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
    names = [row["noun"] for row in model["factors"]]
    ax.axvspan(0, rule["no_swing"], color="#1f5fa8", alpha=0.07, lw=0)
    ax.axvspan(rule["swing"], 1, color="#b8560f", alpha=0.07, lw=0)
    for verdict in MARKS:
        at = [i for i, row in enumerate(model["factors"]) if verdict_of(row) == verdict]
        rows = [model["factors"][i] for i in at]
        swing = np.array([row["swing"] for row in rows])
        ends = np.abs(np.array([[row["swing_low"], row["swing_high"]] for row in rows]).reshape(-1, 2).T - swing)
        ax.errorbar(swing, at, xerr=ends, fmt=MARKS[verdict], ms=4, lw=1.2, color=COLOURS[verdict], label=verdict)
    ax.set(xlim=(-0.02, 1.02), ylim=(len(names) - 0.4, -0.6), yticks=range(len(names)), yticklabels=names)
    ax.set_title(short_name(model["title"]), fontsize=9)
    ax.set_xlabel("swing of the mean probability", fontsize=8)
    ax.tick_params(labelsize=8)


@styled
def _strip(results, arrays, name, draw):
    """Items with one factor at each value, under each frame what every model answers: a Figure.

    draw(ax, frames (S, V, ...), under): draws the frames, each at its place, with `under` inches below each.
    """
    frames, models = arrays[f"{name}.frames"], results["models"]
    row = next(r for r in next(iter(models.values()))["factors"] if r["factor"] == name)
    (n, v), under = frames.shape[:2], LINE * len(models) + 0.06
    broad, high = _frame_size(frames)
    wide, tall = LEFT + v * (broad + GAP), TOP + n * (high + under)
    figure = Figure(figsize=(wide, tall))
    ax = figure.add_axes([0, 0, 1, 1])
    draw(ax, frames, under)
    ax.set(xlim=(0, wide), ylim=(tall, 0))
    ax.set_axis_off()
    title = f"{with_capital(row['noun'])}: {row['scale']}; under each: {_asked(models)}"
    ax.text(LEFT, 0.17, title, fontsize=8, va="center")
    middles = LEFT + np.arange(v) * (broad + GAP) + broad / 2
    for x, text in zip(middles, row["places"], strict=True):
        ax.text(x, 0.42, text, fontsize=7, ha="center", va="center")
    for i in range(n):
        top = TOP + i * (high + under)
        ax.text(0.06, top + high / 2, short_name(str(arrays["label"][i]), 14), fontsize=7, va="center")
        for k, (key, model) in enumerate(models.items()):
            y = top + high + 0.07 + k * LINE
            ax.text(0.06, y, short_name(model["title"], 14), fontsize=6.5, color="#5f6368", va="center")
            for x, probability in zip(middles, arrays[f"{name}.{key}"][i], strict=True):
                text, weight = _answer(probability, model["classes"])
                ax.text(x, y, text, fontsize=6.5, ha="center", va="center", weight=weight)
    return figure


def _frame_size(frames):
    """(width, height) in inches of frames (S, V, H, W, C), or of traces (S, V, C, T)."""
    ratio = frames.shape[3] / frames.shape[2] if frames.ndim == 5 else 1
    broad = min(FRAME * ratio, max(FRAME, WIDEST))
    return broad, broad / ratio


def factor_strip(results, arrays, name):
    """Pictures, or slices of volumes, with one factor at each value, under each what every model answers: a Figure.

    results: what scan.json holds. arrays: those of scan/strips.npz.
    """
    return _strip(results, arrays, name, _draw_pictures)


def _draw_pictures(ax, frames, under):
    """Frames (S, V, H, W, C) uint8 at their places."""
    (n, v), (broad, high) = frames.shape[:2], _frame_size(frames)
    extent = (LEFT, LEFT + v * (broad + GAP), TOP + n * (high + under), TOP)
    ax.imshow(_sheet(frames, under), extent=extent, aspect="auto")


def signal_strip(results, arrays, name):
    """The same for signals: the traces of all channels over each other."""
    return _strip(results, arrays, name, _draw_traces)


def _draw_traces(ax, frames, under):
    """Frames (S, V, C, T) in [0, 1] as traces at their places; each channel has its own share of a frame's height."""
    n, v, channels, length = frames.shape
    share = FRAME / channels
    time = np.linspace(0, FRAME, length)
    for i, j in np.ndindex(n, v):
        left, top = LEFT + j * (FRAME + GAP), TOP + i * (FRAME + under)
        ax.add_patch(Rectangle((left, top), FRAME, FRAME, fill=False, lw=0.4, ec="#dedcd4"))
        for c, values in enumerate(frames[i, j]):
            ax.plot(left + time, top + share * (c + 1 - values), lw=0.6, color=PALETTE[c % len(PALETTE)])


def _sheet(frames, under):
    """Frames (S, V, H, W, C) uint8 as one white sheet, with room beside each for GAP inches, below for `under`."""
    frames = np.repeat(frames, 3, -1) if frames.shape[-1] == 1 else frames[..., :3]
    scale = frames.shape[2] / _frame_size(frames)[1]  # pixels an inch
    room = ((0, 0), (0, 0), (0, round(scale * under)), (0, max(1, round(scale * GAP))), (0, 0))
    padded = np.pad(frames, room, constant_values=255)
    s, v, h, w, c = padded.shape
    return padded.transpose(0, 2, 1, 3, 4).reshape(s * h, v * w, c)


def with_capital(text):
    """A text with its first letter as a capital, the others as they are."""
    return text[:1].upper() + text[1:]


def _asked(models):
    """What the numbers under the frames are."""
    classes = next(iter(models.values()))["classes"]
    if len(classes) == 2:
        return f"probability of {short_name(classes[-1])} (bold from 0.5)"
    return "the class that is answered and its probability"


def _answer(probability, classes):
    """(text, its weight) for probabilities (K,)."""
    if len(classes) == 2:
        return f"{probability[-1]:.2f}", "bold" if probability[-1] >= 0.5 else "normal"
    best = int(probability.argmax())
    return f"{short_name(classes[best], 10)} {probability[best]:.2f}", "normal"


STRIP_DRAWING = {
    "picture": factor_strip,
    "signal": signal_strip,
    "volume": factor_strip,
}  # kind -> what draws items of a strip
