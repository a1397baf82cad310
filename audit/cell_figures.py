"""The figures of an audit: the probe items of each condition, and the evidence under each cell of the table."""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from xaae.audit.cells import COMPARED
from xaae.audit.explanations import explanation_kind
from xaae.audit.probe_items import TRACE, snapshots
from xaae.audit.swing_figure import as_canvas, swing_dots
from xaae.experiment.traces import TraceSheet, draw_traces
from xaae.explain.figures.heatmaps import heatmap, preset_for, scaled_values
from xaae.explain.figures.sheets import curve_colours

FIGURE_COLUMNS, SIDE, GAP = 8, 72, 4  # items a row, pixels a side of one, white between them


def draw_figures(folder, conditions, cells, factors):
    """Draw the figure of every condition and cell into `folder`; enter their paths into both, in place.

    conditions: JudgedConditions. factors {condition's key: what audit.json says of it}.
    """
    for judged in conditions:
        key, rows = judged.condition.key, _shown_rows(judged)
        probe = tile_pictures([snapshots(judged.probe.x_0[rows]), snapshots(judged.probe.x[rows])])
        factors[key]["figure"] = save_figure(folder, f"{judged.condition.file_name}-probe", probe)
        for cell in (cell for cell in cells if cell["factor"] == key and cell["status"] == "ok"):
            if draw := DRAW_CELL.get(explanation_kind(cell["explanation"])):
                name = f"{judged.condition.file_name}-{cell['model']}-{cell['explanation'].replace(':', '-')}"
                cell["figure"] = save_figure(folder, name, draw(judged, cell, rows))


# ---- rows of pictures, uint8 (N, H, W, 1 or 3) ------------------------------------------------------------------


def _shown_rows(judged):
    """The probe items that figures show: evenly over the factor's values."""
    order = np.argsort(judged.probe.values, kind="stable")
    return _evenly(order, FIGURE_COLUMNS)


def _evenly(order, n):
    """n entries of `order`, evenly from its first to its last."""
    return order[np.linspace(0, len(order) - 1, n).round().astype(int)]


def walk_rows(judged, direction, arm, number=0):
    """The kept frames of a walk: a row for each start."""
    return judged.walks(arm, number).arrays[direction]["frames"]


def map_row(judged, method, model, arm, rows, number=0):
    """Heat maps of the probe items `rows` by model `number` of an arm."""
    planes = judged.maps(method, model, arm)[number]["with"][rows]
    preset = preset_for(method)
    values = planes[:, 1:] if preset == "grey" else planes[:, :1]
    preset = "signed" if preset == "picture" else preset
    return MAPS[judged.arm.trained.kind.name](values, preset, judged.probe.x[rows])


def _map_of_pictures(values, preset, x):
    """Maps (N, 1, *places) of pictures or volumes x in colour."""
    return heatmap(values, preset, "batch", x=x, percentile=99.5)


def _map_of_signals(values, preset, x):
    """Signals x (N, C, T) as traces in the colours of their maps (N, 1, T)."""
    level = scaled_values(values, preset, "batch", percentile=99.5)[:, 0]
    colours = partial(curve_colours, preset=preset)
    return draw_traces(x.numpy(), TraceSheet.of({}, x.shape[1]), TRACE, weights=(level, colours))


MAPS = {  # kind -> how heat maps are drawn
    "picture": _map_of_pictures,
    "signal": _map_of_signals,
    "volume": _map_of_pictures,
}


def sorted_rows(judged, model, arm, number=0):
    """Two rows of real items from the lowest logit to the highest, evenly."""
    order = np.argsort(judged.answers(model, arm)[number]["logit"], kind="stable")
    pictures = snapshots(judged.sorted_items.x[_evenly(order, 2 * FIGURE_COLUMNS)])
    return [pictures[:FIGURE_COLUMNS], pictures[FIGURE_COLUMNS:]]


def _draw_walk(judged, cell, rows):
    """Three starts of a biased and of an irrelevant model."""
    frames = [walk_rows(judged, cell["explanation"].removeprefix("walk:"), arm) for arm in COMPARED]
    return tile_pictures([row for each in frames for row in each[:3]])


def _draw_map(judged, cell, rows):
    """The items, below them the maps of a biased and of an irrelevant model."""
    maps = [map_row(judged, cell["explanation"], cell["model"], arm, rows) for arm in COMPARED]
    return tile_pictures([snapshots(judged.probe.x[rows]), *maps])


def _draw_sorted(judged, cell, rows):
    """Items as a biased and as an irrelevant model sorts them."""
    return tile_pictures([row for arm in COMPARED for row in sorted_rows(judged, cell["model"], arm)])


def _draw_scan(judged, cell, rows):
    """The swing of each factor for every biased and irrelevant model."""
    scans = {arm: judged.scans(cell["model"], arm) for arm in COMPARED}
    return as_canvas(swing_dots(scans, judged.condition.factor))


DRAW_CELL = {  # a control has no figure
    "walk": _draw_walk,
    "scan": _draw_scan,
    "map": _draw_map,
    "sorted": _draw_sorted,
}


# ---- sheets -----------------------------------------------------------------------------------------------------


def tile_pictures(rows):
    """Rows of pictures (N, H, W, 1 or 3) uint8 as one sheet (., ., 3), white between them: each SIDE pixels a side, or
    as it is where it is no square."""
    high, wide = np.shape(rows[0])[1:3]
    high, wide = (SIDE, SIDE) if high == wide else (high, wide)
    most = max(map(len, rows))
    canvas = np.full((len(rows) * (high + GAP) - GAP, most * (wide + GAP) - GAP, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            y, x = i * (high + GAP), j * (wide + GAP)
            colour = np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))
            canvas[y : y + high, x : x + wide] = Image.fromarray(colour).resize((wide, high), Image.Resampling.BICUBIC)
    return canvas


def save_figure(folder, name, canvas):
    """Write a sheet into `folder`/figures; its path as audit.json has it."""
    path = Path(folder) / "figures" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(canvas).save(path, quality=88)
    return str(path.relative_to(folder))
