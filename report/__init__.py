"""Run folder in, one self-contained `report.html` and `summary.json` out. Reads files only; imports no torch."""

import json
import os
import re
from pathlib import Path

from report.folder import RunFolder
from report.page import render
from report.summary import gather
from report.verdict import paragraphs

__all__ = ["in_words", "summarise", "write_report"]


def summarise(run_folder) -> dict:
    """Every number of the report as a nested dict of plain JSON values (missing or not finite: None).

    Raises ValueError when `run_folder` holds no config.json or a file in it cannot be read.
    """
    return gather(RunFolder(run_folder))


def in_words(summary) -> str:
    """What a run found, in the sentences that open its page, one a line."""
    said = paragraphs(summary)
    return "\n".join([said["lead"], *re.split(r"(?<=\.) (?=[A-Z])", said["body"])]).replace("\u202f", " ").strip()


def write_report(run_folder) -> Path:
    """Write `report.html` and `summary.json` into `run_folder`, each in one step; return the page's path.

    Raises ValueError when `run_folder` holds no config.json or a file in it cannot be read.
    """
    run = RunFolder(run_folder)
    summary = gather(run)
    _replace(run.path / "summary.json", json.dumps(summary, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    return _replace(run.path / "report.html", render(run, summary))


def _replace(path: Path, text: str) -> Path:
    """Write beside `path`, then rename: a reader sees the old file or the new one, never half of one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path
