"""Put the verdicts of an audit into docs/figures.md: `python -m benchmarks.audit_table OUT --write` (or print them)."""

import json
import sys
from pathlib import Path

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures.md"
END = "<!-- end of audit -->"


def cell(found):
    """A cell of the table: verdict and detection, or why there is none."""
    if found is None:
        return ""
    if found["status"] != "ok":
        return found["status"]
    return f"{found['verdict']} {found['auroc']:.2f}"


def table(result):
    """The verdicts as a Markdown table: one explanation a row, one factor a column."""
    keys = list(result["factors"])
    rows = {}
    for c in result["cells"]:
        rows.setdefault((c["explanation"], c["model"]), {})[c["factor"]] = c
    lines = [f"| explanation | model | {' | '.join(keys)} |", "| --- " * (len(keys) + 2) + "|"]
    for (explanation, model), row in rows.items():
        title = result["explanations"][explanation]["title"]
        own = result["models"].get(model, "")
        lines.append(f"| {title} | {own} | {' | '.join(cell(row.get(k)) for k in keys)} |")
    return "\n".join(lines)


def main():
    """Print the table of the audit in the folder named first, or write it between its marks."""
    result = json.loads((Path(sys.argv[1]) / "audit.json").read_text())
    text = table(result)
    if "--write" not in sys.argv:
        return print(text)
    start = f"<!-- audit of {result['dataset']}: made by python -m benchmarks.audit_table -->"
    before, _, rest = FIGURES.read_text().partition(start)
    if not rest:
        raise SystemExit(f"docs/figures.md has no place for it: write {start} and {END} where the table should stand.")
    FIGURES.write_text(f"{before}{start}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
