"""The page of a first look at data, from the files that `data` wrote."""

import base64
from pathlib import Path

from xaae.experiment.run_folder import read_json
from xaae.report.shared.templates import render_template

NO_P = 0.001  # smaller ones are written as "below"
MEASURES = {  # measure -> what its values mean
    "AUROC": "AUROC: 0.5 is chance, 1 tells the class in every case; of several classes, the one that differs most from"
    " all others.",
    "Cramer's V": "Cramer's V: 0 is chance, 1 tells the class, corrected for its bias.",
    "Spearman": "Spearman's correlation of ranks: 0 is chance, 1 and -1 tell the order in every case.",
    "eta": "Eta: how far the ranks differ between categories; 0 is not at all, 1 is in every case.",
}


def render_look(folder) -> str:
    """The page as HTML. folder: what `data` wrote to. InputError if it holds no data.json or a broken one."""
    look = read_json(Path(folder) / "data.json")
    rows = look["metadata"]
    return render_template(
        "look.html.j2",
        look=look,
        alarms=[row for row in rows if row["grade"] in ("gives away", "goes with")],
        rows=rows,
        splits=_split_rows(look),
        sheet=_data_uri(Path(folder) / "contact_sheet.png"),
        least_p=NO_P,
        legend=_legend(rows, look["rule"]),
    )


def _legend(rows: list[dict], rule: dict) -> str:
    """What the measures of these rows mean, and from which value on a fact has a grade."""
    measures = [name for name in MEASURES if name in {row["measure"] for row in rows}]
    least = lambda name, strength: f"{name} at least {0.5 + strength / 2 if name == 'AUROC' else strength:g}"  # noqa: E731
    strengths = [(grade, strength) for grade, strength in rule.items() if grade != "p"]
    grades = [f"\u201c{grade}\u201d: {' or '.join(least(name, s) for name in measures)}" for grade, s in strengths]
    meanings, size = " ".join(MEASURES[name] for name in measures), " (its size)" * ("Spearman" in measures)
    corrected = f"p at most {rule['p']} after Holm's correction over all facts"
    return f"{meanings} {'; '.join(grades)}{size}; each with {corrected}."


def _split_rows(look: dict) -> list[dict]:
    """A row for each class: its items, all and in each split."""
    return [
        {"name": name, "items": n, "parts": [counts.get(name, 0) for counts in look["splits"].values()]}
        for name, n in look["classes"].items()
    ]


def _data_uri(path: Path) -> str:
    """A PNG as a data URI; "" if there is none."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" if path.is_file() else ""
