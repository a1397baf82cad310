"""`status.csv`: how each method ended."""

from dataclasses import asdict, dataclass

import pandas as pd

from xaae.experiment.whole_file import whole_file

STATES = ("ok", "refused", "timeout", "error")
FAILED = ("timeout", "error")
SUMS = ("shares", "difference", "gap")


@dataclass(frozen=True)
class Row:
    """One line of the table: how a method ended on one model.

    status: one of STATES. seconds: of the explanation alone. peak_mb: the largest memory that the process held at once.
    reason: why the status is not ok, or what is unusual about the map, in one line. shares, difference, gap: of the
    item that is off most, for a method whose values add up: their sum, the difference in score that they share, and how
    far apart the two are, as a part of the difference; None for other methods.
    """

    method: str
    model: str
    label: str
    status: str
    seconds: float = 0.0
    peak_mb: float = 0.0
    reason: str = ""
    shares: float | None = None
    difference: float | None = None
    gap: float | None = None

    def __str__(self):
        memory = f", {self.peak_mb:.0f} MB" if self.peak_mb else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.model} {self.label}: {self.status}, {self.seconds:.1f} s{memory}{reason}"


def read_status(path):
    """The rows of a table; [] if there is no file."""
    if not path.is_file():
        return []
    table = pd.read_csv(path, dtype=str, keep_default_na=False).astype({"seconds": float, "peak_mb": float})
    for name in SUMS:  # an earlier version did not write them
        values = table[name] if name in table else [""] * len(table)
        table[name] = pd.Series([float(v) if v else None for v in values], table.index, dtype=object)
    return [Row(**row) for row in table[list(Row.__dataclass_fields__)].to_dict("records")]


def replace_rows(rows, new):
    """`rows`, in which those of `new` take the place of earlier ones with the same model and label."""
    replaced = {(r.model, r.label) for r in new}
    return [r for r in rows if (r.model, r.label) not in replaced] + list(new)


def write_status(path, rows):
    """Write the table whole or not at all."""
    with whole_file(path) as part:
        status_table(rows).to_csv(part, index=False)


def status_table(rows):
    """Rows as a DataFrame with rounded numbers."""
    table = pd.DataFrame([asdict(r) for r in rows], columns=list(Row.__dataclass_fields__))
    return table.round({"seconds": 3, "peak_mb": 1, **dict.fromkeys(SUMS, 6)})
