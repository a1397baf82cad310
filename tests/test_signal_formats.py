"""Files of signals: each format gives what was written, and what is broken is refused in one sentence."""

import json
import shutil

import numpy as np
import pytest
from helpers.recorded import (
    RATE,
    pulses,
    save_arff,
    save_csv,
    save_edf,
    save_lines,
    save_record,
    save_ts,
    save_zarr,
)

from xaae.experiment.errors import InputError
from xaae.sources import formats, signal_tables, ucr_files, zarr_signals
from xaae.sources.signals import read_signal

WAVES = np.stack([np.sin(np.arange(400) / 9), np.cos(np.arange(400) / 5)]).astype(np.float32)


def save_as(folder, ending):
    """WAVES as one recording in a file of this ending."""
    path = folder / f"waves{ending}"
    if ending == ".npy":
        np.save(path, WAVES)
    elif ending == ".npz":
        np.savez(path, X=WAVES, fs=RATE, names=["L0", "L1"], units="mV")
    elif ending == ".zarr":
        save_zarr(path, X=WAVES)
    elif ending == ".csv":
        save_csv(path, WAVES)
    elif ending == ".hea":
        save_record(folder, "waves", WAVES)
    else:
        save_edf(path, WAVES, [RATE] * 2)
    return path


@pytest.mark.parametrize("ending", [".npy", ".npz", ".zarr", ".csv", ".hea", ".edf", ".bdf"])
def test_a_recording_comes_back_as_it_was_written(tmp_path, ending):
    path = save_as(tmp_path, ending)
    found = formats.read_item(path, "signal")
    np.testing.assert_allclose(np.asarray(found.values), WAVES, atol=1e-3)
    assert found.rate == (None if ending == ".npy" else RATE)
    assert formats.items_of(path, "signal") == [str(path)]
    part = formats.read_item(f"{path}#samples/100-250", "signal")
    np.testing.assert_allclose(part.values, np.asarray(found.values)[:, 100:250], atol=1e-6)
    again = read_signal(f"{path}#samples/100-250").values[:, 20:30]
    np.testing.assert_allclose(again, part.values[:, 20:30], atol=1e-6)
    facts = formats.file_facts(path, "signal")
    assert (facts["channels"], facts["samples"], facts.get("rate")) == (2, 400, found.rate)
    assert formats.file_facts(f"{path}#samples/100-250", "signal") == facts | {"samples": 150}


@pytest.mark.parametrize("units", ["mV", ["mV", "uV"]])
def test_names_and_units_belong_to_channels_whichever_axis_they_are(tmp_path, units):
    about = {"fs": 50, "names": ["I", "II"], "units": units}
    np.savez(tmp_path / "one.npz", X=WAVES.T, **about)
    np.savez(tmp_path / "many.npz", X=np.stack([WAVES.T] * 3), **about)
    for item in tmp_path / "one.npz", f"{tmp_path}/many.npz#X/1":
        found, swapped = read_signal(item, "time,channels"), read_signal(item)
        assert (found.names, found.units, found.rate) == (("I", "II"), ("mV", "mV" if units == "mV" else "uV"), 50)
        np.testing.assert_array_equal(found.values, WAVES)
        assert swapped.names == ("",) * 400 and swapped.values.shape == (400, 2)


def test_names_and_units_travel(tmp_path):
    assert formats.read_item(save_as(tmp_path, ".csv")).names == ("L0", "L1")
    for ending, unit in (".npz", "mV"), (".csv", "mV"), (".hea", "mV"), (".edf", "uV"), (".bdf", "uV"):
        assert formats.read_item(save_as(tmp_path, ending)).units == (unit, unit)


SERIES = {".ts": save_ts, ".arff": save_arff, ".txt": save_lines, ".tsv": save_lines}


@pytest.mark.parametrize(("ending", "channels"), [(".ts", 1), (".ts", 3), (".arff", 1), (".arff", 2), (".tsv", 1)])
def test_time_series_keep_their_classes(tmp_path, ending, channels):
    values, labels = pulses(6, channels=channels)
    path = SERIES[ending](tmp_path / f"made{ending}", values, labels)
    table, _, _ = signal_tables.signal_table(path)
    assert list(table.label) == list(labels) and list(table) == ["path", "label"]
    for row, item in enumerate(table.path):
        np.testing.assert_allclose(formats.read_item(item).values, values[row], atol=1e-4)


def test_lines_divided_by_blanks_with_classes_as_floats(tmp_path):
    values, _ = pulses(4)
    path = save_lines(tmp_path / "made.txt", values, ["1.0000000e+00", "-1.0000000e+00"] * 2, divider="  ")
    table, _, _ = signal_tables.signal_table(path)
    assert list(table.label) == ["1", "-1"] * 2


def test_shorter_series_are_not_filled_up(tmp_path):
    values, labels = pulses(4, samples=20)
    values[0, :, 15:] = np.nan
    path = save_lines(tmp_path / "made.tsv", values, labels)
    assert [formats.read_item(f"{path}#{i}").values.shape[1] for i in range(2)] == [15, 20]


def test_a_pair_is_one_dataset_with_its_splits(tmp_path):
    values, labels = pulses(8)
    save_lines(tmp_path / "Made_TRAIN.tsv", values[:4], labels[:4])
    path = save_lines(tmp_path / "Made_TEST.tsv", values[4:], labels[4:])
    for given in path, tmp_path / "Made_TRAIN.tsv", tmp_path:
        table, _, _ = signal_tables.signal_table(given)
        assert list(table.split) == ["train"] * 4 + ["test"] * 4 and table.path[0].startswith(str(tmp_path))
    (tmp_path / "Made_TRAIN.tsv").unlink()
    with pytest.raises(InputError, match="no file Made_TRAIN beside it"):
        signal_tables.signal_table(path)


def test_channels_of_different_rates_end_at_one_rate(tmp_path):
    slow = np.sin(np.arange(100) / 9)
    path = save_edf(tmp_path / "two.edf", [WAVES[0, :400], slow], [100, 25], ["mV", "uV"])
    found = formats.read_item(path)
    assert found.values.shape == (2, 400) and found.rate == 100 and found.units == ("mV", "uV")
    assert "25, 100 Hz" in found.facts["note"]
    np.testing.assert_allclose(found.values[1, 40:360:4], slow[10:90], atol=0.02)


def test_headers_with_letters_beyond_ascii_are_read(tmp_path):
    path = save_edf(tmp_path / "name.edf", WAVES, [RATE] * 2)
    content = bytearray(path.read_bytes())
    content[256:262] = "Zähne".encode("latin-1").ljust(6)
    path.write_bytes(content)
    assert formats.read_item(path).names[0] == "Zähne"


# ---- what is broken ---------------------------------------------------------------------------------------------


def cut_short(path, share=0.6):
    """The file without its end."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


@pytest.mark.parametrize(
    ("ending", "part", "words"),
    [
        (".edf", ".edf", "cut short"),
        (".bdf", ".bdf", "cut short"),
        (".hea", ".dat", "cut short, lacks a file"),
        (".npz", ".npz", "no whole .npz"),
        (".npy", ".npy", "no whole .npy"),
    ],
)
def test_a_file_that_is_cut_short_is_refused(tmp_path, ending, part, words):
    path = save_as(tmp_path, ending)
    cut_short(tmp_path / f"waves{part}")
    with pytest.raises(InputError, match=words):
        formats.read_item(path, "signal")


def test_a_record_without_its_samples_is_refused(tmp_path):
    path = save_as(tmp_path, ".hea")
    (tmp_path / "waves.dat").unlink()
    with pytest.raises(InputError, match="lacks a file"):
        formats.read_item(path)


class Trap:
    """An object that would run code when it is read from a pickle."""

    def __reduce__(self):
        return (__import__("os").mkdir, ("/tmp/xaae-a-pickle-ran",))


def test_pickled_objects_are_refused_and_not_run(tmp_path):
    objects = np.array([Trap(), Trap()], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "b.npz", X=objects)
    for name in "a.npy", "b.npz":
        with pytest.raises(InputError, match="can hold code"):
            formats.read_item(tmp_path / name, "signal")
    store = save_zarr(tmp_path / "c.zarr", X=WAVES)
    about = store / "X" / "zarr.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"filters": [{"id": "pickle", "protocol": 5}]}))
    with pytest.raises(InputError, match="can hold code"):
        formats.read_item(store)
    assert not __import__("os").path.exists("/tmp/xaae-a-pickle-ran")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ts", "@problemName x\n@classLabel true a b\n", "no line @data"),
        ("a.ts", "@timeStamps true\n@classLabel true a b\n@data\n(0,1):a\n", "time stamps"),
        ("a.ts", "@classLabel false\n@data\n1,2\n", "no labels"),
        ("a.ts", "@classLabel true a\n@data\n1,2:1,2,3:a\n", "different lengths"),
        ("a.ts", "@classLabel true a\n@data\n", "holds no time series"),
        ("a.arff", "@relation x\n@attribute a numeric\n", "no line @data"),
        ("a.arff", "@relation x\n@attribute a string\n@attribute t {1,2}\n@data\nx,1\n", "no whole file"),
        ("a.csv", "time,x\n" + "\n".join(f"{t**2},1" for t in range(20)), "even steps"),
        ("a.csv", "x,y\n" + "\n".join("1,one" for _ in range(20)), "column y holds the text 'one' in line 2"),
    ],
)
def test_what_a_file_of_text_lacks_is_said(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=words):
        formats.read_item(f"{tmp_path / name}#0" if not name.endswith(".csv") else tmp_path / name, "signal")


def test_items_that_are_not_there_are_said(tmp_path):
    values, labels = pulses(4)
    np.savez(tmp_path / "all.npz", X=values, y=labels)
    save_ts(tmp_path / "all.ts", values, labels)
    for item in "all.npz#X/4", "all.npz#Y/0", "all.ts#4", "all.npz#X/0/samples/0-999":
        with pytest.raises(InputError, match="it has"):
            formats.read_item(tmp_path / item, "signal")


def test_a_format_whose_library_is_absent_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    for name, extra in ("a.edf", "edf"), ("a.hea", "wfdb"), ("a.zarr", "zarr"):
        with pytest.raises(InputError, match=rf'pip install "xaae\[{extra}\]"'):
            formats.read_item(tmp_path / name)


# ---- real files -------------------------------------------------------------------------------------------------

REAL_FILES = {  # file -> (channels, samples, rate, unit of the first channel, annotations)
    "edf-samples/test_generator.edf": (11, 120_000, 200, "uV", 2),
    "edf-samples/test_generator.bdf": (5, 30_000, 1000, "uV", 0),
    "edf-samples/test_subsecond.edf": (1, 89_344, 128, "uV", 4),
    "edf-samples/test_utf8.edf": (1, 89_344, 128, "uV", 5),
    "wfdb-samples/s0010_re.hea": (15, 38_400, 1000, "mV", 0),
    "wfdb-samples/test01_00s.hea": (4, 4000, 500, "mV", 0),
    "wfdb-samples/test01_00s_frame.hea": (3, 8000, 1000, "mV", 0),
    "wfdb-samples/03700181.hea": (3, 300_000, 500, "mV", 0),
    "mitbih-100/100.hea": (2, 650_000, 360, "mV", 2274),
    "mitbih-100/beats_100_MLII.npz#X/7": (1, 256, 360, "", 0),
    "ucr/ECG200/ECG200_TRAIN.arff#99": (1, 96, None, "", 0),
    "ucr/ECG200/ECG200_TEST.arff#0": (1, 96, None, "", 0),
}


MISSING = "wfdb-samples/03700181.hea"  # its third channel lacks samples


@pytest.mark.real("edf-samples", "wfdb-samples", "mitbih-100", "ucr")
@pytest.mark.parametrize("name", REAL_FILES)
def test_real_files_are_read(real, name):
    found, expected = formats.read_item(real / name, "signal"), REAL_FILES[name]
    about = (*found.values.shape, found.rate, found.units[0], len(found.labels))
    missing = np.isnan(np.asarray(found.values)).mean(1)
    assert about == expected and (missing > 0).tolist() == [name == MISSING and i == 2 for i in range(len(missing))]
    assert missing.max() < 0.1


@pytest.mark.real("edf-samples", "wfdb-samples", "mitbih-100", "ucr")
def test_no_real_file_is_forgotten(real):
    known = {name.partition("#")[0] for name in REAL_FILES}
    for folder in "edf-samples", "wfdb-samples", "mitbih-100", "ucr/ECG200":
        for file in sorted((real / folder).iterdir()):
            name = f"{folder}/{file.name}"
            part_of_record = (signal_tables.record_of(file) or file) != file
            assert name in known or part_of_record or file.name == "SOURCE.md", name


@pytest.mark.real("edf-samples")
def test_starts_between_seconds_and_annotations_in_chinese_are_read(real):
    found = formats.read_item(real / "edf-samples" / "test_utf8.edf")
    assert found.facts["start"] == "2020-01-24T04:05:56.394531"
    assert [text for _, _, text in found.labels] == ["XLSpike", "Clip Note", "中文测试八个字", "XLEvent", "XLSpike"]


@pytest.mark.real("mitbih-100")
def test_beats_cut_around_annotations_are_those_that_others_cut(real):
    table, left_out, notes = signal_tables.signal_table(real / "mitbih-100" / "100.hea")
    assert table.label.value_counts().to_dict() == {"N": 2237, "A": 33}
    assert [reason for _, reason in left_out].count("the only item of its class V") == 1 and "beat" in notes[0]
    theirs = np.load(real / "mitbih-100" / "beats_100_MLII.npz")
    ours = np.stack([read_signal(path).values[0] for path in table.path[:20]])
    np.testing.assert_allclose(ours, theirs["X"][:20], atol=1e-3)


@pytest.mark.real("mitbih-100")
def test_a_real_record_cut_short_is_refused(real, tmp_path):
    for ending in "hea", "atr", "dat":
        shutil.copyfile(real / "mitbih-100" / f"100.{ending}", tmp_path / f"100.{ending}")
    cut_short(tmp_path / "100.dat", 0.4)
    with pytest.raises(InputError, match="cut short"):
        formats.read_item(tmp_path / "100.hea")


@pytest.mark.parametrize("rate", [None, 25.0])
def test_annotations_lie_where_their_own_clock_says(tmp_path, rate):
    """An annotator may count in other steps than the samples of its record."""
    save_record(tmp_path, "waves", WAVES)
    wfdb = pytest.importorskip("wfdb", reason="records are read by the extra wfdb")
    places = np.array([40, 80]) if rate is None else np.array([10, 20])
    wfdb.wrann("waves", "atr", places, symbol=["N", "V"], fs=rate, write_dir=str(tmp_path))
    assert [mark[0] for mark in formats.read_item(tmp_path / "waves.hea").labels] == [40, 80]


def test_a_broken_part_of_a_zarr_array_is_a_reason(tmp_path):
    path = save_zarr(tmp_path / "waves.zarr", X=WAVES)
    for part in (path / "X" / "c").rglob("*"):
        if part.is_file():
            part.write_bytes(part.read_bytes()[:-40])
    with pytest.raises(InputError, match="a part of its values is broken"):
        np.asarray(read_signal(path).values[:, :10])


def test_the_parts_of_a_zarr_folder_are_not_gone_through_for_each_item(tmp_path, monkeypatch):
    path, looked = save_zarr(tmp_path / "all.zarr", X=np.stack([WAVES] * 5)), []
    refuse = zarr_signals._refuse_pickled
    monkeypatch.setattr(zarr_signals, "_refuse_pickled", lambda path: looked.append(path) or refuse(path))
    for item in formats.items_of(path, "signal"):
        np.testing.assert_allclose(read_signal(item).values[:, :], WAVES, atol=1e-6)
    assert len(looked) == 1
    save_zarr(path, X=np.stack([2 * WAVES] * 3), rate=50.0)
    assert len(formats.items_of(path, "signal")) == 3 and read_signal(f"{path}#X/0").rate == 50 and len(looked) == 2


def test_series_are_read_once(tmp_path):
    path = save_ts(tmp_path / "a.ts", *pulses(4))
    assert ucr_files.read_series(path) is ucr_files.read_series(path)


@pytest.mark.parametrize("divider", [";", "\t"])
def test_a_spreadsheet_with_decimal_commas_is_read_as_one_with_points(tmp_path, divider):
    """Channels, columns an item, rows an item, a single column, numbers without names: all are told in words."""
    values = np.arange(1, 41) / 8
    cell = lambda value: f"{value:g}".replace(".", ",")  # noqa: E731
    line = lambda cells: divider.join(map(cell, cells))  # noqa: E731
    two = [line([v, -v]) for v in values]
    texts = {  # file#item -> its lines, the first channel
        "a.csv": [f"Zeit (s){divider}EKG (mV){divider}x", *(line([i / 4, v, 1]) for i, v in enumerate(values))],
        "b.csv#column/up_1": [f"up_1{divider}down_1", *two],
        "c.csv#row/0": ["label" + divider + divider.join(f"t{i}" for i in range(40)), "up" + divider + line(values)],
        "d.csv": ["x", *map(cell, values)],
        "e.csv": two,
    }
    for name, lines in texts.items():
        (tmp_path / name.partition("#")[0]).write_text("\n".join(lines))
        found = formats.read_item(tmp_path / name, "signal")
        np.testing.assert_allclose(found.values[0], values, rtol=1e-6)
        assert "decimal commas" in found.facts["note"]
    assert formats.read_item(tmp_path / "a.csv").names[0] == "EKG" and formats.read_item(tmp_path / "a.csv").rate == 4
    (tmp_path / "f.csv").write_text("x\n" + "1,5,\n" * 20)
    with pytest.raises(InputError, match="more cells"):
        formats.read_item(tmp_path / "f.csv")
