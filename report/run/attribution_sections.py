"""Attributions of both models side by side, from the tiles that `explain` left."""

import numpy as np

from xaae.report.run.run_sections import MODELS, class_index
from xaae.report.shared.choice import balanced
from xaae.report.shared.folder import RunFolder
from xaae.report.shared.sprites import spot, sprite

ITEMS = 4  # rows of the page's table; all are in the run folder
PARTS = ("images", "tiles", "name", "title", "means", "flag", "label", "asked")


def attributions(run: RunFolder) -> list[dict]:
    """A panel for each model that was explained: items below each other, methods beside each other."""
    found = {model: run.arrays(f"explanations/tiles_{model}.npz", *PARTS) for model in MODELS}
    return [_panel(run, model, tiles) for model, tiles in found.items() if tiles is not None]


def _panel(run: RunFolder, model: str, found: dict) -> dict:
    """One model's table: its sprite, its methods with what they show, its items, and what could not be made."""
    index = class_index(run)
    rows = balanced(np.array([index.get(str(each), 0) for each in found["label"]]), ITEMS)
    cells = np.concatenate([found["images"][None], found["tiles"]])[:, rows]
    columns = len(cells)
    methods = [{k: str(found[k][i]) for k in ("name", "title", "means", "flag")} for i in range(columns - 1)]
    return {
        "model": MODELS[model],
        "sprite": f"why-{model}",
        "sprites": {f"why-{model}": sprite(cells.swapaxes(0, 1))},
        "methods": methods,
        "rows": [
            {
                "name": str(found["label"][row]),
                "k": index.get(str(found["label"][row]), 0) % 6,
                "asked": str(found["asked"][row]).removeprefix(f"{found['label'][row]}: ").replace(" %", "\u202f%"),
                "cells": [spot(i, columns, at, len(rows)) for i in range(columns)],
            }
            for at, row in enumerate(rows)
        ],
        "missing": _missing(run, model),
    }


def _missing(run: RunFolder, model: str) -> list[dict]:
    """The methods that made no map of this model, and why."""
    table = run.table("explanations/status.csv")
    if table is None:
        return []
    rows = table[(table["model"] == model) & (table["status"] != "ok")]
    return [
        {"name": str(r["label"]), "status": str(r["status"]), "reason": str(r["reason"])} for _, r in rows.iterrows()
    ]
