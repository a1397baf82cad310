"""The charts of an audit's page: how models answer to a factor, and how well an explanation tells them apart."""

import numpy as np
from markupsafe import Markup

from xaae.report.shared.charts import Axes, label, nice_ticks, tag

ARMS = {"biased": "", "irrelevant": "dashed", "normal": "dotted"}  # and the stroke of each


def response_chart(found: dict, about: dict, classes: list, model: str) -> Markup | None:
    """Mean probability of the last class by the factor's value: a line for each arm and true class; None without any.

    found: {arm: {"value": [...], class: [...]}}.
    """
    arms = {arm: found[arm] for arm in ARMS if found.get(arm)}
    values = [v for each in arms.values() for v in each["value"]]
    if not values:
        return None
    axes = Axes((min(values), max(values)), (0, 1), height=210, bottom=46)
    lines = [
        axes.line(each["value"], _numbers(each[name]), f"k{i % 6} {ARMS[arm]}")
        for arm, each in arms.items() for i, name in enumerate(classes) if _name in each
    ]  # fmt: skip
    frame = axes.frame(_axis(about), nice_ticks(min(values), max(values), 4), (0, 0.5, 1))
    alt = f"Mean probability that the {model} gives to {classes[-1]} at each {about.get('noun') or 'value'}, by arm"
    return axes.svg(frame, _planted(axes, about, classes), *lines, alt=alt)


def _axis(about: dict) -> str:
    """The name of the factor's axis."""
    unit = about.get("unit")
    return (about.get("noun") or about["factor"]) + (f", {unit}" if unit else "")


def _planted(axes: Axes, about: dict, classes: list) -> Markup:
    """Bars under the axis: which values the biased arm gives to each class."""
    foot, ranges = axes.height - axes.bottom + 3, about.get("ranges") or {}
    return Markup("").join(
        tag("line", class_=f"planted-range k{i % 6}", x1=float(axes.px(low)), x2=float(axes.px(high)), y1=foot, y2=foot)
        for i, (low, high) in ((i, ranges[name]) for i, name in enumerate(classes) if name in ranges)
    )


def detection_chart(cell: dict, asked: dict) -> Markup | None:
    """The AUROC with its interval, the pairs of models behind it, and pairs of unbiased models; None without AUROC."""
    (auroc, low, high), pairs, null = (_flat(v) for v in ([cell.get(k) for k in ("auroc", "low", "high")],
                                                         cell.get("pairs"), cell.get("null")))  # fmt: skip
    if not np.isfinite(auroc):
        return None
    seen = np.r_[auroc, low, high, pairs, null]
    axes = Axes(
        (min(0.4, np.nanmin(seen)), 1.0), (0, 3.4), width=380, height=116, left=124, right=12, top=16, bottom=24
    )
    parts = [_ticks(axes), _marks(axes, asked)]
    parts += [_name(axes, 2.3, "biased or unbiased?"), _name(axes, 0.8, "two unbiased models") if len(null) else ""]
    parts.append(axes.line([low, high], [2.3, 2.3], "thick accent") if np.isfinite([low, high]).all() else "")
    parts += [axes.dots(pairs, 2.3 + _spread(len(pairs)), "fine"), axes.dots([auroc], [2.3], "big accent")]
    parts.append(axes.dots(null, 0.8 + _spread(len(null)), "fine quiet"))
    alt = f"Detection: AUROC {auroc:.2f}, interval {low:.2f} to {high:.2f}, {len(pairs)} pairs of models"
    return axes.svg(*parts, alt=alt, class_="strip")


def _ticks(axes: Axes) -> Markup:
    """The axis of an AUROC."""
    foot = axes.height - axes.bottom
    return Markup("").join(
        [tag("line", class_="base", x1=axes.left, x2=axes.width - axes.right, y1=foot, y2=foot)]
        + [
            tag("text", label(t), x=float(axes.px(t)), y=foot + 15, text_anchor="middle")
            for t in nice_ticks(*axes.x, 5)
        ]
    )


def _marks(axes: Axes, asked: dict) -> Markup:
    """Where chance is, and from where detection counts."""
    wanted, at = asked.get("detection"), float(axes.px(0.5)) - 4
    chance = tag("text", "chance", x=at, y=axes.top + 2, class_="stage-text", text_anchor="end")  # clear of the other
    found = axes.mark(0.5, class_="stage") + chance
    return found + axes.mark(wanted, f"wanted: {wanted:g}") if isinstance(wanted, (int, float)) else found


def _name(axes: Axes, y: float, text: str) -> Markup:
    """What a row of dots is."""
    return tag("text", text, x=axes.left - 8, y=float(axes.py(y)) + 4, text_anchor="end")


def _spread(n: int) -> np.ndarray:
    """Small steps up and down, so that equal dots do not hide each other: (n,)."""
    return 0.55 * (np.arange(n) % 3 - 1.0) if n > 1 else np.zeros(n)


def _flat(values) -> np.ndarray:
    """Any nesting of numbers and None as one array, NaN for None; the same for nothing at all: (0,)."""
    return np.ravel(_numbers(values if values is not None else []))


def _numbers(values) -> np.ndarray:
    """Lists of numbers and None as an array of floats, NaN for None."""
    return np.array(values, dtype=object).astype(float)
