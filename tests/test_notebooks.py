"""Notebooks hold no stale code: every cell runs, from a small training on."""

import os
from pathlib import Path

import matplotlib as mpl
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_runs(path, data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("XAAE_RUN", str(tmp_path / "run"))
    small = f"--preset smoke --items 80 --epochs 1 --baseline-epochs 0 --data-root {data_root}"
    monkeypatch.setenv("XAAE_OPTIONS", small)
    monkeypatch.chdir(path.parent)
    mpl.use("agg")
    names = {}
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, path.name, "exec"), names)
    assert names["walk"].frames.shape[:2] == (8, 21) and os.path.exists(tmp_path / "run" / "train.json")


def test_notebooks_are_kept_without_output():
    for path in NOTEBOOKS:
        assert not any(c.get("outputs") for c in nbformat.read(path, 4).cells)
