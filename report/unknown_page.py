"""The page of `audit --unknown`: unknown.json and its picture in, one self-contained unknown.html out."""

import json
from pathlib import Path

from report.page import environment
from report.pictures import picture_file


def render_unknown(folder) -> str:
    """The page as HTML. ValueError if unknown.json is missing or broken."""
    folder = Path(folder)
    try:
        found = json.loads((folder / "unknown.json").read_text(encoding="utf-8"))
        strip = picture_file(folder / "unknown.png") if (folder / "unknown.png").is_file() else None
        return environment().get_template("unknown.html.j2").render(u=found, strip=strip)
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ValueError(f"{folder} holds no unknown.json that can be read ({e}): run `audit --unknown` again.") from e
