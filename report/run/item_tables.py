"""Tables of held-out items: their counterfactuals, real items along the direction, nearest items of another class."""

import numpy as np

from xaae.experiment.run_folder import plain_values
from xaae.report.run.conclusions import counterfactual_sentences
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.sprites import balanced, change_levels, evenly, tile_place

COUNTERFACTUALS, ALONG, COUNTERS = 6, 12, 4  # items shown of each
PICTURES = ("start_image", "reconstruction", "counterfactual")


def counterfactual_section(run: RunFiles, summary: dict) -> dict | None:
    """A few items: input, reconstruction, counterfactual, difference and nearest real item of another class."""
    arrays = run.arrays("counterfactuals.npz", *PICTURES, "difference", "row", "probability")
    if arrays is None:
        return None
    rows = balanced(run.class_numbers(arrays["row"]), COUNTERFACTUALS)
    start, home, changed = (arrays[name][rows] for name in PICTURES)
    columns = [run.painter.items(start), run.painter.items(home), run.painter.beside(changed, home)]
    columns.append(run.painter.change(change_levels(arrays["difference"][rows])))
    nearest = "nearest_image" in arrays
    columns += [run.painter.items(arrays["nearest_image"][rows])] if nearest else []
    return {
        "sentence": counterfactual_sentences(summary),
        "nearest": nearest,
        "sprites": {"counterfactual": run.painter.sprite(np.stack(columns, axis=1))},
        "rows": [_counterfactual_row(run, arrays, row, at, len(rows), len(columns)) for at, row in enumerate(rows)],
    }


def _counterfactual_row(run: RunFiles, arrays: dict, row: int, at: int, rows: int, columns: int) -> dict:
    """One item: where its pictures lie in the sprite, and the probability of the class that gains most.

    Where no counterfactual was found, that of the class that the reconstruction is given.
    """
    before, after = arrays["probability"][row]
    none_found = "distance" in arrays and not np.isfinite(arrays["distance"][row])
    target = int(np.argmax(np.nan_to_num(before if none_found else after - before)))
    numbers = {
        key: plain_values(arrays[key][row]) if key in arrays else None
        for key in ("distance", "nearest_other", "accepted")
    }
    return numbers | {
        "name": run.item_name(int(arrays["row"][row])) or f"item {row + 1}",
        "k": int(run.class_numbers(arrays["row"][row : row + 1])[0]),
        "found": not none_found,
        "target": run.classes[target] if target < len(run.classes) else "?",
        "before": plain_values(before[target]),
        "after": plain_values(after[target]),
        "tiles": [tile_place(i, columns, at, rows) for i in range(columns)],
    }


def exemplar_section(run: RunFiles) -> dict | None:
    """Real items along the direction, the mean item of each tenth, and the nearest items of another class."""
    arrays = run.arrays("exemplars.npz")
    if not arrays:
        return None
    parts = {"along": _along(run, arrays), "tenths": _tenths(run, arrays), "counters": _counters(run, arrays)}
    sprites = {name: part.pop("sprite") for name, part in parts.items() if part}
    return {**parts, "sprites": sprites}


def _along(run: RunFiles, arrays: dict) -> dict | None:
    """Real held-out items from one end of the direction to the other."""
    if not {"along_image", "along_position", "along_row"} <= set(arrays):
        return None
    shown = evenly(len(arrays["along_image"]), ALONG)
    numbers = run.class_numbers(arrays["along_row"][shown])
    cells = [
        {
            **tile_place(at, len(shown)),
            "name": run.item_name(int(arrays["along_row"][i])),
            "k": int(numbers[at]),
            "position": plain_values(arrays["along_position"][i]),
            "severity": plain_values(arrays["along_severity"][i]) if "along_severity" in arrays else None,
        }
        for at, i in enumerate(shown)
    ]
    return {"sprite": run.painter.sprite(run.painter.items(arrays["along_image"][shown])[None]), "cells": cells}


def _tenths(run: RunFiles, arrays: dict) -> dict | None:
    """The mean of the items in each tenth of the direction, and how many there are."""
    if not {"tenth_image", "tenth_count"} <= set(arrays):
        return None
    counts = [int(count) for count in arrays["tenth_count"]]
    severity = plain_values(arrays["tenth_severity"]) if "tenth_severity" in arrays else [None] * len(counts)
    cells = [{**tile_place(i, len(counts)), "count": count, "severity": severity[i]} for i, count in enumerate(counts)]
    return {"sprite": run.painter.sprite(run.painter.items(arrays["tenth_image"])[None]), "cells": cells}


def _counters(run: RunFiles, arrays: dict) -> dict | None:
    """Starts beside their nearest real items of another class."""
    if not {"start_image", "start_row", "counter_image", "counter_row"} <= set(arrays):
        return None
    rows = balanced(run.class_numbers(arrays["start_row"]), COUNTERS)
    start, counter = (run.painter.items(arrays[key][rows]) for key in ("start_image", "counter_image"))
    pictures = np.concatenate([start[:, None], counter], axis=1)
    return {
        "sprite": run.painter.sprite(pictures),
        "number": counter.shape[1],
        "rows": [_counter_row(run, arrays, row, at, len(rows), pictures.shape[1]) for at, row in enumerate(rows)],
    }


def _counter_row(run: RunFiles, arrays: dict, row: int, at: int, rows: int, columns: int) -> dict:
    """One start and its nearest items of another class, nearest first."""
    items = [int(arrays["start_row"][row]), *map(int, arrays["counter_row"][row])]
    known = "counter_distance" in arrays
    distances = [None, *plain_values(arrays["counter_distance"][row])] if known else [None] * columns
    cells = [
        {**tile_place(i, columns, at, rows), "name": run.item_name(item), "k": int(k), "distance": distance}
        for i, (item, k, distance) in enumerate(zip(items, run.class_numbers(items), distances, strict=True))
    ]
    return {"cells": cells}
