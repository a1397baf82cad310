"""The page: sections and summary into the template."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from report import sections, verdict, words
from report.folder import RunFolder

ROOM = Path(__file__).parent


def render(run: RunFolder, summary: dict) -> str:
    """The whole page as one HTML text without any outside reference; everything from the run is escaped."""
    template = environment().get_template("template.html.j2")
    index = sections.class_index(run)
    return template.render(
        s=summary,
        config=run.config,
        folder=str(run.path),
        classes=[(name, i % 6) for name, i in index.items()],
        text=verdict.paragraphs(summary),
        planted=sections.planted(run, summary),
        curves=sections.curves(run),
        panels=sections.walks(run, summary),
        gradcam=sections.gradcam(run),
        responses=sections.response(run, summary),
        impact=sections.impact(run),
        map=sections.latent_map(run),
        skipped=sections.skipped(run),
        command=command(run.config),
    )


def environment() -> Environment:
    """Jinja2 with escaping always on, misspelt names an error, and the filters of `words`."""
    found = Environment(
        loader=FileSystemLoader(ROOM), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters.update(
        fixed=words.fixed,
        count=words.count,
        duration=words.duration,
        setting=words.setting,
        direction=words.direction_name,
    )
    return found


def command(config: dict) -> str | None:
    """The command line that made the run, if the settings hold it."""
    found = config.get("command") or config.get("command_line") or config.get("argv")
    return " ".join(map(str, found)) if isinstance(found, list) else found
