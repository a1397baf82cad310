"""The page: sections and summary into the template."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from report import code_sections, sections, verdict, words
from report.attribution_sections import attributions
from report.folder import RunFolder
from report.health_sections import correlations, health
from report.latent_map import shades
from report.walk_sections import walks

ROOM = Path(__file__).parent


def render(run: RunFolder, summary: dict) -> str:
    """The whole page as one HTML text without any outside reference; everything from the run is escaped."""
    shown = parts(run, summary)
    template = environment().get_template("template.html.j2")
    return template.render(
        s=summary,
        config=run.config,
        folder=str(run.path),
        classes=[(name, i % 6) for name, i in sections.class_index(run).items()],
        text=verdict.paragraphs(summary),
        planted_as=run.planted,
        measured_as=run.meter,
        sprites=sprites(shown),
        shades=shades(),
        command=command(run.config),
        **shown,
    )


def parts(run: RunFolder, summary: dict) -> dict:
    """What every section of the page shows, by the name that the template uses."""
    return {
        "planted": sections.planted(run, summary),
        "curves": sections.curves(run),
        "panels": walks(run, summary),
        "exemplars": code_sections.exemplars(run),
        "counterfactuals": code_sections.counterfactuals(run, summary),
        "gradcam": sections.gradcam(run),
        "attributions": attributions(run),
        "responses": sections.response(run, summary),
        "impact": sections.impact(run),
        "correlations": correlations(summary),
        "maps": code_sections.latent_maps(run),
        "health": health(summary),
        "skipped": sections.skipped(run),
    }


def sprites(shown: dict) -> dict[str, dict]:
    """Every sprite of the page by its CSS class."""
    holders = [*shown["panels"], *(shown[name] or {} for name in ("exemplars", "counterfactuals", "gradcam"))]
    holders += shown["attributions"]
    return {name: sprite for holder in holders for name, sprite in holder.get("sprites", {}).items()}


@cache
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
        sentence=words.sentence,
        capital=words.capital,
    )
    return found


def command(config: dict) -> str | None:
    """The command line that made the run, if the settings hold it."""
    found = config.get("command") or config.get("command_line") or config.get("argv")
    return " ".join(map(str, found)) if isinstance(found, list) else found
