"""The charts of an audit's page: how models answer to a factor, and how well an explanation tells them apart."""

import numpy as np
from markupsafe import Markup

from xaae.report.shared.charts import Axes, colour_class, nice_ticks, svg_element, tick_label

ARM_STROKES = {"biased": "solid", "irrelevant": "dashed", "normal": "dotted"}  # CSS class of each arm's line


def response_chart(answer: dict, about: dict, classes: list, model: str) -> Markup | None:
    """Mean probability of the last class by the factor's value: a line for each arm and true class; None without any.

    answer: {arm: {"value": [...], class: [...]}}.
    """
    arms = {arm: answer[arm] for arm in ARM_STROKES if answer.get(arm)}
    values = [v for each in arms.values() for v in each["value"]]
    if not values:
        return None
    axes = Axes((min(values), max(values)), (0, 1), height=210, bottom=46)
    lines = [
        axes.line(each["value"], _floats(each[name]), f"{colour_class(i)} {ARM_STROKES[arm]}")
        for arm, each in arms.items() for i, name in enumerate(classes) if name in each
    ]  # fmt: skip
    frame = axes.frame(_axis_name(about), nice_ticks(min(values), max(values), 4), (0, 0.5, 1))
    alt = f"Mean probability that the {model} gives to {classes[-1]} at each {about.get('noun') or 'value'}, by arm"
    return axes.svg(frame, _planted_bars(axes, about, classes), *lines, alt=alt)


def _axis_name(about: dict) -> str:
    """The name of the factor's axis."""
    unit = about.get("unit")
    return (about.get("noun") or about["factor"]) + (f", {unit}" if unit else "")


def _planted_bars(axes: Axes, about: dict, classes: list) -> Markup:
    """Bars under the axis: which values the biased arm gives to each class."""
    foot, ranges = axes.height - axes.bottom + 3, about.get("ranges") or {}
    bars = []
    for i, name in ((i, name) for i, name in enumerate(classes) if name in ranges):
        x1, x2 = (float(x) for x in axes.px(ranges[name]))
        bars.append(svg_element("line", class_=f"planted-range {colour_class(i)}", x1=x1, x2=x2, y1=foot, y2=foot))
    return Markup("").join(bars)


def detection_chart(cell: dict, thresholds: dict) -> Markup | None:
    """The AUROC with its interval, the pairs of models behind it, and pairs of unbiased models; None without AUROC."""
    (auroc, low, high), pairs, null = (
        _flat_floats(v) for v in ([cell.get(k) for k in ("auroc", "low", "high")], cell.get("pairs"), cell.get("null"))
    )
    if not np.isfinite(auroc):
        return None
    left_end = min(0.4, np.nanmin(np.r_[auroc, low, high, pairs, null]))
    axes = Axes((left_end, 1.0), (0, 3.4), width=380, height=116, left=124, right=12, top=16, bottom=24)
    parts = [_ticks(axes), _marks(axes, thresholds.get("detection")), _row_name(axes, 2.3, "biased or unbiased?")]
    parts += [_row_name(axes, 0.8, "two unbiased models")] if len(null) else []
    parts += [axes.line([low, high], [2.3, 2.3], "thick accent")] if np.isfinite([low, high]).all() else []
    parts += [axes.dots(pairs, 2.3 + _jitter(len(pairs)), "fine"), axes.dots([auroc], [2.3], "big accent")]
    parts.append(axes.dots(null, 0.8 + _jitter(len(null)), "fine quiet"))
    alt = f"Detection: AUROC {auroc:.2f}, interval {low:.2f} to {high:.2f}, {len(pairs)} pairs of models"
    return axes.svg(*parts, alt=alt, class_="strip")


def _ticks(axes: Axes) -> Markup:
    """The axis of an AUROC."""
    foot = axes.height - axes.bottom
    ticks = [
        svg_element("text", tick_label(t), x=float(axes.px(t)), y=foot + 15, text_anchor="middle")
        for t in nice_ticks(*axes.x, 5)
    ]
    base = svg_element("line", class_="base", x1=axes.left, x2=axes.width - axes.right, y1=foot, y2=foot)
    return Markup("").join([base, *ticks])


def _marks(axes: Axes, wanted) -> Markup:
    """Where chance is, and from where detection counts."""
    x = float(axes.px(0.5)) - 4
    label = svg_element("text", "chance", x=x, y=axes.top + 2, class_="stage-text", text_anchor="end")
    chance = axes.mark(0.5, class_="stage") + label
    return chance + axes.mark(wanted, f"wanted: {wanted:g}") if isinstance(wanted, (int, float)) else chance


def _row_name(axes: Axes, y: float, text: str) -> Markup:
    """What a row of dots is."""
    return svg_element("text", text, x=axes.left - 8, y=float(axes.py(y)) + 4, text_anchor="end")


def _jitter(n: int) -> np.ndarray:
    """Small steps up and down, so that equal dots do not hide each other: (n,)."""
    return 0.55 * (np.arange(n) % 3 - 1.0) if n > 1 else np.zeros(n)


def _flat_floats(values) -> np.ndarray:
    """Any nesting of numbers and None as one array, NaN for None; (0,) for None alone."""
    return np.ravel(_floats(values if values is not None else []))


def _floats(values) -> np.ndarray:
    """Lists of numbers and None as an array of floats, NaN for None."""
    return np.array(values, dtype=object).astype(float)
