"""The page: sections and summary into the template."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from xaae.report.run import code_sections, conclusions, run_sections
from xaae.report.run.attribution_sections import attributions
from xaae.report.run.health_sections import correlation_section, health
from xaae.report.run.latent_map import shades
from xaae.report.run.walk_sections import walks
from xaae.report.shared import words
from xaae.report.shared.folder import RunFolder

ROOMS = [Path(__file__).parents[1] / room for room in ("run", "audit", "quiz", "shared")]


def render_run(run: RunFolder, summary: dict) -> str:
    """The whole page as one HTML text without any outside reference; everything from the run is escaped."""
    shown = _parts(run, summary)
    template = environment().get_template("template.html.j2")
    return template.render(
        s=summary,
        config=run.config,
        folder=str(run.path),
        classes=[(name, i % 6) for name, i in run_sections.class_index(run).items()],
        text=conclusions.paragraphs(summary),
        planted_as=run.planted,
        measured_as=run.meter,
        sprites=_sprites(shown),
        shades=shades(),
        command=_command(run.config),
        **shown,
    )


def _parts(run: RunFolder, summary: dict) -> dict:
    """What every section of the page shows, by the name that the template uses."""
    return {
        "planted": run_sections.planted(run, summary),
        "curves": run_sections.curve_section(run),
        "panels": walks(run, summary),
        "exemplars": code_sections.exemplars(run),
        "counterfactuals": code_sections.counterfactual_section(run, summary),
        "gradcam": run_sections.gradcam_section(run),
        "attributions": attributions(run),
        "responses": run_sections.response_section(run, summary),
        "impact": run_sections.impact_section(run),
        "correlations": correlation_section(summary),
        "maps": code_sections.latent_maps(run),
        "health": health(summary),
        "skipped": run_sections.skipped(run),
    }


def _sprites(shown: dict) -> dict[str, dict]:
    """Every sprite of the page by its CSS class."""
    holders = [*shown["panels"], *(shown[name] or {} for name in ("exemplars", "counterfactuals", "gradcam"))]
    holders += shown["attributions"]
    return {name: sprite for holder in holders for name, sprite in holder.get("sprites", {}).items()}


@cache
def environment() -> Environment:
    """Jinja2 with escaping always on, misspelt names an error, and the filters of `words`."""
    found = Environment(
        loader=FileSystemLoader(ROOMS), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters.update(
        fixed=words.fixed,
        count=words.count,
        duration=words.duration,
        setting=words.setting,
        sentence=words.as_sentence,
        capital=words.capital,
    )
    return found


def _command(config: dict) -> str | None:
    """The command line that made the run, if the settings hold it."""
    found = config.get("command") or config.get("command_line") or config.get("argv")
    return " ".join(map(str, found)) if isinstance(found, list) else found
