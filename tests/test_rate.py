"""`rate`: a table of quality for explanations of a run."""

import pandas as pd
import pytest
from helpers.command_line import TINY
from helpers.sharing import copy_of

from xaae.explain.rating.metrics import METRICS

pytest.importorskip("quantus", reason="quantus is not installed (the extra `quality`)")


@pytest.fixture
def run(toy_models, tmp_path):
    """A run with trained models that may be written to."""
    return copy_of(toy_models, tmp_path / "run")


def test_each_method_has_a_row_beside_a_random_map(door, run):
    result = door("rate", run, "--methods", "saliency,gradcam", "--items", 3, "--background", 4)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(run / "explanations" / "quality_aae.csv")
    assert set(table.method) == {"saliency", "gradcam", "(random map)"} and len(table) == 3 * len(METRICS)
    number = table.set_index(["method", "metric"])["mean"]
    assert number["saliency", "max_sensitivity"] >= 0 and number["gradcam", "sparseness"] > 0
    assert number.xs("relevance_mass", level="metric").isna().all() and "no mask" in result.output


def test_what_makes_no_sense_is_refused(door, run, tmp_path):
    for args in (["--methods", "salience"], ["--methods", "class_model"], ["--target", "horse"]):
        result = door("rate", run, *args)
        assert result.exit_code == 2 and "Traceback" not in result.output, result.output
    assert door("rate", tmp_path / "none").exit_code == 2
    assert not (run / "explanations" / "quality_aae.csv").exists()


@pytest.mark.real
def test_the_trimaps_are_the_masks(door, real, tmp_path):
    out = tmp_path / "run"
    train = ["train", *TINY, "--dataset", "pets", "--data-root", real, "--baseline-epochs", 0, "--out", out]
    assert door(*train).exit_code == 0
    result = door("rate", out, "--methods", "saliency", "--items", 6)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out / "explanations" / "quality_aae.csv").set_index(["method", "metric"])["mean"]
    assert 0.1 < table["(random map)", "relevance_mass"] < 0.9 and 0 <= table["saliency", "pointing_game"] <= 1
