"""The registry in words: one method a line, all about one, and a TOML file that runs them all."""

from xaae.explain.method import METHODS, find_method
from xaae.explain.network.needs import NEEDS

SHOWS = {
    "signed": "signed, for and against the score",
    "size": "only its size counts",
    "picture": "a picture",
}


def needed(how):
    """What a method needs, in words."""
    return ", ".join(NEEDS[name][1] for name in how.needs) or "nothing"


def method_lines():
    """One line for each method: name, kind, what it needs, paper."""
    cells = [(m.name, m.kind, f"needs {needed(m)}", m.paper) for m in METHODS.values()]
    widths = [max(len(row[i]) for row in cells) for i in range(3)]
    return ["  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in cells]


def describe_method(name):
    """All about one method, its parameters with their defaults too. InputError if there is none of that name."""
    how = find_method(name)
    told = [f"{how.name}: {how.title} ({how.kind})", f"  paper: {how.paper}", f"  shows: {how.means}"]
    told += [f"  map: {SHOWS[how.shows]}{', sums to the difference in score' if how.sums else ''}"]
    told += [f"  needs: {needed(how)}"] + [f"  beware: {how.flag}"] * bool(how.flag)
    given = [f"{key} = {_toml(value)}" for key, value in how.parameters.items()]
    return "\n".join([*told, f"  parameters: {', '.join(given) or 'none'}"])


def _toml(value):
    """A parameter's value as TOML writes it; "unset" where TOML has no word for it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(_toml(v) for v in value)}]"
    return str(value) if isinstance(value, int | float) else "unset"


HEAD = """\
# Every method with its parameters: `python main.py explain RUN --config all`, or a copy of this file as --config.
# Settings have the names of the flags; a flag that is typed overrules them:
# items = 6
# workers = 2
# time-limit = 120
# A method may stand here more than once, under labels of its own, with a time limit of its own:
# [[method]]
# name = "occlusion"
# label = "occlusion-fine"
# time_limit = 300
"""


def sample():
    """The TOML file that runs every method of the registry with its usual parameters."""
    parts = [HEAD]
    for how in METHODS.values():
        given = [("" if _toml(v) != "unset" else "# ") + f"{k} = {_toml(v)}\n" for k, v in how.parameters.items()]
        parts.append(f'\n# {how.title}: {how.means}\n[[method]]\nname = "{how.name}"\n' + "".join(given))
    return "".join(parts)
