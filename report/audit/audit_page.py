"""The page of an audit: audit.json and its figures in, one self-contained report.html out."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
from jinja2 import UndefinedError

from xaae.report.audit.audit_charts import ARMS, response_chart
from xaae.report.audit.audit_sections import (
    THRESHOLDS,
    VERDICTS,
    about_of,
    evidence,
    is_number,
    names_of,
    picture_section,
    row_title,
    title_of,
)
from xaae.report.run.run_page import environment
from xaae.report.shared.words import capital, fixed, setting

BROKEN = (KeyError, TypeError, AttributeError, IndexError, ValueError, UndefinedError)
CAUTION = "Caution: "  # how a sentence of the summary begins that stands above all others
SAID_ELSEWHERE = ("command", "classes")
GATE = {"biased": "spurious_biased", "irrelevant": "spurious_control"}  # arm normal never met the factor: not asked
MEANS = {
    "biased": "the factor goes with the class",
    "irrelevant": "the factor is there and tells nothing",
    "normal": "the factor is not there",
}


def render_audit(folder) -> str:
    """The page of the audit in `folder` as HTML. ValueError if its audit.json is missing or broken."""
    folder = Path(folder)
    result = _read(folder)
    try:
        return environment().get_template("audit.html.j2").render(**_parts(folder, result))
    except BROKEN as e:
        raise ValueError(f"{folder / 'audit.json'} is broken ({type(e).__name__}: {e}): run the audit again.") from e


def _read(folder: Path) -> dict:
    """audit.json. ValueError if it is none."""
    try:
        result = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ValueError(f"{folder} holds no audit.json that can be read ({e}): run `audit` first.") from e
    if not isinstance(result, dict) or result.get("kind") != "audit":
        raise ValueError(f"{folder / 'audit.json'} holds no audit: run `audit` again.")
    return result


def _parts(folder: Path, result: dict) -> dict:
    """What the template shows."""
    cells = [evidence(folder, result, cell, f"cell-{i}") for i, cell in enumerate(result["cells"], 1)]
    return {
        "title": result["dataset"],
        "classes": result["classes"],
        "last": result["classes"][-1],
        "models": list(result["models"]),
        "byline": _byline(result),
        "summary": [each for each in result.get("summary") or [] if not each.startswith(CAUTION)],
        "warnings": _warnings(result, cells),
        "tiles": _tiles(cells),
        "keys": list(result["factors"]),
        "groups": _groups(result, cells),
        "factors": [_factor(folder, result, key, _by_group(result, cells, key)) for key in result["factors"]],
        "chance": _chance(result),
        "made": _made(result),
    }


# ---- the head of the page ---------------------------------------------------------------------------------------


def _byline(result: dict) -> list[tuple[str, str]]:
    """What was audited, in pairs of a name and a value."""
    size = result.get("size")
    pairs = (
        ("dataset", result["dataset"]),
        ("classes", ", ".join(result["classes"])),
        ("models", ", ".join(result["models"].values())),
        ("pictures", f"{size} × {size} pixels" if size else None),
        ("preset", result.get("preset")),
    )
    return [(name, value) for name, value in pairs if value]


def _warnings(result: dict, cells: list[dict]) -> list[str]:
    """What a reader has to know before the verdicts: an unfinished audit, a control that did not come out."""
    wrong = [f"{c['title']} ({c['factor']})" for c in cells if c["expected"] and c["verdict"] != c["expected"]]
    told = [] if result.get("complete", True) else ["This audit was not finished: what is missing has no verdict yet."]
    if said := [each for each in result.get("summary") or [] if each.startswith(CAUTION)]:
        told += [capital(each.removeprefix(CAUTION)) for each in said]
    elif wrong:
        told.append(f"Do not trust this audit: not every control got the verdict it must get: {', '.join(wrong)}.")
    return told


def _tiles(cells: list[dict]) -> list[dict]:
    """How often each verdict was given, controls left out."""
    number = Counter(c["verdict"] for c in cells if c["kind"] != "control")
    return [{"verdict": v, "tone": tone, "number": number[v]} for v, tone in VERDICTS.items()]


# ---- the table --------------------------------------------------------------------------------------------------


def _groups(result: dict, cells: list[dict]) -> list[dict]:
    """The verdict table: groups of rows, each row with one entry for each factor, None where there is no cell."""
    found = {}
    for c in cells:
        found.setdefault(c["group"], {}).setdefault((c["explanation"], c["model"]), {})[c["factor"]] = c
    return [
        {"title": names_of(result, group), "rows": [_row(result, pair, mine) for pair, mine in found[group].items()]}
        for group in sorted(found, key=lambda g: _order(result, g))
    ]


def _row(result: dict, pair: tuple[str, str], mine: dict) -> dict:
    """One explanation of one model: its name, the verdict that it must get if it is a control, and its cells."""
    must = next(iter(mine.values()))["expected"]
    return {"title": row_title(result, *pair), "expected": must, "cells": [mine.get(key) for key in result["factors"]]}


def _order(result: dict, group: tuple[str, str]) -> tuple:
    """Walks, sorted pictures, heat maps of the last model first, controls: the places of the groups in the page."""
    kind, model = group
    models = list(result["models"])
    place = ("walk", "sorted", "map", "control").index(kind)
    return place, -models.index(model) if model in models else 1


def _by_group(result: dict, cells: list[dict], key: str) -> list[dict]:
    """The evidence on one factor in the order of the table: {title, counts, cells} of each group that has any."""
    mine = {}
    for c in cells:
        if c["factor"] == key:
            mine.setdefault(c["group"], []).append(c)
    return [
        {"title": names_of(result, group), "counts": _counts(mine[group]), "cells": mine[group]}
        for group in sorted(mine, key=lambda g: _order(result, g))
    ]


def _counts(cells: list[dict]) -> str:
    """ "2 reveal, 1 does not, 3 undecided"."""
    number = Counter(c["verdict"] for c in cells)
    words = {"REVEALS": ("reveals", "reveal"), "DOES NOT": ("does not", "do not"), "UNDECIDED": ("undecided",) * 2}
    return ", ".join(f"{n} {words[v][n != 1]}" for v in words if (n := number[v]))


# ---- the factors -----------------------------------------------------------------------------------------------


def _factor(folder: Path, result: dict, key: str, evidence: list[dict]) -> dict:
    """One factor: what was planted, its gates, its curves, and the evidence under each of its cells."""
    about = result["factors"][key]
    gates, models, asked = about.get("gates") or {}, result["models"], result.get("thresholds") or {}
    passed = [_gate(models[m], gates[m], asked) for m in models if gates.get(m)]
    return {
        "key": key,
        "planted": _planted(about),
        "figure": picture_section(folder, about.get("figure")),
        "gates": passed,
        "flips": [(g["model"], g["flips"]) for g in passed if is_number(g["flips"])],
        "shown": _shown(gates.get("shown")),
        "curves": _curves(result, about),
        "evidence": evidence,
    }


def _planted(about: dict) -> str:
    """What the biased arm plants, in one sentence."""
    unit = f" ({about['unit']})" if about.get("unit") else ""
    ranges = ", ".join(f"{c} {low:g} to {high:g}" for c, (low, high) in (about.get("ranges") or {}).items())
    told = f"Planted in the biased arm, {about.get('noun') or about['factor']}{unit}: {ranges}." if ranges else ""
    share = about.get("contamination")
    return told + (f" {100 * share:.0f} % of its items obey." if is_number(share) and share < 1 else "")


def _gate(model: str, found: dict, asked: dict) -> dict:
    """Gate 0 of one model: its spurious scores and accuracy by arm, and whether it passed."""
    spurious, accuracy = found.get("spurious") or {}, found.get("accuracy") or {}
    return {
        "model": model,
        "rows": [_arm_row(arm, spurious[arm], accuracy.get(arm), asked) for arm in ARMS if spurious.get(arm)],
        "flips": found.get("flips"),
        "clause": found.get("clause"),
    }


def _arm_row(arm: str, spurious: list, accuracy: list | None, asked: dict) -> dict:
    """One arm of one model: mean and seeds of its scores, what is wanted, and whether it holds (None: unknown)."""
    limit = asked.get(GATE.get(arm))
    score, least = _mean(spurious), arm == "biased"
    known = is_number(score) and is_number(limit)
    wanted = f"at {'least' if least else 'most'} {limit:.2f}" if is_number(limit) else "high" if least else "low"
    return {
        "arm": arm,
        "means": MEANS[arm],
        "mean": fixed(score),
        "seeds": ", ".join(map(fixed, spurious)),
        "wanted": wanted if arm in GATE else "reported only",
        "met": (score >= limit if least else score <= limit) if known else None,
        "accuracy": fixed(_mean(accuracy or [])),
    }


def _mean(values: list) -> float | None:
    """The mean of those that are numbers; None if none is."""
    found = [v for v in values if is_number(v)]
    return float(np.mean(found)) if found else None


def _shown(found: dict | None) -> dict | None:
    """Gate 1: how far the meter is off on reconstructions, and whether it passed; None where it was not asked."""
    if not found:
        return None
    errors, unit = found.get("errors") or [], found.get("unit") or ""
    digits = 2 if is_number(found.get("limit")) and found["limit"] >= 1 else 3
    return {
        "meter": found.get("meter") or "",
        "mean": f"{fixed(_mean(errors), digits)} {unit}".strip(),
        "seeds": ", ".join(fixed(e, digits) for e in errors),
        "limit": f"{fixed(found.get('limit'), digits)} {unit}".strip(),
        "shift": f"{fixed(found.get('shift'))} {unit}".strip(),
        "clause": found.get("clause"),
    }


def _curves(result: dict, about: dict) -> list[dict]:
    """The answer of each model to the factor, as a chart."""
    found = about.get("response") or {}
    charts = {m: response_chart(found[m], about, result["classes"], result["models"][m])
              for m in result["models"] if found.get(m)}  # fmt: skip
    return [{"title": result["models"][m], "svg": svg, "arms": [a for a in ARMS if found[m].get(a)]}
            for m, svg in charts.items() if svg]  # fmt: skip


# ---- the end of the page ----------------------------------------------------------------------------------------


def _chance(result: dict) -> dict | None:
    """How often seeds of arm irrelevant alone got REVEALS, most first; None where that was not asked."""
    found = result.get("chance")
    if not found:
        return None
    highest, detected = found.get("highest") or {}, found.get("detected") or {}
    titled = lambda name: title_of(result, *name.rpartition("/")[::2])  # noqa: E731
    rows = [
        {"title": titled(name), "alarms": n, "passed": detected.get(name, ""), "highest": fixed(highest.get(name))}
        for name, n in sorted(found["reveals"].items(), key=lambda pair: (-pair[1], -(highest.get(pair[0]) or 0)))
    ]
    alarms = sum(each["alarms"] for each in rows)
    return {"factor": found.get("factor"), "pairs": found["pairs"], "rows": rows, "alarms": alarms} | {
        "highest": bool(highest)
    }


def _thresholds(result: dict) -> list[tuple[str, str]]:
    """Every threshold by its plain name."""
    found = result.get("thresholds") or {}
    return [(THRESHOLDS.get(name, name.replace("_", " ")), f"{value:.3g}") for name, value in found.items()]


def _made(result: dict) -> dict:
    """Command, times, memory, thresholds, settings, versions, and what every explanation is."""
    settings = {k: v for k, v in (result.get("settings") or {}).items() if k not in SAID_ELSEWHERE}
    return {
        "command": result.get("command"),
        "seconds": {k: v for k, v in (result.get("seconds") or {}).items() if isinstance(v, (int, float))},
        "memory": result.get("memory_mb"),
        "device": result.get("device"),
        "workers": result.get("workers"),
        "trained": result.get("arms_trained"),
        "cached": result.get("arms_cached"),
        "thresholds": _thresholds(result),
        "settings": _flat(settings),
        "versions": _flat(result.get("versions") or {}),
        "explanations": [about_of(result, name) for name in result["explanations"]],
    }


def _flat(values: dict, before: str = "") -> dict:
    """Nested settings as one level: {"training.size": "32"}."""
    found = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        elif value is not None:
            found[before + name] = setting(value)
    return found
