"""Laws of the drawn default of signals: seeded, every factor known, and drawn as the table says."""

import json

import numpy as np
import pandas as pd
import pytest

from xaae import data
from xaae.experiment.errors import InputError
from xaae.sources import synthbeats
from xaae.sources.signals import read_signal


def test_beats_and_table_have_the_promised_shape():
    values, table = synthbeats.draw_beats(60)
    assert values.shape == (60, 1, synthbeats.SAMPLES) and values.dtype == np.float32 and np.isfinite(values).all()
    assert {"label", "group", "notch", "axis", *synthbeats.RANGES} <= set(table.columns)
    assert (table.label.value_counts() == 30).all() and table.groupby("group").label.nunique().max() == 1
    for name, (low, high) in synthbeats.RANGES.items():
        assert table[name].between(low, high).all()


def test_same_seed_same_beats_other_seed_others_and_the_first_do_not_depend_on_n():
    (few, table), (many, _), (other, _) = (synthbeats.draw_beats(n, s) for n, s in ((8, 3), (20, 3), (8, 4)))
    assert np.array_equal(few, many[:8]) and not np.array_equal(few, other)
    again = np.stack([synthbeats.draw_beat(row) for row in table.to_dict("records")])
    assert np.array_equal(few, again)


def test_classes_differ_in_the_complex_alone():
    table = synthbeats.draw_beat_factors(2000)
    smooth, notched = (table[table.label == name] for name in synthbeats.CLASSES)
    assert smooth.notch.max() == 0 < notched.notch.min()
    for name in synthbeats.RANGES:
        spread = table[name].std()
        assert abs(smooth[name].mean() - notched[name].mean()) < 0.15 * spread


def test_a_wider_complex_is_wider_and_a_higher_r_higher():
    (row,) = synthbeats.draw_beat_factors(2).to_dict("records")[:1]
    row |= {"noise_mv": 0.0, "baseline_mv": 0.0, "notch": 0.0}
    width = lambda **given: (synthbeats.draw_beat(row | given)[0] > 0.4).sum()  # noqa: E731
    assert width(qrs_ms=70) < width(qrs_ms=100) < width(qrs_ms=140)
    height = lambda **given: synthbeats.draw_beat(row | given).max()  # noqa: E731
    assert height(r_mv=0.8) < height(r_mv=1.1)
    dip = lambda **given: np.sort(np.diff(np.sign(np.diff(synthbeats.draw_beat(row | given)[0])))[60:110])[:2]  # noqa: E731
    assert list(dip(notch=0.7)) == [-2, -2] and list(dip(notch=0.0)) == [-2, 0]  # two peaks, and one
    late = [synthbeats.draw_beat(row | {"shift_ms": ms})[0].argmax() for ms in (-20, 20)]
    assert np.diff(late) == pytest.approx(0.04 * synthbeats.RATE, abs=1)


def test_the_dataset_is_kept_and_read_with_its_rate_and_unit(tmp_path):
    table = data.load_table("synthbeats", tmp_path, items=40)
    assert len(table) == 40 and set(table.split) == {"train", "valid"} and "qrs_ms" in table
    recording = read_signal(table.path[7])
    assert (recording.rate, tuple(recording.names), tuple(recording.units)) == (250.0, ("II",), ("mV",))
    np.testing.assert_array_equal(recording.values, synthbeats.draw_beats(40)[0][7])
    (folder,) = tmp_path.iterdir()
    before = (folder / "beats.npz").stat().st_mtime_ns
    pd.testing.assert_frame_equal(data.load_table("synthbeats", tmp_path, items=40), table)
    assert (folder / "beats.npz").stat().st_mtime_ns == before
    assert data.load_dataset("synthbeats", tmp_path, items=40).kind == "signal"


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    folder = tmp_path / "synthbeats-40-0"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="something other than synthbeats"):
        data.load_table("synthbeats", tmp_path, items=40)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    with pytest.raises(ValueError, match="ask for 2 or more"):
        synthbeats.draw_beats(1)


def test_beats_of_other_settings_are_replaced(tmp_path):
    synthbeats.build_synthbeats(tmp_path / "beats", 4, 0)
    found = synthbeats.build_synthbeats(tmp_path / "beats", 6, 1)
    assert len(found) == 6 and json.loads((tmp_path / "beats" / "settings.json").read_text())["seed"] == 1
