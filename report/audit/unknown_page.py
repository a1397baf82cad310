"""The page of `audit --unknown`: unknown.json and its picture in, one self-contained unknown.html out."""

import json
from pathlib import Path

from jinja2 import UndefinedError

from xaae.report.run.run_page import environment
from xaae.report.shared.sprites import picture_file

BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, UndefinedError)


def render_unknown(folder) -> str:
    """The page as HTML, everything from the run escaped. ValueError if unknown.json is missing or broken."""
    folder = Path(folder)
    try:
        found = json.loads((folder / "unknown.json").read_text(encoding="utf-8"))
        if found.get("kind") != "unknown":
            raise ValueError("it is of another kind")
        strip = picture_file(folder / "unknown.png") if (folder / "unknown.png").is_file() else None
        return environment().get_template("unknown.html.j2").render(u=found, strip=strip)
    except BROKEN as e:
        raise ValueError(f"{folder} holds no unknown.json that can be read ({e}): run `audit --unknown` again.") from e
