"""The classifiers of a run side by side: from the same starts, the walk that each of them leads, with its answers."""

import numpy as np

from xaae.experiment.amounts import in_agreement
from xaae.experiment.run_folder import plain_values
from xaae.experiment.walk_words import manner_in_words
from xaae.report.run.walk_charts import since_first
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.sprites import evenly, tile_place
from xaae.report.shared.words import as_sentence, fixed, percent

ROWS, FRAMES = 3, 5  # starts and frames of each strip


def led_section(run: RunFiles, summary: dict) -> dict | None:
    """A strip for each classifier that leads a walk, all from the same starts; None where none does."""
    found = [
        (key, led, walk) for key, led in summary["led"].items() if (walk := run.walk(led["direction"])) is not None
    ]
    found = [each for each in found if "probability.led" in each[2]]
    if not found:
        return None
    starts = _shared_starts([walk for _, _, walk in found])
    strips = [_strip(run, summary, key, led, walk, starts) for key, led, walk in found]
    return {"strips": strips, "sprites": {name: s for strip in strips for name, s in strip.pop("sprites").items()}}


def _shared_starts(walks: list[dict]) -> list[int]:
    """Rows of items.csv that all walks start from, the first ones of the first walk."""
    common = set.intersection(*(set(walk["start"].tolist()) for walk in walks))
    return [row for row in walks[0]["start"].tolist() if row in common][:ROWS]


def _strip(run: RunFiles, summary: dict, key: str, led: dict, walk: dict, starts: list[int]) -> dict:
    """One classifier's walk from table rows `starts`: its sentence, and frames with change and answer under each."""
    rows = [walk["start"].tolist().index(row) for row in starts] or evenly(len(walk["start"]), ROWS)
    steps = evenly(walk["frames"].shape[1], FRAMES)
    goal = summary["directions"][led["direction"]]["leads_to"]
    columns = [run.class_index[name] for name in goal]
    change = since_first(walk.get(f"meter.{run.meter_name}", np.full(walk["frames"].shape[:2], np.nan)))[rows][:, steps]
    answers = walk["probability.led"][rows][:, steps]
    sprite = f"led-{key}"
    return {
        "key": key,
        "title": led["title"],
        "goal": " or ".join(goal),
        "sentence": _sentence(run, summary, led, " or ".join(goal)),
        "sprite": sprite,
        "sprites": {sprite: run.painter.sprite(run.painter.walk(walk["frames"][rows])[:, steps])},
        "frames": len(steps),
        "rows": [
            {
                "name": run.item_name(int(walk["start"][row])) or f"start {row + 1}",
                "cells": [
                    {
                        **tile_place(j, len(steps), i, len(rows)),
                        "change": run.measured.signed(plain_values(change[i, j])),
                        "answer": fixed(float(answers[i, j, columns].sum())),
                        "k": int(answers[i, j].argmax()),
                    }
                    for j in range(len(steps))
                ],
            }
            for i, row in enumerate(rows)
        ],
    }


def _sentence(run: RunFiles, summary: dict, led: dict, goal: str) -> str:
    """What the walk changes, how, whether it brings its classifier over, and what random directions do."""
    told = (summary["naming"].get(led["direction"]) or {}).get("sentence") or ""
    ends = f"{fixed(led['probability_first'])} to {fixed(led['probability_last'])}"
    parts = [
        f"the decoded {run.kind.name} {in_agreement(told)}" if told else "",
        manner_in_words(led, run.measured.long, run.measured.noun),
        f"its probability of {goal} goes from {ends}, and {percent(led['brought_over'])} of {led['starts']} starts are"
        " brought over",
        f"random directions change the {run.measured.noun} by {run.measured.long(led['random_change'])} (median)",
    ]
    return " ".join(as_sentence(part) for part in parts if part)
