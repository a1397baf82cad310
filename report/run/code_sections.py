"""What the codes show besides the walks: counterfactuals, exemplars, maps."""

import numpy as np

from xaae.report.run.conclusions import counterfactual_sentences as told_counterfactuals
from xaae.report.run.latent_map import LINEAR, METHODS, columns, map_chart
from xaae.report.run.walk_sections import item_name
from xaae.report.shared.choice import balanced, evenly
from xaae.report.shared.folder import RunFolder, clean
from xaae.report.shared.sprites import as_colour, signed_picture, spot, sprite
from xaae.report.shared.words import and_list

PAIRS, ALONG, COUNTERS = 6, 12, 4


def _class_numbers(run: RunFolder, rows) -> np.ndarray:
    """The class number of each row of items.csv, (S,); one past the last class for an unknown one."""
    names = run.names(rows)
    return np.array([run.classes.index(name) if name in run.classes else len(run.classes) for name in names])


def counterfactual_section(run: RunFolder, summary: dict) -> dict | None:
    """A few items: input, reconstruction, counterfactual, difference and nearest real item of another class."""
    pictures = ("start_image", "reconstruction", "counterfactual")
    found = run.arrays("counterfactuals.npz", *pictures, "difference", "row", "probability")
    if found is None:
        return None
    rows = balanced(_class_numbers(run, found["row"]), PAIRS)
    change = signed_picture(found["difference"][rows])
    nearest = found.get("nearest_image")
    shown = [as_colour(found[name][rows]) for name in pictures] + [change]
    shown += [] if nearest is None else [as_colour(nearest[rows])]
    return {
        "sentence": told_counterfactuals(summary),
        "nearest": nearest is not None,
        "sprites": {"counterfactual": sprite(np.stack(shown, axis=1))},
        "rows": [_counterfactual_row(run, found, row, at, len(rows), len(shown)) for at, row in enumerate(rows)],
    }


def _counterfactual_row(run: RunFolder, found: dict, row: int, at: int, rows: int, columns: int) -> dict:
    """One item: where its pictures lie in the sprite, and the probability of the class that gains most."""
    before, after = found["probability"][row]
    target = int(np.argmax(np.nan_to_num(after - before)))
    number = {key: clean(found[key][row]) for key in ("distance", "nearest_other", "accepted") if key in found}
    return {
        "name": item_name(run, int(found["row"][row])) or f"item {row + 1}",
        "k": int(_class_numbers(run, found["row"][row : row + 1])[0]) % 6,
        "target": (run.classes + ["?"] * 99)[target],
        "before": clean(before[target]),
        "after": clean(after[target]),
        "tiles": [spot(i, columns, at, rows) for i in range(columns)],
        **{"distance": None, "nearest_other": None, "accepted": None, **number},
    }


def exemplars(run: RunFolder) -> dict | None:
    """Real items along the direction, the mean picture of each tenth, and the nearest items of another class."""
    found = run.arrays("exemplars.npz")
    if not found:
        return None
    parts = {"along": _along(run, found), "tenths": _tenths(found), "counters": _counters(run, found)}
    sprites = {name: part.pop("sprite") for name, part in parts.items() if part}
    return {**parts, "sprites": sprites}


def _along(run: RunFolder, found: dict) -> dict | None:
    """Real held-out items from one end of the direction to the other."""
    if not {"along_image", "along_position", "along_row"} <= set(found):
        return None
    shown = evenly(len(found["along_image"]), ALONG)
    numbers = _class_numbers(run, found["along_row"][shown])
    cells = [
        {
            **spot(at, len(shown)),
            "name": item_name(run, int(found["along_row"][i])),
            "k": int(numbers[at]) % 6,
            "position": clean(found["along_position"][i]),
        }
        for at, i in enumerate(shown)
    ]
    return {"sprite": sprite(found["along_image"][shown][None]), "cells": cells}


def _tenths(found: dict) -> dict | None:
    """The mean picture of the items in each tenth of the direction, and how many there are."""
    if not {"tenth_image", "tenth_count"} <= set(found):
        return None
    counts = [int(count) for count in found["tenth_count"]]
    cells = [{**spot(i, len(counts)), "count": count} for i, count in enumerate(counts)]
    return {"sprite": sprite(found["tenth_image"][None]), "cells": cells}


def _counters(run: RunFolder, found: dict) -> dict | None:
    """Starts beside their nearest real items of another class."""
    needed = {"start_image", "start_row", "counter_image", "counter_row"}
    if not needed <= set(found):
        return None
    rows = balanced(_class_numbers(run, found["start_row"]), COUNTERS)
    start, counter = as_colour(found["start_image"][rows]), as_colour(found["counter_image"][rows])
    pictures = np.concatenate([start[:, None], counter], axis=1)
    return {
        "sprite": sprite(pictures),
        "number": counter.shape[1],
        "rows": [_counter_row(run, found, row, at, len(rows), pictures.shape[1]) for at, row in enumerate(rows)],
    }


def _counter_row(run: RunFolder, found: dict, row: int, at: int, rows: int, columns: int) -> dict:
    """One start and its counter-exemplars, nearest first."""
    items = [int(found["start_row"][row]), *map(int, found["counter_row"][row])]
    distance = [None, *clean(found["counter_distance"][row])] if "counter_distance" in found else [None] * columns
    numbers = _class_numbers(run, items)
    cells = [
        {**spot(i, columns, at, rows), "name": item_name(run, item), "k": int(k) % 6, "distance": d}
        for i, (item, k, d) in enumerate(zip(items, numbers, distance, strict=True))
    ]
    return {"cells": cells}


def latent_maps(run: RunFolder) -> dict | None:
    """The maps there are, and what their points can be coloured by."""
    found = run.arrays("maps.npz", "row")
    names = [name for name in METHODS if found is not None and f"{name}.xy" in found]
    if not names:
        return None
    known = np.all([np.isfinite(found[f"{name}.xy"]).all(1) for name in names], axis=0)
    label = np.where(known, run.names(found["row"]), "")  # a point that is missing in one map is left out of all
    order = [*run.classes, *sorted(set(label) - set(run.classes) - {""})]
    index = {name: i for i, name in enumerate(order)}
    charts = [{"id": name, "title": METHODS[name], "svg": map_chart(found, name, label, index)} for name in names]
    return {
        "charts": charts,
        "columns": columns(run, found["row"], label, index),
        "side": "side" in names,
        "arrow": "pca" in names and "pca.arrow" in found,
        "thumbs": "thumb_image" in found,
        "bent": and_list(METHODS[name] for name in names if name not in LINEAR),
    }
