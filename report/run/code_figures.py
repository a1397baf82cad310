"""The figures of the latent space's health: a spectrum and shares as small bars."""

import numpy as np
from markupsafe import Markup

from xaae.report.shared.charts import Axes, tag
from xaae.report.shared.words import fixed

ROW = 20  # height of one bar with its name


def spectrum_figure(eigenvalues, reference: float = 1.0) -> Markup:
    """Eigenvalues (D,) of the codes' covariance as bars, largest first, with the prior's value as a line."""
    values = np.asarray(eigenvalues, float)
    top = max(float(np.nanmax(values)), reference) * 1.1
    axes = Axes((0.5, len(values) + 0.5), (0, top), height=190, top=20)
    ticks = sorted({1, *np.linspace(1, len(values), min(5, len(values))).round().astype(int).tolist()})
    drawn = axes.bars(np.arange(len(values) + 1) + 0.5, np.nan_to_num(values), "count")
    line = axes.line(axes.x, (reference, reference), "reference")
    alt = f"Eigenvalues of the covariance of the codes, {len(values)} of them, largest first"
    return axes.svg(axes.frame("dimension, by size", x_ticks=ticks), drawn, line, alt=alt)


def shares(values: dict[str, float], alt: str, width: int = 340) -> Markup:
    """Named values as horizontal bars on a scale from 0 to 1; what is below 0 has no bar, but its number."""
    name_width = min(150, 12 + 6.2 * max(map(len, values)))
    room, parts = width - name_width - 46, []
    for i, (name, value) in enumerate(values.items()):
        y, long = ROW * i + 4, room * float(np.clip(value, 0, 1))
        parts += [
            tag("text", _shortened(name), x=name_width - 8, y=y + 11, text_anchor="end"),
            tag("line", class_="grid", x1=name_width, x2=name_width + room, y1=y + 14, y2=y + 14),
            tag("rect", class_="count", x=name_width, y=y + 2, width=max(0.5, long), height=11),
            tag("text", fixed(float(value), 2), x=name_width + room + 8, y=y + 11),
        ]
    return Axes((0, 1), (0, 1), width, ROW * len(values) + 8).svg(*parts, alt=alt)


def _shortened(name: str, most: int = 22) -> str:
    """A name that fits beside its bar."""
    return name if len(name) <= most else name[: most - 1] + "\u2026"
