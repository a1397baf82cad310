"""The page of a first look at data, from the files that `data` wrote."""

import base64
from pathlib import Path

from xaae.experiment.run_folder import read_json
from xaae.report.shared.templates import render_template

NO_P = 0.001  # smaller ones are written as "below"


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
    )


def _split_rows(look: dict) -> list[dict]:
    """A row for each class: its items, all and in each split."""
    return [
        {"name": name, "items": n, "parts": [counts.get(name, 0) for counts in look["splits"].values()]}
        for name, n in look["classes"].items()
    ]


def _data_uri(path: Path) -> str:
    """A PNG as a data URI; "" if there is none."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" if path.is_file() else ""
