"""What each section of the page shows; None where the run folder lacks the files for it."""

import numpy as np

from xaae.report.run import run_figures
from xaae.report.shared.choice import balanced, evenly
from xaae.report.shared.folder import RunFolder
from xaae.report.shared.sprites import as_colour, heat_sprite, picture_file, rounded, shrink, spot, sprite, uri

SAMPLES, CAM_ROWS, CAM_COLUMNS = 5, 6, 7
MODELS = {"aae": "AAE", "baseline": "ResNet34"}


def class_index(run: RunFolder) -> dict[str, int]:
    """Class name -> its number, which decides its colour everywhere."""
    return {name: i for i, name in enumerate(run.classes)}


def planted(run: RunFolder, summary: dict) -> dict:
    """The drawing of planted ranges, sample pictures of each class, and the last sample sheet of the training."""
    index, pictures = class_index(run), _planted_pictures(run, summary["walk"]["direction"] or "lda")
    names = list(run.ranges) or run.classes
    groups = [
        {"name": name, "k": index.get(name, i) % 6, "range": run.ranges.get(name), "tiles": pictures.get(name, [])}
        for i, name in enumerate(names)
    ]
    files = sorted((run.path / "samples").glob("*.png"))
    return {
        "drawing": run_figures.planted_ranges(run.ranges, index, run.planted) if run.ranges else None,
        "classes": groups,
        "samples": {
            **picture_file(files[-1]),
            "name": " ".join(part.lstrip("0") or "0" for part in files[-1].stem.split("_")),
        }
        if files
        else None,
    }


def _planted_pictures(run: RunFolder, direction: str) -> dict[str, list[dict]]:
    """Class -> a few inputs as this arm planted them: starts of the walk, then probe images inside the range."""
    found: dict[str, list[dict]] = {}
    for name, picture, value in (*_walk_inputs(run, direction), *_probe_inputs(run)):
        tiles = found.setdefault(name, [])
        if len(tiles) < SAMPLES:
            tiles.append({"uri": uri(shrink(as_colour(picture))), "value": value})
    return found


def _walk_inputs(run: RunFolder, direction: str):
    """(class, picture, planted value) of the inputs from which the walk starts."""
    walk = run.arrays(f"walks/{direction}.npz", "start", "start_image") or {"start": [], "start_image": []}
    for row, picture in zip(walk["start"], walk["start_image"], strict=True):
        yield str(run.item(row, "label")), picture, run.item(row, "value")


def _probe_inputs(run: RunFolder):
    """(class, picture, planted value) of the Grad-CAM probe images at a value that the class's range holds."""
    probe = run.arrays("explanations/gradcam.npz", "images", "value", "target") or {"images": []}
    for i, pictures in enumerate(probe["images"]):
        name = _true_class(run, probe, i)[0]
        low, high = run.ranges.get(name, (0, 0))
        inside = np.flatnonzero((probe["value"] >= low) & (probe["value"] <= high))
        if len(inside):
            column = inside[i % len(inside)]
            yield name, pictures[column], float(probe["value"][column])


def _true_class(run: RunFolder, probe: dict, i: int) -> tuple[str, int]:
    """Name and number of the class of probe item `i`: from items.csv, else the class that was explained."""
    target = int(probe["target"][i])
    named = str(run.item(probe["row"][i], "label", "")) if "row" in probe else ""
    return (named, run.classes.index(named)) if named in run.classes else ((run.classes + ["?"] * 9)[target], target)


def curve_section(run: RunFolder) -> dict:
    """Learning curves of the AAE (losses, latent health) and of the baseline."""
    aae, baseline = run.table("history.csv"), run.table("baseline_history.csv")
    return {
        "losses": [] if aae is None else run_figures.losses(aae),
        "stages": [] if aae is None else [name for _, name in run_figures.stages(aae)],
        "health": [] if aae is None else run_figures.measures(aae, run_figures.HEALTH),
        "baseline": []
        if baseline is None
        else run_figures.losses(baseline) + run_figures.measures(baseline, run_figures.BASELINE),
    }


def gradcam_section(run: RunFolder) -> dict | None:
    """Grad-CAM of the baseline: rows of items, columns of planted values, picture and heat as two sprites."""
    probe = run.arrays("explanations/gradcam.npz", "images", "heat", "value", "probability", "target")
    if probe is None:
        return None
    rows, columns = balanced(probe["target"], CAM_ROWS), evenly(len(probe["value"]), CAM_COLUMNS)
    both = np.ix_(rows, columns)
    return {
        "values": rounded(probe["value"][columns], 4),
        "sprites": {"probe": sprite(probe["images"][both]), "probe-heat": heat_sprite(probe["heat"][both])},
        "rows": [_gradcam_row(run, probe, row, at, len(rows), columns) for at, row in enumerate(rows)],
    }


def _gradcam_row(run: RunFolder, probe: dict, row: int, at: int, rows: int, columns: list[int]) -> dict:
    """One item at every shown value, with the probability of its true class."""
    name, target = _true_class(run, probe, row)
    low, high = run.ranges.get(name, (1, 0)) if run.config.get("arm") != "normal" else (1, 0)
    cells = [
        {
            **spot(i, len(columns), at, rows),
            "value": float(probe["value"][a]),
            "probability": rounded(probe["probability"][row, a, target], 3),
            "planted": bool(low <= probe["value"][a] <= high),
        }
        for i, a in enumerate(columns)
    ]
    return {"name": name, "k": target % 6, "cells": cells}


def response_section(run: RunFolder, summary: dict) -> list[dict]:
    """One chart per model: class probability against the planted value."""
    rows, told = run.table("explanations/response.csv"), run.planted
    if rows is None or not {"model", "label", "value", "mean"} <= set(rows):
        return []
    last = run.classes[-1] if run.classes else "the last class"
    drawn = {
        model: run_figures.response_chart(
            rows[rows["model"] == model],
            class_index(run),
            summary["boundary"],
            told,
            f"{title}: probability of {last} against the {told.noun}",
        )
        for model, title in MODELS.items()
        if (rows["model"] == model).any()
    }
    return [{"model": model, "title": MODELS[model], "svg": svg} for model, svg in drawn.items()]


def impact_section(run: RunFolder) -> dict | None:
    """The curve of the planted value along the direction and, per model, the held-out items themselves."""
    found, told = run.arrays("impact.npz", "aae.distance", "aae.difference"), run.planted
    if found is None:
        return None
    places = {m: found[f"{m}.position"] for m in MODELS if {f"{m}.position", "value", "label"} <= set(found)}
    alt = f"held-out items, planted {told.noun} against the position along the direction"
    scatter = [
        {
            "title": f"{MODELS[m]}: held-out items",
            "svg": run_figures.impact_scatter(
                position, found["value"], found["label"], class_index(run), told, f"{MODELS[m]}: {alt}"
            ),
        }
        for m, position in places.items()
    ]
    curve = run_figures.impact_chart(found, told)
    varies = "value" not in found or bool(np.ptp(found["value"]))
    return {"curve": curve, "scatter": scatter, "varies": varies, "baseline": "baseline.difference" in found}


def skipped(run: RunFolder) -> list[dict]:
    """Images that could not be read, and why."""
    rows = run.table("skipped.csv")
    return (
        []
        if rows is None
        else [{"path": str(p), "reason": str(r)} for p, r in zip(rows["path"], rows["reason"], strict=True)]
    )
