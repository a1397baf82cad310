"""Items of kind signal: one rate, one length, one unit, values in [0, 1] that go back to units; what does not fit."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.recorded import class_folder, pulses, save_csv, save_edf, save_record, save_zarr

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import SIGNAL
from xaae.sources import items, recordings, signals
from xaae.sources.signal_scale import SignalScale
from xaae.sources.signals import open_signals


def table_of(paths, **columns):
    """A table of paths, all for training unless a column split says else."""
    return pd.DataFrame({"path": [str(p) for p in paths], "label": "a", "split": "train"} | columns)


def saved(folder, values):
    """A .npy file for each of the values (C, T); their paths."""
    for i, item in enumerate(values):
        np.save(folder / f"{i}.npy", item)
    return [folder / f"{i}.npy" for i in range(len(values))]


def opened(paths, size=None, channels=None, **options):
    return open_signals(table_of(paths), size, channels, quiet=False, **options)


def test_values_are_shares_of_the_range_and_go_back_to_units(tmp_path):
    values, _ = pulses(20, channels=2)
    table, found, skipped = opened(saved(tmp_path, 5 * values))
    x = found[[3, 0]]
    assert (found.kind, found.channels, found.size, len(found), len(skipped)) == (SIGNAL, 2, 64, 20, 0)
    assert x.shape == (2, 2, 64) and x.dtype == torch.float32 and x.min() >= 0 and x.max() <= 1
    whole = found[range(20)]
    assert whole.amin((0, 2)).max() < 0.1 and whole.amax((0, 2)).min() > 0.9  # each channel fills its range
    inside = (whole > 0) & (whole < 1)
    np.testing.assert_allclose(found.to_units(whole)[inside], torch.from_numpy(5 * values)[inside], atol=1e-4)
    np.testing.assert_allclose(found.to_units(x.numpy()), found.to_units(x), atol=1e-5)


def test_the_range_is_that_of_training_and_one_odd_item_does_not_stretch_it(tmp_path):
    values, _ = pulses(200)
    values[7] *= 1000
    values[150:] *= 3  # held out
    split = ["train"] * 150 + ["valid"] * 50
    table = table_of(saved(tmp_path, values)).assign(split=split)
    _, found, _ = open_signals(table, None, None, quiet=False)
    assert found.scale.high[0] < 1.5 and any("cut off" in note for note in found.notes)


def test_a_run_reads_its_items_as_they_were_learned(tmp_path):
    values, _ = pulses(10)
    paths = saved(tmp_path, values)
    _, found, _ = opened(paths)
    kept = found.scale.as_dict()
    for again in (
        opened(paths[4:5], found.size, 1, scale=kept)[1][[0]],
        items.lazy_items(SIGNAL, paths, found.size, 1, scale=kept)[[4]],
        signals.read_signals(paths[4:5], found.size, 1, scale=kept)[0],
    ):
        torch.testing.assert_close(again, found[[4]])
    assert SignalScale.from_dict(kept) == found.scale


def test_other_rates_units_and_orders_of_channels_are_made_alike_and_told(tmp_path):
    time = lambda hz: np.arange(4 * hz) / hz  # noqa: E731
    wave = lambda hz: np.stack([np.sin(2 * np.pi * 2 * time(hz)), np.cos(2 * np.pi * 3 * time(hz))])  # noqa: E731
    paths = [save_csv(tmp_path / f"{i}.csv", wave(100), 100) for i in range(6)]
    paths.append(save_csv(tmp_path / "fast.csv", wave(250), 250))
    paths.append(save_csv(tmp_path / "small.csv", 1000 * wave(100), 100, unit="uV"))
    swapped = (tmp_path / "0.csv").read_text().splitlines()
    rows = [",".join(np.array(line.split(","))[[0, 2, 1]]) for line in swapped]
    (tmp_path / "swapped.csv").write_text("\n".join(rows) + "\n")
    table, found, skipped = opened([*paths, tmp_path / "swapped.csv"])
    assert len(skipped) == 0 and found.scale.rate == 100 and found.scale.units == ("mV", "mV")
    whole = found.in_units(range(9))
    np.testing.assert_allclose(whole[1:, :, 20:-20], np.broadcast_to(whole[:1], (8, 2, 400))[..., 20:-20], atol=0.02)
    told = " ".join(found.notes)
    assert "250 Hz are resampled to 100 Hz" in told and "uV are converted to mV" in told and "(L0, L1)" in told


def test_longer_items_give_their_middle_and_shorter_ones_are_left_out(tmp_path):
    ramp = [np.arange(n, dtype=float)[None] for n in [50] * 30 + [60, 40]]
    _, found, skipped = opened(saved(tmp_path, ramp), size=50)
    assert found.size == 50 and list(skipped.reason) == ["it has 40 samples, fewer than the 50 of an item"]
    np.testing.assert_allclose(found.in_units([30])[0, 0], np.arange(5, 55))
    assert any("are 50 to 60 samples long: their middle 50" in note for note in found.notes)
    alike = opened(saved(tmp_path, ramp[:3]), size=20)[1]
    assert any("are 50 samples long: their middle 20" in note for note in alike.notes)
    _, unasked, nothing = opened(saved(tmp_path, ramp))
    assert unasked.size == 40 and len(nothing) == 0
    with pytest.raises(InputError, match=r"from 50 to 900 samples long \(.*0.npy and .*30.npy\).*--length"):
        opened(saved(tmp_path, [*ramp[:30], np.arange(900.0)[None]]))


def test_times_in_another_unit_are_named_and_hide_no_other_fault(tmp_path):
    wave = np.stack([np.sin(np.arange(200) / 9), np.cos(np.arange(200) / 7)])
    paths = [save_csv(tmp_path / f"{i}.csv", wave * (1 + i)) for i in range(9)]
    paths += [save_csv(tmp_path / "ms.csv", wave, rate=0.1), save_csv(tmp_path / "flat.csv", np.ones((2, 200)))]
    table, found, skipped = opened(paths, most_bad=0.5)
    assert len(table) == 9 and found.size == 200
    assert [path.rpartition("/")[2] for path in skipped.path] == ["ms.csv", "flat.csv"]
    assert "0.1 Hz, which is 100 Hz in others" in skipped.reason.iloc[0] and "time (ms)" in skipped.reason.iloc[0]
    assert "flat" in skipped.reason.iloc[1]


@pytest.mark.parametrize("rates", [(100, 100), (50, 100), (200, 100)])
def test_what_is_missing_is_told_by_its_place_in_the_file(tmp_path, rates):
    own, usual = rates
    waves = [np.sin(np.arange(400.0) / (3 + i))[None] for i in range(4)]
    waves[0][0, 196:200] = np.nan
    paths = [tmp_path / f"{i}.npz" for i in range(4)]
    for path, wave, rate in zip(paths, waves, [own] + [usual] * 3, strict=True):
        np.savez(path, X=wave, fs=rate)
    _, found, skipped = opened([f"{paths[0]}#samples/100-300", *paths[1:]], size=60, most_bad=0.5)
    assert "at sample 196, counted from 0" in skipped.reason.iloc[0]
    _, reasons = signals.read_signals([paths[0]], 60, 1, found.scale)
    assert "at sample 196, counted from 0" in reasons[0]


def test_what_does_not_fit_is_left_out_with_its_reason(tmp_path):
    good = [np.sin(np.arange(64) / (3 + i))[None] for i in range(40)]
    bad = {"missing": np.nan, "infinite": np.inf}
    rows = [*good]
    for value in bad.values():
        rows.append(good[0].copy())
        rows[-1][0, 9] = value
    rows += [np.ones((1, 64)), np.ones((3, 64)) * np.arange(64)]
    paths = saved(tmp_path, rows)
    paths[-1].rename(tmp_path / "channels.npy")
    paths[-1] = tmp_path / "channels.npy"
    table, found, skipped = opened([*paths[:44]], most_bad=0.2)
    reasons = dict(zip([p.rpartition("/")[2] for p in skipped.path], skipped.reason, strict=True))
    assert len(table) == len(found) == 40
    assert "missing" in reasons["40.npy"] and "at sample 9" in reasons["40.npy"] and "infinite" in reasons["41.npy"]
    assert "flat" in reasons["42.npy"] and "3 channels, not 1" in reasons["channels.npy"]
    with pytest.raises(InputError, match="4 of 44 signals cannot be used"):
        opened(paths, most_bad=0.05)


def test_a_missing_channel_an_unknown_rate_and_another_quantity_are_reasons(tmp_path):
    wave = np.stack([np.sin(np.arange(200) / 9), np.cos(np.arange(200) / 7)])
    paths = [save_csv(tmp_path / f"{i}.csv", wave) for i in range(9)]
    text = (tmp_path / "0.csv").read_text()
    (tmp_path / "named.csv").write_text(text.replace("L1 (mV)", "V9 (mV)"))
    (tmp_path / "pressure.csv").write_text(text.replace("L0 (mV)", "L0 (mmHg)"))
    lines = [line.partition(",")[2] for line in text.splitlines()]
    (tmp_path / "timeless.csv").write_text("\n".join(lines))
    odd = [tmp_path / f"{name}.csv" for name in ("named", "pressure", "timeless")]
    _, _, skipped = opened([*paths, *odd], most_bad=0.5)
    for reason, words in zip(skipped.reason, ("no channel L1", "in mmHg, not in mV", "sampling rate"), strict=True):
        assert words in reason


def test_flat_channels_are_told(tmp_path):
    values, _ = pulses(10, channels=2)
    values[:, 1] = 0
    _, found, _ = opened(saved(tmp_path, values))
    assert any("channel 2 is flat in every item" in note for note in found.notes) and torch.isfinite(found[[0]]).all()
    values, _ = pulses(10, channels=2)
    values[3, 1] = 0
    assert any("1 item has a channel that is flat" in note for note in opened(saved(tmp_path, values))[1].notes)


def test_swapped_axes_are_warned_of_and_turned(tmp_path):
    values, _ = pulses(10, channels=2)
    paths = saved(tmp_path, values.transpose(0, 2, 1))
    assert any("--axes time,channels" in note for note in opened(paths)[1].notes)
    _, found, _ = opened(paths, scale={"axes": "time,channels"})
    np.testing.assert_allclose(found.in_units(range(10)), values)
    assert not any("--axes" in note for note in found.notes) and found.scale.axes == "time,channels"


def test_reasons_of_files_that_predict_is_given(tmp_path):
    values, _ = pulses(4)
    paths = saved(tmp_path, values)
    scale = opened(paths)[1].scale
    (tmp_path / "text.npy").write_text("no numbers")
    short = tmp_path / "short.npy"
    np.save(short, values[0, :, :9])
    given = [paths[0], "", tmp_path / "absent.npy", tmp_path / "text.npy", short]
    x, reasons = signals.read_signals([str(p) for p in given], 64, 1, scale=scale)
    assert (
        x.shape == (1, 1, 64) and reasons[:2] == ["", "no path in this row"] and reasons[2] == "there is no such file"
    )
    assert "no whole .npy" in reasons[3] and "9 samples, fewer" in reasons[4]


def test_channels_are_counted(tmp_path):
    class_folder(tmp_path, channels=3)
    paths = sorted(tmp_path.rglob("*.npy"))
    assert items.guess_channels(SIGNAL, paths) == 3 and items.guess_channels(SIGNAL, [tmp_path / "none.npy"]) == 1


CHANNELS, SAMPLES, PART = 12, 1_000_000, 500


@pytest.mark.parametrize("ending", [".npy", ".zarr", ".edf"])
def test_a_long_recording_is_cut_with_flat_memory(tmp_path, ending, monkeypatch):
    samples = SAMPLES if ending == ".npy" else SAMPLES // 10
    monkeypatch.setattr(signals, "SMALL", 2**20)
    path = tmp_path / f"long{ending}"
    if ending == ".npy":
        whole = np.lib.format.open_memmap(path, "w+", np.float32, (CHANNELS, samples))
        for channel in range(CHANNELS):
            whole[channel] = np.sin(np.arange(samples) / (50 + channel))
        del whole
    else:
        waves = np.sin(np.arange(samples) / np.arange(50, 50 + CHANNELS)[:, None]).astype(np.float32)
        save_zarr(path, X=waves) if ending == ".zarr" else save_edf(path, waves, [100] * CHANNELS)
        del waves
    names = [f"{path}#{recordings.name_cut(a, a + PART)}" for a in range(0, samples, PART)]
    table = table_of(names)
    items.open_items(SIGNAL, table[:4], None, None)  # what libraries load once
    tracemalloc.start()
    try:
        _, found, skipped = open_signals(table, None, None)
        for at in range(0, len(found), 64):
            x = found[np.arange(at, min(at + 64, len(found)))]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(skipped) == 0 and found.stack is None and x.shape[1:] == (CHANNELS, PART)
    of_file, of_batch = 4 * CHANNELS * samples, 4 * 64 * CHANNELS * PART
    assert peak < 8 * of_batch < of_file if ending == ".npy" else peak < 2 * of_file


def test_recordings_in_memory_have_room_for_so_many(tmp_path, monkeypatch):
    values, _ = pulses(30)
    paths = saved(tmp_path, values)
    whole = [save_record(tmp_path, f"r{i}", x) for i, x in enumerate(values)]
    for given in paths, whole:
        before = opened(given)[1].in_units(range(30))
        monkeypatch.setattr(signals, "IN_MEMORY", 5 * values[0].nbytes)
        monkeypatch.setattr(signals, "SMALL", 0)
        _, found, _ = opened(given)
        assert found.stack is None
        np.testing.assert_allclose(found.in_units(range(30)), before, atol=1e-6)
        monkeypatch.undo()
