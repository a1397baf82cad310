"""The house: who may import whom, and what an import may change."""

import ast
import json
import subprocess
import sys
from collections import defaultdict
from importlib import import_module
from inspect import ismodule

import nbformat
import pytest
from helpers import source
from helpers.places import HOME
from helpers.source import FILES, NAMED, breaking, room_of_file

LAYERS = (  # each room imports rooms of the layers before its own, and neighbours as long as these make no circle
    ("experiment", "factors"),
    ("sources", "model", "callbacks"),
    ("data",),
    ("training", "first_look"),
    ("latent_nav", "explain", "evaluation"),
    ("scan",),
    ("audit", "app", "report"),
    ("cli",),
    ("main",),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
LIBRARIES = LAYERS[4]  # they take models and arrays
TESTS = sorted((HOME / "tests").rglob("*.py"))
BENCHMARKS = sorted((HOME / "benchmarks").glob("*.py"))
NOTEBOOKS = sorted((HOME / "notebooks").glob("*.ipynb"))


# ---- who imports whom -------------------------------------------------------------------------------------------


def test_every_room_has_its_layer():
    assert set(LEVEL) == {*source.ROOMS, *source.TOP}


def test_the_law_sees_an_import_wherever_it_is():
    text = "import a.b\ndef f():\n    from c.d import e\n    from . import g"
    assert {"a.b", "c.d.e", "c.d", "..g"} <= set(source.imported_names(ast.parse(text)))
    graph = source.import_graph()
    assert "xaae.cli.door" in graph["xaae.main"] and graph["xaae.experiment.errors"] == set()
    assert source.circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"] and not source.circle({"a": {"b"}})


def forbidden(path):
    """Rooms that a file imports though the law forbids it."""
    room = room_of_file(path)
    others = {source.room_of(name) for name in source.import_graph()[source.module_name(path)]} - {room, ""}
    allowed = {"experiment"} if room == "report" else {r for r in LEVEL if LEVEL[r] <= LEVEL.get(room, -1)}
    return sorted(others - allowed)


def test_law_of_imports():
    assert breaking(FILES, forbidden) == {}


def test_no_module_imports_itself_by_way_of_others():
    assert source.circle(source.import_graph()) == []


def test_no_room_imports_itself_by_way_of_others():
    rooms = defaultdict(set)
    for name, others in source.import_graph().items():
        rooms[source.room_of(name)] |= {source.room_of(other) for other in others} - {source.room_of(name)}
    assert source.circle(rooms) == []


def packages_of(path):
    """First parts of the names that a file imports."""
    return {name.split(".")[0] for name in source.names_imported_in(path)}


def test_the_report_needs_no_torch():
    heavy = {"torch", "torchvision", "fastai", "captum", "torchmetrics"}
    assert breaking([p for p in FILES if room_of_file(p) == "report"], lambda p: heavy & packages_of(p)) == {}


def test_only_the_entries_of_a_library_open_a_run():
    """Those whose names end in _run, and navigation; the others can be used without any run folder."""
    inside = [
        p for p in NAMED if room_of_file(p) in LIBRARIES and not p.stem.endswith("_run") and p.stem != "navigation"
    ]
    opening = {"open_run", "open_trained_run", "open_encoded_run"}
    said = lambda p: opening & {getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(source.tree(p))}  # noqa: E731
    assert breaking(inside, said) == {}


def names_imported_in(path):
    """Every dotted name that a file, or a cell of a notebook, imports."""
    if path.suffix == ".py":
        return source.names_imported_in(path)
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    texts = ("\n".join(line for line in text.splitlines() if line[:1] not in ("%", "!")) for text in cells)
    return {name for text in texts for name in source.imported_names(ast.parse(text))}


def nameless(path):
    """The project's own modules that a file imports without `xaae.` before their names."""
    names = names_imported_in(path)
    return {name for name in names if name.split(".")[0] in source.OWN or name.startswith(".")}


def test_the_projects_code_has_one_name():
    """A module that is imported under two names has two registries."""
    assert breaking([*FILES, *TESTS, *BENCHMARKS, *NOTEBOOKS], nameless) == {}


def test_no_test_module_imports_another():
    own = {p.stem for p in TESTS if p.parent.name == "tests"}
    assert breaking(TESTS, lambda p: own & packages_of(p)) == {}


# ---- no import has a side effect ----------------------------------------------------------------------------------

STATE = """
import importlib, json, logging, os, random, signal, sys, warnings
third, own = json.loads(sys.argv[1])
for name in third:
    try:
        importlib.import_module(name)
    except ImportError:
        pass  # of an extra that is not installed; or not a module, but something in one
import matplotlib, numpy, pandas, torch

def state():
    return {
        "matplotlib's rcParams": dict(matplotlib.rcParams),
        "filters of warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "search path": list(sys.path),
        "torch's default type": str(torch.get_default_dtype()),
        "torch's threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch's generator": torch.get_rng_state().numpy().tobytes(),
        "torch's gradients": (torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled()),
        "NumPy's generator": numpy.random.get_state(legacy=False)["state"]["key"].tobytes(),
        "NumPy's errors": numpy.geterr(),
        "Python's generator": random.getstate(),
        "handlers of the log": [str(h) for h in logging.getLogger().handlers] + [logging.getLogger().level],
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "hooks": [str(sys.excepthook), str(sys.displayhook), sys.getrecursionlimit()],
        "pandas' options": [pandas.get_option(n) for n in ("display.max_rows", "display.precision", "display.width")],
    }

changed, first = {}, 0
for name in own:
    before = state()
    importlib.import_module(name)
    after = state()
    if found := [what for what in before if before[what] != after[what]]:
        changed[name] = found
    first = first or len(sys.modules["xaae.explain.method"].METHODS)
print(json.dumps({"changed": changed, "first": first, "methods": list(sys.modules["xaae.explain.method"].METHODS)}))
"""


def told_by(code, *args, how=subprocess):
    """The last line that a new interpreter prints for this code, read as JSON. how: what has `run`."""
    command = [sys.executable, "-W", "ignore", "-c", code, *(json.dumps(a) for a in args)]
    found = how.run(command, capture_output=True, text=True, cwd=HOME.parent)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def imported(warm):
    """What an interpreter that has loaded libraries alone tells of importing every module, that of methods first."""
    names = {n for path in FILES for node in source.tree(path).body for n in source.imported_names(node)}
    third = sorted(n for n in names if n.split(".")[0] not in {"xaae", *sys.stdlib_module_names})
    own = ["xaae.explain.method", *sorted(source.import_graph(), reverse=True)]
    return told_by(STATE, [third, own], how=warm)


def test_no_import_has_a_side_effect(imported):
    assert imported["changed"] == {}


def test_the_registry_is_the_same_whatever_is_imported_first(imported):
    from xaae.explain import METHODS

    assert imported["methods"] == list(METHODS) and imported["first"] == len(METHODS) > 40


QUICK = ["xaae.report", "xaae.main", "xaae.factors.registry"]
LOADING = """
import importlib, json, sys
names, heavy = json.loads(sys.argv[1])
heavy_after = {}
for name in names:
    importlib.import_module(name)
    heavy_after[name] = [each for each in heavy if each in sys.modules]
print(json.dumps(heavy_after))
"""


def test_what_has_to_be_quick_does_not_load_torch():
    """Not even all of it together, in one new process."""
    assert told_by(LOADING, [QUICK, ["torch", "fastai", "sklearn", "matplotlib"]]) == {name: [] for name in QUICK}


def taken_from(module, name):
    """What `from module import name` gives; AttributeError or ModuleNotFoundError if there is no such name."""
    found = import_module(module)
    return getattr(found, name) if hasattr(found, name) else import_module(f"{module}.{name}")


def missing_names(path):
    """What a file takes from the project's modules that they do not have: `from module import name`, `module.name`."""
    nodes, modules, missing = list(ast.walk(source.tree(path))), {}, []
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "xaae":
            for alias in node.names:
                try:
                    modules[alias.asname or alias.name] = taken_from(node.module, alias.name)
                except ModuleNotFoundError:
                    missing.append(f"{node.module}.{alias.name}")
    own = {n.arg for n in nodes if isinstance(n, ast.arg)}
    own |= {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    modules = {name: found for name, found in modules.items() if ismodule(found) and name not in own}
    of_modules = [n for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", None) in modules]
    return missing + [f"{n.value.id}.{n.attr}" for n in of_modules if not hasattr(modules[n.value.id], n.attr)]


def test_what_is_taken_from_a_module_is_there():
    """Benchmarks take hours, so no test runs them whole: at least their names are those of today."""
    assert breaking([*FILES, *BENCHMARKS, *TESTS], missing_names) == {}
