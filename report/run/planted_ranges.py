"""What was planted: the range of each class as a drawing, sample items, and the last reconstructions of training."""

from collections.abc import Iterator

import numpy as np
from markupsafe import Markup

from xaae.report.shared.charts import Axes, axis_limits, colour_class, svg_element
from xaae.report.shared.quantity import Quantity
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.sprites import embed_picture

SAMPLES = 5  # items of each class
CENTRE, FOOT = 170, 150  # of the dial, in SVG units


def planted_section(run: RunFiles, direction: str) -> dict:
    """The drawing of the planted ranges, sample items of each class, and the last sample sheet of the training.

    direction: the main one, from whose walk the samples are taken.
    """
    index, samples = run.class_index, _samples(run, direction)
    groups = [
        {"name": name, "k": index.get(name, i), "range": run.ranges.get(name), "tiles": samples.get(name, [])}
        for i, name in enumerate(run.ranges or run.classes)
    ]
    sheets = sorted((run.path / "samples").glob("*.png"))
    return {
        "drawing": draw_ranges(run.ranges, index, run.planted) if run.ranges else None,
        "classes": groups,
        "samples": {**embed_picture(sheets[-1]), "name": _sheet_name(sheets[-1].stem)} if sheets else None,
    }


def _sheet_name(stem: str) -> str:
    """ "epoch_0004" -> "epoch 4"."""
    return " ".join(part.lstrip("0") or "0" for part in stem.split("_"))


def _samples(run: RunFiles, direction: str) -> dict[str, list[dict]]:
    """Class -> a few inputs as this arm planted them: starts of the walk, then probe items inside the range."""
    samples: dict[str, list[dict]] = {}
    for name, item, value in (*_walk_inputs(run, direction), *_probe_inputs(run)):
        tiles = samples.setdefault(name, [])
        if len(tiles) < SAMPLES:
            tiles.append({"uri": run.painter.uri(run.painter.items(item)), "value": value})
    return samples


def _walk_inputs(run: RunFiles, direction: str) -> Iterator[tuple]:
    """(class, item, planted value) of the inputs from which the walk starts."""
    walk = run.arrays(f"walks/{direction}.npz", "start", "start_image") or {"start": [], "start_image": []}
    for row, item in zip(walk["start"], walk["start_image"], strict=True):
        yield str(run.cell(row, "label")), item, run.cell(row, "value")


def _probe_inputs(run: RunFiles) -> Iterator[tuple]:
    """(class, item, planted value) of the probe items at a value inside their class's range."""
    probe = run.arrays("explanations/gradcam.npz", "images", "value", "target") or {"images": []}
    for i, items in enumerate(probe["images"]):
        name, _ = probe_class(run, probe, i)
        low, high = run.ranges.get(name, (0, 0))
        inside = np.flatnonzero((probe["value"] >= low) & (probe["value"] <= high))
        if len(inside):
            column = inside[i % len(inside)]
            yield name, items[column], float(probe["value"][column])


def probe_class(run: RunFiles, probe: dict, i: int) -> tuple[str, int]:
    """Name and number of the class of probe item `i`: from items.csv, else the class that was explained."""
    target = int(probe["target"][i])
    label = str(run.cell(probe["row"][i], "label", "")) if "row" in probe else ""
    if label in run.classes:
        return label, run.class_index[label]
    return (run.classes[target] if target < len(run.classes) else "?"), target


# ---- the drawing ------------------------------------------------------------------------------------------------


def draw_ranges(ranges: dict, class_index: dict[str, int], planted: Quantity) -> Markup:
    """The planted range of each class, {class: (low, high)}, drawn as suits its unit."""
    return DRAWINGS.get(planted.unit, _bars)(ranges, class_index, planted)


def _dial(ranges: dict, class_index: dict[str, int], planted: Quantity) -> Markup:
    """Angles as rings of a half dial, or of a whole one if angles go beyond 180."""
    beyond = any(low < 0 or high > 180 for low, high in ranges.values())
    ticks = range(0, 360 if beyond else 181, 45)
    parts = [_spoke(a) for a in ticks]
    parts += [
        svg_element("text", f"{a}°", x=_polar(a, 138)[0], y=_polar(a, 136)[1] + 4, text_anchor="middle") for a in ticks
    ]
    step = min(24, 80 // max(1, len(ranges)))
    parts += [
        _arc(low, high, 108 - step * i, colour_class(class_index.get(name, i)))
        for i, (name, (low, high)) in enumerate(ranges.items())
    ]
    axes = Axes((0, 1), (0, 1), height=305 if beyond else 168)
    return axes.svg(*parts, alt=_ranges_in_words(ranges, planted), class_="dial")


def _polar(angle: float, radius: float) -> tuple[float, float]:
    """A place on the dial: 0 degrees on the left, 90 at the top, 180 on the right."""
    return CENTRE - radius * np.cos(np.radians(angle)), FOOT - radius * np.sin(np.radians(angle))


def _spoke(angle: float) -> Markup:
    """A line from near the centre to the rim."""
    (x1, y1), (x2, y2) = _polar(angle, 30), _polar(angle, 122)
    return svg_element("line", class_="grid", x1=x1, y1=y1, x2=x2, y2=y2)


def _arc(low: float, high: float, radius: float, css: str) -> Markup:
    """The part of a ring from `low` to `high` degrees; a dot where both are the same."""
    points = [_polar(a, radius) for a in np.linspace(low, high, max(2, int(abs(high - low) / 3) + 2))]
    places = [f"{x:.1f} {y:.1f}" for x, y in points]
    if high > low:
        return svg_element("path", class_=f"arc {css}", d="M" + "L".join(places))
    return svg_element("path", class_=f"dots big {css}", d=f"M{places[0]}h0")


def _bars(ranges: dict, class_index: dict[str, int], planted: Quantity) -> Markup:
    """Values as bars one above the other over a common axis."""
    ends = axis_limits(*ranges.values(), pad=0.03)
    axes = Axes(ends, (0, 1), height=54 + 26 * len(ranges), left=16, right=16, top=10)
    parts = []
    for i, (name, (low, high)) in enumerate(ranges.items()):
        css, y = colour_class(class_index.get(name, i)), axes.top + 13 + 26.0 * i
        x0, x1 = (float(x) for x in axes.px((low, high)))
        path = f"M{x0:.1f} {y}H{x1:.1f}" if high > low else f"M{x0:.1f} {y}h0"
        parts.append(svg_element("path", class_=f"{'arc' if high > low else 'dots big'} {css}", d=path))
    frame = axes.frame(f"{planted.noun} ({planted.scale})", y_ticks=())
    return axes.svg(frame, *parts, alt=_ranges_in_words(ranges, planted), class_="ranges")


def _ranges_in_words(ranges: dict, planted: Quantity) -> str:
    """The planted ranges for those who cannot see the drawing."""
    texts = (f"{name} {planted.between(*pair)}" for name, pair in ranges.items())
    return f"Planted {planted.plural}: {'; '.join(texts)}"


DRAWINGS = {"degrees": _dial}  # by unit; bars for any other
