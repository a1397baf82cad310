"""The panels of the walks: for each direction its frames, its charts, its naming table and its map of change."""

import numpy as np

from xaae.experiment.amounts import in_agreement
from xaae.experiment.kinds import PICTURE
from xaae.experiment.run_folder import plain_values
from xaae.experiment.vocabulary import MODELS
from xaae.experiment.walk_words import arrival, groups_in_words, is_invisible, manner_in_words, told_names
from xaae.report.run import walk_charts
from xaae.report.shared.quantity import meter_quantity
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.sprites import (
    HEAT_QUALITY,
    LARGEST,
    evenly,
    heat_levels,
    tile_place,
)
from xaae.report.shared.words import as_sentence, direction_name, rounded

STARTS, OTHER_STARTS, STRIP_STARTS, STRIP_FRAMES = 8, 4, 3, 7  # of the first direction, of each other one, of stills
OTHER_LARGEST = 72  # pixels of the tiles of other directions: there may be ten


def walk_panels(run: RunFiles, summary: dict) -> list[dict]:
    """One panel for each direction that was walked, the main one first."""
    names = run.walk_names(summary["walk"]["direction"] or "lda")
    complete = [(name, walk) for name in names if (walk := run.walk(name)) is not None]
    return [_panel(run, summary, number, name, walk) for number, (name, walk) in enumerate(complete)]


def _panel(run: RunFiles, summary: dict, number: int, name: str, walk: dict) -> dict:
    """Everything one direction shows: its sprites, charts, tables, scores and the numbers that the slider needs."""
    main = name == summary["walk"]["direction"]
    scores = summary["walk"]["by_direction"].get(name) or (summary["walk"] if main else {})
    goal = (summary["directions"].get(name) or {}).get("leads_to") or run.classes[-1:]
    steps = walk_charts.steps_of(walk, scores.get("spacing"))
    shown = round(run.painter.share * (OTHER_STARTS if number else STARTS))
    rows = evenly(len(walk["frames"]), max(1, shown))
    frames = run.painter.walk(walk["frames"][rows], OTHER_LARGEST if number else LARGEST)
    sprites = {f"walk-{number}": run.painter.sprite(frames)}
    heat = _change_map(run, walk, rows)
    return {
        "number": number,
        "main": main,
        **_direction(summary, name),
        "scores": scores,
        "rows": rows,
        "frames": len(steps.places),
        "step": steps,
        "cells": [_start_name(run, walk, row) for row in rows],
        "strip": _stills(run, walk, rows, steps),
        "naming": _naming(summary, name, walk, steps.places),
        "sprites": sprites | ({} if heat is None else {f"walk-heat-{number}": heat}),
        "heat": heat is not None,
        "goal": " or ".join(goal),
        "answers_of": scores.get("answers_of") or MODELS["aae"],
        "manner": manner_in_words(scores, run.measured.long, run.measured.noun),
        "caution": _caution(run, scores, " or ".join(goal)),
        "match_says": _match_says(run, summary, scores),
        **_charts(run, summary, walk, steps, rows, scores.get("change"), goal),
    }


def _caution(run: RunFiles, scores: dict, goal: str) -> str:
    """That the starts of a walk disagree, and that it does not bring the decision over; "" where neither is so."""
    groups = scores.get("start_groups")
    apart = f"The starts disagree: {groups_in_words(groups, run.measured.signed)}." if groups else ""
    return " ".join(filter(None, [apart, arrival(scores, goal)]))


def _match_says(run: RunFiles, summary: dict, scores: dict) -> str:
    """What the match of the frames with the first one says; "" where there is none."""
    if scores.get("match") is None:
        return ""
    if run.planted.unit != "degrees":
        undone = scores.get("undone_match")
        beside = "" if undone is None else f". Between the two ends, the factor undone: {undone:.2f}"
        return f"correlation between a frame and the first one{beside}"
    least, turn = (summary["planted"]["limits"] or {}).get("none"), scores.get("change")
    what = "correlation between a frame, turned back, and the first frame"
    if least is not None and turn is not None and abs(turn) <= least:
        return f"{what}. There is no turn to take back here ({run.measured.signed(turn)}): it says how alike they are"
    return f"{what}. Near 1: nothing but the turn has changed"


def _direction(summary: dict, name: str) -> dict:
    """What a direction is called, what it is, and its own numbers."""
    about = summary["directions"].get(name) or {}
    kind, own, _ = name.partition(".")
    about_kind = summary.get("kind")
    told = (about.get("contrast") or "").removeprefix("rest to ")
    shown = f"{direction_name(kind, about_kind)}, {told}" if own and told else direction_name(name, about_kind)
    return {
        "name": shown,
        "title": about.get("title") or shown,
        "note": as_sentence(about.get("note")),
        "contrast": about.get("contrast") or "",
        "about": about,
    }


def _charts(run: RunFiles, summary: dict, walk: dict, steps, rows: list[int], own: float | None, goal: list) -> dict:
    """The two charts of the planted factor's reading, and the numbers behind the slider.

    steps: of the walk. own: by how much the reading changes on it. goal: the classes that it leads to.
    """
    columns = [run.class_index[label] for label in goal if label in run.class_index] or [-1]
    measured, changes = run.measured, run.random_changes()
    clear = (summary["planted"]["limits"] or {}).get("clear")
    change = walk_charts.since_first(_planted_reading(run, walk))
    chart, cursor = walk_charts.walk_chart(steps, change, rows, measured, clear)
    return {
        "chart": chart,
        "null": walk_charts.null_chart(changes, own, measured, clear) if len(changes) else None,
        "null_count": len(changes),
        "data": {
            "steps": steps.names,
            "reading": rounded(change[rows], measured.digits + 1),
            "cursor": plain_values(cursor),
            "median": rounded(walk_charts.median(change), measured.digits + 1),
            "probability": rounded(walk.get("probability.led", walk["probability"])[rows][..., columns].sum(-1), 3),
        },
    }


def _planted_reading(run: RunFiles, walk: dict) -> np.ndarray:
    """What the planted factor's meter reads on every frame, (S, T); NaN where the walk holds no such reading."""
    return walk.get(f"meter.{run.meter_name}", np.full(walk["frames"].shape[:2], np.nan))


def _start_name(run: RunFiles, walk: dict, row: int) -> str:
    """What a start is called: its class and its planted value."""
    item = int(walk["start"][row]) if "start" in walk else -1
    return run.item_name(item) or f"start {row + 1}"


def _stills(run: RunFiles, walk: dict, rows: list[int], along) -> dict:
    """A few starts as stills: the input, frames from one end to the other, the middle one under the map of change."""
    shown, steps = [rows[i] for i in evenly(len(rows), STRIP_STARTS)], evenly(len(along.places), STRIP_FRAMES)
    change = walk_charts.since_first(_planted_reading(run, walk))
    return {
        "heads": [along.heads[t] for t in steps],
        "rows": [_still_row(run, walk, row, (rows.index(row), len(rows)), steps, change[row]) for row in shown],
    }


def _still_row(run: RunFiles, walk: dict, row: int, place: tuple[int, int], steps: list[int], change) -> dict:
    """One start as stills; `place` is its row in the sprites and how many rows they have."""
    frames, inputs = walk["frames"].shape[1], walk.get("start_image")
    return {
        "name": _start_name(run, walk, row),
        "input": None if inputs is None else run.painter.uri(run.painter.items(inputs[row])),
        "tiles": [{**tile_place(t, frames, *place), "change": plain_values(change[t])} for t in steps],
        "middle": tile_place(frames // 2, frames, *place),
        "heat": tile_place(0, 1, *place),
    }


def _change_map(run: RunFiles, walk: dict, rows: list[int]) -> dict | None:
    """How much each place changes along the walk as a sprite, each start on its own scale; None if not measured."""
    heat = walk.get("heat.integral")
    if heat is None:
        return None
    return run.painter.sprite(run.painter.heat(heat_levels(heat[rows][:, None])), HEAT_QUALITY)


def _naming(summary: dict, name: str, walk: dict, places) -> dict | None:
    """The naming table: its sentence, and one row for each meter with a sparkline of its reading at places (T,)."""
    naming = (summary["naming"] or {}).get(name)
    if not naming:
        return None
    text, meters = naming.get("sentence"), naming.get("meters") or []
    main = name == summary["walk"]["direction"]
    scores = summary["walk"]["by_direction"].get(name) or (summary["walk"] if main else {})
    sure = [] if is_invisible(scores) else told_names(meters, 1 if main else len(summary["naming"]))[0]
    rows = [_meter_row(row, walk, places, row in sure) for row in meters]
    item = summary.get("kind") or PICTURE.name
    return {"sentence": as_sentence(f"the decoded {item} {in_agreement(text)}") if text else "", "rows": rows}


def _meter_row(row: dict, walk: dict, places, named: bool) -> dict:
    """One meter's row: its name, its change in its unit, its scores and its sparkline."""
    meter = row["meter"]
    quantity, readings = meter_quantity(meter, row.get("unit")), walk.get(f"meter.{meter}")
    ends, spark = row.get("change_ci") or [], None
    if readings is not None:
        alt = f"Median change of {meter.replace('_', ' ')} along the walk, with the band between its quartiles"
        spark = walk_charts.sparkline(places, walk_charts.since_first(readings), alt)
    return {
        **{key: row.get(key) for key in ("spreads", "spearman", "largest_step_share", "p", "p_any")},
        "named": named,
        "name": meter.replace("_", " "),
        "unit": quantity.scale,
        "change": quantity.signed(row.get("change")),
        "interval": f"{quantity.short(ends[0])} to {quantity.short(ends[1])}" if len(ends) == 2 else "",
        "spark": spark,
    }
