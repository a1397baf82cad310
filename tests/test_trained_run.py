"""Laws of a trained run that is opened again: it knows what it planted."""

import json
from dataclasses import replace

import numpy as np

from xaae import data
from xaae.factors.bias import make_bias
from xaae.training.trained_run import open_trained_run


def test_a_run_knows_again_what_it_planted(door, pictures_folder, tmp_path):
    """Settings -> config.json -> bias; a run that was made before there was contamination has none."""
    run = tmp_path / "run"
    amount = ["--factor", "tag", "--arm", "biased", "--strength", 0.5, "--contamination", 0.75]
    where = ["--preset", "smoke", "--dataset", pictures_folder, "--out", run, "--epochs", 1, "--baseline-epochs", 0]
    assert door("train", *where, *amount).exit_code == 0
    trained = open_trained_run(run)
    made = make_bias(["left", "right"], factor="tag", strength=0.5, contamination=0.75)
    assert trained.bias == replace(made, ranges=trained.bias.ranges) and trained.bias.contamination == 0.75
    assert {label: tuple(bounds) for label, bounds in trained.bias.ranges.items()} == made.ranges
    again = data.plant(trained.table.drop(columns=["factor", "value"]), trained.bias, trained.config.seed)
    np.testing.assert_array_equal(again.value, trained.table.value)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "contamination"}))
    assert open_trained_run(run).bias == replace(trained.bias, contamination=1.0)
