"""Laws of what is no picture: it is named, counted, and the cure is said; nothing ends in a traceback."""

import numpy as np
import pytest
from helpers.command_line import SMALL, call, refused
from helpers.pictures import save_pictures

from xaae.experiment.errors import InputError
from xaae.sources import foreign_files, path_lists
from xaae.sources.class_folders import own_data

FILES = {  # name -> (content, what it is, the cure)
    "brain.mgz": (b"\x1f\x8b", "volumes of other formats", "NIfTI"),
    "brain.MHA": (b"x", "volumes of other formats", "NIfTI"),
    "x.mat": (b"MATLAB 5.0", "MATLAB files", "train_images"),
    "x.gdf": (b"0", "recordings of other formats", "EDF"),
    "x.h5": (b"\x89HDF", "HDF5 files", "train_images"),
    "x.heic": (b"ftypheic", "pictures that cannot be read", "JPEG"),
    "x.zip": (b"PK", "packed files", "unpack"),
    "x.xlsx": (b"PK", "spreadsheets", "columns path and label"),
    "x.tsv": (b"path\tlabel\n", "tables with tabs", "with commas"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_among_pictures_is_listed_with_its_cure(tmp_path, name):
    content, what, cure = FILES[name]
    save_pictures(tmp_path, n=3)
    (tmp_path / "left" / name).write_bytes(content)
    found = own_data(tmp_path)
    assert len(found.table) == 6 and len(found.left_out) == 1
    path, reason = found.left_out[0]
    assert path.endswith(name) and what in reason and cure in reason
    assert any(f"{what} (1), as {path}" in note and cure in note for note in found.notes)


@pytest.mark.parametrize("name", FILES)
def test_such_files_alone_are_refused_and_counted(tmp_path, door, name):
    content, what, cure = FILES[name]
    for label in "ab":
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / name).write_bytes(content)
    out = tmp_path / "run"
    assert refused(call("train", *SMALL, "--dataset", tmp_path / "data", "--out", out), f"{what} (2)", cure)
    assert refused(call("train", *SMALL, "--dataset", tmp_path / "data" / "a" / name, "--out", out), what, cure)
    assert not out.exists()
    if name != "x.heic":  # listed as a picture, since another version of Pillow may read it
        with pytest.raises(InputError, match=rf"no pictures.*{what} \(2\)"):
            path_lists.list_items(tmp_path / "data")
    assert what in path_lists.try_read(str(tmp_path / "data" / "a" / name), 8, 1)


BROKEN = {  # files of formats that are read, without what makes them readable -> why
    "scan.dcm": (b"nothing", "no DICOM file"),
    "IM0001": (b"\0" * 128 + b"DICM" + b"\2\0\0\0UL", "DICOM file"),
    "brain.nii.gz": (b"\x1f\x8b", "no NIfTI file"),
    "brain.NII": (b"x", "no NIfTI file"),
    "x.npy": (b"\x93NUMPY", "no whole .npy file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_of_a_known_format_is_listed_with_its_reason(tmp_path, name):
    content, words = BROKEN[name]
    save_pictures(tmp_path, n=3)
    (tmp_path / "left" / name).write_bytes(content)
    found = own_data(tmp_path)
    assert len(found.table) == 6
    assert [(path, words in reason) for path, reason in found.left_out] == [(str(tmp_path / "left" / name), True)]
    assert words in path_lists.try_read(str(tmp_path / "left" / name), 8, 1)


@pytest.mark.parametrize("name", BROKEN)
def test_one_file_of_a_known_format_is_no_dataset(tmp_path, name):
    (tmp_path / name).write_bytes(BROKEN[name][0])
    assert refused(call("train", *SMALL, "--dataset", tmp_path / name, "--out", tmp_path / "run"), "for each class")


def test_a_picture_is_none_of_them(tmp_path):
    folder = save_pictures(tmp_path, n=1)
    (tmp_path / "notes.txt").write_text("hi")
    assert foreign_files.foreign_in_words([*folder.rglob("*.png"), tmp_path / "notes.txt", tmp_path / "absent"]) == []


def test_each_kind_is_counted_the_most_frequent_first(tmp_path):
    lines = foreign_files.foreign_in_words(["a.mat", "b.h5", "c.mat", "d.png", "e.nii.gz", "f.dcm"])
    assert [line.split(",")[0] for line in lines] == ["MATLAB files (2)", "HDF5 files (1)"] and "as a.mat" in lines[0]


@pytest.mark.parametrize(("content", "words"), [
    (b"path;name\na.png;a", "no column label"), (b"path,label\na.png,a,b", "more cells"),
    (b"PK\x03\x04\xff\xfe\0\1", "UTF-8"),
    ("path,label\na.png,a".encode("utf-16"), "UTF-8"), (b"", "CSV"), (b"path,label\n", "No pictures"),
])  # fmt: skip
def test_a_table_that_is_none_names_what_was_found(tmp_path, content, words):
    (tmp_path / "items.csv").write_bytes(content)
    assert refused(call("train", *SMALL, "--dataset", tmp_path / "items.csv", "--out", tmp_path / "run"), words)


def test_a_list_of_one_column_may_hold_semicolons(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(3))
    (tmp_path / "list.csv").write_text("path\na;b.png\n")
    assert list(path_lists.list_items(tmp_path / "list.csv").path) == [str(tmp_path / "a;b.png")]
