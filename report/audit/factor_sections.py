"""The section of each factor of an audit: what was planted, the gates, how the models answer, the evidence."""

from pathlib import Path

import numpy as np

from xaae.report.audit.audit_charts import response_chart
from xaae.report.audit.audit_names import is_number
from xaae.report.audit.cell_evidence import load_figure
from xaae.report.shared.words import fixed, percent

SPURIOUS_LIMITS = {"biased": "spurious_biased", "irrelevant": "spurious_control"}  # arm normal has none: never judged
MEANING = {  # of each arm, in the order of the page
    "biased": "the factor goes with the class",
    "irrelevant": "the factor is there, but says nothing about the class",
    "normal": "the factor is not there",
}


def factor_section(folder: Path, result: dict, key: str, evidence: list[dict]) -> dict:
    """One factor: what was planted, its gates, its curves, and the evidence under each of its cells."""
    about = result["factors"][key]
    gates, models, thresholds = about.get("gates") or {}, result["models"], result.get("thresholds") or {}
    passed = [_use_gate(models[m], gates[m], thresholds) for m in models if gates.get(m)]
    return {
        "key": key,
        "planted": _planted(about),
        "figure": load_figure(folder, about.get("figure")),
        "gates": passed,
        "flips": [(g["model"], g["flips"]) for g in passed if is_number(g["flips"])],
        "shown": _decoder_gate(gates.get("shown")),
        "curves": _curves(result, about),
        "evidence": evidence,
    }


def _planted(about: dict) -> str:
    """What the biased arm plants, in a sentence or two."""
    unit = f" ({about['unit']})" if about.get("unit") else ""
    ranges = ", ".join(f"{c} {low:g} to {high:g}" for c, (low, high) in (about.get("ranges") or {}).items())
    text = f"Planted in the biased arm, {about.get('noun') or about['factor']}{unit}: {ranges}." if ranges else ""
    share = about.get("contamination")
    partly = is_number(share) and share < 1
    return text + (f" {percent(share)} of its items have a value from their class's range." if partly else "")


def _use_gate(model: str, gate: dict, thresholds: dict) -> dict:
    """Gate 0 of one model: its spurious scores and accuracy by arm, and whether it passed."""
    spurious, accuracy = gate.get("spurious") or {}, gate.get("accuracy") or {}
    return {
        "model": model,
        "rows": [
            _arm_row(arm, spurious[arm], accuracy.get(arm), thresholds) | _beside_accuracy(gate, arm)
            for arm in _arms(spurious)
        ],
        "flips": gate.get("flips"),
        "clause": gate.get("clause"),
    }


def _beside_accuracy(gate: dict, arm: str) -> dict:
    """What one arm's accuracy has to be set beside, dashes where an earlier audit did not measure it."""
    values = {name: (gate.get(name) or {}).get(arm) or [] for name in ("balanced_accuracy", "majority_share")}
    return {name: fixed(_mean(each)) for name, each in values.items()}


def _arms(values: dict) -> list[str]:
    """The arms that have values: biased, irrelevant, normal."""
    return [arm for arm in MEANING if values.get(arm)]


def _arm_row(arm: str, spurious: list, accuracy: list | None, thresholds: dict) -> dict:
    """One arm of one model: mean and seeds of its scores, what is wanted, and whether it holds (None: unknown)."""
    limit, least = thresholds.get(SPURIOUS_LIMITS.get(arm)), arm == "biased"
    score = _mean(spurious)
    known = is_number(score) and is_number(limit)
    wanted = f"at {'least' if least else 'most'} {limit:.2f}" if is_number(limit) else "high" if least else "low"
    return {
        "arm": arm,
        "means": MEANING[arm],
        "mean": fixed(score),
        "seeds": ", ".join(map(fixed, spurious)),
        "wanted": wanted if arm in SPURIOUS_LIMITS else "reported only",
        "met": (score >= limit if least else score <= limit) if known else None,
        "accuracy": fixed(_mean(accuracy or [])),
    }


def _mean(values: list) -> float | None:
    """The mean of those that are numbers; None if none is."""
    numbers = [v for v in values if is_number(v)]
    return float(np.mean(numbers)) if numbers else None


def _decoder_gate(gate: dict | None) -> dict | None:
    """Gate 1: how far the meter is off on reconstructions, and whether it passed; None where it was not checked."""
    if not gate:
        return None
    errors, unit = gate.get("errors") or [], gate.get("unit") or ""
    digits = 2 if is_number(gate.get("limit")) and gate["limit"] >= 1 else 3
    return {
        "meter": gate.get("meter") or "",
        "mean": f"{fixed(_mean(errors), digits)} {unit}".strip(),
        "seeds": ", ".join(fixed(e, digits) for e in errors),
        "limit": f"{fixed(gate.get('limit'), digits)} {unit}".strip(),
        "shift": f"{fixed(gate.get('shift'))} {unit}".strip(),
        "clause": gate.get("clause"),
    }


def _curves(result: dict, about: dict) -> list[dict]:
    """The answer of each model to the factor, as a chart."""
    answers = {model: (about.get("response") or {}).get(model) for model in result["models"]}
    charts = {
        model: response_chart(answer, about, result["classes"], result["models"][model])
        for model, answer in answers.items()
        if answer
    }
    return [
        {"title": result["models"][model], "svg": svg, "arms": _arms(answers[model])}
        for model, svg in charts.items()
        if svg
    ]
