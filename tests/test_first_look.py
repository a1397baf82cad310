"""Laws of the first look: planted metadata are named, shuffled labels raise no alarm, nothing goes untold."""

import json
import os
import shlex

import numpy as np
import pandas as pd
import pytest
from helpers.command_line import call, refused, succeed
from helpers.pictures import draw_noise, save_pictures
from PIL import Image

from xaae import report
from xaae.experiment.settings import RunSettings
from xaae.experiment.whole_file import fill_folder
from xaae.first_look import look_run
from xaae.first_look.look_sentences import alarms_of, few_in_words
from xaae.report.first_look.look_page import render_look

CLASSES = ("cat", "dog")
N = 60  # items of a class


def save_with_quality(image, path, second, rng):
    image.save(path.with_suffix(".jpg"), quality=75 if second else 95)


def save_with_size(image, path, second, rng):
    side = 16 if second else int(rng.integers(18, 24))
    image.resize((side, side)).save(path.with_suffix(".png"))


def save_with_orientation(image, path, second, rng):
    exif = Image.Exif()
    exif[0x0112] = 6 if second else 1
    image.save(path.with_suffix(".jpg"), quality=int(rng.integers(60, 96)), exif=exif)


def save_with_hour(image, path, second, rng):
    """All files are written, and all pictures are taken, on one day."""
    exif = Image.Exif()
    exif[0x0132] = f"2021:03:04 {'15' if second else '09'}:{rng.integers(10, 60)}:00"
    image.save(path.with_suffix(".jpg"), quality=int(rng.integers(60, 96)), exif=exif)


def save_with_bits(image, path, second, rng):
    grey = np.asarray(image)[..., 0]
    values = grey if second else grey.astype(np.uint16) * 256 + rng.integers(0, 256, grey.shape).astype(np.uint16)
    Image.fromarray(values).save(path.with_suffix(".png"))


PLANTED = {  # what is planted -> (how it is saved, the fact, what is said of it)
    "quality": (
        save_with_quality,
        "JPEG quality",
        "JPEG quality gives the class away: cat 95, dog 75 (AUROC 1.00",
    ),
    "size": (save_with_size, "width", "gives the class away: cat 2"),
    "orientation": (save_with_orientation, "EXIF orientation", "EXIF orientation gives the class away"),
    "hour": (save_with_hour, "date in EXIF", "gives the class away: dog 2021-03-04 15:"),
    "bits": (save_with_bits, "bits", "cat 16 bits, dog 8 bits"),
}


def save_planted(folder, save, n=N):
    rng = np.random.default_rng(3)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for i in range(n):
            save(draw_noise(rng), folder / name / f"{i:03d}", name == "dog", rng)
    return folder


# ---- the command ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_shortcut_is_named(tmp_path, name):
    save, fact, words = PLANTED[name]
    text = succeed("data", save_planted(tmp_path / "data", save), "--out", tmp_path / "out")
    look = json.loads((tmp_path / "out" / "data.json").read_text())
    row = next(row for row in look["metadata"] if fact in (row["fact"], *row["also"]))
    assert row["grade"] == "gives away" and row["p_holm"] < 0.001
    assert words in text and f"main.py --dataset {tmp_path / 'data'}" in text


def test_everything_that_was_found_is_told(tmp_path):
    folder = save_pictures(tmp_path / "data", n=12)
    copy = (folder / "left" / "000.png").read_bytes()
    (folder / "left" / "copy.png").write_bytes(copy)
    (folder / "right" / "other.png").write_bytes(copy)
    (folder / "left" / "broken.png").write_bytes(b"\x89PNG nothing")
    (folder / "left" / "notes.txt").write_text("notes")
    text = succeed("data", folder, "--out", tmp_path / "out")
    look = json.loads((tmp_path / "out" / "data.json").read_text())
    assert look["copies"] | {"example": ""} == {
        "number": 3, "across_splits": 0, "two_labels": 3, "example": "", "sentence": look["copies"]["sentence"]
    }  # fmt: skip
    assert (
        look["unreadable"]["number"] == 1 and look["kind"] == "picture" and look["classes"] == {"left": 12, "right": 12}
    )
    assert "no picture (.txt)" in text and "with another label" in str(look["left_out"]) and "24 " in look["found"]
    metadata = pd.read_csv(tmp_path / "out" / "metadata.csv")
    assert len(metadata) == look["items"] == 24 and {"path", "label", "split", "width", "file size"} <= set(metadata)
    page = (tmp_path / "out" / "data.html").read_text()
    assert "Warning: Very little data: 24 pictures" in text and "Very little data" in page
    assert "data:image/png;base64" in page and "notes.txt" in page and "http" not in page.replace("http://www.w3", "")
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size[0] > 600


def test_the_headline_says_whether_there_was_anything_to_compare(tmp_path):
    out = tmp_path / "out"
    succeed("data", save_pictures(tmp_path / "data", n=6), "--out", out)
    look = json.loads((out / "data.json").read_text())
    for rows, headline in ((look["metadata"], "No metadata go with the class"), ([], "Nothing could be compared")):
        (out / "data.json").write_text(json.dumps(look | {"metadata": rows}))
        assert f"<h1>{headline}" in render_look(out)
    of_severity = [row | {"measure": "Spearman"} for row in look["metadata"]]
    (out / "data.json").write_text(json.dumps(look | {"metadata": of_severity}))
    assert "Spearman at least 0.8" in render_look(out) and "AUROC" not in render_look(out)


@pytest.mark.parametrize(("counts", "words"), [
    ((4, 4), ["8 pictures (fewer than 100)", "4 of the smallest class, a", "2 held-out items judge it", "35 points"]),
    ((19, 200), ["data: 19 of the smallest class, a (fewer than 20)", "and 4 held-out items", "25 points"]),
    ((20, 80), []),
])  # fmt: skip
def test_of_very_little_data_a_warning_names_the_thresholds(counts, words):
    held = {name: max(1, round(0.2 * n)) for name, n in zip("ab", counts, strict=True)}
    look = {"items": sum(counts), "kind_plural": "pictures", "splits": {"valid": held},
            "balance": {"smallest_class": "a", "smallest": counts[0]}}  # fmt: skip
    said = few_in_words(look)
    assert len(said) == bool(words) and all(each in said[0] for each in words)
    of_severity = few_in_words(look | {"balance": {}})
    assert (sum(counts) < 100) == bool(of_severity) and "accuracy" not in str(of_severity)


def test_json_is_all_that_is_printed(tmp_path):
    result = call("data", save_pictures(tmp_path / "data", n=8), "--json", "--out", tmp_path / "out")
    assert json.loads(result.stdout) == json.loads((tmp_path / "out" / "data.json").read_text())


def test_columns_of_the_users_table_are_compared_too(tmp_path):
    save_pictures(tmp_path, n=12)
    rows = [
        (f"{c}/{i:03d}.png", c, "north" if c == "left" else "south", i) for c in ("left", "right") for i in range(12)
    ]
    pd.DataFrame(rows, columns=["path", "label", "site", "age"]).to_csv(tmp_path / "items.csv", index=False)
    text = succeed("data", tmp_path / "items.csv", "--out", tmp_path / "out")
    assert "The column site gives the class away" in text and "column age" not in text.partition("Metadata")[2]


def test_the_column_that_is_predicted_is_no_fact(tmp_path):
    save_pictures(tmp_path, n=12)
    rows = [(f"{c}/{i:03d}.png", c, f"{c} side") for c in ("left", "right") for i in range(12)]
    pd.DataFrame(rows, columns=["path", "side", "sentence"]).to_csv(tmp_path / "items.csv", index=False)
    succeed("data", tmp_path / "items.csv", "--target", "side", "--out", tmp_path / "out")
    look = json.loads((tmp_path / "out" / "data.json").read_text())
    compared = {name for row in look["metadata"] for name in (row["fact"], *row["also"])} | set(look["not_compared"])
    assert "column sentence" in {row["fact"] for row in alarms_of(look)} and "column side" not in compared


def test_the_command_that_is_named_trains(tmp_path):
    """It keeps --outside-files, and takes no group beside a file of splits."""
    folder = save_pictures(tmp_path / "data", n=12)
    names = [f"{c}/{i:03d}.png" for c in ("left", "right") for i in range(12)]
    table = pd.DataFrame({"path": [f"../data/{name}" for name in names], "label": [name[:-8] for name in names]})
    table["patient"] = [f"p{i % 6}" for i in range(24)]
    (tmp_path / "lists").mkdir()
    table.to_csv(tmp_path / "lists" / "items.csv", index=False)
    (tmp_path / "held.txt").write_text("\n".join(str(folder / name) for name in names[:3] + names[-3:]))
    given = [tmp_path / "lists" / "items.csv", "--outside-files", "--split-file", tmp_path / "held.txt"]
    succeed("data", *given, "--out", tmp_path / "out")
    look = json.loads((tmp_path / "out" / "data.json").read_text())
    words = shlex.split(look["command"])
    words = words[words.index("--dataset") :]
    assert "patient" in look["warnings"][0] and "--outside-files" in words and "--group" not in words
    again = json.loads(call("data", *words[1:], "--json", "--out", tmp_path / "again").stdout)
    assert (look["refusal"], again["refusal"], again["split_by"]) == ("", "", look["split_by"])


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError], ids=["Ctrl-C", "disk"])
def test_a_look_is_written_whole_or_not_at_all(tmp_path, monkeypatch, end):
    """Nothing is where it shall be until all is written, so that a killed command leaves nothing half done there."""
    folder, out, page = save_pictures(tmp_path / "data", n=6), tmp_path / "out", report.write_look_page
    seen = []

    def write_last(part):
        seen.append((out.exists(), sorted(path.name for path in part.iterdir())))
        page(part)
        raise end()

    monkeypatch.setattr(report, "write_look_page", write_last)
    assert call("data", folder, "--out", out).exit_code != 0
    assert seen == [(False, ["contact_sheet.png", "data.json", "metadata.csv", "skipped.csv"])]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    monkeypatch.setattr(report, "write_look_page", page)
    succeed("data", folder, "--out", out)
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    monkeypatch.setattr(report, "write_look_page", write_last)
    assert call("data", folder, "--out", out).exit_code != 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == whole  # the earlier look stays


def test_what_a_killed_command_left_goes_with_the_next(tmp_path):
    """A number that no process has, and that of one at work: this one's parent."""
    left, at_work = (tmp_path / f".out.{number}.part" for number in (2**40, os.getppid()))
    left.mkdir()
    at_work.mkdir()
    write = lambda part: (part / "a").write_text("a")  # noqa: E731
    assert fill_folder(tmp_path / "out", write) == tmp_path / "out" and (tmp_path / "out" / "a").is_file()
    assert not left.exists() and at_work.exists()
    taken = fill_folder(tmp_path / "out", write, next_free=lambda folder: folder.with_name(folder.name + "2"))
    assert taken == tmp_path / "out2" and [path.name for path in taken.iterdir()] == ["a"]


def test_a_sheet_of_an_earlier_look_is_not_shown(tmp_path):
    folder = save_pictures(tmp_path / "data", n=6)
    succeed("data", folder, "--out", tmp_path / "out")
    for path in folder.rglob("*.png"):
        path.write_bytes(b"\x89PNG" + path.parent.name.encode() + path.stem.encode())
    succeed("data", folder, "--out", tmp_path / "out")
    assert not (tmp_path / "out" / "contact_sheet.png").exists()
    assert "data:image/png" not in (tmp_path / "out" / "data.html").read_text()


def test_reasons_are_counted_whatever_files_they_name():
    left_out = pd.DataFrame(
        [(f"/d/{i}.nii", f"/d/{i}.nii is no NIfTI file: give a whole one") for i in range(5)]
        + [(f"/d/{i}.dat", f"part of the record {i}.hea") for i in range(3)]
        + [(f"/d/{i}.png", f"the same content as /d/{i + 1}.png") for i in range(2)]
        + [("", "no path in this row")],
        columns=["path", "reason"],
    )
    found = {each["reason"]: each["number"] for each in look_run._reasons(left_out)}
    assert found == {
        "it is no NIfTI file: give a whole one": 5, "part of a record": 3, "the same content as another": 2,
        "no path in this row": 1,
    }  # fmt: skip


def test_no_training_is_named_where_no_item_can_be_used(tmp_path):
    path = tmp_path / "all.npz"
    np.savez(path, X=np.ones((12, 2, 100), complex), y=np.arange(12) % 2)
    text = succeed("data", path, "--out", tmp_path / "out")
    assert "Training would refuse this: 12 of 12 signals cannot be used" in text and "To train" not in text
    assert "whole recordings" not in text  # an item of an array is no part of a recording


@pytest.mark.parametrize("flat", [1, 3])
def test_signals_that_cannot_be_used_are_listed_as_by_training(tmp_path, flat):
    values = np.random.default_rng(0).normal(size=(20, 1, 100))
    values[:flat] = 1 + np.arange(flat)[:, None, None]
    np.savez(tmp_path / "all.npz", X=values, y=np.arange(20) % 2)
    text = succeed("data", tmp_path / "all.npz", "--out", tmp_path / "out")
    skipped = pd.read_csv(tmp_path / "out" / "skipped.csv")
    assert [path.rpartition("/")[2] for path in skipped.path] == [str(i) for i in range(flat)]
    assert skipped.reason.str.contains("flat").all() and f"20 signals (npz 20), {flat} cannot be used;" in text
    assert "Nothing is left out" not in text and ("To train on it" in text) == (flat == 1)
    assert (f"Training would refuse this: {flat} of 20 signals cannot be used" in text) == (flat == 3)


def test_data_that_training_would_refuse_are_looked_at_all_the_same(tmp_path):
    save_pictures(tmp_path / "data", n=8)
    (tmp_path / "data" / "lone").mkdir()
    draw_noise(np.random.default_rng(0)).save(tmp_path / "data" / "lone" / "1.png")
    text = succeed("data", tmp_path / "data", "--out", tmp_path / "out")
    assert "Training would refuse this: No item of class 'lone'" in text and "To train" not in text
    assert refused(call("train", "--dataset", tmp_path / "data", "--out", tmp_path / "run"), "No item of class 'lone'")


def test_pictures_of_one_class_and_of_none_are_looked_at(tmp_path):
    one = save_pictures(tmp_path / "data", ("left",), n=4)
    for folder, words, classes in (
        (one, "the one class 'left'", {"left": 4}),
        (one / "left", "one folder per class", {}),
    ):
        found, out = look_run.look(RunSettings(dataset=str(folder)), tmp_path / f"out{len(classes)}")
        assert words in found["refusal"] and found["classes"] == classes and found["metadata"] == []
        assert (out / "contact_sheet.png").is_file() and len(pd.read_csv(out / "metadata.csv")) == 4


@pytest.mark.parametrize("case", ["empty", "texts", "nowhere", "other folder"])
def test_bad_input_is_refused_in_a_sentence(tmp_path, case):
    folder, out, words = tmp_path / "data", tmp_path / "out", "No pictures were found"
    folder.mkdir()
    if case == "texts":
        (folder / "a").mkdir()
        (folder / "a" / "b.txt").write_text("text")
    elif case == "nowhere":
        folder, words = tmp_path / "nowhere", "no dataset"
    elif case == "other folder":
        save_pictures(folder, n=4)
        out.mkdir()
        (out / "thesis.txt").write_text("mine")
        words = "thesis.txt"
    assert refused(call("data", folder, "--out", out), words)
    assert case != "other folder" or [p.name for p in out.iterdir()] == ["thesis.txt"]


# ---- other formats ----------------------------------------------------------------------------------------------


def test_a_sampling_rate_that_goes_with_the_class_is_named(tmp_path):
    rng = np.random.default_rng(0)
    for name, rate in (("ill", 250), ("well", 360)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            np.savez(tmp_path / "data" / name / f"{i}.npz", x=rng.normal(size=(2, 3 * rate)), fs=rate)
    text = succeed("data", tmp_path / "data", "--out", tmp_path / "out")
    look = json.loads((tmp_path / "out" / "data.json").read_text())
    named = {name for row in alarms_of(look) for name in (row["fact"], *row["also"])}
    assert look["kind"] == "signal" and "rate" in named and "sampling rate" in text.lower()
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size[0] > 600


@pytest.mark.parametrize("axes", ["channels,time", "time,channels"])
def test_an_array_of_few_channels_is_one_of_signals_whichever_axis_they_are(tmp_path, axes):
    """Its last axis, of 4, would be colours in a picture; there is a label for each item, and a sampling rate."""
    values = np.random.default_rng(0).normal(size=(12, 4, 200)).cumsum(-1)
    values = values if axes == "channels,time" else values.transpose(0, 2, 1)
    np.savez(tmp_path / "all.npz", X=values, y=np.arange(12) % 2, sfreq=100)
    text = succeed("data", tmp_path / "all.npz", "--axes", axes, "--out", tmp_path / "out")
    assert "Number of channels 4; length 200 samples" in text and "4 channels of 200 samples at 100 Hz" in text
    assert "--axes" not in text.partition("To train")[0]


def test_a_scanner_that_goes_with_the_class_is_named(tmp_path):
    pydicom = pytest.importorskip("pydicom", reason="DICOM is read by the extra dicom")
    rng = np.random.default_rng(0)
    for name, maker in (("ill", "ACME"), ("well", "Umbrella")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            save_dicom(pydicom, tmp_path / "data" / name / f"{i}.dcm", rng, maker)
    text = succeed("data", tmp_path / "data", "--out", tmp_path / "out")
    assert (
        "gives the class away: ACME in 100 % of ill" in text
        or "gives the class away: Umbrella in 100 % of well" in text
    )
    assert "Manufacturer" in text.partition("Metadata")[2]


def save_dicom(pydicom, path, rng, maker):
    """A small grey slice."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    slice_ = pydicom.Dataset()
    slice_.file_meta = meta
    slice_.Manufacturer, slice_.Modality = maker, "CT"
    slice_.Rows = slice_.Columns = 16
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
    slice_.BitsAllocated = slice_.BitsStored = 16
    slice_.HighBit, slice_.PixelRepresentation = 15, 0
    slice_.PixelData = rng.integers(0, 4000, (16, 16)).astype(np.uint16).tobytes()
    slice_.save_as(path, enforce_file_format=True)
