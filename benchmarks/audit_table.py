"""Put the verdicts of an audit into docs/figures.md: `python -m benchmarks.audit_table OUT --write` (or print them)."""

import argparse
import json
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
    """Print the table of the audit in a folder, or write it between its marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder of an audit that is done")
    parser.add_argument("--write", action="store_true", help="write it into docs/figures.md, in place of the one there")
    asked = parser.parse_args()
    if not (asked.out / "audit.json").is_file():
        parser.error(f"{asked.out} holds no audit.json: name the folder of an audit that is done.")
    result = json.loads((asked.out / "audit.json").read_text())
    text = table(result)
    if not asked.write:
        return print(text)
    start = f"<!-- audit of {result['dataset']}: made by python -m benchmarks.audit_table -->"
    before, _, rest = FIGURES.read_text().partition(start)
    if not rest:
        raise SystemExit(f"docs/figures.md has no place for it: write {start} and {END} where the table should stand.")
    FIGURES.write_text(f"{before}{start}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
