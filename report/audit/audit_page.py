"""The pages of an audit: audit.json and its figures, or unknown.json and its picture, in; one HTML text out."""

from pathlib import Path

from jinja2 import UndefinedError

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import kind_in
from xaae.experiment.run_folder import read_json
from xaae.report.audit.audit_charts import ARM_STROKES
from xaae.report.audit.audit_names import THRESHOLDS, explanation_about, explanation_title
from xaae.report.audit.cell_evidence import cell_evidence
from xaae.report.audit.factor_sections import factor_section
from xaae.report.audit.verdict_table import evidence_groups, verdict_counts, verdict_groups
from xaae.report.shared.sprites import embed_picture
from xaae.report.shared.templates import render_template
from xaae.report.shared.words import capital, fixed, setting_text

BROKEN = (KeyError, TypeError, AttributeError, IndexError, ValueError, UndefinedError)
CAUTION = "Caution: "  # how a sentence of the summary begins that stands above all others
SHOWN_ELSEWHERE = ("command", "classes")  # settings that the page shows in another place
PLACES = {"signal": "samples", "picture": "pixels", "volume": "voxels"}  # kind -> what an item consists of


def render_audit(folder) -> str:
    """The page of the audit in `folder` as HTML. InputError if its audit.json is missing or broken."""
    folder = Path(folder)
    result = _read_result(folder, "audit", "audit")
    try:
        return render_template("audit.html.j2", **_parts(folder, result))
    except BROKEN as e:
        raise _broken(folder / "audit.json", "audit", e) from e


def render_unknown(folder) -> str:
    """The page of `audit --unknown` as HTML. InputError if unknown.json or its picture is missing or broken."""
    folder = Path(folder)
    result = _read_result(folder, "unknown", "audit --unknown")
    try:
        strip = embed_picture(folder / "unknown.png") if (folder / "unknown.png").is_file() else None
        return render_template("unknown.html.j2", u=result, kind=kind_in(result), strip=strip)
    except BROKEN as e:
        raise _broken(folder / "unknown.json", "audit --unknown", e) from e


def _read_result(folder: Path, kind: str, command: str) -> dict:
    """The result in `kind`.json. InputError if there is none."""
    path = folder / f"{kind}.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no {path.name}: run `{command}` first.")
    result = read_json(path)
    if not isinstance(result, dict) or result.get("kind") != kind:
        raise InputError(f"{path} holds no result of `{command}`: run it again.")
    return result


def _broken(path: Path, command: str, error: Exception) -> InputError:
    """The error for a result that lacks something or holds something else."""
    return InputError(f"{path} is broken ({type(error).__name__}: {error}): run `{command}` again.")


def _parts(folder: Path, result: dict) -> dict:
    """What the template of an audit shows."""
    cells = [cell_evidence(folder, result, cell, f"cell-{i}") for i, cell in enumerate(result["cells"], 1)]
    factors = result["factors"]
    return {
        "title": result["dataset"],
        "classes": result["classes"],
        "last": result["classes"][-1],
        "models": result["models"],
        "kind": kind_in(result),
        "byline": _byline(result),
        "summary": [each for each in result.get("summary") or [] if not each.startswith(CAUTION)],
        "warnings": _warnings(result, cells),
        "tiles": verdict_counts(cells),
        "keys": list(factors),
        "groups": verdict_groups(result, cells),
        "factors": [factor_section(folder, result, key, evidence_groups(result, cells, key)) for key in factors],
        "strokes": ARM_STROKES,
        "chance": _chance(result),
        "made": _made(result),
    }


# ---- the head of the page ---------------------------------------------------------------------------------------


def _byline(result: dict) -> list[tuple[str, str]]:
    """What was audited, in pairs of a name and a value."""
    size, kind = result.get("size"), kind_in(result)
    pairs = (
        ("dataset", result["dataset"]),
        ("classes", ", ".join(result["classes"])),
        ("models", ", ".join(result["models"].values())),
        (kind.plural, f"{' × '.join([str(size)] * kind.places)} {PLACES[kind.name]}" if size else None),
        ("preset", result.get("preset")),
    )
    return [(name, value) for name, value in pairs if value]


def _warnings(result: dict, cells: list[dict]) -> list[str]:
    """What a reader has to know before the verdicts: an unfinished audit, a control with a wrong verdict."""
    wrong = [f"{c['title']} ({c['factor']})" for c in cells if c["expected"] and c["verdict"] != c["expected"]]
    complete = result.get("complete", True)
    warnings = [] if complete else ["This audit is not finished: what is missing has no verdict yet."]
    if cautions := [each for each in result.get("summary") or [] if each.startswith(CAUTION)]:
        warnings += [capital(each.removeprefix(CAUTION)) for each in cautions]
    elif wrong:
        names = ", ".join(wrong)
        warnings.append(f"Do not trust this audit: these controls did not get the verdict that they must get: {names}.")
    return warnings


# ---- the end of the page ----------------------------------------------------------------------------------------


def _chance(result: dict) -> dict | None:
    """How often seeds of arm irrelevant alone got REVEALS, most first; None where that was not checked."""
    chance = result.get("chance")
    if not chance:
        return None
    highest, detected, reveals = chance.get("highest") or {}, chance.get("detected") or {}, chance["reveals"]
    rows = [
        {
            "title": explanation_title(result, *name.rpartition("/")[::2]),
            "alarms": reveals[name],
            "passed": detected.get(name, ""),
            "highest": fixed(highest.get(name)),
        }
        for name in sorted(reveals, key=lambda name: (-reveals[name], -(highest.get(name) or 0)))
    ]
    alarms = sum(reveals.values())
    return {"factor": chance.get("factor"), "pairs": chance["pairs"], "rows": rows, "alarms": alarms} | {
        "highest": bool(highest)
    }


def _made(result: dict) -> dict:
    """Command, times, memory, thresholds, settings, versions, and what every explanation is."""
    settings = {k: v for k, v in (result.get("settings") or {}).items() if k not in SHOWN_ELSEWHERE}
    return {
        "command": result.get("command"),
        "seconds": {k: v for k, v in (result.get("seconds") or {}).items() if isinstance(v, (int, float))},
        "memory": result.get("memory_mb"),
        "device": result.get("device"),
        "workers": result.get("workers"),
        "trained": result.get("arms_trained"),
        "cached": result.get("arms_cached"),
        "thresholds": _thresholds(result),
        "settings": _one_level(settings),
        "versions": _one_level(result.get("versions") or {}),
        "explanations": [explanation_about(result, name) for name in result["explanations"]],
    }


def _thresholds(result: dict) -> list[tuple[str, str]]:
    """Every threshold by its plain name."""
    thresholds = result.get("thresholds") or {}
    return [(THRESHOLDS.get(name, name.replace("_", " ")), f"{value:.3g}") for name, value in thresholds.items()]


def _one_level(values: dict, before: str = "") -> dict:
    """Nested settings as one level: {"training.size": "32"}."""
    level = {}
    for name, value in values.items():
        if isinstance(value, dict):
            level |= _one_level(value, f"{before}{name}.")
        elif value is not None:
            level[before + name] = setting_text(value)
    return level
