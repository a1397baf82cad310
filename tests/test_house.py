"""The house: who may import whom, dependencies named once, the README's commands."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

HOME = Path(__file__).resolve().parents[1]
LEAVES = {"errors"}  # anyone may import these
ALLOWED = {  # file or room -> what else of the project it may import
    "errors": set(),
    "settings": set(),
    "machine": set(),
    "options": {"settings"},
    "audit_options": {"options", "settings"},
    "door": set(),
    "synthpets": set(),
    "cifar": set(),
    "pictures": {"cifar"},
    "bias": set(),
    "runs": set(),
    "model": set(),
    "data": {"bias", "cifar", "pictures", "synthpets"},
    "callbacks": set(),
    "thesis": {"model", "callbacks", "train"},
    "train": {"model", "callbacks"},
    "tutorial": {"model", "callbacks", "train"},
    "latent_nav": {"bias", "model"},
    "explain": {"model"},
    "audit": {"bias", "explain", "latent_nav", "model"},
    "report": set(),
    "app": {"latent_nav", "model", "pictures"},
    "commands": {
        "app",
        "audit",
        "bias",
        "callbacks",
        "cifar",
        "data",
        "explain",
        "latent_nav",
        "machine",
        "model",
        "pictures",
        "report",
        "runs",
        "settings",
    }
    | {"thesis", "train", "tutorial"},
    "main": {"audit_options", "commands", "door", "machine", "options", "report", "settings"},
}
FILES = sorted(p for p in HOME.rglob("*.py") if p.relative_to(HOME).parts[0] in ALLOWED or p.stem in ALLOWED)
FILES = [p for p in FILES if p.relative_to(HOME).parts[0].removesuffix(".py") in ALLOWED]


def imports(path):
    """Every module that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOME)))
def test_law_of_imports(path):
    room = path.relative_to(HOME).parts[0].removesuffix(".py")
    for name in imports(path):
        other = name.split(".")[0]
        if other in ALLOWED and other != room:
            assert other in ALLOWED[room] | LEAVES, f"{path.name} imports {name}"
        assert room != "report" or other not in ("torch", "fastai", "torchvision")


def test_every_module_is_in_the_law_and_in_the_package():
    found = {p.stem for p in HOME.glob("*.py")} | {p.parent.name for p in HOME.glob("*/__init__.py")}
    found -= {"tests", "benchmarks"}
    package = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert found == set(ALLOWED) == set(package["py-modules"]) | set(package["packages"])


def test_files_are_short():
    long = {p.name: n for p in FILES if (n := len(p.read_text().splitlines())) > 300}
    assert not long


def public(path):
    """Functions and classes of a file and methods of its classes, by their syntax; a closure is nobody's interface."""
    top = ast.parse(path.read_text()).body
    inside = [node for parent in top if isinstance(parent, ast.ClassDef) for node in parent.body]
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [n for n in top + inside if isinstance(n, kinds) and not n.name.startswith("_")]


METHODS = set("forward encodes accumulate reset value name parse_args".split()) | {
    f"{when}_{what}" for when in ("before", "after") for what in ("fit", "batch", "epoch", "loss", "train")
}  # their meaning is the framework's


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOME)))
def test_public_functions_have_docstrings(path):
    assert not [n.name for n in public(path) if n.name not in METHODS and not ast.get_docstring(n)]


def test_environment_follows_pyproject():
    environment = yaml.safe_load((HOME / "environment.yml").read_text())
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    conda = [d for d in environment["dependencies"] if isinstance(d, str)]
    (pip,) = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert pip == ["-e ."] and sorted(re.split(r"[<>=]", d)[0] for d in conda) == ["pip", "python"]
    assert f"python{project['requires-python']}" in conda


def test_dependencies_are_lower_bounds_without_hosts():
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {"test", "notebooks", "app", "all"} <= set(extras)
    for line in project["dependencies"] + [d for name, extra in extras.items() if name != "all" for d in extra]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", line), line


def test_the_readme_opens_with_the_two_commands():
    first = (HOME / "README.md").read_text().splitlines()[:40]
    assert [line for line in first if line.startswith("pip install")] == [
        "pip install -e . && python main.py",
        'pip install -e ".[test]" && pytest',
    ]
    assert 'pip install -e ".[test]" && pytest' in (HOME / ".ci" / "run").read_text()
