"""The t-SNE map of the held-out codes: points in two colourings, the class arrow, thumbs of real images."""

import numpy as np
from markupsafe import Markup

from report.charts import Axes, limits, tag
from report.figures import ramp
from report.pictures import colour, shrink, uri

THUMB, BINS, MOST = 42, 12, 2000


def map_chart(found: dict, label: np.ndarray, value: np.ndarray, class_index: dict) -> Markup:
    """The map as SVG; `label` (M,) and `value` (M,) in degrees belong to the points, NaN where unknown."""
    xy, arrow = found["xy"], found.get("arrow")
    axes = Axes(limits(xy[:, 0]), limits(xy[:, 1]), width=480, height=400, left=24, right=24, top=24, bottom=24)
    parts = points(axes, xy, label, value, class_index)
    parts += thumbs(axes, found, class_index, label)
    parts += [] if arrow is None else arrow_between(axes, arrow)
    return axes.svg(*parts, alt=f"t-SNE map of the codes of {len(xy)} held-out images", class_="map")


def scale(value: np.ndarray) -> tuple[float, float]:
    """The ends of the angle's colour scale: 0 to 180 unless values go beyond."""
    known = value[np.isfinite(value)]
    return (min(0.0, *known), max(180.0, *known)) if len(known) else (0.0, 180.0)


def points(axes: Axes, xy, label, value, class_index: dict) -> list[Markup]:
    """The points as one path per class and step of angle, so that a page of thousands stays small."""
    low, high = scale(value)
    steps = np.where(np.isfinite(value), np.clip((value - low) / (high - low) * BINS, 0, BINS - 1), -1).astype(int)
    kept = np.isin(np.arange(len(xy)), np.linspace(0, len(xy) - 1, min(len(xy), MOST)).astype(int))
    parts = []
    for step in range(-1, BINS):
        tint = ramp((step + 0.5) / BINS) if step >= 0 else "var(--muted)"
        for name, index in class_index.items():
            chosen = kept & (steps == step) & (label == name)
            style = f"--class:var(--k{index % 6});--angle:{tint}"
            parts += [axes.dots(*xy[chosen].T, "point", style=style)] if chosen.any() else []
    return parts


def arrow_between(axes: Axes, arrow: np.ndarray) -> list[Markup]:
    """An arrow from the first class's mean to the last one's, with a halo that keeps it readable on points."""
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


def thumbs(axes: Axes, found: dict, class_index: dict, label: np.ndarray) -> list[Markup]:
    """Small real images at their places, leaving out those that would cover an earlier one."""
    if not all(key in found for key in ("thumb_xy", "thumb_image")):
        return []
    pictures = shrink(colour(found["thumb_image"]), 64)
    centres = np.stack([axes.px(found["thumb_xy"][:, 0]), axes.py(found["thumb_xy"][:, 1])], axis=1)
    placed, parts = [], []
    for i, centre in enumerate(centres):
        centre = np.clip(centre, THUMB / 2 + 1, (axes.width - THUMB / 2 - 1, axes.height - THUMB / 2 - 1))
        if np.isfinite(centre).all() and all(np.abs(centre - other).max() > THUMB * 0.94 for other in placed):
            placed.append(centre)
            parts += thumb(pictures[i], centre, class_index.get(thumb_class(found, label, i)))
    return parts


def thumb_class(found: dict, label: np.ndarray, i: int) -> str | None:
    """The class of thumb `i`, looked up by its row among the points."""
    at = np.flatnonzero(found["row"] == found["thumb_row"][i]) if "thumb_row" in found else ()
    return str(label[at[0]]) if len(at) else None


def thumb(picture: np.ndarray, centre: np.ndarray, index: int | None) -> list[Markup]:
    """One image with a border in its class's colour."""
    x, y = (float(c) for c in centre - THUMB / 2)
    box = {"x": x, "y": y, "width": THUMB, "height": THUMB}
    border = "var(--muted)" if index is None else f"var(--k{index % 6})"
    return [
        tag("image", href=uri(picture, 80), preserveAspectRatio="xMidYMid slice", **box),
        tag("rect", class_="thumb", style=f"stroke:{border}", **box),
    ]
