"""Small charts as inline SVG. Their colours are in the style sheet, so that they follow a light or dark page."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from xaae.experiment.vocabulary import PALETTE


def svg_element(name: str, *children, **attributes) -> Markup:
    """One SVG element; children and attribute values are escaped. `class_` -> class, `data_x` -> data-x."""
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    opening = "".join(f' {key}="{escape(_short(value))}"' for key, value in pairs)
    return Markup(f"<{name}{opening}>{''.join(escape(child) for child in children)}</{name}>")


def _short(value):
    """Floats with one decimal: a tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, (float, np.floating)) else value


def colour_class(number: int) -> str:
    """The CSS class that gives the colour of class `number`: "k0", "k1", ..., again from the start when they end."""
    return f"k{number % len(PALETTE)}"


def nice_ticks(low: float, high: float, number: int = 5) -> list[float]:
    """About `number` round values from `low` to `high`."""
    raw = (high - low) / max(1, number)
    power = 10.0 ** np.floor(np.log10(raw)) if raw > 0 else 1.0
    step = power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999) if raw > 0 else 1.0
    return [float(round(v, 10)) for v in np.arange(np.ceil(low / step - 1e-9) * step, high + step * 1e-6, step)]


def axis_limits(*arrays, pad: float = 0.06, include: tuple = ()) -> tuple[float, float]:
    """Lowest and highest finite value of all arrays, with some room; (0, 1) if there is none."""
    values = np.concatenate([np.ravel(np.asarray(a, float)) for a in (*arrays, include)])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = values.min(), values.max()
    room = (high - low or abs(high) or 1.0) * pad
    return float(low - room), float(high + room)


@dataclass
class Axes:
    """A chart: limits `x` and `y` of its data, its size in SVG units, and methods that return SVG elements."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 340
    height: int = 200
    left: int = 38
    right: int = 10
    top: int = 14
    bottom: int = 34

    def px(self, x):
        """Data to SVG units, horizontally."""
        low, high = self.x
        return self.left + (np.asarray(x, float) - low) / ((high - low) or 1) * (self.width - self.left - self.right)

    def py(self, y):
        """Data to SVG units, vertically."""
        low, high = self.y
        return (
            self.height
            - self.bottom
            - (np.asarray(y, float) - low) / ((high - low) or 1) * (self.height - self.top - self.bottom)
        )

    def trace(self, xs, ys) -> str:
        """Path data through the points, broken where one is not finite."""
        pen, steps = "M", []
        for x, y in zip(self.px(xs), self.py(ys), strict=True):
            finite = np.isfinite(x) and np.isfinite(y)
            steps += [f"{pen}{x:.1f} {y:.1f}"] if finite else []
            pen = "L" if finite else "M"
        return "".join(steps)

    def line(self, xs, ys, class_: str, **attributes) -> Markup:
        """A line through the points."""
        return svg_element("path", class_=f"line {class_}", d=self.trace(xs, ys), **attributes)

    def dots(self, xs, ys, class_: str, **attributes) -> Markup:
        """All points as one path of round dots."""
        pairs = zip(self.px(xs), self.py(ys), strict=True)
        path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in pairs if np.isfinite(x) and np.isfinite(y))
        return svg_element("path", class_=f"dots {class_}", d=path, **attributes)

    def band(self, xs, low, high, class_: str) -> Markup:
        """The area between two lines; points without both ends are left out."""
        xs, low, high = (np.asarray(each, float) for each in (xs, low, high))
        kept = np.isfinite(low) & np.isfinite(high)
        xs, low, high = xs[kept], low[kept], high[kept]
        path = self.trace(np.r_[xs, xs[::-1]], np.r_[low, high[::-1]])
        return svg_element("path", class_=f"band {class_}", d=path + "Z" if path else "")

    def bars(self, edges, heights, class_: str) -> Markup:
        """Bars standing on the axis between neighbouring `edges`."""
        left, right, foot = self.px(edges[:-1]), self.px(edges[1:]), float(self.py(self.y[0]))
        return Markup("").join(
            svg_element("rect", class_=class_, x=x0 + 0.5, y=top, width=max(0.5, x1 - x0 - 1), height=foot - top)
            for x0, x1, top in zip(left, right, self.py(heights), strict=True)
            if foot > top
        )

    def mark(self, x: float, label: str = "", class_: str = "mark") -> Markup:
        """A vertical line at `x` with a label at its top, turned inwards near the right edge."""
        at = float(self.px(x))
        inwards = at > self.left + 0.7 * (self.width - self.left - self.right)
        text = svg_element(
            "text",
            label,
            x=at + (-4 if inwards else 4),
            y=self.top + 2,
            class_=f"{class_}-text",
            text_anchor="end" if inwards else "start",
        )
        return svg_element("line", class_=class_, x1=at, x2=at, y1=self.top - 8, y2=self.height - self.bottom) + text

    def frame(self, x_label: str, x_ticks=None, y_ticks=None, y_digits: int | None = None) -> Markup:
        """Hairlines, tick labels and the name of the horizontal axis; the vertical one is the chart's title."""
        foot = self.height - self.bottom
        parts = []
        for y in nice_ticks(*self.y) if y_ticks is None else y_ticks:
            at = float(self.py(y))
            parts += [
                svg_element("line", class_="grid", x1=self.left, x2=self.width - self.right, y1=at, y2=at),
                svg_element("text", tick_label(y, y_digits), x=self.left - 6, y=at + 3.5, text_anchor="end"),
            ]
        for x in nice_ticks(*self.x) if x_ticks is None else x_ticks:
            parts.append(svg_element("text", tick_label(x), x=float(self.px(x)), y=foot + 15, text_anchor="middle"))
        right = self.width - self.right
        parts.append(svg_element("text", x_label, class_="axis", x=right, y=foot + 30, text_anchor="end"))
        return Markup("").join([*parts, svg_element("line", class_="base", x1=self.left, x2=right, y1=foot, y2=foot)])

    def svg(self, *parts, alt: str, class_: str = "") -> Markup:
        """The whole chart; `alt` says to those who cannot see it what it shows."""
        return svg_element(
            "svg",
            *parts,
            viewBox=f"0 0 {self.width} {self.height}",
            class_=f"chart {class_}".strip(),
            role="img",
            aria_label=alt,
        )


def tick_label(value: float, digits: int | None = None) -> str:
    """A tick's label with a true minus sign."""
    text = f"{value + 0.0:g}" if digits is None else f"{value + 0.0:.{digits}f}"  # + 0.0: no "-0"
    return text.replace("-", "\u2212")
