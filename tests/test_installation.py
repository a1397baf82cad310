"""The house: what is at the top, what the project needs, what an installation holds."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from zipfile import ZipFile

import pytest
import yaml
from helpers import source
from helpers.places import HOME
from helpers.source import FILES, breaking, label

PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text())
TESTS = sorted((HOME / "tests").rglob("*.py"))


def test_three_files_lie_at_the_top():
    assert {p.name for p in HOME.glob("*.py")} == {"__init__.py", "main.py", "model.py", "data.py"}


def test_the_package_is_what_the_folders_are():
    setuptools = PROJECT["tool"]["setuptools"]
    folders = {"xaae"} | {
        module for path in FILES if path.name == "__init__.py" if (module := source.module_name(path))
    }
    assert set(setuptools["packages"]) == folders and setuptools["package-dir"] == {"xaae": "."}
    assert all(path.parent == HOME or (path.parent / "__init__.py").exists() for path in FILES)


def test_the_door_is_short():
    assert len((HOME / "main.py").read_text().splitlines()) <= 100


def test_environment_follows_pyproject():
    environment = yaml.safe_load((HOME / "environment.yml").read_text())
    conda = [d for d in environment["dependencies"] if isinstance(d, str)]
    (pip,) = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert pip == ["-e ."] and sorted(re.split(r"[<>=]", d)[0] for d in conda) == ["pip", "python"]
    assert f"python{PROJECT['project']['requires-python']}" in conda


def test_dependencies_are_lower_bounds_in_pyproject_alone():
    extras = PROJECT["project"]["optional-dependencies"]
    assert {"test", "notebooks", "app", "quality", "all"} <= set(extras)
    lines = PROJECT["project"]["dependencies"] + [d for name, e in extras.items() if name != "all" for d in e]
    assert [line for line in lines if not re.fullmatch(r"[\w-]+>=[\d.]+", line)] == []
    elsewhere = ("requirements*.txt", "setup.py", "setup.cfg", "Pipfile*", "poetry.lock", "*constraints*.txt")
    assert not [path for pattern in elsewhere for path in HOME.glob(pattern)]


def test_the_readme_opens_with_the_two_commands():
    first = (HOME / "README.md").read_text().splitlines()[:40]
    assert [line for line in first if line.startswith("pip install")] == [
        "pip install -e . && python main.py",
        'pip install -e ".[test]" && pytest',
    ]
    assert 'pip install -e ".[test]" && pytest\n' in (HOME / ".ci" / "run").read_text()


REGISTRIES = [  # packages come from where pip is told to look; written in parts, so that this file has none either
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("download", "pytorch", "org"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("conda", "io"),
        ("npmjs", "org"),
        ("registry", "yarnpkg"),
        ("unpkg", "com"),
        ("jsdelivr", "net"),
        ("docker", "io"),
        ("ghcr", "io"),
    )
]


def tracked():
    """Every file that git knows, or a skip."""
    if not (HOME / ".git").exists():
        pytest.skip("this is no clone: there is no list of tracked files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=HOME, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := HOME / name).is_file()]


def test_no_file_names_a_registry():
    hosts = [host.encode() for host in REGISTRIES]
    assert breaking(tracked(), lambda p: [host for host in hosts if host in p.read_bytes()]) == {}


def sleeps(path):
    """Does a test itself sleep? A command that it starts as another process may."""
    calls = [ast.unparse(n.func) for n in ast.walk(source.tree(path)) if isinstance(n, ast.Call)]
    return {"time.sleep", "sleep"} & set(calls)


def test_tests_wait_for_events_and_not_for_clocks():
    assert set(breaking(TESTS, sleeps)) == {"tests/helpers/waiting.py"}


OUTSIDE = (".*", "runs", "build", "dist", "*.egg-info", "__pycache__", "tests", "docs")  # no part of a wheel


def data_files():
    """Files of the package that are no code."""
    kinds = ("toml", "j2", "css", "js")
    return [path for room in source.ROOMS for kind in kinds for path in (HOME / room).rglob(f"*.{kind}")]


def test_a_wheel_holds_the_package_and_nothing_else(tmp_path):
    pytest.importorskip("setuptools", minversion="77", reason="a wheel is built by setuptools 77 or later")
    copy = shutil.copytree(HOME, tmp_path / "clone", ignore=shutil.ignore_patterns(*OUTSIDE))
    pip = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path / "w"]
    made = subprocess.run(pip, cwd=copy, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    (wheel,) = (tmp_path / "w").glob("*.whl")
    names = {name for name in ZipFile(wheel).namelist() if not name.endswith("/")}
    about = f"xaae-{PROJECT['project']['version']}.dist-info"
    assert {name.split("/")[0] for name in names} == {"xaae", about}
    assert {n for n in names if n.startswith("xaae/")} == {f"xaae/{label(path)}" for path in [*FILES, *data_files()]}
