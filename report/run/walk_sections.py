"""What the walks show: one panel per direction, with its frames, charts, naming table and implied heat map."""

import numpy as np

from xaae.report.run import walk_figures as figures
from xaae.report.run.summary import random_changes
from xaae.report.shared.choice import evenly
from xaae.report.shared.folder import RunFolder, clean
from xaae.report.shared.quantity import meter_quantity
from xaae.report.shared.sprites import LARGEST, as_colour, heat_sprite, rounded, shrink, spot, sprite, uri
from xaae.report.shared.words import as_sentence, direction_name, direction_note

STARTS, OTHER_STARTS, STRIP_STARTS, STRIP_FRAMES = 8, 4, 3, 7  # of the first direction, of each other one
OTHER_LARGEST = 72  # pixels of their tiles: there may be ten


def walks(run: RunFolder, summary: dict) -> list[dict]:
    """One panel per direction that was walked, the main one first."""
    names = run.directions(summary["walk"]["direction"] or "lda")
    found = [(name, walk) for name in names if (walk := run.walk(name)) is not None]
    return [_panel(run, summary, number, name, walk) for number, (name, walk) in enumerate(found)]


def _panel(run: RunFolder, summary: dict, number: int, name: str, walk: dict) -> dict:
    """Everything one direction shows: its sprites, charts, tables, scores and the numbers that the slider needs."""
    main = name == summary["walk"]["direction"]
    scores = summary["walk"]["by_direction"].get(name) or (summary["walk"] if main else {})
    rows = evenly(len(walk["frames"]), OTHER_STARTS if number else STARTS)
    still, heat = _strip(run, walk, rows), _middle_heat(walk, rows)
    sprites = {f"walk-{number}": sprite(walk["frames"][rows], OTHER_LARGEST if number else LARGEST)}
    return {
        "number": number,
        "main": main,
        **_told(summary, name),
        "scores": scores,
        "rows": rows,
        "frames": len(walk["alpha"]),
        "cells": [_start_name(run, walk, row) for row in rows],
        "strip": still,
        "naming": _naming(summary, name, walk),
        "sprites": sprites | ({} if heat is None else {f"walk-heat-{number}": heat}),
        "heat": heat is not None,
        **_drawn(run, summary, walk, rows, scores.get("change")),
    }


def _told(summary: dict, name: str) -> dict:
    """What a direction is called, what it is, and its own numbers."""
    about = summary["directions"].get(name) or {}
    return {
        "name": direction_name(name),
        "title": about.get("title") or direction_name(name),
        "note": as_sentence(about.get("note") or direction_note(name)),
        "contrast": about.get("contrast") or "",
        "about": about,
    }


def _drawn(run: RunFolder, summary: dict, walk: dict, rows: list[int], own: float | None) -> dict:
    """The two charts of the planted factor's reading, and the numbers behind the slider."""
    told, changes = run.meter, random_changes(run)
    clear = (summary["planted"]["limits"] or {}).get("clear")
    change = figures.since_first(_planted_reading(run, walk))
    chart, cursor = figures.walk_chart(walk["alpha"], change, rows, told, clear)
    return {
        "chart": chart,
        "null": figures.null_chart(changes, own, told, clear) if len(changes) else None,
        "null_count": len(changes),
        "data": {
            "alpha": rounded(walk["alpha"], 2),
            "reading": rounded(change[rows], told.digits + 1),
            "cursor": clean(cursor),
            "median": rounded(figures.median(change), told.digits + 1),
            "probability": rounded(walk["probability"][rows, :, -1], 3),
        },
    }


def _planted_reading(run: RunFolder, walk: dict) -> np.ndarray:
    """What the planted factor's meter reads on every frame, (S, T); NaN where the walk holds no such reading."""
    blank = np.full(walk["frames"].shape[:2], np.nan)
    return walk.get(f"meter.{run.meter_name}", blank)


def _start_name(run: RunFolder, walk: dict, row: int) -> str:
    """What a start is called: its class and its planted value."""
    item = int(walk["start"][row]) if "start" in walk else -1
    return item_name(run, item) or f"start {row + 1}"


def item_name(run: RunFolder, item: int) -> str:
    """The class and the planted value of one row of items.csv; "" if there is none."""
    label, value = run.item(item, "label"), run.item(item, "value")
    shown = isinstance(value, (int, float)) and run.config.get("arm") != "normal"
    return "" if label is None else f"{label}, {run.planted.short(value)}" if shown else str(label)


def _strip(run: RunFolder, walk: dict, rows: list[int]) -> dict:
    """A few starts as still frames: the input, frames from one end to the other, the middle one for the heat."""
    frames = len(walk["alpha"])
    shown, steps = [rows[i] for i in evenly(len(rows), STRIP_STARTS)], evenly(frames, STRIP_FRAMES)
    change, inputs = figures.since_first(_planted_reading(run, walk)), walk.get("start_image")
    return {
        "alpha": rounded(walk["alpha"][steps], 1),
        "rows": [
            {
                "name": _start_name(run, walk, row),
                "input": None if inputs is None else uri(shrink(as_colour(inputs[row]))),
                "tiles": [
                    {**spot(t, frames, rows.index(row), len(rows)), "change": clean(change[row, t])} for t in steps
                ],
                "middle": spot(frames // 2, frames, rows.index(row), len(rows)),
                "heat": spot(0, 1, rows.index(row), len(rows)),
            }
            for row in shown
        ],
    }


def _middle_heat(walk: dict, rows: list[int]) -> dict | None:
    """How much each pixel changes along the walk, one map per start, each on its own scale; None if not measured."""
    heat = walk.get("heat.integral")
    return None if heat is None else heat_sprite(heat[rows][:, None])


def _naming(summary: dict, name: str, walk: dict) -> dict | None:
    """The naming table: its sentence, and one row per meter with a sparkline of what it reads along alpha."""
    found = (summary["naming"] or {}).get(name)
    if not found:
        return None
    text = found.get("sentence")
    rows = [_meter_row(row, walk) for row in found.get("meters") or []]
    return {"sentence": as_sentence(f"the decoded picture {text}") if text else "", "rows": rows}


def _meter_row(row: dict, walk: dict) -> dict:
    """One meter's row: its name, its change told in its unit, its scores and its sparkline."""
    name = str(row.get("meter"))
    told, readings = meter_quantity(name, row.get("unit")), walk.get(f"meter.{name}")
    change, ends = row.get("change"), row.get("change_ci") or []
    spark = None
    if readings is not None:
        alt = f"Median change of {name.replace('_', ' ')} along the walk, with the band between its quartiles"
        spark = figures.sparkline(walk["alpha"], figures.since_first(readings), alt)
    interval = f"{told.short(ends[0])} to {told.short(ends[1])}" if len(ends) == 2 else ""
    return {
        **{key: row.get(key) for key in ("spreads", "spearman", "p", "p_any", "named")},
        "name": name.replace("_", " "),
        "unit": told.scale,
        "change": told.signed(change),
        "interval": interval,
        "spark": spark,
    }
