"""Notebooks hold no stale code: every cell runs, from a small training on."""

import os
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from matplotlib import pyplot as plt

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
SMALL = {  # notebook -> (options of its training, the file that this writes last)
    "attribution_methods": ("--preset smoke --items 80 --epochs 1 --baseline-epochs 1", "train.json"),
    "planted_bias": ("--preset smoke --items 80 --epochs 1 --baseline-epochs 0", "train.json"),
    "shap_tutorial": ("--items 80 --epochs 1 --background 6 --explained 2", "tutorial.json"),
}
LAWS = {  # notebook -> what must be true of its variables at the end
    "attribution_methods": lambda names: np.allclose(names["shares"], names["difference"], rtol=1e-3, atol=1e-3),
    "planted_bias": lambda names: names["walk"].frames.shape[:2] == (8, 21),
    "shap_tutorial": lambda names: names["gap"].shape == (2, 2) and names["gap"].max() < 1e-4,
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_runs(path, data_root, tmp_path, monkeypatch):
    options, last = SMALL[path.stem]
    monkeypatch.setenv("XAAE_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("XAAE_OPTIONS", f"{options} --data-root {data_root}")
    monkeypatch.chdir(path.parent)
    mpl.use("agg")
    names = {}
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, path.name, "exec"), names)
    plt.close("all")
    assert LAWS[path.stem](names) and os.path.exists(tmp_path / "run" / last)


def test_notebooks_are_kept_without_output():
    for path in NOTEBOOKS:
        assert not any(c.get("outputs") for c in nbformat.read(path, 4).cells)
