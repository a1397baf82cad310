"""The evidence under each cell of an audit's table: its scores, its chart, its figure, its clause."""

from pathlib import Path

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import kind_in
from xaae.report.audit.audit_charts import detection_chart
from xaae.report.audit.audit_names import (
    CAPTIONS,
    SCORES,
    SCORES_IN_UNITS,
    TROUBLE,
    VERDICT_TONES,
    explanation_about,
    explanation_title,
    group_of,
    is_number,
    row_title,
)
from xaae.report.shared.sprites import embed_picture
from xaae.report.shared.words import MISSING, fixed, p_in_words

NAMED = {True: "Named", False: "Not named"}  # None and missing: it cannot be told


def cell_evidence(folder: Path, result: dict, cell: dict, place: str) -> dict:
    """All that the page says of one cell; `place` is its id in the page.

    KeyError for a factor that the audit does not have, ValueError for a verdict that there is not.
    """
    names = result, cell["explanation"], cell["model"]
    about, answered = explanation_about(*names[:2]), cell.get("status", "ok") == "ok"
    factor, figure, verdict = result["factors"][cell["factor"]], load_figure(folder, cell.get("figure")), _verdict(cell)
    return about | {
        "at": place,
        "explanation": cell["explanation"],
        "model": cell["model"],
        "factor": cell["factor"],
        "group": group_of(*names),
        "short": row_title(*names),
        "title": explanation_title(*names),
        "verdict": verdict,
        "tone": VERDICT_TONES[verdict],
        "trouble": "" if answered else TROUBLE.get(cell["status"], cell["status"]),
        "reason": "" if answered else cell.get("reason") or "",
        "number": _number(cell.get("auroc")) if answered else "",
        "expected": about["expected"] if about["kind"] == "control" else None,
        "clause": cell.get("clause") or "",
        "naming": NAMED.get(cell.get("named"), "Cannot be told"),
        "named_by": cell.get("naming") or "",
        "rows": _score_rows(result, cell, factor) if answered else [],
        "chart": detection_chart(cell, result.get("thresholds") or {}) if answered else None,
        "figure": figure,
        "lost": bool(cell.get("figure")) and figure is None,
        "caption": _caption(result, about["kind"]),
    }


def _caption(result: dict, kind: str) -> str:
    """What the figure of an explanation of this kind shows."""
    first, *_, last = result["classes"]
    return CAPTIONS[kind].format(first=first, last=last, plural=kind_in(result).plural)


def load_figure(folder: Path, path) -> dict | None:
    """A figure as a data URI with its size; None if there is none that can be read inside the audit's folder."""
    if not path or not (folder / path).resolve().is_relative_to(folder.resolve()):
        return None
    try:
        return embed_picture(folder / path)
    except InputError:
        return None


def _verdict(cell: dict) -> str:
    """REVEALS, DOES NOT or UNDECIDED. ValueError for anything else."""
    if cell["verdict"] not in VERDICT_TONES:
        raise ValueError(f"there is no verdict {cell['verdict']!r}")
    return cell["verdict"]


def _number(value) -> str:
    """A number with two decimals, "" if there is none."""
    text = fixed(value)
    return "" if text == MISSING else text


# ---- scores -----------------------------------------------------------------------------------------------------


def _score_rows(result: dict, cell: dict, factor: dict) -> list[dict]:
    """Every score that a cell has: its plain name, value, what is wanted, and whether that is met."""
    thresholds, scores = result.get("thresholds") or {}, cell.get("scores") or {}
    rows = _detection_rows(cell, thresholds)
    rows += [_score_row(name, value, factor, thresholds) for name, value in scores.items()]
    return [row for row in rows if not row["text"].startswith(MISSING)]


def _score_row(name: str, value, factor: dict, thresholds: dict) -> dict:
    """One score of an explanation's own kind."""
    title, wanted, threshold, side = SCORES.get(name, (name.replace("_", " "), "", None, None))
    if name == "same_map" and factor.get("local"):
        threshold = None  # a local factor must be pointed at instead
    unit = f" {factor.get('unit') or ''}".rstrip() if name in SCORES_IN_UNITS else ""
    text = p_in_words(value) if name == "p_random" else fixed(value)
    size = abs(value) if name == "spearman" and is_number(value) else value
    return _row(title, text + unit, size, wanted, thresholds.get(threshold), side)


def _detection_rows(cell: dict, thresholds: dict) -> list[dict]:
    """The scores of every kind of explanation: detection, false alarms, and the corrected p."""
    low, high = _number(cell.get("low")), _number(cell.get("high"))
    auroc = fixed(cell.get("auroc")) + (f" ({low} to {high})" if low and high else "")
    alarms, p = cell.get("false_alarms"), cell.get("p_holm")
    return [
        _row("detection of biased models (AUROC, 95 % interval)", auroc, cell.get("auroc"), "high",
             thresholds.get("detection"), "least"),
        _row("false alarms among unbiased models", fixed(alarms), alarms, "low", thresholds.get("false_alarms"),
             "most"),
        _row("p of the detection, corrected for all cells (Holm)", p_in_words(p), p, "low", thresholds.get("p_holm"),
             "most"),
    ]  # fmt: skip


def _row(title: str, text: str, value, wanted: str, limit, side) -> dict:
    """One score as the table shows it; `met` is None where nothing is required."""
    least = side == "least"
    met = (value >= limit if least else value <= limit) if is_number(value) and is_number(limit) else None
    if is_number(limit):
        wanted = f"{wanted}, at {side} {limit:.3g}".removeprefix(", ")
    return {"title": title, "text": text, "wanted": wanted, "met": met}
