"""The charts of a walk: readings along it, random directions beside it, a sparkline for each meter."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from xaae.experiment.amounts import counted, noun_for
from xaae.experiment.vocabulary import SPACINGS
from xaae.report.shared.charts import Axes, axis_limits, svg_element
from xaae.report.shared.quantity import Quantity
from xaae.report.shared.words import fixed

QUARTILES = (25, 50, 75)


def since_first(readings) -> np.ndarray:
    """Readings (S, T) -> how far each frame is from the first known reading of its row, NaN where unknown."""
    readings = np.asarray(readings, float)
    known = np.isfinite(readings)
    first = np.take_along_axis(readings, known.argmax(1)[:, None], 1)
    return np.where(known, readings - first, np.nan)


def quartiles(values: np.ndarray) -> np.ndarray:
    """Lower quartile, median and upper quartile of the finite values in each column of (S, T): (3, T)."""
    columns = [column[np.isfinite(column)] for column in np.asarray(values, float).T]
    return np.array([np.percentile(c, QUARTILES) if len(c) else [np.nan] * 3 for c in columns]).T


def median(values: np.ndarray) -> np.ndarray:
    """Median of the finite values in each column of (S, T): (T,); NaN where there are none."""
    return quartiles(values)[1]


@dataclass(frozen=True)
class Steps:
    """Where the frames of a walk are along it: places (T,), what these are, and what each frame is called.

    heads: the same in short, with `hidden` behind each for who cannot see the table.
    """

    places: np.ndarray
    axis: str
    names: list[str]
    heads: list[str]
    hidden: str


def steps_of(walk: dict, spacing: str | None) -> Steps:
    """The Steps of a walk: alpha where all starts have the same, else the number of the frame."""
    alpha = np.asarray(walk["alpha"], float)
    if alpha.ndim == 1:
        heads = [fixed(a, 1) for a in alpha]
        named = [f"alpha {head}" for head in heads]
        return Steps(alpha, "alpha (standard deviations of the codes)", named, heads, "standard deviations")
    numbers = np.arange(1, alpha.shape[1] + 1)
    named = [f"frame {n} of {len(numbers)}" for n in numbers]
    axis = f"frame, in {SPACINGS.get(spacing or '', SPACINGS['arc'])}"
    return Steps(numbers, axis, named, [str(n) for n in numbers], f"of {len(numbers)} frames")


def walk_chart(steps: Steps, change, shown: list[int], measured: Quantity, clear: float | None, most: int = 60):
    """Change of the reading (S, T) against the Steps: all starts thin, their median thick.

    shown: rows whose line can be highlighted. clear: a change that the axis has to hold. Returns the chart, and for
    each frame the place [x, y] of the cursor.
    """
    middle = median(change)
    clear_end = np.sign(np.nansum(middle)) * (clear or 0)
    along = steps.places
    axes = Axes(axis_limits(along, pad=0.02), axis_limits(change, include=(0, clear_end)), width=380, height=250)
    rows = list(dict.fromkeys([*shown, *range(min(len(change), most))]))
    thin = [axes.line(along, change[row], "thin", data_row=row if row in shown else None) for row in rows]
    path = [[round(float(x), 1), round(float(y), 1)] for x, y in zip(axes.px(along), axes.py(middle), strict=True)]
    bar = svg_element("line", x1=0, x2=0, y1=axes.top - 6, y2=axes.height - axes.bottom)
    cursor = svg_element("g", bar, class_="cursor")
    knob = svg_element("circle", class_="knob", r=4.5, cx=0, cy=0)
    starts = counted(len(change), "starts")
    alt = f"Measured {measured.change} against the step along the direction: {starts} and their median"
    frame = axes.frame(steps.axis, y_ticks=measured.ticks(axes.y))
    return axes.svg(frame, *thin, cursor, axes.line(along, middle, "accent thick"), knob, alt=alt), path


def null_chart(changes: np.ndarray, change: float | None, measured: Quantity, clear: float | None) -> Markup:
    """Histogram of how far random directions (R,) change the reading, with this walk's change marked."""
    own = [] if change is None else [abs(change)]
    top = max([clear or 0.0, *changes, *own]) * 1.08 or 1.0
    counts, edges = np.histogram(changes, bins=28, range=(0, top))
    axes = Axes((0, top), (0, max(1, counts.max()) * 1.12), width=380, height=170, top=20)
    here = [axes.mark(size, f"this walk: {measured.short(size)}") for size in own]
    along = f"{len(changes)} random {noun_for(len(changes), 'directions')}"
    alt = f"Histogram of the {measured.change} along {along}, with this walk marked"
    frame = axes.frame(f"median {measured.change} ({measured.scale})", measured.ticks((0, top)))
    return axes.svg(frame, axes.bars(edges, counts, "count"), *here, alt=alt)


def sparkline(places, change, alt: str) -> Markup:
    """The median change (of S, T) at places (T,) along the walk, with the band between its quartiles, without axes."""
    low, middle, high = quartiles(change)
    x, y = axis_limits(places, pad=0), axis_limits(low, high, include=(0,), pad=0.08)
    axes = Axes(x, y, 96, 26, left=2, right=2, top=2, bottom=2)
    zero = axes.line(axes.x, (0, 0), "reference")
    return axes.svg(
        zero, axes.band(places, low, high, "spread"), axes.line(places, middle, ""), alt=alt, class_="spark"
    )
