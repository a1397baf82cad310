"""Notebooks hold no stale code: every cell runs, from a small training on."""

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from helpers.command_line import succeed
from helpers.places import HOME
from matplotlib import pyplot as plt

NOTEBOOKS = sorted((HOME / "notebooks").glob("*.ipynb"))
BRIEF = "--preset smoke --items 80 --epochs 1"
SMALL = {  # notebook -> (options of its training, the file that this writes last)
    "attribution_methods": (f"{BRIEF} --size 16 --baseline-epochs 1 --no-pretrained", "train.json"),
    "planted_bias": (f"{BRIEF} --baseline-epochs 0", "train.json"),
    "shap_tutorial": ("--items 80 --epochs 1 --background 6 --explained 2", "tutorial.json"),
}
LAWS = {  # notebook -> what must be true of its variables at the end
    "attribution_methods": lambda names: np.allclose(names["shares"], names["difference"], rtol=1e-3, atol=1e-3),
    "planted_bias": lambda names: names["walk"].frames.shape[:2] == (8, 21),
    "shap_tutorial": lambda names: names["gap"].shape == (2, 2) and names["gap"].max() < 1e-4,
}


def run_here(command, check):
    """What a notebook would run as `python main.py ...`, in this process, which has loaded everything already."""
    assert command[:2] == [sys.executable, "main.py"] and Path("main.py").samefile(HOME / "main.py") and check
    succeed(*command[2:])


@pytest.mark.usefixtures("small_baseline")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_runs(path, data_root, tmp_path, monkeypatch):
    options, last = SMALL[path.stem]
    monkeypatch.setenv("XAAE_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("XAAE_OPTIONS", f"{options} --data-root {data_root}")
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr(subprocess, "run", run_here)
    mpl.use("agg")
    names = {}
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, path.name, "exec"), names)
    plt.close("all")
    assert LAWS[path.stem](names) and (tmp_path / "run" / last).exists()


def test_every_notebook_has_a_law():
    assert {path.stem for path in NOTEBOOKS} == set(LAWS) == set(SMALL)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_kept_without_output(path):
    assert not [cell for cell in nbformat.read(path, 4).cells if cell.get("outputs") or cell.get("execution_count")]
