"""The figures of the page: arrays and tables in, inline SVG out."""

import numpy as np
import pandas as pd
from markupsafe import Markup

from report.charts import ANGLE_TICKS, Axes, limits, nice_ticks, tag

METRICS = ("accuracy", "precision", "recall")
HEALTH = {
    "valid_accuracy": ("Accuracy, held out", "share of held-out images the AAE's head names correctly", None),
    "valid_discriminator_accuracy": ("Discriminator accuracy", "0.5: it cannot tell codes from the prior", 0.5),
    "valid_code_mean_norm": ("Norm of the mean code", "0 for a centred latent space", 0.0),
    "valid_code_cov_error": ("Covariance error of the codes", "0 for the covariance of the prior", 0.0),
}
BASELINE = {"accuracy": ("Accuracy, held out", "share of held-out images named correctly", None)}
RAMP = ((152, 48, 200), (184, 52, 150), (214, 85, 109), (238, 124, 74), (242, 164, 36))  # angle, low to high


def epochs(history: pd.DataFrame) -> np.ndarray:
    """The epoch of each row, or the row's number where epochs are missing or start again with a stage."""
    found = pd.to_numeric(history["epoch"], errors="coerce").to_numpy(float) if "epoch" in history else np.empty(0)
    rising = len(found) and np.isfinite(found).all() and (np.diff(found) > 0).all()
    return found if rising else np.arange(1.0, len(history) + 1)


def column(history: pd.DataFrame, name: str) -> np.ndarray:
    """A column as floats; what is no number becomes NaN."""
    return pd.to_numeric(history[name], errors="coerce").to_numpy(float)


def stages(history: pd.DataFrame) -> list[tuple[float, str]]:
    """(epoch, name) at which each stage but a lone one begins."""
    if "stage" not in history or history["stage"].nunique() < 2:
        return []
    names, x = history["stage"].astype(str).tolist(), epochs(history)
    return [(x[i] - 0.5 if i else x[0], name) for i, name in enumerate(names) if not i or name != names[i - 1]]


def curve(history: pd.DataFrame, lines: dict[str, str], alt: str, reference: float | None = None) -> Markup:
    """A chart of some columns (name -> css class) over the epochs, with its stages marked."""
    x, values = epochs(history), [column(history, name) for name in lines]
    include = () if reference is None else (reference,)
    axes = Axes((x[0], max(x[-1], x[0] + 1)), limits(*values, include=include), height=170, top=20, left=44)
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
            if f"{part}_{name}" in history and np.isfinite(column(history, f"{part}_{name}")).any()
        }
        if lines:
            title = "Loss" if name == "loss" else f"{name.replace('_', ' ').capitalize()} loss"
            charts.append(
                {
                    "title": title,
                    "note": "mean squared error per pixel" if name == "reconstruction" else "",
                    "svg": curve(history, lines, f"{title} over the epochs"),
                }
            )
    return charts


def measures(history: pd.DataFrame, wanted: dict) -> list[dict]:
    """One chart per measure of `wanted` (column -> title, note, reference line) that the table holds."""
    return [
        {"title": title, "note": note, "svg": curve(history, {name: "accent"}, f"{title} over the epochs", reference)}
        for name, (title, note, reference) in wanted.items()
        if name in history and np.isfinite(column(history, name)).any()
    ]


def polar(angle: float, radius: float) -> tuple[float, float]:
    """A place on the dial: 0 degrees on the left, 90 at the top, 180 on the right."""
    return 170 - radius * np.cos(np.radians(angle)), 150 - radius * np.sin(np.radians(angle))


def arc(low: float, high: float, radius: float, css: str) -> Markup:
    """The part of a ring from `low` to `high` degrees; a dot where both are the same."""
    angles = np.linspace(low, high, max(2, int(abs(high - low) / 3) + 2))
    points = [polar(a, radius) for a in angles]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return tag(
        "path",
        class_=f"{'arc' if high > low else 'dots big'} {css}",
        d=path if high > low else path.split("L")[0] + "h0",
    )


def dial(ranges: dict, class_index: dict[str, int]) -> Markup:
    """The planted range of angles of each class, as rings of a half dial (a whole one if angles go beyond 180)."""
    beyond = any(low < 0 or high > 180 for low, high in ranges.values())
    ticks = range(0, 360 if beyond else 181, 45)
    parts = [
        tag("line", class_="grid", **dict(zip(("x1", "y1", "x2", "y2"), (*polar(a, 30), *polar(a, 122)), strict=True)))
        for a in ticks
    ]
    parts += [tag("text", f"{a}°", x=polar(a, 138)[0], y=polar(a, 136)[1] + 4, text_anchor="middle") for a in ticks]
    step = min(24, 80 // max(1, len(ranges)))
    parts += [
        arc(low, high, 108 - step * i, f"k{class_index.get(name, i) % 6}")
        for i, (name, (low, high)) in enumerate(ranges.items())
    ]
    words = "; ".join(f"{name} {low:g} to {high:g} degrees" for name, (low, high) in ranges.items())
    return Axes((0, 1), (0, 1), height=305 if beyond else 168).svg(
        *parts, alt=f"Planted angles: {words}", class_="dial"
    )


def median(values: np.ndarray) -> np.ndarray:
    """Median over the rows of what is finite; NaN where nothing is."""
    columns = [column[np.isfinite(column)] for column in values.T]
    return np.array([np.median(column) if len(column) else np.nan for column in columns])


def walk_chart(alpha: np.ndarray, angle: np.ndarray, shown: list[int], most: int = 60) -> tuple[Markup, list]:
    """Angle against alpha: all starts thin, the median thick; and where the cursor stands at each frame."""
    axes = Axes(limits(alpha, pad=0.02), limits(angle, include=(0, 45)), width=380, height=250)
    rows = list(dict.fromkeys([*shown, *range(min(len(angle), most))]))
    thin = [axes.line(alpha, angle[row], "thin", data_row=row if row in shown else None) for row in rows]
    middle = median(angle)
    path = [[round(float(x), 1), round(float(y), 1)] for x, y in zip(axes.px(alpha), axes.py(middle), strict=True)]
    cursor = tag("g", tag("line", x1=0, x2=0, y1=axes.top - 6, y2=axes.height - axes.bottom), class_="cursor")
    knob = tag("circle", class_="knob", r=4.5, cx=0, cy=0)
    alt = f"Measured angle against the step along the direction, {len(angle)} starts and their median"
    frame = axes.frame("alpha (standard deviations of the codes)", y_ticks=angle_ticks(axes.y))
    return axes.svg(frame, *thin, cursor, axes.line(alpha, middle, "accent thick"), knob, alt=alt), path


def angle_ticks(ends: tuple[float, float]) -> list[float] | None:
    """Multiples of 45 degrees, or of 90 if there would be too many; None (round numbers) if there would be too few."""
    for step in (15, 45, 90, 180):
        ticks = np.arange(np.ceil(ends[0] / step), np.floor(ends[1] / step) + 1) * float(step)
        if 3 <= len(ticks) <= 7:
            return ticks.tolist()
    return None


def null_chart(spans: np.ndarray, span: float | None) -> Markup:
    """How far random directions turn the picture, with this walk's span marked."""
    spans = spans[np.isfinite(spans)]
    top = max([45.0, *spans, *([] if span is None else [abs(span)])]) * 1.08
    counts, edges = np.histogram(spans, bins=28, range=(0, top))
    axes = Axes((0, top), (0, max(1, counts.max()) * 1.12), width=380, height=170, top=20)
    here = [] if span is None else [axes.mark(abs(span), f"this walk: {abs(span):.0f}°")]
    alt = f"Histogram of the turn of {len(spans)} random directions, with this walk's turn marked"
    ticks = [t for t in (*ANGLE_TICKS, 225, 270, 315, 360) if t <= top]
    return axes.svg(axes.frame("median turn (degrees)", ticks), axes.bars(edges, counts, "count"), *here, alt=alt)


def response_chart(rows: pd.DataFrame, class_index: dict, boundary: float | None, alt: str) -> Markup:
    """Mean class probability against the angle, one line and interval per true class."""
    axes = Axes(limits(rows["angle"], pad=0.02), (-0.03, 1.03), height=220, top=20)
    parts = [] if boundary is None else [axes.mark(boundary, f"{boundary:g}°")]
    parts.append(axes.line(axes.x, (0.5, 0.5), "reference"))
    for name, group in rows.sort_values("angle").groupby("label", sort=False):
        css, x = f"k{class_index.get(str(name), 0) % 6}", group["angle"]
        parts += [axes.band(x, group["low"], group["high"], css)] if {"low", "high"} <= set(group) else []
        parts += [axes.line(x, group["mean"], css), axes.dots(x, group["mean"], css)]
    ticks = [t for t in ANGLE_TICKS if axes.x[0] <= t <= axes.x[1]]
    return axes.svg(axes.frame("planted angle (degrees)", ticks or None, (0, 0.25, 0.5, 0.75, 1)), *parts, alt=alt)


def impact_chart(impact: dict) -> Markup:
    """Difference of the mean planted angle against the distance along the direction, both models."""
    named = [(m, css) for m, css in (("baseline", "quiet dashed"), ("aae", "accent")) if f"{m}.difference" in impact]
    axes = Axes((0, 1), limits(*(impact[f"{m}.difference"] for m, _ in named), include=(0, 90)), height=230)
    parts = [
        draw(impact[f"{m}.distance"], impact[f"{m}.difference"], css.split()[0] if draw == axes.dots else css)
        for m, css in named
        for draw in (axes.line, axes.dots)
    ]
    return axes.svg(
        axes.frame("distance along the direction", y_ticks=angle_ticks(axes.y)),
        *parts,
        alt="Rotation-impact curve of the AAE and the ResNet34",
    )


def impact_scatter(position, value, label, class_index: dict, alt: str, most: int = 600) -> Markup:
    """Planted angle of each held-out item against its place along the direction, one colour per class."""
    kept = np.linspace(0, len(value) - 1, min(len(value), most)).astype(int)
    position, value, label = np.asarray(position)[kept], np.asarray(value)[kept], np.asarray(label).astype(str)[kept]
    axes = Axes(limits(position), limits(value, include=(0, 90)), height=230)
    parts = [
        axes.dots(position[label == name], value[label == name], f"k{index % 6} fine")
        for name, index in class_index.items()
    ]
    return axes.svg(axes.frame("position along the direction", y_ticks=angle_ticks(axes.y)), *parts, alt=alt)


def ramp(share: float) -> str:
    """The colour at `share` (0 to 1) of the angle's scale."""
    at = np.clip(share, 0, 1) * (len(RAMP) - 1)
    return "#" + "".join(
        f"{round(np.interp(at, range(len(RAMP)), channel)):02x}" for channel in zip(*RAMP, strict=True)
    )
