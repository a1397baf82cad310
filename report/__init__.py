"""Run folder in, one self-contained `report.html` and `summary.json` out. Reads files only; imports no torch."""

import json
import os
import re
from pathlib import Path

from xaae.report.audit.audit_page import render_audit
from xaae.report.audit.unknown_page import render_unknown
from xaae.report.quiz.quiz_page import render_quiz
from xaae.report.run.conclusions import paragraphs
from xaae.report.run.run_page import render_run
from xaae.report.run.summary import gather_summary
from xaae.report.shared.folder import RunFolder

__all__ = ["in_words", "summarise", "write_audit_page", "write_quiz", "write_report", "write_unknown_page"]


def summarise(run_folder) -> dict:
    """Every number of the report as a nested dict of plain JSON values (missing or not finite: None).

    Raises ValueError when `run_folder` holds no config.json or a file in it cannot be read.
    """
    return gather_summary(RunFolder(run_folder))


def summary_in_words(summary) -> str:
    """What a run found, in the sentences that open its page, one a line."""
    said = paragraphs(summary)
    return "\n".join([said["lead"], *re.split(r"(?<=\.) (?=[A-Z])", said["body"])]).replace("\u202f", " ").strip()


def write_report(run_folder) -> Path:
    """Write `report.html` and `summary.json` into `run_folder`, each in one step; return the page's path.

    Raises ValueError when `run_folder` holds no config.json or a file in it cannot be read.
    """
    run = RunFolder(run_folder)
    summary = gather_summary(run)
    _replace(run.path / "summary.json", json.dumps(summary, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    return _replace(run.path / "report.html", render_run(run, summary))


def write_audit_page(folder) -> Path:
    """Write `report.html` of the audit in `folder`, in one step; return its path.

    Raises ValueError when `folder` holds no audit.json or a broken one.
    """
    folder = Path(folder)
    return _replace(folder / "report.html", render_audit(folder))


def write_quiz_page(folder) -> tuple[Path, Path]:
    """Write `quiz.html` and, apart from it, `quiz-key.json` of the audit in `folder`; return both paths.

    Raises ValueError when `folder` holds no quiz.json or a broken one.
    """
    page, key = render_quiz(folder)
    folder = Path(folder)
    return _replace(folder / "quiz.html", page), _replace(folder / "quiz-key.json", key)


def write_unknown_page(folder) -> Path:
    """Write `unknown.html` of `audit --unknown` into the run `folder`, in one step; return its path.

    Raises ValueError when `folder` holds no unknown.json or a broken one.
    """
    return _replace(Path(folder) / "unknown.html", render_unknown(folder))


def _replace(path: Path, text: str) -> Path:
    """Write beside `path`, then rename: a reader sees the old file or the new one, never half of one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path
