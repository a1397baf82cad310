"""The figures of the page: arrays and tables in, inline SVG out."""

import numpy as np
import pandas as pd
from markupsafe import Markup

from xaae.report.shared.charts import Axes, axis_limits, nice_ticks, tag
from xaae.report.shared.quantity import Quantity

METRICS = ("accuracy", "precision", "recall")
HEALTH = {
    "valid_accuracy": ("Accuracy, held out", "share of held-out images the AAE's head names correctly", None),
    "valid_discriminator_accuracy": ("Discriminator accuracy", "0.5: it cannot tell codes from the prior", 0.5),
    "valid_code_mean_norm": ("Norm of the mean code", "0 for a centred latent space", 0.0),
    "valid_code_cov_error": ("Covariance error of the codes", "0 for the covariance of the prior", 0.0),
}
BASELINE = {"accuracy": ("Accuracy, held out", "share of held-out images named correctly", None)}
RAMP = ((152, 48, 200), (184, 52, 150), (214, 85, 109), (238, 124, 74), (242, 164, 36))  # of a number, low to high


def _epochs(history: pd.DataFrame) -> np.ndarray:
    """The epoch of each row, or the row's number where epochs are missing or start again with a stage."""
    found = pd.to_numeric(history["epoch"], errors="coerce").to_numpy(float) if "epoch" in history else np.empty(0)
    rising = len(found) and np.isfinite(found).all() and (np.diff(found) > 0).all()
    return found if rising else np.arange(1.0, len(history) + 1)


def _column(history: pd.DataFrame, name: str) -> np.ndarray:
    """A column as floats; what is no number becomes NaN."""
    return pd.to_numeric(history[name], errors="coerce").to_numpy(float)


def stages(history: pd.DataFrame) -> list[tuple[float, str]]:
    """(epoch, name) at which each stage but a lone one begins."""
    if "stage" not in history or history["stage"].nunique() < 2:
        return []
    names, x = history["stage"].astype(str).tolist(), _epochs(history)
    return [(x[i] - 0.5 if i else x[0], name) for i, name in enumerate(names) if not i or name != names[i - 1]]


def _curve(history: pd.DataFrame, lines: dict[str, str], alt: str, reference: float | None = None) -> Markup:
    """A chart of some columns (name -> css class) over the epochs, with its stages marked."""
    x, values = _epochs(history), [_column(history, name) for name in lines]
    include = () if reference is None else (reference,)
    axes = Axes((x[0], max(x[-1], x[0] + 1)), axis_limits(*values, include=include), height=170, top=20, left=44)
    drawn = [axes.line(x, y, css) for y, css in zip(values, lines.values(), strict=True)]
    drawn += [axes.dots(x, y, css) for y, css in zip(values, lines.values(), strict=True) if np.isfinite(y).sum() < 3]
    marks = [axes.mark(at, str(i), "stage") for i, (at, _) in enumerate(stages(history), 1)]
    line = [] if reference is None else [axes.line(axes.x, (reference, reference), "reference")]
    ticks = [t for t in nice_ticks(*axes.x) if t == int(t)] if len(x) > 8 else list(x)
    return axes.svg(axes.frame("epoch", x_ticks=ticks), *marks, *line, *drawn, alt=alt)


def losses(history: pd.DataFrame) -> list[dict]:
    """One chart per named loss: training thin, held-out in the accent colour."""
    named = dict.fromkeys(name.split("_", 1)[1] for name in history if name.startswith(("train_", "valid_")))
    charts = []
    for name in (n for n in named if n not in METRICS and f"valid_{n}" not in HEALTH):
        lines = {
            f"{part}_{name}": css
            for part, css in (("train", "quiet"), ("valid", "accent"))
            if f"{part}_{name}" in history and np.isfinite(_column(history, f"{part}_{name}")).any()
        }
        if lines:
            title = "Loss" if name == "loss" else f"{name.replace('_', ' ').capitalize()} loss"
            charts.append(
                {
                    "title": title,
                    "note": "mean squared error per pixel" if name == "reconstruction" else "",
                    "svg": _curve(history, lines, f"{title} over the epochs"),
                }
            )
    return charts


def measures(history: pd.DataFrame, wanted: dict) -> list[dict]:
    """One chart per measure of `wanted` (column -> title, note, reference line) that the table holds."""
    return [
        {"title": title, "note": note, "svg": _curve(history, {name: "accent"}, f"{title} over the epochs", reference)}
        for name, (title, note, reference) in wanted.items()
        if name in history and np.isfinite(_column(history, name)).any()
    ]


def _polar(angle: float, radius: float) -> tuple[float, float]:
    """A place on the dial: 0 degrees on the left, 90 at the top, 180 on the right."""
    return 170 - radius * np.cos(np.radians(angle)), 150 - radius * np.sin(np.radians(angle))


def _arc(low: float, high: float, radius: float, css: str) -> Markup:
    """The part of a ring from `low` to `high` degrees; a dot where both are the same."""
    angles = np.linspace(low, high, max(2, int(abs(high - low) / 3) + 2))
    points = [_polar(a, radius) for a in angles]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return tag(
        "path",
        class_=f"{'arc' if high > low else 'dots big'} {css}",
        d=path if high > low else path.split("L")[0] + "h0",
    )


def _dial(ranges: dict, class_index: dict[str, int], told: Quantity) -> Markup:
    """The planted range of angles of each class, as rings of a half dial (a whole one if angles go beyond 180)."""
    beyond = any(low < 0 or high > 180 for low, high in ranges.values())
    ticks = range(0, 360 if beyond else 181, 45)
    parts = [
        tag(
            "line", class_="grid", **dict(zip(("x1", "y1", "x2", "y2"), (*_polar(a, 30), *_polar(a, 122)), strict=True))
        )
        for a in ticks
    ]
    parts += [tag("text", f"{a}°", x=_polar(a, 138)[0], y=_polar(a, 136)[1] + 4, text_anchor="middle") for a in ticks]
    step = min(24, 80 // max(1, len(ranges)))
    parts += [
        _arc(low, high, 108 - step * i, f"k{class_index.get(name, i) % 6}")
        for i, (name, (low, high)) in enumerate(ranges.items())
    ]
    return Axes((0, 1), (0, 1), height=305 if beyond else 168).svg(
        *parts, alt=_planted_words(ranges, told), class_="dial"
    )


def _planted_words(ranges: dict, told: Quantity) -> str:
    """The planted ranges for those who cannot see the drawing."""
    return f"Planted {told.plural}: " + "; ".join(f"{name} {told.between(*pair)}" for name, pair in ranges.items())


def _bars(ranges: dict, class_index: dict[str, int], told: Quantity) -> Markup:
    """The planted range of values of each class, as bars one above the other over a common axis."""
    ends = axis_limits(*ranges.values(), pad=0.03)
    axes = Axes(ends, (0, 1), height=54 + 26 * len(ranges), left=16, right=16, top=10)
    parts = []
    for i, (name, (low, high)) in enumerate(ranges.items()):
        css, y = f"k{class_index.get(name, i) % 6}", axes.top + 13 + 26.0 * i
        x0, x1 = (float(x) for x in axes.px((low, high)))
        path = f"M{x0:.1f} {y}H{x1:.1f}" if high > low else f"M{x0:.1f} {y}h0"
        parts.append(tag("path", class_=f"{'arc' if high > low else 'dots big'} {css}", d=path))
    frame = axes.frame(f"{told.noun} ({told.scale})", y_ticks=())
    return axes.svg(frame, *parts, alt=_planted_words(ranges, told), class_="ranges")


DRAWINGS = {"degrees": _dial}  # of planted ranges by unit; bars for any other


def planted_ranges(ranges: dict, class_index: dict[str, int], told: Quantity) -> Markup:
    """The planted range of each class, drawn as its unit asks for: {class: (low, high)}."""
    return DRAWINGS.get(told.unit, _bars)(ranges, class_index, told)


def response_chart(rows: pd.DataFrame, class_index: dict, boundary: float | None, told: Quantity, alt: str) -> Markup:
    """Mean class probability against the planted value, one line and interval per true class."""
    axes = Axes(axis_limits(rows["value"], pad=0.02), (-0.03, 1.03), height=220, top=20)
    parts = [] if boundary is None else [axes.mark(boundary, told.short(boundary))]
    parts.append(axes.line(axes.x, (0.5, 0.5), "reference"))
    for name, group in rows.sort_values("value").groupby("label", sort=False):
        css, x = f"k{class_index.get(str(name), 0) % 6}", group["value"]
        parts += [axes.band(x, group["low"], group["high"], css)] if {"low", "high"} <= set(group) else []
        parts += [axes.line(x, group["mean"], css), axes.dots(x, group["mean"], css)]
    frame = axes.frame(f"planted {told.noun} ({told.scale})", told.ticks(axes.x), (0, 0.25, 0.5, 0.75, 1))
    return axes.svg(frame, *parts, alt=alt)


def impact_chart(impact: dict, told: Quantity) -> Markup:
    """Difference of the mean planted value against the distance along the direction, both models."""
    named = [(m, css) for m, css in (("baseline", "quiet dashed"), ("aae", "accent")) if f"{m}.difference" in impact]
    axes = Axes((0, 1), axis_limits(*(impact[f"{m}.difference"] for m, _ in named), include=(0,)), height=230)
    parts = [
        draw(impact[f"{m}.distance"], impact[f"{m}.difference"], css.split()[0] if draw == axes.dots else css)
        for m, css in named
        for draw in (axes.line, axes.dots)
    ]
    return axes.svg(
        axes.frame("distance along the direction", y_ticks=told.ticks(axes.y)),
        *parts,
        alt=f"Mean planted {told.noun} along the direction of the AAE and the ResNet34",
    )


def impact_scatter(position, value, label, class_index: dict, told: Quantity, alt: str, most: int = 600) -> Markup:
    """Planted value of each held-out item against its place along the direction, one colour per class."""
    kept = np.linspace(0, len(value) - 1, min(len(value), most)).astype(int)
    position, value, label = np.asarray(position)[kept], np.asarray(value)[kept], np.asarray(label).astype(str)[kept]
    axes = Axes(axis_limits(position), axis_limits(value, include=(0,)), height=230)
    parts = [
        axes.dots(position[label == name], value[label == name], f"k{index % 6} fine")
        for name, index in class_index.items()
    ]
    return axes.svg(axes.frame("position along the direction", y_ticks=told.ticks(axes.y)), *parts, alt=alt)


def ramp(share: float) -> str:
    """The colour at `share` (0 to 1) of a number's scale."""
    at = np.clip(share, 0, 1) * (len(RAMP) - 1)
    return "#" + "".join(
        f"{round(np.interp(at, range(len(RAMP)), channel)):02x}" for channel in zip(*RAMP, strict=True)
    )
