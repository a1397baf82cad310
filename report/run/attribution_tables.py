"""Attributions as tables of pictures: Grad-CAM at every planted value, and many methods side by side."""

import numpy as np

from xaae.experiment.vocabulary import MODELS, models_of
from xaae.report.run.planted_ranges import probe_class
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.sprites import (
    HEAT_QUALITY,
    balanced,
    evenly,
    heat_levels,
    tile_place,
)
from xaae.report.shared.words import rounded

GRADCAM_ROWS, GRADCAM_COLUMNS = 6, 7
FAINT, TINY = 0.05, 1e-12  # a map has no heat where its largest is a smaller share of its row's largest
ITEMS = 4  # rows of the table of methods; the run folder has more
TILE_ARRAYS = ("images", "tiles", "name", "title", "means", "flag", "label", "asked")


def gradcam_section(run: RunFiles) -> dict | None:
    """Grad-CAM of the baseline: rows of items, columns of planted values, picture and heat as two sprites.

    compared: maps that are set beside their item's first one; without_heat: those where one of the two has no heat.
    """
    probe = run.arrays("explanations/gradcam.npz", "images", "heat", "value", "probability", "target")
    if probe is None:
        return None
    rows, columns = balanced(probe["target"], GRADCAM_ROWS), evenly(len(probe["value"]), GRADCAM_COLUMNS)
    chosen = np.ix_(rows, columns)
    has_heat = probe["heat"].reshape(*probe["heat"].shape[:2], -1).max(-1)
    has_heat = has_heat > FAINT * np.maximum(has_heat.max(1, keepdims=True), TINY)
    comparable = has_heat[:, 1:] & has_heat[:, :1]
    heat = run.painter.heat(heat_levels(probe["heat"][chosen]))
    return {
        "compared": int(comparable.size),
        "without_heat": int((~comparable).sum()),
        "values": rounded(probe["value"][columns], 4),
        "sprites": {
            "probe": run.painter.sprite(run.painter.items(probe["images"][chosen])),
            "probe-heat": run.painter.sprite(heat, HEAT_QUALITY),
        },
        "rows": [_gradcam_row(run, probe, row, at, len(rows), columns) for at, row in enumerate(rows)],
    }


def _gradcam_row(run: RunFiles, probe: dict, row: int, at: int, rows: int, columns: list[int]) -> dict:
    """One item at every shown value, with the probability of its true class."""
    name, target = probe_class(run, probe, row)
    low, high = run.ranges.get(name, (1, 0)) if run.config.get("arm") != "normal" else (1, 0)
    cells = [
        {
            **tile_place(i, len(columns), at, rows),
            "value": float(probe["value"][a]),
            "probability": rounded(probe["probability"][row, a, target], 3),
            "planted": bool(low <= probe["value"][a] <= high),
        }
        for i, a in enumerate(columns)
    ]
    return {"name": name, "k": target, "cells": cells}


def method_tables(run: RunFiles) -> list[dict]:
    """A table for each model that was explained: items below each other, methods beside each other."""
    tiles = {model: run.arrays(f"explanations/tiles_{model}.npz", *TILE_ARRAYS) for model in MODELS}
    return [_method_table(run, model, arrays) for model, arrays in tiles.items() if arrays is not None]


def _method_table(run: RunFiles, model: str, tiles: dict) -> dict:
    """One model's table: its sprite, its methods with what they show, its items, and what could not be made."""
    labels = [str(label) for label in tiles["label"]]
    rows = balanced(np.array([run.class_index.get(label, 0) for label in labels]), ITEMS)
    pictures = np.concatenate([tiles["images"][None], tiles["tiles"]])[:, rows]
    keys, columns = ("name", "title", "means", "flag"), len(pictures)
    return {
        "model": models_of(run.kind)[model],
        "sprite": f"why-{model}",
        "sprites": {f"why-{model}": run.painter.sprite(run.painter.ready(pictures).swapaxes(0, 1))},
        "methods": [{key: str(tiles[key][i]) for key in keys} for i in range(columns - 1)],
        "rows": [
            {
                "name": labels[row],
                "k": run.class_index.get(labels[row], 0),
                "asked": str(tiles["asked"][row]).removeprefix(f"{labels[row]}: ").replace(" %", "\u202f%"),
                "cells": [tile_place(i, columns, at, len(rows)) for i in range(columns)],
            }
            for at, row in enumerate(rows)
        ],
        "missing": _missing(run, model),
    }


def _missing(run: RunFiles, model: str) -> list[dict]:
    """The methods that made no map of this model, and why."""
    table = run.table("explanations/status.csv")
    if table is None:
        return []
    rows = table[(table["model"] == model) & (table["status"] != "ok")]
    return [
        {"name": str(r["label"]), "status": str(r["status"]), "reason": str(r["reason"])} for _, r in rows.iterrows()
    ]
