"""How each model answers to the planted factor, and how the factor rises along each model's direction."""

import numpy as np
import pandas as pd
from markupsafe import Markup

from xaae.experiment.vocabulary import models_of
from xaae.report.shared.charts import Axes, axis_limits, colour_class
from xaae.report.shared.quantity import Quantity
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.sprites import evenly

STROKES = {"baseline": "quiet dashed", "aae": "accent"}  # CSS classes of each model's line, the upper one last
MOST_DOTS = 600


def response_section(run: RunFiles, summary: dict) -> list[dict]:
    """One chart for each model: probability of the last class against the planted value."""
    table, planted = run.table("explanations/response.csv"), run.planted
    if table is None or not {"model", "label", "value", "mean"} <= set(table):
        return []
    last = run.classes[-1] if run.classes else "the last class"
    sections = []
    for model, title in models_of(run.kind).items():
        rows, alt = table[table["model"] == model], f"{title}: probability of {last} against the {planted.noun}"
        if len(rows):
            chart = _response_curves(rows, run.class_index, summary["boundary"], planted, alt)
            sections.append({"model": model, "title": title, "svg": chart})
    return sections


def _response_curves(rows: pd.DataFrame, class_index: dict, boundary: float | None, planted: Quantity, alt: str):
    """Mean class probability against the planted value, one line and interval for each true class."""
    axes = Axes(axis_limits(rows["value"], pad=0.02), (-0.03, 1.03), height=220, top=20)
    parts = [] if boundary is None else [axes.mark(boundary, planted.short(boundary))]
    parts.append(axes.line(axes.x, (0.5, 0.5), "reference"))
    for name, group in rows.sort_values("value").groupby("label", sort=False):
        css, x = colour_class(class_index.get(str(name), 0)), group["value"]
        parts += [axes.band(x, group["low"], group["high"], css)] if {"low", "high"} <= set(group) else []
        parts += [axes.line(x, group["mean"], css), axes.dots(x, group["mean"], css)]
    frame = axes.frame(f"planted {planted.noun} ({planted.scale})", planted.ticks(axes.x), (0, 0.25, 0.5, 0.75, 1))
    return axes.svg(frame, *parts, alt=alt)


def impact_section(run: RunFiles) -> dict | None:
    """The planted value along the direction as a curve, and the held-out items of each model; None if not measured."""
    impact, planted = run.arrays("impact.npz", "aae.distance", "aae.difference"), run.planted
    if impact is None:
        return None
    titles = models_of(run.kind)
    return {
        "curve": _impact_curve(impact, planted, titles),
        "scatter": [
            {"title": f"{title}: held-out items", "svg": _impact_scatter(impact, m, run.class_index, planted, title)}
            for m, title in titles.items()
            if {f"{m}.position", "value", "label"} <= set(impact)
        ],
        "varies": "value" not in impact or bool(np.ptp(impact["value"])),
        "baseline": "baseline.difference" in impact,
    }


def _impact_curve(impact: dict, planted: Quantity, titles: dict) -> Markup:
    """Difference of the mean planted value against the distance along the direction, both models."""
    strokes = {m: css for m, css in STROKES.items() if f"{m}.difference" in impact}
    axes = Axes((0, 1), axis_limits(*(impact[f"{m}.difference"] for m in strokes), include=(0,)), height=230)
    parts = []
    for m, css in strokes.items():
        x, y = impact[f"{m}.distance"], impact[f"{m}.difference"]
        parts += [axes.line(x, y, css), axes.dots(x, y, css.split()[0])]
    frame = axes.frame("distance along the direction", y_ticks=planted.ticks(axes.y))
    alt = f"Mean planted {planted.noun} along the direction: {' and '.join(titles[m] for m in titles if m in strokes)}"
    return axes.svg(frame, *parts, alt=alt)


def _impact_scatter(impact: dict, model: str, class_index: dict, planted: Quantity, title: str) -> Markup:
    """Planted value of each held-out item against its place along the direction, one colour for each class."""
    shown = evenly(len(impact["value"]), MOST_DOTS)
    position, value, label = (impact[key][shown] for key in (f"{model}.position", "value", "label"))
    axes = Axes(axis_limits(position), axis_limits(value, include=(0,)), height=230)
    parts = [
        axes.dots(position[chosen], value[chosen], f"{colour_class(index)} fine")
        for name, index in class_index.items()
        if (chosen := label.astype(str) == name).any()
    ]
    frame = axes.frame("position along the direction", y_ticks=planted.ticks(axes.y))
    alt = f"{title}: planted {planted.noun} of held-out items against their position along the direction"
    return axes.svg(frame, *parts, alt=alt)
