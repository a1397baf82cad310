"""Run folder or audit folder in, self-contained pages out. Reads files only and imports no torch."""

import re
from pathlib import Path

from xaae.experiment.manifest import recording
from xaae.experiment.run_folder import is_run, write_json
from xaae.experiment.whole_file import whole_file
from xaae.report.audit.audit_page import render_audit, render_unknown
from xaae.report.first_look.look_page import render_look
from xaae.report.quiz.quiz_page import render_quiz
from xaae.report.run.conclusions import paragraphs
from xaae.report.run.run_page import render_run, render_scan
from xaae.report.run.summary import gather_summary
from xaae.report.shared.run_files import RunFiles

__all__ = [
    "LOOK_PAGE",
    "summarise",
    "summary_in_words",
    "write_audit_page",
    "write_look_page",
    "write_quiz_page",
    "write_report",
    "write_scan_page",
    "write_unknown_page",
]
LOOK_PAGE = "data.html"


def summarise(run_folder) -> dict:
    """Every number of the report as a nested dict of plain JSON values (missing or not finite: None).

    InputError when `run_folder` holds no config.json or a file in it cannot be read.
    """
    return gather_summary(RunFiles(run_folder))


def summary_in_words(summary) -> str:
    """The sentences that open the page of a run, one a line."""
    text = paragraphs(summary)
    return "\n".join([text["lead"], *re.split(r"(?<=\.) (?=[A-Z])", text["body"])]).replace("\u202f", " ").strip()


def write_report(run_folder) -> Path:
    """Write `report.html` and `summary.json` into `run_folder`, each whole or not at all; return the page's path.

    InputError when `run_folder` holds no config.json or a file in it cannot be read.
    """
    run = RunFiles(run_folder)
    summary = gather_summary(run)
    page = render_run(run, summary)
    with recording(run.path):
        write_json(run.path / "summary.json", summary)
        return _write_whole(run.path / "report.html", page)


def write_audit_page(folder) -> Path:
    """Write `report.html` of the audit in `folder`, whole or not at all; return its path.

    InputError when `folder` holds no audit.json or a broken one.
    """
    return _write_whole(Path(folder) / "report.html", render_audit(folder))


def write_quiz_page(folder) -> tuple[Path, Path]:
    """Write `quiz.html` and, apart from it, `quiz-key.json` of the audit in `folder`; return both paths.

    InputError when `folder` holds no quiz.json, or it or one of its pictures is broken.
    """
    page, key = render_quiz(folder)
    write_json(Path(folder) / "quiz-key.json", key)
    return _write_whole(Path(folder) / "quiz.html", page), Path(folder) / "quiz-key.json"


def write_look_page(folder) -> Path:
    """Write `data.html` of the first look in `folder`, whole or not at all; return its path.

    InputError when `folder` holds no data.json or a broken one.
    """
    return _write_whole(Path(folder) / LOOK_PAGE, render_look(folder))


def write_scan_page(folder) -> Path:
    """Write `scan.html` of the scan in `folder`, of a run or not, whole or not at all; return its path.

    InputError when `folder` holds no scan.json or a broken one.
    """
    page, folder = render_scan(folder), Path(folder)
    with recording(folder, folder.parent if is_run(folder.parent) else folder):
        return _write_whole(folder / "scan.html", page)


def write_unknown_page(folder) -> Path:
    """Write `unknown.html` of `audit --unknown` into the run `folder`, whole or not at all; return its path.

    InputError when `folder` holds no unknown.json or a broken one.
    """
    page = render_unknown(folder)
    with recording(folder):
        return _write_whole(Path(folder) / "unknown.html", page)


def _write_whole(path: Path, text: str) -> Path:
    """Write a page: a reader sees the old file or the new one, never half of one."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
    return path
