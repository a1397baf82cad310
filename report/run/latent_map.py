"""Maps of the held-out codes: points by class, the main direction where it is linear, thumbs of real images.

A path per class holds its points in the order of the rows; `columns` gives, in the same order, what a script needs to
colour them otherwise.
"""

import numpy as np
import pandas as pd
from markupsafe import Markup

from xaae.report.run.run_figures import ramp
from xaae.report.shared.charts import Axes, axis_limits, tag
from xaae.report.shared.choice import evenly
from xaae.report.shared.folder import RunFolder
from xaae.report.shared.sprites import as_colour, shrink, uri
from xaae.report.shared.words import column_name

METHODS = {"side": "Direction and PCA", "pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
LINEAR = ("side", "pca")
THUMB, MOST, BINS, NAMES, MOST_COLUMNS = 42, 2000, 12, 6, 40
LETTERS = "abcdefghijkl"  # a bin or a name each; "-" is unknown
PLACEHOLDERS = ("path", "group", "split", "factor", "label")  # columns that name items, or stand elsewhere


def map_chart(found: dict, name: str, label: np.ndarray, class_index: dict) -> Markup:
    """One map as SVG; `label` (M,) belongs to the points `name`.xy (M, 2)."""
    xy, arrow = found[f"{name}.xy"], found.get(f"{name}.arrow")
    axes = Axes(
        axis_limits(xy[:, 0]), axis_limits(xy[:, 1]), width=480, height=400, left=24, right=24, top=24, bottom=24
    )
    parts = [
        axes.dots(*xy[chosen].T, "point", style=f"--class:var(--k{index % 6})")
        for index, chosen in _in_order(label, class_index)
    ]
    parts += _thumbs(axes, found, xy, class_index, label)
    parts += [] if arrow is None else _arrow_between(axes, arrow)
    return axes.svg(*parts, alt=f"{METHODS[name]} map of the codes of {len(xy)} held-out images", class_="map")


def _in_order(label: np.ndarray, class_index: dict) -> list[tuple[int, np.ndarray]]:
    """(class number, indices of its shown points), classes in order; at most MOST points in all."""
    kept = np.array(evenly(len(label), MOST), int)
    found = [(index, kept[label[kept] == name]) for name, index in class_index.items()]
    return [(index, chosen) for index, chosen in found if len(chosen)]


def columns(run: RunFolder, rows: np.ndarray, label: np.ndarray, class_index: dict) -> list[dict]:
    """Every column that can colour the points: its name, its legend, and a letter for each point.

    Numbers are cut into BINS steps from the least to the largest; names may be at most NAMES.
    """
    if run.items is None or not len(rows):
        return []
    order = np.concatenate([chosen for _, chosen in _in_order(label, class_index)] or [np.empty(0, int)])
    known = order[rows[order] < len(run.items)]
    table = run.items.iloc[rows[known]] if len(known) == len(order) else run.items.iloc[:0]
    names = ["value", *(c for c in table if c not in (*PLACEHOLDERS, "value"))]
    made = [(column_name(name, run.planted.noun), name) for name in names if name in table]
    say = {"value": run.planted.short}
    found = [{"name": title, **letters} for title, n in made if (letters := encode(table[n], say.get(n, rough)))]
    return found[:MOST_COLUMNS]


def rough(value: float) -> str:
    """A number with three digits and a true minus sign."""
    return f"{value:.3g}".replace("-", "\u2212")


def encode(column: pd.Series, say) -> dict | None:
    """A column as letters with its legend; None if it is constant, or text of too many values.

    say: from a number to the text of the legend's ends.
    """
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return _steps(column.to_numpy(float), say)
    names = sorted(column.dropna().astype(str).unique())
    if not 2 <= len(names) <= NAMES:
        return None
    letter = dict(zip(names, LETTERS, strict=False))
    points = "".join("-" if pd.isna(value) else letter[str(value)] for value in column)
    return {"names": names, "points": points}


def _steps(values: np.ndarray, say) -> dict | None:
    """Numbers (M,) as letters of BINS equal steps, with the ends of the scale; None if they do not vary."""
    known = np.isfinite(values)
    if not known.any() or not (high := values[known].max()) > (low := values[known].min()):
        return None
    level = np.clip((np.where(known, values, low) - low) / (high - low) * BINS, 0, BINS - 1).astype(int)
    points = "".join(LETTERS[i] if k else "-" for i, k in zip(level, known, strict=True))
    return {"low": say(float(low)), "high": say(float(high)), "points": points}


def shades() -> list[str]:
    """The colours of the BINS steps, low to high."""
    return [ramp((step + 0.5) / BINS) for step in range(BINS)]


def _arrow_between(axes: Axes, arrow: np.ndarray) -> list[Markup]:
    """An arrow between two points (2, 2), with a halo that keeps it readable on the map's points."""
    (x0, x1), (y0, y1) = axes.px(arrow[:, 0]), axes.py(arrow[:, 1])
    along = np.array([x1 - x0, y1 - y0]) / (np.hypot(x1 - x0, y1 - y0) or 1)
    across, tip = np.array([-along[1], along[0]]), np.array([x1, y1])
    corners = [tip, tip - 13 * along + 6 * across, tip - 13 * along - 6 * across]
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    end = tip - 10 * along
    shaft = {"x1": float(x0), "y1": float(y0), "x2": float(end[0]), "y2": float(end[1])}
    return [
        tag("line", class_="arrow-halo", **shaft),
        tag("polygon", class_="arrow-halo", points=head),
        tag("line", class_="arrow", **shaft),
        tag("polygon", class_="arrow", points=head),
    ]


def _thumbs(axes: Axes, found: dict, xy: np.ndarray, class_index: dict, label: np.ndarray) -> list[Markup]:
    """Small real images at the places of their rows, leaving out those that would cover an earlier one."""
    if not {"thumb_row", "thumb_image"} <= set(found):
        return []
    pictures = shrink(as_colour(found["thumb_image"]), 48)
    placed, parts = [], []
    for picture, row in zip(pictures, found["thumb_row"], strict=True):
        for at in np.flatnonzero(found["row"] == row)[:1]:
            centre = _inside(axes, np.array([axes.px(xy[at, 0]), axes.py(xy[at, 1])]))
            if np.isfinite(centre).all() and all(np.abs(centre - other).max() > THUMB * 0.94 for other in placed):
                placed.append(centre)
                parts += _thumb(picture, centre, class_index.get(str(label[at])))
    return parts


def _inside(axes: Axes, centre: np.ndarray) -> np.ndarray:
    """The centre of a thumb, moved so far that it lies on the map."""
    return np.clip(centre, THUMB / 2 + 1, (axes.width - THUMB / 2 - 1, axes.height - THUMB / 2 - 1))


def _thumb(picture: np.ndarray, centre: np.ndarray, index: int | None) -> list[Markup]:
    """One image with a border in its class's colour."""
    x, y = (float(c) for c in centre - THUMB / 2)
    box = {"x": x, "y": y, "width": THUMB, "height": THUMB}
    border = "var(--muted)" if index is None else f"var(--k{index % 6})"
    return [
        tag("image", href=uri(picture, 80), preserveAspectRatio="xMidYMid slice", **box),
        tag("rect", class_="thumb", style=f"stroke:{border}", **box),
    ]
