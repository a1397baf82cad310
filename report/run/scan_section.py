"""What each model goes by: the factor scan as a table of swings and strips of real items with the answers."""

import numpy as np
from markupsafe import Markup

from xaae.experiment.factor_questions import SAME, TOLD, unit_beside, verdict_of
from xaae.experiment.kinds import PICTURE
from xaae.experiment.run_folder import plain_values
from xaae.experiment.vocabulary import SCAN_VERDICTS
from xaae.report.shared.charts import Axes, svg_element
from xaae.report.shared.sprites import PAINTERS, tile_place
from xaae.report.shared.words import and_list

SMALL = 72  # pixels a side of a picture on a strip
NULL_WORDS = {  # kind -> the changes of no factor that decisions are compared with
    "picture": "smooth warps, changes of light from place to place",
    "volume": "smooth warps, changes of light from place to place",
    "signal": "time that runs unevenly, gain and baseline that sway",
}
SHADES = dict(zip(SCAN_VERDICTS, ("k0", "quiet", "k1"), strict=True))  # CSS class of each verdict


def scan_section(scan: dict, arrays: dict | None, config: dict | None = None) -> dict | None:
    """The section from what scan.json holds and the arrays of scan/strips.npz; None if there is no scan."""
    if not scan.get("models"):
        return None
    told = {key: [_told(row) for row in model["factors"]] for key, model in scan["models"].items()}
    models = [{"key": key, **model, "factors": told[key]} for key, model in scan["models"].items()]
    return {
        "scan": plain_values(scan),
        "null_words": NULL_WORDS.get(scan.get("kind"), NULL_WORDS[PICTURE.name]),
        "models": models,
        "given": and_list([row["noun"] for row in models[0]["factors"] if row["source"] == "given"]),
        "same": any(row["same"] for model in models for row in model["factors"]) and SAME,
        "rows": [_row(models, i, scan["rule"]) for i in range(len(models[0]["factors"]))],
        "strips": _strips(scan, models, arrays) if arrays else [],
        "sprites": _sprites(scan, models, arrays, config or {}) if arrays else {},
    }


def _told(row: dict) -> dict:
    """A row of a scan with what is told of it: verdict; same: does it stand in place of one; and its unit.

    unit: as it stands beside places with a sign; behind: the same, or what the meter reads, as it follows them.
    """
    left = unit_beside(row["places"][0], row["unit"])
    behind = f" {left}".rstrip() if row["scale"] == row["unit"] else f", {row['scale']}"
    return row | {"verdict": verdict_of(row), "same": verdict_of(row) == SAME, "unit": left, "behind": behind}


def _row(models: list[dict], i: int, rule: dict) -> dict:
    """One factor in the table of all models."""
    first = models[0]["factors"][i]
    keep = ("factor", "noun", "unit", "scale", "range", "places", "source", "reached", "beyond")
    return {key: first[key] for key in keep} | {
        "unchanged": first.get("unchanged", 0),
        "ends": (first["places"][0], first["places"][-1]),
        "cells": [
            model["factors"][i] | {"svg": _swing_chart(model["factors"][i], rule, model["title"])} for model in models
        ],
    }


def _swing_chart(row: dict, rule: dict, title: str) -> Markup:
    """A swing with its interval between 0 and 1, the zones of the verdicts behind it."""
    axes = Axes((0, 1), (0, 1), width=150, height=22, left=4, right=4, top=2, bottom=2)
    zone = lambda low, high, css: svg_element(  # noqa: E731
        "rect", x=float(axes.px(low)), width=float(axes.px(high) - axes.px(low)), y=2, height=18, class_=f"zone {css}"
    )
    shade = SHADES[row["used"]]
    low, high = (min(max(row[key], 0), 1) for key in ("swing_low", "swing_high"))
    parts = [zone(0, rule["no_swing"], "k1"), zone(rule["swing"], 1, "k0")]
    parts += [axes.line((low, high), (0.5, 0.5), f"{shade} thick"), axes.dots([row["swing"]], [0.5], f"{shade} wide")]
    alt = f"{title}, {row['noun']}: swing {row['swing']:.2f}, from {low:.2f} to {high:.2f}"
    return axes.svg(*parts, alt=alt, class_="swing")


def _order(models: list[dict]) -> list[str]:
    """Names of the factors, those that some model uses first."""
    best = {}
    for model in models:
        for row in model["factors"]:
            rank = TOLD.index(row["verdict"])
            best[row["factor"]] = min(best.get(row["factor"], rank), rank)
    return sorted(best, key=lambda name: best[name])


def _strips(scan: dict, models: list[dict], arrays: dict) -> list[dict]:
    """A strip for each factor: rows of items, columns of values, under each picture every model's answer."""
    about = {row["factor"]: row for row in models[0]["factors"]}
    names = [name for name in _order(models) if f"{name}.frames" in arrays]
    return [_strip(name, about[name], models, arrays) for name in names]


def _strip(name: str, row: dict, models: list[dict], arrays: dict) -> dict:
    """The strip of one factor."""
    frames = arrays[f"{name}.frames"]
    verdicts = {model["title"]: model["factors"][_at(model, name)]["verdict"] for model in models}
    return {
        "factor": name,
        "noun": row["noun"],
        "scale": row["scale"],
        "places": row["places"],
        "verdicts": verdicts,
        "shown": any(verdict == "used" for verdict in verdicts.values()) or row["source"] == "planted",
        "rows": [
            {
                "label": str(arrays["label"][i]),
                "cells": [
                    {**tile_place(j, frames.shape[1], i, len(frames)),
                     "answers": [_answer(arrays[f"{name}.{m['key']}"][i, j], m["classes"]) for m in models]}
                    for j in range(frames.shape[1])
                ],
            }
            for i in range(len(frames))
        ],
    }  # fmt: skip


def _at(model: dict, name: str) -> int:
    """The place of a factor among those of a model."""
    return [row["factor"] for row in model["factors"]].index(name)


def _answer(probability: np.ndarray, classes: list) -> dict:
    """What is written under a picture for probabilities (K,): a number, the class, and the class's number."""
    best = int(np.argmax(probability))
    shown = float(probability[-1] if len(classes) == 2 else probability[best])
    return {"text": f"{shown:.2f}", "class": str(classes[best]), "k": best, "several": len(classes) > 2}


def _sprites(scan: dict, models: list[dict], arrays: dict, config: dict) -> dict:
    """The pictures of every strip as one sprite each."""
    painter = PAINTERS[scan["kind"]](config)
    names = [name for name in _order(models) if f"{name}.frames" in arrays]
    return {f"scan-{name}": painter.sprite(painter.items(arrays[f"{name}.frames"], SMALL)) for name in names}
