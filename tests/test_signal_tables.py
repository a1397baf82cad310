"""Paths of signals as datasets: folders of classes, one file with all items, recordings cut by their annotations."""

import os
import re

import numpy as np
import pytest
from helpers.command_line import SMALL, call, refused, succeed
from helpers.pictures import save_pictures
from helpers.recorded import (
    class_folder,
    pulses,
    save_csv,
    save_edf,
    save_lines,
    save_record,
    save_ts,
    save_zarr,
)

from xaae import data
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import SIGNAL
from xaae.sources import signal_tables
from xaae.sources.array_signals import label_texts
from xaae.sources.class_folders import own_data
from xaae.sources.path_lists import list_items
from xaae.sources.signals import read_signal


def save_edf_item(path, values):
    save_edf(path.with_suffix(".edf"), values, [100] * len(values))


SAVERS = {  # ending -> what saves one recording (path without ending, values (C, T))
    ".npy": None,
    ".npz": lambda path, values: np.savez(path.with_suffix(".npz"), X=values, fs=100),
    ".csv": lambda path, values: save_csv(path.with_suffix(".csv"), values),
    ".zarr": lambda path, values: save_zarr(path.with_suffix(".zarr"), X=values),
    ".hea": lambda path, values: save_record(path.parent, path.name, values),
    ".edf": save_edf_item,
}


@pytest.mark.parametrize("ending", SAVERS)
def test_folders_of_classes_hold_signals_of_every_format(tmp_path, ending):
    class_folder(tmp_path, n=6, save=SAVERS[ending], samples=100)
    (tmp_path / "narrow" / "notes.md").write_text("of no use")
    found = own_data(tmp_path)
    assert found.kind == "signal" and sorted(found.table.label) == ["narrow"] * 3 + ["wide"] * 3
    assert all(path.endswith(ending) for path in found.table.path)
    left = {path.rpartition("/")[2]: reason for path, reason in found.left_out}
    assert "notes.md" in left and all("part of the record" in r for p, r in left.items() if p.endswith(".dat"))
    assert read_signal(found.table.path[0]).values.shape == (1, 100)


def test_why_a_csv_among_signals_cannot_be_read_is_said(tmp_path):
    folder = class_folder(tmp_path, n=8, save=SAVERS[".csv"], samples=100)
    lines = (folder / "wide" / "001.csv").read_text().splitlines()
    odd = {
        "text": ("\n".join([*lines[:41], "0.4,bad", *lines[42:]]), r"column L0 \(mV\) holds the text 'bad' in line 42"),
        "german": ("a;b\n" + "1,5;2,5\n" * 10 + "1,5;x,5\n", "column b holds the text 'x,5' in line 12"),
        "empty": ("\n", "the file is empty"),
        "short": (lines[0], "0 rows, fewer than 8"),
        "list": ("path,label\na.csv,wide\n", "a table with the column path"),
    }
    for name, (text, _) in odd.items():
        (folder / "wide" / f"{name}.csv").write_text(text)
    found = own_data(folder)
    reasons = {path.rpartition("/")[2].partition(".")[0]: reason for path, reason in found.left_out}
    assert len(found.table) == 8 and found.kind == "signal" and set(reasons) == set(odd)
    for name, (_, words) in odd.items():
        assert re.search(words, reasons[name]), reasons[name]
    for path in found.table.path:
        os.unlink(path)
    with pytest.raises(InputError, match="No signals were found.*a signal that cannot be read"):
        data.find_dataset(str(folder))


def test_a_csv_of_one_recording_is_told_how_it_is_cut(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("time,ecg_II\n" + "".join(f"{i / 100},{i % 7}\n" for i in range(900)))
    with pytest.raises(InputError, match="ecg_II names no class.*--cut SECONDS, as --cut 1 --target start_s --unit s"):
        data.find_dataset(str(path))


def test_pictures_stay_pictures_beside_a_few_signals(tmp_path):
    save_pictures(tmp_path, n=3)
    np.save(tmp_path / "left" / "one.npy", np.arange(400.0)[None])
    found = own_data(tmp_path)
    assert found.kind == "picture" and len(found.table) == 6
    assert [reason for _, reason in found.left_out] == ["a recording of signals among pictures"]
    np.savez(tmp_path / "medmnist.npz", train_images=np.zeros((4, 28, 28), np.uint8), train_labels=[0, 0, 1, 1])
    assert own_data(tmp_path / "medmnist.npz").kind == "picture"


def test_one_file_with_all_items(tmp_path):
    values, labels = pulses(8, channels=2)
    np.savez(tmp_path / "all.npz", X=values, y=labels, fs=50, subject=["a", "a", "b", "b", "c", "c", "d", "d"])
    save_zarr(tmp_path / "all.zarr", X=values, y=np.arange(8) % 2)
    np.savez(tmp_path / "split.npz", X_train=values[:6], y_train=labels[:6], X_test=values[6:], y_test=labels[6:])
    found = own_data(tmp_path / "all.npz")
    assert found.kind == "signal" and list(found.table.label) == list(labels) and found.table.group.nunique() == 4
    assert found.table.path[3] == f"{tmp_path}/all.npz#X/3" and read_signal(found.table.path[3]).rate == 50
    assert list(own_data(tmp_path / "all.zarr").table.label) == ["0", "1"] * 4
    assert list(own_data(tmp_path / "split.npz").table.split) == ["train"] * 6 + ["test"] * 2


def test_a_csv_has_its_items_as_columns_or_as_rows(tmp_path):
    values, labels = pulses(6, samples=30)
    columns = [f"{label}_{i}" for i, label in enumerate(labels)]
    lines = [",".join(["time", *columns])]
    lines += [",".join([f"{t / 200:.4f}", *(f"{v:.5f}" for v in values[:, 0, t])]) for t in range(30)]
    (tmp_path / "columns.csv").write_text("\n".join(lines))
    rows = [",".join(["label", *(f"t{t}" for t in range(30))])]
    rows += [",".join([label, *(f"{v:.5f}" for v in x[0])]) for x, label in zip(values, labels, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    for name, rate in ("columns.csv", 200.0), ("rows.csv", None):
        table = own_data(tmp_path / name).table
        assert list(table.label) == list(labels)
        found = read_signal(table.path[4])
        assert found.rate == rate
        np.testing.assert_allclose(found.values, values[4], atol=1e-4)
    (tmp_path / "odd.csv").write_text("x,y\n" + "\n".join(f"{t},{t * t}" for t in range(20)))
    with pytest.raises(InputError, match="column x names no class"):
        own_data(tmp_path / "odd.csv")


def test_items_without_a_label_are_left_out_and_any_text_is_one(tmp_path):
    values, _ = pulses(8, samples=30)
    labels = ["NA", "None", "NA", "None", "", "NA", "None", "NA"]
    parts = ["training", "val", "train", "test"] * 2
    rows = [",".join(["label", "split", *(f"t{t}" for t in range(30))])]
    rows += [
        ",".join([label, part, *(f"{v:.5f}" for v in x[0])])
        for x, label, part in zip(values, labels, parts, strict=True)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    found = own_data(tmp_path / "rows.csv")
    assert list(found.table.label) == [label for label in labels if label]
    assert found.left_out == [(f"{tmp_path}/rows.csv#row/4", "no label")]
    assert list(found.table.split) == ["train", "valid", "train", "test", "valid", "train", "test"]
    np.savez(tmp_path / "all.npz", X=values, y=[0, 1, 0, 1, 0.25, np.nan, 0.25, 1])
    found = own_data(tmp_path / "all.npz")
    assert list(found.table.label) == ["0", "1", "0", "1", "0.25", "0.25", "1"] and len(found.left_out) == 1
    save_ts(tmp_path / "all.ts", values, ["a", "b", "?", "a", "b", "a", "b", "a"])
    assert [path.rpartition("#")[2] for path, _ in own_data(tmp_path / "all.ts").left_out] == ["2"]


def test_why_an_archive_of_signals_is_none_is_said(tmp_path):
    values, labels = pulses(8)
    np.savez(tmp_path / "objects.npz", X=values, y=labels.astype(object))
    np.savez(tmp_path / "several.npz", X=values, y=np.eye(8) + np.eye(8)[::-1])
    for name, words in ("objects", "objects.npz: y is an array of Python objects"), ("several", "several labels"):
        with pytest.raises(InputError, match=f"{name}.npz: ") as told:
            own_data(tmp_path / f"{name}.npz")
        assert words in str(told.value)


def test_labels_that_are_numbers_stay_apart():
    labels = np.array([12345678.0, 12345679.0, 0.1], np.float64)
    assert label_texts(labels) == ["12345678", "12345679", "0.1"]
    assert label_texts(np.float32([0.1, 2])) == ["0.1", "2"] and label_texts(np.array([True, False])) == ["1", "0"]


def test_a_list_of_files_in_a_csv_says_their_classes(tmp_path):
    class_folder(tmp_path / "data")
    files = sorted((tmp_path / "data").rglob("*.npy"))
    rows = ["path,label,age", *(f"{file.relative_to(tmp_path)},{file.parent.name},{i}" for i, file in enumerate(files))]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    found = own_data(tmp_path / "list.csv")
    assert found.kind == "signal" and list(found.table.age) == list(range(6))


# ---- recordings that are cut ------------------------------------------------------------------------------------

BEATS = [(60, "N"), (160, "V"), (240, "+"), (260, "N"), (360, "V"), (460, "N"), (5, "N"), (500, "A")]


def record(folder, name="r1", beats=BEATS):
    """A record of 600 samples at 100 Hz whose value is the number of the sample, with beats."""
    return save_record(folder, name, np.arange(600.0)[None] / 100, beats=sorted(beats))


def test_beats_are_cut_around_their_annotations(tmp_path):
    found = own_data(record(tmp_path), cut="0.2:0.3")
    assert found.kind == "signal" and list(found.table.label) == ["N", "V", "N", "V", "N"]
    item = read_signal(found.table.path[1])
    np.testing.assert_allclose(item.values[0], np.arange(140, 190) / 100, atol=1e-3)
    reasons = [reason for _, reason in found.left_out]
    assert reasons == [
        "the annotation + (rhythm change) marks no beat", "its window reaches past the recording",
        "the only item of its class A",
    ]  # fmt: skip
    assert "0.2 s before to 0.3 s after each beat" in found.notes[0]
    assert "N normal beat, V premature ventricular contraction" in found.notes[1]


def test_several_records_are_groups(tmp_path):
    for name in "r1", "r2", "r3":
        record(tmp_path, name)
    for path, groups in (tmp_path, ["r1", "r2", "r3"]), (tmp_path / "r1.dat", None):
        table = own_data(path, cut="0.2:0.3").table
        assert ("group" in table) == bool(groups)
        assert groups is None or sorted(table.group.unique()) == groups


def test_no_file_beside_recordings_is_lost_without_a_word(tmp_path):
    record(tmp_path, "r1")
    record(tmp_path, "r2", beats=())
    (tmp_path / "notes.md").write_text("of no use")
    np.savez(tmp_path / "beats.npz", X=np.zeros((4, 1, 100)), y=[0, 0, 1, 1])
    reasons = {path.rpartition("/")[2]: reason for path, reason in own_data(tmp_path, cut="0.1:0.1").left_out}
    assert reasons["r2.hea"] == "it has no annotations that items could be cut by"
    assert reasons["notes.md"] == "it belongs to no recording that is used"
    assert "name this file as the dataset" in reasons["beats.npz"]
    assert reasons["r1.dat"] == reasons["r1.atr"] == "part of the record r1.hea"


def test_annotations_that_last_are_filled_with_windows(tmp_path):
    stages = [(0, 30, "wake"), (30, 30, "rem"), (60, 30, "wake"), (90, 30, "rem"), (120, 10, "wake")]
    path = save_edf(tmp_path / "night.edf", np.arange(13_000.0)[None] % 777, [100], annotations=stages)
    whole = own_data(path)
    assert list(whole.table.label) == ["wake", "rem"] * 2 and "30 s" in whole.notes[0]
    assert [(p.rpartition("(")[2], reason.partition(":")[0]) for p, reason in whole.left_out] == [
        ("wake at 120.00 s)", "it lasts 10 s")
    ]
    short = own_data(path, cut="5")
    assert short.table.label.value_counts().to_dict() == {"wake": 14, "rem": 12}
    assert read_signal(short.table.path[0]).values.shape == (1, 500)


def test_no_annotation_is_lost_without_a_word(tmp_path):
    marks = [
        (-1, 11, "wake"),
        (10, 10, "rem"),
        (20, 10, "wake"),
        (25, None, "lights"),
        (30, 10, "rem"),
        (95, 30, "rem"),
    ]
    path = save_edf(tmp_path / "night.edf", np.arange(10_000.0)[None] % 777, [100], annotations=marks)
    found = own_data(path)
    assert [path.rpartition("#")[2] for path in found.table.path] == [
        "samples/0-1000", "samples/1000-2000", "samples/2000-3000", "samples/3000-4000"
    ]  # fmt: skip
    reasons = [reason.partition(":")[0] for _, reason in found.left_out]
    assert reasons == ["it is a moment", "it reaches past the recording"]


def test_moments_of_an_edf_are_cut_from_their_annotation_on(tmp_path):
    moments = [(2, None, "left"), (4, None, "right"), (6, None, "left"), (8, None, "right"), (9.5, None, "left")]
    path = save_edf(tmp_path / "tasks.edf", np.arange(1000.0)[None], [100], annotations=moments)
    found = own_data(path)
    assert list(found.table.label) == ["left", "right"] * 2 and found.left_out[0][1].startswith("its window")
    assert found.table.path[0].endswith("#samples/200-300")


@pytest.mark.parametrize("ends", [("Recording starts", "Recording ends"), ("Start of recording", "REC STOP")])
def test_where_a_recording_starts_and_ends_is_no_label(tmp_path, ends):
    marks = [(t / 2, None, ends[t % 2] if t < 4 else "ab"[t % 2]) for t in range(12)]
    found = own_data(save_edf(tmp_path / "tasks.edf", np.arange(1000.0)[None], [100], annotations=marks))
    assert set(found.table.label) == {"a", "b"} and len(found.left_out) == 4
    assert all("starts or ends" in reason for _, reason in found.left_out)
    save_edf(tmp_path / "none.edf", np.arange(1000.0)[None], [100], annotations=marks[:4])
    with pytest.raises(InputError, match="starts or ends"):
        own_data(tmp_path / "none.edf")


def test_recordings_of_a_known_class_are_cut_into_windows(tmp_path):
    class_folder(tmp_path, n=4, save=SAVERS[".csv"], samples=250)
    found = own_data(tmp_path, cut="1")
    assert len(found.table) == 8 and found.table.group.nunique() == 4 and "8 items come from 4 files." in found.notes
    assert read_signal(found.table.path[1]).values.shape == (1, 100)


def test_what_cannot_be_cut_is_said(tmp_path):
    class_folder(tmp_path / "data", n=4)
    assert "does not say its sampling rate" in own_data(tmp_path / "data", cut="1").left_out[0][1]
    with pytest.raises(InputError, match="no annotations that items could be cut by.*annotations that last"):
        own_data(record(tmp_path, "bare", beats=[(10, "+")]), cut="2")
    with pytest.raises(InputError, match="none.hea has no annotations that items could be cut by: put") as told:
        own_data(record(tmp_path, "none", beats=()))
    assert str(told.value).count("none.hea") == 1
    for text in "x", "0", "1:", "-1:0.5":
        with pytest.raises(InputError, match="is no window"):
            signal_tables.parse_cut(text)
    assert signal_tables.parse_cut("") is None and signal_tables.parse_cut("-0.5:1").before == -0.5


@pytest.mark.parametrize("ending", [".csv", ".npz", ".zarr"])
def test_one_recording_of_any_format_is_cut_when_that_is_asked(tmp_path, ending):
    path = tmp_path / f"eeg{ending}"
    SAVERS[ending](path, np.stack([np.arange(250.0), np.arange(250.0) ** 2]))
    found = own_data(path, cut="0.5")
    assert len(found.table) == 5 and set(found.table.label) == {""} and list(found.table.start_s) == [0, 0.5, 1, 1.5, 2]
    np.testing.assert_allclose(np.asarray(read_signal(found.table.path[1]).values)[0], np.arange(50, 100))


def test_when_an_item_is_can_be_learned_where_nothing_says_a_class(tmp_path):
    path = record(tmp_path, beats=())
    with pytest.raises(InputError, match="--target start_s"):
        data.load_dataset(str(path), asked={"cut": "0.5"})
    found = data.load_dataset(str(path), asked={"columns": ("start_s",), "unit": "s", "cut": "0.5"})
    assert list(found.table.start_s) == list(np.arange(12) / 2) and found.target.task == "severity"
    assert own_data(record(tmp_path, "r2"), cut="0.2:0.3").table.start_s[1] == 1.4


# ---- at the command line ----------------------------------------------------------------------------------------


def test_training_takes_the_kind_of_its_data(tmp_path):
    values, labels = pulses(40)
    path = save_ts(tmp_path / "made.ts", values, labels)
    out = tmp_path / "run"
    little = ["--epochs", 1, "--baseline-epochs", 1, "--step-channels", 4]
    printed = succeed("train", *SMALL, *little, "--dataset", path, "--out", out)
    assert "40 signals are used" in printed and "1-D ResNet: trained from scratch" in printed
    from xaae.training.trained_run import open_trained_run

    run = open_trained_run(out)
    assert run.kind.name == "signal" and run.config.input_size == 64 and run.config.code == "plain"
    x = run.planted(run.rows("valid"))
    model = run.model()
    assert model.decode(model.encode(x)).shape == x.shape == (8, 1, 64)
    assert run.model("baseline")(x).shape == (8, 2)
    np.testing.assert_allclose(run.items.to_units(run.items[[0]]), values[:1], atol=0.02)
    assert "items of the valid split" in succeed("evaluate", out)
    succeed("predict", out, path, "--out", tmp_path / "answers.csv")
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 41
    assert len(list((out / "samples").glob("*.png"))) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--length", "8"], "8 samples makes no sense"),
        (["--cut", "soon"], "is no window"),
    ],
)
def test_settings_that_signals_cannot_have_are_refused(tmp_path, options, words):
    path = save_ts(tmp_path / "made.ts", *pulses(40))
    assert refused(call("train", *SMALL, "--dataset", path, "--out", tmp_path / "run", *options), words)
    assert not (tmp_path / "run").exists()


def test_signals_that_are_all_unfit_are_refused(tmp_path):
    values, labels = pulses(10)
    values[:, :, 5] = np.nan
    path = save_lines(tmp_path / "made.tsv", values, labels)
    assert refused(call("train", *SMALL, "--dataset", path, "--out", tmp_path / "r"), "10 of 10 signals", "missing")
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "data" / name / f"{i}.edf").write_bytes(f"0       {name}{i}".encode())
    found = call("train", *SMALL, "--dataset", tmp_path / "data", "--out", tmp_path / "r")
    assert refused(found, "6 of 6 signals cannot be used", "no whole EDF")


@pytest.mark.real("ucr")
def test_a_real_pair_keeps_its_test_items(real):
    found = data.load_dataset(str(real / "ucr" / "ECG200" / "ECG200_TRAIN.arff"))
    assert found.kind == "signal" and found.table.split.value_counts().to_dict() == {
        "test": 100,
        "train": 80,
        "valid": 20,
    }


def test_predict_finds_the_signals_of_a_path(tmp_path):
    class_folder(tmp_path / "data", n=2, save=SAVERS[".csv"], samples=100)
    (tmp_path / "data" / "about.csv").write_text("name,age\nx,1\n")
    files = sorted((tmp_path / "data").glob("*/*.csv"))
    assert list(list_items(tmp_path / "data", SIGNAL).path) == [str(file) for file in files]
    assert list(list_items(files[0], SIGNAL).path) == [str(files[0])]
    values, labels = pulses(3)
    path = save_ts(tmp_path / "made.ts", values, labels)
    assert list(list_items(path, SIGNAL).path) == [f"{path}#{i}" for i in range(3)]
    store = save_zarr(tmp_path / "one.zarr", X=values[0])
    assert list(list_items(store, SIGNAL).path) == [str(store)]
    (tmp_path / "list.csv").write_text("path\nmade.ts#1\n")
    assert list(list_items(tmp_path / "list.csv", SIGNAL).path) == [f"{tmp_path}/made.ts#1"]
