"""docs/architecture.md tells the truth: its diagram, its rooms, its seams, and every stop of its two ways."""

import ast
import re
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from xml.etree import ElementTree

import pytest
from helpers import source
from helpers.places import HOME

PAGE = (HOME / "docs" / "architecture.md").read_text(encoding="utf-8")
STOP = re.compile(r"`([\w/]+\.py):([\w.]+)`")


def script(name):
    """A script of docs/, as a module."""
    spec = spec_from_file_location(f"docs_{name}", HOME / "docs" / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


diagram, seams = script("diagram"), script("seams")
imports_of_rooms = cache(diagram.imports_of_rooms)  # every file is read for it: once for all tests


# ---- the diagram ------------------------------------------------------------------------------------------------


def test_the_diagram_shows_the_imports_of_now():
    drawn = diagram.draw(imports_of_rooms())
    assert diagram.FILE.read_text(encoding="utf-8") == drawn, "draw it anew: python docs/diagram.py"


def test_no_arrow_leads_down():
    assert diagram.breaches(imports_of_rooms()) == []


def test_the_diagram_has_every_room():
    assert set(imports_of_rooms()) == {*source.ROOMS, *source.TOP}


def test_a_breach_is_drawn_in_red():
    rooms = {room: [] for room in imports_of_rooms()}
    lawful, broken = rooms | {"cli": ["model"]}, rooms | {"model": ["cli"], "report": ["data"]}
    assert not diagram.breaches(lawful)
    assert set(diagram.breaches(broken)) == {("model", "cli"), ("report", "data")}
    red = [f'stroke="{diagram.WRONG}"' in diagram.draw(imports) for imports in (lawful, broken)]
    assert red == [False, True]


def test_every_import_is_an_arrow_or_named_in_its_box():
    rooms = {room: [] for room in imports_of_rooms()}
    imports = rooms | {"cli": ["model", "training"], "training": ["model"]}
    text = diagram.draw(imports)
    arrows = set(re.findall(r"<title>(\w+) imports (\w+)</title>", text))
    assert arrows == {("cli", "training"), ("training", "model")} and ">also model</text>" in text


def test_the_diagram_is_well_formed_and_its_boxes_lie_apart():
    picture = ElementTree.fromstring(diagram.FILE.read_text(encoding="utf-8"))
    width, height = float(picture.get("width")), float(picture.get("height"))
    boxes = [e for e in picture.iter() if e.tag.endswith("rect") and e.get("rx") == "7"]
    sides = [[float(box.get(name)) for name in ("x", "y", "width", "height")] for box in boxes]
    assert len(boxes) == len(imports_of_rooms())
    assert all(0 <= x and x + w <= width and 0 <= y and y + h <= height for x, y, w, h in sides)
    for i, (x, y, w, h) in enumerate(sides):
        assert not [s for s in sides[:i] if x < s[0] + s[2] and s[0] < x + w and y < s[1] + s[3] and s[1] < y + h]


# ---- the page ---------------------------------------------------------------------------------------------------


def test_the_page_has_every_room_in_a_line():
    tree = PAGE.partition("```\n")[2].partition("```")[0]
    named = [line.split()[0] for line in tree.splitlines()]
    rooms = [f"{room}/" for room in (*source.ROOMS, "tests", "benchmarks", "notebooks", "docs")]
    assert sorted(named) == sorted([*rooms, *(f"{file}.py" for file in source.TOP)])


def test_the_page_lists_every_dict_by_kind_and_task():
    assert seams.with_seams(PAGE, seams.find_seams()) == PAGE, "list them anew: python docs/seams.py"


def test_the_page_says_what_every_such_dict_holds():
    """In the words beside its first line or its last: they are no words to a tool, and none is without."""
    said = {f"{file}:{name}": words for _, file, name, _, words in seams.find_seams()}
    assert [name for name, words in said.items() if not words or words.startswith(("fmt:", "noqa"))] == []
    assert said["audit/quiz_questions.py:CANDIDATES"] == "kind -> what may be planted, and what is not"


def definition(body, name):
    """The definition of `name`, `Class.name` or a constant in the body of a module; None if it is not there."""
    first, _, rest = name.partition(".")
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == first:
            return definition(node.body, rest) if rest else node
        if isinstance(node, ast.Assign) and not rest and first in [t.id for t in node.targets if hasattr(t, "id")]:
            return node
    return None


@pytest.mark.parametrize("file, name", sorted(set(STOP.findall(PAGE))), ids=lambda part: part)
def test_every_place_that_the_page_names_exists(file, name):
    assert (HOME / file).is_file() and definition(source.tree(HOME / file).body, name)


WAYS = [section for section in PAGE.split("\n## ") if section.startswith("The way of")]


def names_used(file):
    """Every name that the code of a file uses; a definition alone is no use."""
    nodes = list(ast.walk(source.tree(HOME / file)))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.split(":")[0])
def test_every_stop_is_called_by_one_above_it(way):
    lines = re.findall(r"^\d+\. (.*(?:\n {2,}.*)*)", way, re.M)
    used = set()
    assert len(lines) > 10
    for line in lines:
        for number, (file, name) in enumerate(STOP.findall(line)):
            by_others = number == 0 and line.startswith(("click calls", "fastai calls", "`main.py:main`"))
            assert by_others or name.rpartition(".")[2] in used, f"nothing above calls {file}:{name}"
            used |= names_used(file)
