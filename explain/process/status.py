"""`status.csv`: how each method ended."""

import os
from dataclasses import asdict, dataclass

import pandas as pd

STATES = ("ok", "refused", "timeout", "error")
FAILED = ("timeout", "error")


@dataclass(frozen=True)
class Row:
    """One line of the table. seconds: of the explanation alone. peak_mb: most memory the whole process held at once.
    reason: of anything but ok, or what is odd about the map, in one line."""

    method: str
    model: str
    label: str
    status: str
    seconds: float = 0.0
    peak_mb: float = 0.0
    reason: str = ""

    def __str__(self):
        size = f", {self.peak_mb:.0f} MB" if self.peak_mb else ""
        why = f": {self.reason}" if self.reason else ""
        return f"{self.model} {self.label}: {self.status}, {self.seconds:.1f} s{size}{why}"


def read_status(path):
    """The rows of a table: [] if there is none."""
    if not path.is_file():
        return []
    kinds = {"seconds": float, "peak_mb": float}
    table = pd.read_csv(path, dtype=str, keep_default_na=False).astype(kinds)
    return [Row(**row) for row in table[list(Row.__dataclass_fields__)].to_dict("records")]


def merged(rows, new):
    """`rows` with those of `new` in place of earlier ones of the same model and label."""
    fresh = {(r.model, r.label) for r in new}
    return [r for r in rows if (r.model, r.label) not in fresh] + list(new)


def write_status(path, rows):
    """Write the table whole or not at all."""
    part = path.with_suffix(".part")
    status_table(rows).to_csv(part, index=False)
    os.replace(part, path)


def status_table(rows):
    """Rows as a DataFrame, its numbers rounded."""
    found = pd.DataFrame([asdict(r) for r in rows], columns=list(Row.__dataclass_fields__))
    return found.round({"seconds": 3, "peak_mb": 1})
