"""What each section of the page shows; None where the run folder lacks the files for it."""

import numpy as np

from report import figures
from report.folder import RunFolder, clean
from report.latent_map import map_chart, scale
from report.pictures import colour, heat_sprite, picture_file, place, shrink, sprite, uri
from report.words import NOTES, direction_name

STARTS, STRIP_STARTS, STRIP_FRAMES, SAMPLES, MAP_ROWS, MAP_ANGLES = 8, 3, 7, 5, 6, 7


def evenly(number: int, most: int) -> list[int]:
    """At most `most` indices out of `number`, evenly spread, first and last included."""
    return sorted({round(i) for i in np.linspace(0, number - 1, min(number, most))})


def class_index(run: RunFolder) -> dict[str, int]:
    """Class name -> its number, which decides its colour everywhere."""
    return {name: i for i, name in enumerate(run.classes)}


def planted(run: RunFolder, summary: dict) -> dict:
    """The dial of planted ranges, sample pictures of each class, and the last sample sheet of the training."""
    index, pictures = class_index(run), planted_pictures(run, summary["walk"]["direction"] or "lda")
    names = list(run.ranges) or run.classes
    groups = [
        {"name": name, "k": index.get(name, i) % 6, "range": run.ranges.get(name), "tiles": pictures.get(name, [])}
        for i, name in enumerate(names)
    ]
    files = sorted((run.path / "samples").glob("*.png"))
    return {
        "dial": figures.dial(run.ranges, index) if run.ranges else None,
        "classes": groups,
        "samples": {
            **picture_file(files[-1]),
            "name": " ".join(part.lstrip("0") or "0" for part in files[-1].stem.split("_")),
        }
        if files
        else None,
    }


def planted_pictures(run: RunFolder, direction: str) -> dict[str, list[dict]]:
    """Class -> a few inputs as this arm planted them: starts of the walk, then probe images inside the range."""
    found: dict[str, list[dict]] = {}
    for name, picture, angle in (*walk_inputs(run, direction), *probe_inputs(run)):
        tiles = found.setdefault(name, [])
        if len(tiles) < SAMPLES:
            tiles.append({"uri": uri(shrink(colour(picture))), "angle": angle})
    return found


def walk_inputs(run: RunFolder, direction: str):
    """(class, picture, angle) of the inputs from which the walk starts."""
    walk = run.arrays(f"walks/{direction}.npz", "start", "start_image") or {"start": [], "start_image": []}
    for row, picture in zip(walk["start"], walk["start_image"], strict=True):
        yield str(run.item(row, "label")), picture, run.item(row, "value")


def probe_inputs(run: RunFolder):
    """(class, picture, angle) of the Grad-CAM probe images at an angle that the class's range holds."""
    probe = run.arrays("explanations/gradcam.npz", "images", "angle", "target") or {"images": []}
    for i, pictures in enumerate(probe["images"]):
        name = true_class(run, probe, i)[0]
        low, high = run.ranges.get(name, (0, 0))
        inside = np.flatnonzero((probe["angle"] >= low) & (probe["angle"] <= high))
        if len(inside):
            column = inside[i % len(inside)]
            yield name, pictures[column], float(probe["angle"][column])


def true_class(run: RunFolder, probe: dict, i: int) -> tuple[str, int]:
    """Name and number of the class of probe item `i`: from items.csv, else the class that was explained."""
    target = int(probe["target"][i])
    named = str(run.item(probe["row"][i], "label", "")) if "row" in probe else ""
    return (named, run.classes.index(named)) if named in run.classes else ((run.classes + ["?"] * 9)[target], target)


def curves(run: RunFolder) -> dict:
    """Learning curves of the AAE (losses, latent health) and of the baseline."""
    aae, baseline = run.table("history.csv"), run.table("baseline_history.csv")
    return {
        "losses": [] if aae is None else figures.losses(aae),
        "stages": [] if aae is None else [name for _, name in figures.stages(aae)],
        "health": [] if aae is None else figures.measures(aae, figures.HEALTH),
        "baseline": [] if baseline is None else figures.losses(baseline) + figures.measures(baseline, figures.BASELINE),
    }


def walks(run: RunFolder, summary: dict) -> list[dict]:
    """One panel per direction: its sprite, charts, scores and the numbers the slider needs."""
    random = run.arrays("walks/random.npz", "span")
    spans = np.empty(0) if random is None else random["span"]
    names = run.directions(summary["walk"]["direction"] or "lda")
    found = [(name, run.walk(name)) for name in names]
    return [
        panel(run, number, name, walk, summary["walk"], spans)
        for number, (name, walk) in enumerate((n, w) for n, w in found if w is not None)
    ]


def panel(run: RunFolder, number: int, name: str, walk: dict, scores: dict, spans: np.ndarray) -> dict:
    """Everything one direction shows."""
    rows, frames = evenly(len(walk["frames"]), STARTS), len(walk["alpha"])
    chart, cursor = figures.walk_chart(walk["alpha"], walk["angle"], rows)
    own = scores["by_direction"].get(name) or (scores if name == scores["direction"] else {})
    first = own.get("rotation_span_deg")
    return {
        "number": number,
        "name": direction_name(name),
        "main": name == scores["direction"],
        "note": NOTES.get(name, ""),
        "scores": own,
        "sprite": sprite(walk["frames"][rows]),
        "chart": chart,
        "rows": rows,
        "frames": frames,
        "null": figures.null_chart(spans, first) if len(spans) else None,
        "null_count": len(spans),
        "strip": strip(run, walk, rows, frames),
        "cells": [start_name(run, walk, row) for row in rows],
        "data": {
            "alpha": rounded(walk["alpha"], 2),
            "angle": rounded(walk["angle"][rows], 1),
            "cursor": clean(cursor),
            "median": rounded(figures.median(walk["angle"]), 1),
            "probability": rounded(walk["probability"][rows, :, -1], 3),
        },
    }


def start_name(run: RunFolder, walk: dict, row: int) -> str:
    """What a start is called: its class and its planted angle."""
    item = int(walk["start"][row]) if "start" in walk else -1
    label, value = run.item(item, "label"), run.item(item, "value")
    return f"start {row + 1}" if label is None else f"{label}, {value:.0f}°" if value is not None else str(label)


def strip(run: RunFolder, walk: dict, rows: list[int], frames: int) -> dict:
    """A few starts as still frames: the input, then frames from one end to the other."""
    shown, steps = [rows[i] for i in evenly(len(rows), STRIP_STARTS)], evenly(frames, STRIP_FRAMES)
    inputs = walk.get("start_image")
    return {
        "alpha": rounded(walk["alpha"][steps], 1),
        "rows": [
            {
                "name": start_name(run, walk, row),
                "input": None if inputs is None else uri(shrink(colour(inputs[row]))),
                "tiles": [
                    {
                        "x": place(t, frames),
                        "y": place(rows.index(row), len(rows)),
                        "angle": rounded(walk["angle"][row, t], 1),
                    }
                    for t in steps
                ],
            }
            for row in shown
        ],
    }


def rounded(values, digits: int):
    """Nested lists of rounded floats, None for what is not finite."""
    if np.ndim(values):
        return [rounded(value, digits) for value in values]
    return round(float(values), digits) if np.isfinite(values) else None


def gradcam(run: RunFolder) -> dict | None:
    """Grad-CAM of the baseline: rows of items, columns of angles, picture and heat as two sprites."""
    probe = run.arrays("explanations/gradcam.npz", "images", "heat", "angle", "probability", "target")
    if probe is None:
        return None
    rows, columns = balanced(probe["target"], MAP_ROWS), evenly(len(probe["angle"]), MAP_ANGLES)
    both = np.ix_(rows, columns)
    return {
        "angles": rounded(probe["angle"][columns], 0),
        "picture": sprite(probe["images"][both]),
        "heat": heat_sprite(probe["heat"][both]),
        "rows": [gradcam_row(run, probe, row, at, len(rows), columns) for at, row in enumerate(rows)],
    }


def gradcam_row(run: RunFolder, probe: dict, row: int, at: int, rows: int, columns: list[int]) -> dict:
    """One item at every shown angle, with the probability of its true class."""
    name, target = true_class(run, probe, row)
    low, high = run.ranges.get(name, (1, 0))
    cells = [
        {
            "x": place(i, len(columns)),
            "y": place(at, rows),
            "angle": float(probe["angle"][a]),
            "probability": rounded(probe["probability"][row, a, target], 3),
            "planted": bool(low <= probe["angle"][a] <= high),
        }
        for i, a in enumerate(columns)
    ]
    return {"name": name, "k": target % 6, "cells": cells}


def balanced(target: np.ndarray, most: int) -> list[int]:
    """At most `most` rows, taken from the classes in turn, then ordered by class."""
    turns = [(np.flatnonzero(target == target[row]).searchsorted(row), row) for row in range(len(target))]
    return sorted((row for _, row in sorted(turns)[:most]), key=lambda row: (target[row], row))


def response(run: RunFolder, summary: dict) -> list[dict]:
    """One chart per model: class probability against the planted angle."""
    rows = run.table("explanations/response.csv")
    if rows is None or not {"model", "label", "angle", "mean"} <= set(rows):
        return []
    titles = {"aae": "AAE, classifier head", "baseline": "ResNet34"}
    return [
        {
            "model": model,
            "title": title,
            "svg": figures.response_chart(
                rows[rows["model"] == model],
                class_index(run),
                summary["boundary_deg"],
                f"{title}: probability of {run.classes[-1] if run.classes else 'the last class'} against the angle",
            ),
        }
        for model, title in titles.items()
        if (rows["model"] == model).any()
    ]


def impact(run: RunFolder) -> dict | None:
    """The rotation-impact curve and, per model, the held-out items themselves."""
    found = run.arrays("impact.npz", "aae.distance", "aae.difference")
    if found is None:
        return None
    titles = {"aae": "AAE: held-out items", "baseline": "ResNet34: held-out items"}
    scatter = [
        {
            "title": title,
            "svg": figures.impact_scatter(
                found[f"{model}.position"],
                found["value"],
                found["label"],
                class_index(run),
                f"{title}, planted angle against the position along the direction",
            ),
        }
        for model, title in titles.items()
        if {f"{model}.position", "value", "label"} <= set(found)
    ]
    return {"curve": figures.impact_chart(found), "scatter": scatter, "baseline": "baseline.difference" in found}


def latent_map(run: RunFolder) -> dict | None:
    """The t-SNE map and the ends of its colour scale."""
    found = run.arrays("map.npz", "xy", "row")
    if found is None:
        return None
    label = np.array([str(run.item(row, "label")) for row in found["row"]])
    value = np.array([run.item(row, "value", np.nan) for row in found["row"]], float)
    low, high = scale(value)
    shades = [figures.ramp(i / 4) for i in range(5)]
    return {
        "svg": map_chart(found, label, value, class_index(run)),
        "low": low,
        "high": high,
        "shades": shades,
        "thumbs": "thumb_image" in found,
        "arrow": "arrow" in found,
    }


def skipped(run: RunFolder) -> list[dict]:
    """Images that could not be read, and why."""
    rows = run.table("skipped.csv")
    return (
        []
        if rows is None
        else [{"path": str(p), "reason": str(r)} for p, r in zip(rows["path"], rows["reason"], strict=True)]
    )
