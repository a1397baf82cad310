"""The templates of all pages: one Jinja environment with the filters and the colours that they use."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from xaae.experiment.amounts import counted, noun_for
from xaae.experiment.vocabulary import PAGE_COLOURS, PALETTE, PALETTE_DARK
from xaae.report.shared import words
from xaae.report.shared.charts import colour_class

FOLDERS = [Path(__file__).parents[1] / name for name in ("run", "audit", "quiz", "first_look", "shared")]
ACCENT = 1  # the place in the palette of the colour that links, buttons and the main curve have


def render_template(name: str, /, **parts) -> str:
    """The template `name` filled with `parts`, as text. Everything from outside is escaped.

    jinja2.UndefinedError for a name that the template uses and `parts` lacks.
    """
    return _environment().get_template(name).render(**parts)


def style_colours() -> dict[str, dict[str, str]]:
    """The custom properties of the style sheet, {"light" or "dark": {name: colour}}."""
    palettes = {"light": PALETTE, "dark": PALETTE_DARK}
    return {
        theme: PAGE_COLOURS[theme] | {"accent": palette[ACCENT]} | {f"k{i}": c for i, c in enumerate(palette)}
        for theme, palette in palettes.items()
    }


@cache
def _environment() -> Environment:
    """Jinja2 with escaping always on, misspelt names an error, and the filters of `words`."""
    environment = Environment(
        loader=FileSystemLoader(FOLDERS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["colours"] = style_colours()
    environment.filters.update(
        fixed=words.fixed,
        percent=words.percent,
        count=words.count,
        counted=lambda number, plural: counted(words.count(number), plural),
        noun_for=lambda number, plural: noun_for(words.count(number), plural),
        duration=words.duration,
        setting=words.setting_text,
        sentence=words.as_sentence,
        capital=words.capital,
        with_code=words.with_code,
        colour_class=colour_class,
    )
    return environment
