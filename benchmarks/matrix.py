"""The README's table of methods: each method on six networks works, or refuses with a reason.

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
SMALL = {  # values of parameters with which methods are fast enough to run on all networks
    "steps": 8,
    "samples": 16,
    "segments": 6,
    "channels": 8,
    "octaves": 2,
    "window": 8,
}


ENOUGH = 160  # steps with which shares add up on every network


def small_parameters(method):
    """Those parameters of a Method that SMALL has values for."""
    small = {k: v for k, v in SMALL.items() if k in method.parameters}
    return small | ({"steps": ENOUGH} if method.sums and "steps" in small else {})


def outcome(name, subject, x, background):
    """ "works", or the reason why the method called `name` refuses. Any other error is raised."""
    try:
        explain(subject, x, name, 0, background=background, **small_parameters(METHODS[name]))
    except Refusal as e:
        return str(e)
    return "works"


def run_matrix(items=1):
    """{method: {network: outcome}} of all methods on all networks."""
    outcomes = {name: {} for name in METHODS}
    for network_name in NETWORKS:
        network, x, background = build(network_name, items)
        subject = Subject(network, x)
        for name in METHODS:
            outcomes[name][network_name] = outcome(name, subject, x, background)
    return outcomes


def as_markdown(outcomes):
    """The matrix as Markdown: a row for each method; reasons are numbers, listed below the table."""
    reasons = list(dict.fromkeys(o for row in outcomes.values() for o in row.values() if o != "works"))
    head = ["method", "kind", "its map shows", "needs", *NETWORKS, "paper"]
    lines = [head, ["---"] * len(head), *(_line(METHODS[name], row, reasons) for name, row in outcomes.items())]
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return rows + "\n\n" + "\n".join(f"({i}) {reason}.  " for i, reason in enumerate(reasons, 1)) + "\n"


def _line(method, row, reasons):
    """The cells of one method's line. row: {network: outcome}."""
    cell = lambda outcome: "yes" if outcome == "works" else f"no ({reasons.index(outcome) + 1})"  # noqa: E731
    needs = ", ".join(NEEDS[name][1] for name in method.needs)
    means = f"{method.means}; {method.flag}" if method.flag else method.means
    return [f"`{method.name}`", method.kind, means, needs, *(cell(row[n]) for n in NETWORKS), method.paper]


def in_readme(text, readme):
    """The text of the README with `text` between the two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}{END}{after}"


def main():
    """Print the table, or write it into the README."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--write", action="store_true")
    text = as_markdown(run_matrix())
    if ask.parse_args().write:
        readme = HOME / "README.md"
        readme.write_text(in_readme(text, readme.read_text()))
    else:
        print(text)


if __name__ == "__main__":
    main()
