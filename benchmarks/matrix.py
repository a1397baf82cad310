"""The README's table of methods: every method on six networks, works or refuses with a reason.

python -m benchmarks.matrix              prints the table
python -m benchmarks.matrix --write      writes it into README.md between its two marks
"""

import argparse
from pathlib import Path

from xaae.benchmarks.networks import NETWORKS, build
from xaae.explain.call import explain
from xaae.explain.method import METHODS, Refusal
from xaae.explain.network.needs import NEEDS
from xaae.explain.network.subject import Subject

HOME = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- methods: made by python -m benchmarks.matrix --write -->", "<!-- end of methods -->"
SMALL = {  # parameters that make a method fast enough to be run on everything
    "steps": 8,
    "samples": 16,
    "segments": 6,
    "channels": 8,
    "octaves": 2,
}


def small(method):
    """The parameters of a method that SMALL cuts down."""
    return {k: v for k, v in SMALL.items() if k in method.parameters}


def outcome(name, subject, x, background):
    """ "works", or the reason why the method refuses. Any other error is raised."""
    try:
        explain(subject, x, name, 0, background=background, **small(METHODS[name]))
    except Refusal as e:
        return str(e)
    return "works"


def matrix(items=2):
    """{method: {network: outcome}}."""
    found = {name: {} for name in METHODS}
    for network_name in NETWORKS:
        network, x, background = build(network_name, items)
        subject = Subject(network, x)
        for name in METHODS:
            found[name][network_name] = outcome(name, subject, x, background)
    return found


def table(found):
    """The matrix as Markdown: a row a method; reasons as numbers, listed below."""
    reasons = list(dict.fromkeys(o for row in found.values() for o in row.values() if o != "works"))
    cell = lambda outcome: "yes" if outcome == "works" else f"no ({reasons.index(outcome) + 1})"  # noqa: E731
    head = ["method", "kind", "its map shows", "needs", *NETWORKS, "paper"]
    lines = [head, ["---"] * len(head)]
    for name, row in found.items():
        m = METHODS[name]
        needs = ", ".join(NEEDS[n][1] for n in m.needs)
        flag = f"; {m.flag}" if m.flag else ""
        lines.append([f"`{name}`", m.kind, m.means + flag, needs, *(cell(row[n]) for n in NETWORKS), m.paper])
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return rows + "\n\n" + "\n".join(f"({i}) {reason}.  " for i, reason in enumerate(reasons, 1)) + "\n"


def in_readme(text, readme):
    """README text with the table between its marks replaced by `text`."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}{END}{after}"


def main():
    """Print the table, or write it into the README."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--write", action="store_true")
    text = table(matrix())
    if ask.parse_args().write:
        readme = HOME / "README.md"
        readme.write_text(in_readme(text, readme.read_text()))
    else:
        print(text)


if __name__ == "__main__":
    main()
