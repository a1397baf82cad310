"""Maps of the held-out codes: points by class, the main direction where the map is linear, a few real items.

One path for each class holds its points, in the order of the rows. `_colour_columns` gives, in the same order, what
the page's script needs to colour them by another column of the table.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from markupsafe import Markup

from xaae.experiment.amounts import noun_for
from xaae.report.shared.charts import Axes, axis_limits, colour_class, svg_element
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.sprites import evenly
from xaae.report.shared.words import and_list, column_name

MAPS = {"side": "Direction and PCA", "pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
LINEAR = ("side", "pca")
THUMB, WIDE_THUMB, THUMB_PIXELS, MOST_POINTS, STEPS, MOST_NAMES, MOST_COLUMNS = 42, 72, 48, 2000, 12, 6, 40
LETTERS = "abcdefghijkl"  # one for each step or name; "-" is unknown
UNUSED = ("path", "group", "split", "factor", "label")  # columns that name items, or are shown elsewhere
RAMP = ((152, 48, 200), (184, 52, 150), (214, 85, 109), (238, 124, 74), (242, 164, 36))  # of numbers, low to high


def map_section(run: RunFiles) -> dict | None:
    """The maps there are, and what their points can be coloured by; None without maps."""
    arrays = run.arrays("maps.npz", "row")
    names = [name for name in MAPS if arrays is not None and f"{name}.xy" in arrays]
    if not names:
        return None
    known = np.all([np.isfinite(arrays[f"{name}.xy"]).all(1) for name in names], axis=0)
    label = np.where(known, run.labels(arrays["row"]), "")  # a point that is missing in one map is left out of all
    order = [*run.classes, *sorted(set(label) - set(run.classes) - {""})]
    points = _points_by_class(label, {name: i for i, name in enumerate(order)})
    thumbs = _thumbs(run, arrays)
    return {
        "charts": [{"id": n, "title": MAPS[n], "svg": _map_chart(arrays, n, points, thumbs)} for n in names],
        "columns": _colour_columns(run, arrays["row"], points),
        "shades": shades(),
        "side": "side" in names,
        "arrow": "pca" in names and "pca.arrow" in arrays,
        "thumbs": bool(thumbs),
        "bent": and_list(MAPS[name] for name in names if name not in LINEAR),
    }


def _points_by_class(label: np.ndarray, class_index: dict) -> list[tuple[int, np.ndarray]]:
    """(class number, indices of its shown points), classes in order; at most MOST_POINTS in all."""
    kept = np.array(evenly(len(label), MOST_POINTS), int)
    points = [(index, kept[label[kept] == name]) for name, index in class_index.items()]
    return [(index, chosen) for index, chosen in points if len(chosen)]


def _map_chart(arrays: dict, name: str, points: list, thumbs: list) -> Markup:
    """One map as SVG: its points `name`.xy (M, 2), some items at their places, its arrow if it has one."""
    xy, arrow = arrays[f"{name}.xy"], arrays.get(f"{name}.arrow")
    size = {"width": 480, "height": 400, "left": 24, "right": 24, "top": 24, "bottom": 24}
    ends = ((), ()) if arrow is None else arrow.T
    axes = Axes(axis_limits(xy[:, 0], include=ends[0]), axis_limits(xy[:, 1], include=ends[1]), **size)
    halo, line = ([], []) if arrow is None else _draw_arrow(axes, arrow)
    parts = halo + [axes.dots(*xy[chosen].T, "point", style=f"--class:{_colour(number)}") for number, chosen in points]
    parts += _placed_thumbs(axes, xy, points, thumbs)
    parts += line
    return axes.svg(
        *parts, alt=f"{MAPS[name]} map of the codes of {len(xy)} held-out {noun_for(len(xy), 'items')}", class_="map"
    )


def _colour(number: int) -> str:
    """The colour of class `number` as a CSS value."""
    return f"var(--{colour_class(number)})"


def _draw_arrow(axes: Axes, arrow: np.ndarray) -> list[list[Markup]]:
    """An arrow between two points (2, 2): its halo, which lies below the map's points and hides none, and itself."""
    (x0, x1), (y0, y1) = axes.px(arrow[:, 0]), axes.py(arrow[:, 1])
    along = np.array([x1 - x0, y1 - y0]) / (np.hypot(x1 - x0, y1 - y0) or 1)
    across, tip = np.array([-along[1], along[0]]), np.array([x1, y1])
    corners = [tip, tip - 13 * along + 6 * across, tip - 13 * along - 6 * across]
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    end = tip - 10 * along
    shaft = {"x1": float(x0), "y1": float(y0), "x2": float(end[0]), "y2": float(end[1])}
    return [
        [svg_element("line", class_=css, **shaft), svg_element("polygon", class_=css, points=head)]
        for css in ("arrow-halo", "arrow")
    ]


# ---- items on the map -------------------------------------------------------------------------------------------


def _thumbs(run: RunFiles, arrays: dict) -> list[tuple]:
    """(index of its point, data URI, width and height) of each item that the maps may show."""
    if not {"thumb_row", "thumb_image"} <= set(arrays):
        return []
    pictures = run.painter.items(arrays["thumb_image"], THUMB_PIXELS)
    places = [np.flatnonzero(arrays["row"] == row)[:1] for row in arrays["thumb_row"]]
    pairs = zip(places, pictures, strict=True)
    return [(int(place[0]), run.painter.uri(picture, 80), _box(picture)) for place, picture in pairs if len(place)]


def _box(picture: np.ndarray) -> np.ndarray:
    """Width and height (2,) of a thumb (H, W, 3) on the map: THUMB for a square, wider and lower for others."""
    height, width = picture.shape[:2]
    return THUMB * np.array([1, 1]) if height == width else WIDE_THUMB / max(width, height) * np.array([width, height])


def _placed_thumbs(axes: Axes, xy: np.ndarray, points: list, thumbs: list) -> list[Markup]:
    """Small items at their places, without those that would cover an earlier one."""
    numbers = {i: number for number, chosen in points for i in chosen.tolist()}
    taken, parts = [], []
    for i, uri, box in thumbs:
        centre = _inside(axes, np.array([axes.px(xy[i, 0]), axes.py(xy[i, 1])]), box)
        if np.isfinite(centre).all() and all((np.abs(centre - other) > box * 0.94).any() for other in taken):
            taken.append(centre)
            parts += _thumb(uri, centre, box, numbers.get(i))
    return parts


def _inside(axes: Axes, centre: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The centre of a thumb of the size `box`, moved so far that the thumb lies on the map."""
    return np.clip(centre, box / 2 + 1, np.array([axes.width, axes.height]) - box / 2 - 1)


def _thumb(uri: str, centre: np.ndarray, box: np.ndarray, number: int | None) -> list[Markup]:
    """One item with a border in its class's colour."""
    (x, y), (width, height) = (map(float, pair) for pair in (centre - box / 2, box))
    place = {"x": x, "y": y, "width": width, "height": height}
    border = "var(--muted)" if number is None else _colour(number)
    return [
        svg_element("image", href=uri, preserveAspectRatio="xMidYMid slice", **place),
        svg_element("rect", class_="thumb", style=f"stroke:{border}", **place),
    ]


# ---- what colours the points ------------------------------------------------------------------------------------


def _colour_columns(run: RunFiles, rows: np.ndarray, points: list) -> list[dict]:
    """Every column that can colour the points: its name, its legend, and a letter for each point."""
    if run.items is None or not len(rows):
        return []
    order = np.concatenate([chosen for _, chosen in points] or [np.empty(0, int)])
    if not (rows[order] < len(run.items)).all():
        return []
    table = run.items.iloc[rows[order]]
    names = [name for name in ("value", *(c for c in table if c != "value")) if name in table and name not in UNUSED]
    texts = {"value": run.planted.short}
    columns = [
        {"name": column_name(name, run.planted.noun), **letters}
        for name in names
        if (letters := letter_column(table[name], texts.get(name, three_digits)))
    ]
    return columns[:MOST_COLUMNS]


def three_digits(value: float) -> str:
    """A number with three digits and a true minus sign."""
    return f"{value:.3g}".replace("-", "\u2212")


def letter_column(column: pd.Series, text: Callable[[float], str]) -> dict | None:
    """A column as letters with its legend: numbers in STEPS equal steps, names as they are.

    text: writes a number at the end of the legend. None if the column is constant, or has more than MOST_NAMES names.
    """
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return _letter_steps(column.to_numpy(float), text)
    names = sorted(column.dropna().astype(str).unique())
    if not 2 <= len(names) <= MOST_NAMES:
        return None
    letter = dict(zip(names, LETTERS, strict=False))
    points = "".join("-" if pd.isna(value) else letter[str(value)] for value in column)
    return {"names": names, "points": points}


def _letter_steps(values: np.ndarray, text: Callable[[float], str]) -> dict | None:
    """Numbers (M,) as letters of STEPS equal steps, with the ends of the scale; None if they do not vary."""
    known = np.isfinite(values)
    if not known.any() or not (high := values[known].max()) > (low := values[known].min()):
        return None
    level = np.clip((np.where(known, values, low) - low) / (high - low) * STEPS, 0, STEPS - 1).astype(int)
    points = "".join(LETTERS[i] if k else "-" for i, k in zip(level, known, strict=True))
    return {"low": text(float(low)), "high": text(float(high)), "points": points}


def shades() -> list[str]:
    """The colours of the STEPS steps, low to high."""
    places = (np.arange(STEPS) + 0.5) / STEPS * (len(RAMP) - 1)
    channels = [np.interp(places, range(len(RAMP)), channel).round().astype(int) for channel in zip(*RAMP, strict=True)]
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in zip(*channels, strict=True)]
