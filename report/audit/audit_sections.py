"""The cells of an audit's page: what explanations and scores are called, and the evidence under each verdict."""

import math
import re
from pathlib import Path

from xaae.report.audit.audit_charts import detection_chart
from xaae.report.shared.sprites import picture_file
from xaae.report.shared.words import MISSING, capital, fixed

VERDICTS = {"REVEALS": "yes", "DOES NOT": "no", "UNDECIDED": "open"}  # and the tone of each
KINDS = {
    "walk": "Walks through the latent space",
    "sorted": "Real pictures, sorted",
    "map": "Heat maps",
    "control": "Controls: the verdict is known beforehand",
}
SCORES = {  # name: (plain name, what is wanted, threshold that holds, is the threshold the least or the most)
    "spearman": ("how steadily the factor changes along the walk (Spearman)", "high", "spearman", "least"),
    "span": ("change from end to end, in planted shifts", "high", "span", "least"),
    "p_random": ("p: random directions that change the factor as much", "low", "p", "most"),
    "non_trivial": ("starts whose class changes for this model, and not for an unbiased one", "high", "non_trivial",
                    "least"),
    "flips": ("starts whose class changes", "high", None, None),
    "realism": ("frames that the discriminator takes for real", "high", None, None),
    "boundary_error": ("distance from the planted boundary where the class changes", "low", None, None),
    "slope": ("change for each step along the walk", "", None, None),
    "walk_alarms": ("unbiased models whose walk shows the factor too", "low", "false_alarms", "most"),
    "within_class": ("order within a class follows the factor (Spearman)", "high", None, None),
    "relevance_rank": ("share of its strongest places that lie on the factor", "high", "pointing", "least"),
    "relevance_mass": ("share of the whole map that lies on the factor", "high", None, None),
    "confounder_sensitivity": ("share of its top tenth that lies on the factor", "high", None, None),
    "same_map": ("alike with and without the factor, turned back where it turns", "low", "same_map", "most"),
    "k_ssd": ("alike to the planted signal itself (K-SSD)", "high", None, None),
    "ccm": ("alike to a normal model's map, factor absent (CCM)", "low", None, None),
    "fam": ("alike to a normal model's map, factor present (FAM)", "low", None, None),
    "randomised": ("alike to maps of random weights", "low", "randomised", "most"),
    "removal": ("confidence lost when its strongest places are covered, beside random places", "high", None, None),
}  # fmt: skip
IN_UNITS = ("boundary_error", "slope")  # scores in the factor's unit
THRESHOLDS = {
    "spurious_biased": "spurious score of a biased model, at least",
    "spurious_control": "spurious score of a model of arm irrelevant, at most",
    "meter_error": "error of the meter on reconstructions, in planted shifts, at most",
    "detection": "detection (AUROC) for REVEALS, at least",
    "no_detection": "upper end of the detection's interval for DOES NOT, below",
    "false_alarms": "false alarms, at most",
    "p_holm": "p of the detection after Holm's correction, at most",
    "spearman": "Spearman of a walk and the factor, at least",
    "span": "change along a walk, in planted shifts, at least",
    "p": "p of a walk beside random directions, at most",
    "non_trivial": "starts whose class changes for this model alone, at least",
    "pointing": "strongest places on a local factor, for REVEALS at least",
    "no_pointing": "strongest places on a local factor, for DOES NOT at most",
    "same_map": "maps alike with and without a global factor, below",
    "randomised": "maps alike to those of random weights, below",
}
CAPTIONS = {
    "map": "Top row: the pictures, at rising values of the factor. Below: the maps of a biased model, then those of a "
    "model for which the factor told nothing. Red speaks for {last}, blue against it; grey maps tell only how much a "
    "place counts.",
    "walk": "Top half: walks of a biased model, from {first} on the left to {last} on the right. Bottom half: of a "
    "model for which the factor told nothing.",
    "sorted": "From the lowest to the highest score of {last}. Top half: by a biased model. Bottom half: by a model "
    "for which the factor told nothing.",
    "control": "",
}
TROUBLE = {"refused": "refused", "error": "failed"}


# ---- names ------------------------------------------------------------------------------------------------------


def _verdict_of(cell: dict) -> str:
    """REVEALS, DOES NOT or UNDECIDED. ValueError for anything else."""
    if cell["verdict"] not in VERDICTS:
        raise ValueError(f"there is no verdict {cell['verdict']!r}")
    return cell["verdict"]


def about_of(result: dict, explanation: str) -> dict:
    """{kind, title, means, paper, expected} of an explanation; "" for what the file does not say."""
    about = result["explanations"].get(explanation) or {}
    before = explanation.partition(":")[0]
    kind = about.get("kind") or (before if before in KINDS else "map")
    texts = {key: about.get(key) or "" for key in ("means", "paper")} | {"expected": about.get("expected")}
    return texts | {"kind": kind if kind in KINDS else "map", "title": about.get("title") or explanation}


def _group_of(result: dict, explanation: str, model: str) -> tuple[str, str]:
    """The group of the table that a cell belongs to: its kind, and whose maps they are."""
    kind = about_of(result, explanation)["kind"]
    return kind, model if kind == "map" else ""


def names_of(result: dict, group: tuple[str, str]) -> str:
    """What a group is called."""
    kind, model = group
    whose = result["models"].get(model)
    return f"{KINDS[kind]} of the {whose}{chr(8217) + 's head' if model == 'aae' else ''}" if whose else KINDS[kind]


def title_of(result: dict, explanation: str, model: str, whose: bool = True) -> str:
    """An explanation's name, and the model's where `whose` and it is not plain."""
    about = about_of(result, explanation)
    named, model = capital(re.sub(r"^control: ", "", about["title"])), result["models"].get(model)
    return f"{named}, {model}" if whose and model and about["kind"] != "walk" else named


def row_title(result: dict, explanation: str, model: str) -> str:
    """An explanation's name in its group, which tells the model where it is one model's."""
    if _group_of(result, explanation, model)[0] == "sorted" and model in result["models"]:
        return f"By the score of the {result['models'][model]}"
    return title_of(result, explanation, model, whose=False)


def _expected(about: dict) -> str | None:
    """The verdict that a control must get; None for all else."""
    return about["expected"] if about["kind"] == "control" else None


def _p_words(p) -> str:
    """A p value, as it is said."""
    text = fixed(p, 3)
    return text if text == MISSING or p >= 0.001 else "below 0.001"


# ---- evidence ---------------------------------------------------------------------------------------------------


def evidence(folder: Path, result: dict, cell: dict, at: str) -> dict:
    """All that the page says of one cell; `at` is its place in the page. KeyError for a factor that there is not."""
    about, kept = about_of(result, cell["explanation"]), cell.get("status", "ok") == "ok"
    factor, figure = result["factors"][cell["factor"]], picture_section(folder, cell.get("figure"))
    return about | {
        "at": at,
        "explanation": cell["explanation"],
        "model": cell["model"],
        "factor": cell["factor"],
        "group": _group_of(result, cell["explanation"], cell["model"]),
        "short": row_title(result, cell["explanation"], cell["model"]),
        "title": title_of(result, cell["explanation"], cell["model"]),
        "verdict": _verdict_of(cell),
        "tone": VERDICTS[_verdict_of(cell)],
        "trouble": "" if kept else TROUBLE.get(cell["status"], cell["status"]),
        "reason": "" if kept else cell.get("reason") or "",
        "number": _number(cell.get("auroc")) if kept else "",
        "expected": _expected(about),
        "clause": cell.get("clause") or "",
        "naming": {True: "Named", False: "Not named"}.get(cell.get("named"), "Cannot be told"),
        "named_by": cell.get("naming") or "",
        "rows": _rows(result, cell, factor) if kept else [],
        "chart": detection_chart(cell, result.get("thresholds") or {}) if kept else None,
        "figure": figure,
        "lost": bool(cell.get("figure")) and figure is None,
        "caption": CAPTIONS[about["kind"]].format(first=result["classes"][0], last=result["classes"][-1]),
    }


def _number(value) -> str:
    """A number with two decimals, "" if there is none."""
    text = fixed(value)
    return "" if text == MISSING else text


# ---- scores -----------------------------------------------------------------------------------------------------


def _rows(result: dict, cell: dict, factor: dict) -> list[dict]:
    """Every score that a cell has: its plain name, value, what is wanted, and whether that is met."""
    asked, scores = result.get("thresholds") or {}, cell.get("scores") or {}
    found = _detection_rows(cell, asked)
    for name, value in scores.items():
        title, wanted, key, side = SCORES.get(name, (name.replace("_", " "), "", None, None))
        if name == "same_map" and factor.get("local"):
            key = None  # a local factor is asked for its place instead
        unit = f" {factor.get('unit') or ''}".rstrip() if name in IN_UNITS else ""
        text = _p_words(value) if name == "p_random" else fixed(value)
        seen = abs(value) if name == "spearman" and is_number(value) else value
        found.append(_row(title, text + unit, seen, wanted, asked.get(key), side))
    return [each for each in found if not each["text"].startswith(MISSING)]


def _detection_rows(cell: dict, asked: dict) -> list[dict]:
    """What every explanation is asked: detection, false alarms, and the corrected p."""
    low, high = _number(cell.get("low")), _number(cell.get("high"))
    auroc = fixed(cell.get("auroc")) + (f" ({low} to {high})" if low and high else "")
    alarms, p = cell.get("false_alarms"), cell.get("p_holm")
    return [
        _row("detection of biased models (AUROC, 95 % interval)", auroc, cell.get("auroc"), "high",
            asked.get("detection"), "least"),
        _row("false alarms among unbiased models", fixed(alarms), alarms, "low", asked.get("false_alarms"), "most"),
        _row("p of the detection, corrected for all cells (Holm)", _p_words(p), p, "low", asked.get("p_holm"), "most"),
    ]  # fmt: skip


def _row(title: str, text: str, value, wanted: str, limit, side) -> dict:
    """One score as the table shows it; `met` is None where nothing is asked."""
    least = side == "least"
    met = (value >= limit if least else value <= limit) if is_number(value) and is_number(limit) else None
    if is_number(limit):
        wanted = f"{wanted}, at {side} {limit:.3g}".removeprefix(", ")
    return {"title": title, "text": text, "wanted": wanted, "met": met}


def is_number(value) -> bool:
    """Is it a finite number?"""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


# ---- pictures ---------------------------------------------------------------------------------------------------


def picture_section(folder: Path, path) -> dict | None:
    """A figure as a data URI with its size; None if there is none that can be read inside the audit's folder."""
    if not path or not (folder / path).resolve().is_relative_to(folder.resolve()):
        return None
    try:
        return picture_file(folder / path)
    except ValueError:
        return None
