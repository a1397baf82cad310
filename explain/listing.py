"""The registry of methods in words: one line a method, all about one method, and a TOML file that runs them all."""

from xaae.explain.method import METHODS, find_method
from xaae.explain.network.needs import NEEDS

SHOWS = {
    "signed": "signed, for and against the score",
    "size": "only its size counts",
    "picture": "a picture",
}


def needed(method):
    """What a Method needs, in words."""
    return ", ".join(NEEDS[name][1] for name in method.needs) or "nothing"


def method_lines():
    """One line for each method: name, kind, what it needs, paper."""
    cells = [(m.name, m.kind, f"needs {needed(m)}", m.paper) for m in METHODS.values()]
    widths = [max(len(row[i]) for row in cells) for i in range(3)]
    return ["  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in cells]


def describe_method(name):
    """All about the method called `name`, with its parameters and their defaults. InputError if there is none."""
    method = find_method(name)
    lines = [f"{method.name}: {method.title} ({method.kind})", f"  paper: {method.paper}", f"  shows: {method.means}"]
    lines += [f"  map: {SHOWS[method.shows]}{', sums to the difference in score' if method.sums else ''}"]
    lines += [f"  needs: {needed(method)}"] + [f"  beware: {method.flag}"] * bool(method.flag)
    parameters = [f"{key} = {_as_toml(value)}" for key, value in method.parameters.items()]
    return "\n".join([*lines, f"  parameters: {', '.join(parameters) or 'none'}"])


def _as_toml(value):
    """A parameter's value as TOML writes it; "unset" for None, which TOML does not have."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(_as_toml(v) for v in value)}]"
    return str(value) if isinstance(value, int | float) else "unset"


HEAD = """\
# Every method with its parameters: `python main.py explain RUN --config all`, or a copy of this file as --config.
# Settings have the names of the options; an option that is typed wins over the file:
# items = 6
# workers = 2
# time-limit = 120
# A method may stand here more than once, each time with another label, and with its own time limit:
# [[method]]
# name = "occlusion"
# label = "occlusion-fine"
# time_limit = 300
"""


def sample():
    """The TOML file that runs every method of the registry with its default parameters."""
    return HEAD + "".join(_sample_table(method) for method in METHODS.values())


def _sample_table(method):
    """The table of one method in the sample; a parameter that TOML cannot write is a comment."""
    values = {name: _as_toml(default) for name, default in method.parameters.items()}
    lines = [f"{'# ' if text == 'unset' else ''}{name} = {text}\n" for name, text in values.items()]
    return f'\n# {method.title}: {method.means}\n[[method]]\nname = "{method.name}"\n' + "".join(lines)
