"""The page of an audit: audit.json and its figures in, one self-contained report.html out."""

import json
import math
from pathlib import Path

from report import charts
from report.page import environment
from report.pictures import picture_file
from report.words import fixed

KINDS = {
    "walk": "Walks of the AAE",
    "sorted": "Real pictures, sorted",
    "map": "Heat maps",
    "control": "Controls: known beforehand",
}
SCORES = {  # name: (title, what is wanted)
    "spearman": ("follows the walk (Spearman)", "high"),
    "span": ("change from end to end, in planted shifts", "high"),
    "p_random": ("p beside random directions", "low"),
    "non_trivial": ("starts whose class changes for this model and for no unbiased one", "high"),
    "flips": ("starts whose class changes", "high"),
    "realism": ("frames that the discriminator accepts", "high"),
    "boundary_error": ("distance from the planted boundary, in the meter's unit", "low"),
    "slope": ("change for each step of alpha, in the meter's unit", ""),
    "walk_alarms": ("unbiased models whose walk shows the factor", "low"),
    "within_class": ("order within a class follows the factor (Spearman)", "high"),
    "relevance_rank": ("strongest places that lie on the factor", "high"),
    "relevance_mass": ("share of the map that lies on the factor", "high"),
    "confounder_sensitivity": ("top tenth that lies on the factor", "high"),
    "same_map": ("alike with and without the factor (turned back)", "low"),
    "k_ssd": ("K-SSD: alike to the signal", "high"),
    "ccm": ("CCM: alike to a normal model without the signal", "low"),
    "fam": ("FAM: alike to a normal model with the signal", "low"),
    "randomised": ("alike to maps of random weights", "low"),
    "removal": ("confidence lost beside random places, when its strongest are covered", "high"),
}
CAPTIONS = {
    "map": "Top: pictures at rising values of the factor. Then the maps of a biased model, then of one for which the "
    "factor was irrelevant.",
    "walk": "Three walks of a biased model, then three of one for which the factor was irrelevant, left to right.",
    "sorted": "From the lowest logit to the highest: two rows of a biased model, two of one for which the factor was "
    "irrelevant.",
}
ARMS = ("biased", "irrelevant", "normal")


def render_audit(folder) -> str:
    """The page of the audit in `folder` as HTML. ValueError if its audit.json is missing or broken."""
    folder = Path(folder)
    result = read(folder)
    try:
        return environment().get_template("audit.html.j2").render(**parts(folder, result))
    except (KeyError, TypeError, AttributeError, IndexError) as e:
        raise ValueError(f"{folder / 'audit.json'} is broken ({type(e).__name__}: {e}): run the audit again.") from e


def read(folder: Path) -> dict:
    """audit.json. ValueError if it is none."""
    try:
        result = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ValueError(f"{folder} holds no audit.json that can be read ({e}): run `audit` first.") from e
    if not isinstance(result, dict) or result.get("kind") != "audit":
        raise ValueError(f"{folder / 'audit.json'} holds no audit: run `audit` again.")
    return result


def parts(folder: Path, result: dict) -> dict:
    """What the template shows."""
    anchors = {(c["explanation"], c["model"], c["factor"]): f"cell-{i}" for i, c in enumerate(result["cells"])}
    return {
        "r": result,
        "keys": list(result["factors"]),
        "groups": groups(result, anchors),
        "factors": [factor(folder, result, key, anchors) for key in result["factors"]],
        "chance": result.get("chance"),
        "settings": flat(result.get("settings", {})) | flat(result.get("versions", {})),
        "thresholds": result.get("thresholds", {}),
    }


def name_of(result: dict, cell: dict) -> str:
    """An explanation's title, and whose it is where that is not plain."""
    title = result["explanations"].get(cell["explanation"], {}).get("title", cell["explanation"])
    model = result["models"].get(cell["model"])
    return title if not model or kind_of(result, cell) == "walk" else f"{title}, {model}"


def kind_of(result: dict, cell: dict) -> str:
    """walk, sorted, map or control."""
    return result["explanations"].get(cell["explanation"], {}).get("kind", "map")


def groups(result: dict, anchors: dict) -> list[dict]:
    """The verdict table: its groups of rows, each row with one entry for each factor, None where there is no cell."""
    found = {}
    for cell in result["cells"]:
        kind = kind_of(result, cell)
        model = result["models"].get(cell["model"], "")
        title = f"{KINDS[kind]} of the {model}" if kind == "map" else KINDS[kind]
        row = found.setdefault(title, {}).setdefault((cell["explanation"], cell["model"]), {})
        row[cell["factor"]] = badge(cell) | {"at": anchors[cell["explanation"], cell["model"], cell["factor"]]}
    title_of = {(c["explanation"], c["model"]): name_of(result, c) for c in result["cells"]}
    return [
        {"title": title, "rows": [{"title": title_of[pair], "cells": [row.get(k) for k in result["factors"]]}
                                  for pair, row in rows.items()]}
        for title, rows in found.items()
    ]  # fmt: skip


def badge(cell: dict) -> dict:
    """A verdict as it stands in the table."""
    if cell["status"] != "ok":
        return {"text": cell["status"], "tone": "none", "number": ""}
    tone = {"REVEALS": "yes", "DOES NOT": "no"}.get(cell["verdict"], "open")
    return {"text": cell["verdict"], "tone": tone, "number": fixed(cell.get("auroc"))}


def factor(folder: Path, result: dict, key: str, anchors: dict) -> dict:
    """One factor: its gates, its curves, and the evidence under each of its cells."""
    about = result["factors"][key]
    cells = [evidence(folder, result, c, anchors) for c in result["cells"] if c["factor"] == key]
    gates = [gate(result["models"][m], g) for m, g in about["gates"].items() if m in result["models"]]
    return {
        "key": key,
        "about": about,
        "ranges": ", ".join(f"{c} {fixed(low, 2)} to {fixed(high, 2)}" for c, (low, high) in about["ranges"].items()),
        "gates": gates,
        "shown": about["gates"].get("shown"),
        "curves": [curve(result, about, m) for m in about.get("response", {})],
        "figure": picture(folder, about.get("figure")),
        "cells": cells,
    }


def gate(model: str, found: dict) -> dict:
    """Gate 0 of one model: what it says of each arm."""
    arms = [(arm, found["spurious"][arm], found["accuracy"][arm]) for arm in ARMS if arm in found["spurious"]]
    rows = [(arm, ", ".join(map(fixed, s)), ", ".join(map(fixed, a))) for arm, s, a in arms]
    return {"model": model, "rows": rows, "clause": found.get("clause"), "flips": found.get("flips")}


def curve(result: dict, about: dict, model: str) -> dict:
    """The answer of one model to the factor, by arm and true class, as a chart."""
    arms = {arm: found for arm, found in about["response"][model].items() if found}
    values = next(iter(arms.values()))["value"]
    axes = charts.Axes((min(values), max(values)), (0, 1))
    lines = []
    for arm, found in arms.items():
        for i, name in enumerate(result["classes"]):
            points = [(axes.px(v), axes.py(p)) for v, p in zip(found["value"], found[name], strict=True)]
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            dashed = {"biased": "", "irrelevant": " dashed", "normal": " thin"}[arm]
            lines.append(charts.tag("path", class_=f"line k{i % 6}{dashed}", d=path))
    ticks = [charts.tag("text", f"{t:g}", x=float(axes.px(t)), y=axes.height - 14, text_anchor="middle")
             for t in charts.nice_ticks(min(values), max(values), 4)]  # fmt: skip
    ticks += [charts.tag("text", f"{t:g}", x=axes.left - 6, y=float(axes.py(t)) + 4, text_anchor="end")
              for t in (0, 0.5, 1)]  # fmt: skip
    grid = [charts.tag("path", class_="grid", d=f"M{axes.left} {float(axes.py(t)):.1f}H{axes.width - axes.right}")
            for t in (0, 0.5, 1)]  # fmt: skip
    label = f"Mean probability of {result['classes'][-1]} by value of {about['factor']}, {result['models'][model]}"
    svg = charts.tag("svg", *grid, *lines, *ticks, class_="chart", viewBox=f"0 0 {axes.width} {axes.height}",
                     role="img", aria_label=label)  # fmt: skip
    return {"title": result["models"][model], "svg": svg}


def evidence(folder: Path, result: dict, cell: dict, anchors: dict) -> dict:
    """What stands under one cell of the table."""
    kind = kind_of(result, cell)
    scores = [(*SCORES.get(name, (name.replace("_", " "), "")), fixed(value, 3 if name == "p_random" else 2))
              for name, value in (cell.get("scores") or {}).items()]  # fmt: skip
    about = result["explanations"].get(cell["explanation"], {})
    return badge(cell) | {
        "at": anchors[cell["explanation"], cell["model"], cell["factor"]],
        "title": name_of(result, cell),
        "means": about.get("means", ""),
        "paper": about.get("paper", ""),
        "clause": cell.get("clause", ""),
        "naming": cell.get("naming", ""),
        "interval": f"{fixed(cell.get('low'))} to {fixed(cell.get('high'))}",
        "false_alarms": fixed(cell.get("false_alarms")),
        "p": p_words(cell.get("p_holm")),
        "scores": [row for row in scores if row[2] != "\u2013"],
        "figure": picture(folder, cell.get("figure")),
        "caption": CAPTIONS.get(kind, ""),
    }


def p_words(p) -> str:
    """A p value, as it is said."""
    if not isinstance(p, (int, float)) or not math.isfinite(p):
        return "\u2013"
    return "below 0.001" if p < 0.001 else fixed(p, 3)


def picture(folder: Path, path) -> dict | None:
    """A figure as a data URI with its size; None if there is none."""
    if not path or not (folder / path).is_file():
        return None
    return picture_file(folder / path)


def flat(values: dict, before: str = "") -> dict:
    """Nested settings as one level: {"training.size": "32"}."""
    found = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{name}.")
        elif value is not None:
            found[before + name] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return found
