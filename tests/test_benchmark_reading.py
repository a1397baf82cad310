"""Laws of the benchmarks of codes and meters: what is timed side by side has one result; the JSON names all."""

import json

import numpy as np
import pytest

from xaae.benchmarks import reading_speed, run


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Fewer items and frames than are timed."""
    monkeypatch.setattr(reading_speed, "ITEMS", 70)  # more than a batch
    monkeypatch.setattr(reading_speed, "WALKS", 2)
    monkeypatch.setattr(reading_speed, "FRAMES", 3)


@pytest.mark.parametrize("code", reading_speed.CODES_MADE)
def test_items_have_the_same_codes_when_the_model_is_called_directly(code):
    ours, directly = (call() for call in reading_speed.encoding_rivals(32)[code])
    assert ours[0].shape[0] == 70
    for a, b in zip(ours, directly, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("name", [*reading_speed.weighted_sums(32), "all"])
def test_meters_read_the_same_in_both_ways(name):
    *pair, _ = reading_speed.metering_rivals(32)[name]
    ours, directly = (found if isinstance(found, dict) else {name: found} for found in (call() for call in pair))
    assert ours.keys() == directly.keys() and np.ptp(ours[next(iter(ours))])
    for meter in ours:
        np.testing.assert_allclose(ours[meter], directly[meter], atol=1e-5)


def test_both_are_found_by_name_and_written(tmp_path):
    path = tmp_path / "x.json"
    assert run.main(["latents", "meters", "--size", "32", "--repeats", "1", "--json", str(path)]) == 0
    rows = json.loads(path.read_text())["comparisons"]
    names = [*(f"latents-32-{code}" for code in reading_speed.CODES_MADE)]
    names += [f"meters-32-{name}" for name in (*reading_speed.weighted_sums(32), "all")]
    assert [row["name"] for row in rows] == names
    assert all(row["ratio_min"] <= row["ratio_median"] <= row["ratio_max"] and row["repeats"] == 1 for row in rows)
