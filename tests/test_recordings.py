"""Recordings of signals: what is checked, axes, parts, units and rates."""

import numpy as np
import pytest

from xaae.experiment.errors import InputError
from xaae.sources import recordings
from xaae.sources.recordings import make_recording


def test_a_recording_is_channels_by_time_and_may_say_nothing_of_itself():
    alone = make_recording(np.arange(5))
    assert alone.values.shape == (1, 5) and alone.rate is None and alone.names == ("",) == alone.units
    full = make_recording(np.zeros((2, 9)), 50, ["I", "II "], ["mV", "uV"])
    assert full.names == ("I", "II") and full.units == ("mV", "uV") and full.rate == 50.0


@pytest.mark.parametrize(
    ("values", "about", "words"),
    [
        (np.array([object()]), {}, "type object"),
        (np.ones(3, complex), {}, "type complex"),
        (np.ones((2, 3, 4)), {}, r"shape \(2, 3, 4\)"),
        (np.ones((2, 0)), {}, "no recording"),
        (np.ones((2, 9)), {"names": ["I"]}, "2 channels and 1 names"),
        (np.ones((2, 9)), {"rate": 0}, "sampling rate is 0"),
        (np.ones((2, 9)), {"rate": np.int64(-250)}, "sampling rate is -250:"),
        (np.ones((2, 9)), {"rate": "fast"}, "sampling rate is 'fast'"),
        (np.ones((2, 9)), {"rate": np.nan}, "above 0"),
    ],
)
def test_what_is_no_recording_is_one_sentence(values, about, words):
    with pytest.raises(InputError, match=words):
        make_recording(values, **about)


def test_swapped_axes_are_warned_of_and_turned_when_they_are_named():
    long = make_recording(np.arange(60).reshape(30, 2))
    assert "--axes time,channels" in recordings.axes_warning(*long.values.shape)
    turned = recordings.with_axes(long, "time,channels")
    assert turned.values.shape == (2, 30) and len(turned.names) == 2 == len(turned.units)
    assert recordings.axes_warning(*turned.values.shape) == ""
    with pytest.raises(InputError, match="no axes 'up,down'"):
        recordings.with_axes(long, "up,down")


def test_a_part_has_its_own_samples_and_annotations():
    whole = make_recording(np.arange(40).reshape(2, 20), 10, labels=[(3, 4, "N"), (15, 16, "V")])
    part = recordings.cut_recording(whole, 10, 18)
    np.testing.assert_array_equal(part.values, whole.values[:, 10:18])
    assert part.values.dtype == np.float32 and part.labels == ((5, 6, "V"),)
    name = recordings.name_cut(10, 18, "X/3")
    assert recordings.split_cut(name) == ("X/3", (10, 18)) and recordings.split_cut("X/3") == ("X/3", None)
    for first, last in (-1, 5), (5, 5), (0, 21):
        with pytest.raises(InputError, match="it has 0 to 20"):
            recordings.cut_recording(whole, first, last)


@pytest.mark.parametrize(
    ("unit", "to", "ratio"),
    [("uV", "mV", 1e-3), ("µV", "uV", 1), ("V", "uV", 1e6), ("mmHg", "kPa", 0.133322387415), ("kOhm", "Ω", 1e3)],
)
def test_units_of_one_quantity_are_converted(unit, to, ratio):
    assert recordings.unit_ratio(unit, to) == pytest.approx(ratio)
    values = make_recording(np.full((1, 4), 2.0), units=[unit])
    np.testing.assert_allclose(recordings.with_units(values, [to]).values, 2 * ratio, rtol=1e-6)


def test_units_of_two_quantities_are_not():
    assert recordings.unit_ratio("mV", "mmHg") is None
    with pytest.raises(InputError, match="channel P is in mmHg, not in mV"):
        recordings.with_units(make_recording(np.ones((1, 4)), names=["P"], units=["mmHg"]), ["mV"])


@pytest.mark.parametrize(("rate", "to"), [(500, 360), (360, 500), (999, 1000), (128, 256)])
def test_a_slow_wave_is_itself_at_another_rate(rate, to):
    wave = lambda hz: np.sin(2 * np.pi * 3 * np.arange(4 * hz) / hz)  # noqa: E731
    got, inside = recordings.resample(wave(rate), rate, to), slice(to // 4, -to // 4)
    assert len(got) == 4 * to
    np.testing.assert_allclose(got[inside], wave(to)[inside], atol=0.01)


def test_what_is_too_fast_for_a_rate_is_lost_and_not_aliased():
    fast = np.sin(2 * np.pi * 90 * np.arange(4000) / 1000)
    assert np.abs(recordings.resample(fast, 1000, 100)[20:-20]).max() < 0.05


def test_what_is_missing_does_not_spread_at_another_rate():
    wave = np.sin(np.arange(400) / 20)
    holed = wave.copy()
    holed[[100, 399]] = np.nan
    got, whole = recordings.resample(holed, 100, 250), recordings.resample(wave, 100, 250)
    assert 1 <= np.isnan(got[240:260]).sum() <= 3 and np.isnan(got).sum() <= 6
    there = np.isfinite(got)
    there[-25:] = False
    np.testing.assert_allclose(got[there], whole[there], atol=0.02)
    assert np.isnan(recordings.resample(np.full(50, np.nan), 100, 250)).all()


def test_annotations_stay_at_their_times_when_the_rate_changes():
    slow = make_recording(np.zeros((1, 100)) + np.arange(100), 10, labels=[(50, 52, "N")])
    assert recordings.at_rate(slow, 40).labels == ((200, 208, "N"),)
    assert recordings.at_rate(slow, 10) is slow and recordings.at_rate(slow, None) is slow


def test_channels_of_several_rates_are_stacked_at_the_highest_and_it_is_told():
    values, rate, note = recordings.stack_channels([np.ones(50), np.ones(100)], [50, 100])
    assert values.shape == (2, 100) and rate == 100 and "50, 100 Hz" in note and "100 Hz" in note
    assert recordings.stack_channels([np.ones(50)] * 2, [50, 50])[2] == ""


def test_what_nothing_can_be_learned_from_is_named():
    wave = np.sin(np.arange(40.0)).reshape(2, 20)
    assert recordings.why_unfit(make_recording(wave)) == ""
    for value, words in (np.nan, "missing"), (np.inf, "infinite"), (-np.inf, "infinite"):
        bad = wave.copy()
        bad[1, 7] = value
        reason = recordings.why_unfit(make_recording(bad, names=["I", "V5"]))
        assert words in reason and "channel V5 at sample 7" in reason
    assert "flat" in recordings.why_unfit(make_recording(np.array([[1.0] * 9, [2.0] * 9])))
    assert recordings.why_unfit(make_recording(np.array([[1.0] * 9, np.arange(9.0)]))) == ""
