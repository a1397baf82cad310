"""Laws of the user's own data: every file is used or listed with its reason; any text is a label; nothing is twice."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.pictures import save_pictures
from helpers.recorded import class_folder, pulses
from PIL import Image

from xaae import data
from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.settings import RunSettings
from xaae.sources.class_folders import own_data
from xaae.training.preparation import prepare_training, resolve

ODD = ["None", "NA", "null", "nan", "$0-$50", "a, b", "1e5", "True", "&lt;b&gt;", "\u00e4\u4e2d", " x "]


def write_csv(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def accounted(found):
    """Every path of a table and of what is left out, by its real place."""
    return sorted([*map(str, found.table.path), *(path for path, _ in found.left_out)])


def every_file(folder):
    return sorted(str(p) for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


@pytest.mark.parametrize("away", ["../elsewhere/{}.png", "{root}/elsewhere/{}.png"])
def test_a_csv_may_name_files_outside_its_folder_only_if_that_is_meant(tmp_path, away):
    save_pictures(tmp_path / "elsewhere", n=1)
    (tmp_path / "mine").mkdir()
    rows = [f"{away.format(f'{side}/000', root=tmp_path)},{side}" for side in ("left", "right")]
    file = write_csv(tmp_path / "mine" / "items.csv", "\n".join(["path,label", *rows]))
    with pytest.raises(InputError, match=r"names 2 files outside its own folder, as .*000\.png: give --outside-files"):
        own_data(file)
    assert list(own_data(file, outside=True).table.label) == ["left", "right"]


@pytest.mark.parametrize("label", ODD)
def test_any_text_is_a_label_of_a_folder_and_of_a_csv(tmp_path, label):
    folder = save_pictures(tmp_path / "pictures", classes=(label, "other"), n=3)
    assert set(own_data(folder).table.label) == {label, "other"}
    rows = "\n".join(f'"{p}","{p.parent.name}"' for p in sorted(folder.rglob("*.png")))
    found = own_data(write_csv(tmp_path / "items.csv", f"path,label\n{rows}\n"))
    assert sorted(found.table.label) == sorted([label] * 3 + ["other"] * 3)
    assert found.left_out == []


def test_a_blank_label_a_blank_path_and_a_blank_split_are_told(tmp_path):
    save_pictures(tmp_path, classes=("a", "b"), n=3)
    lines = ["path,label,split"]
    lines += [f"{name}/00{i}.png,{name},{split}" for name in "ab" for i, split in enumerate(("train", " Val ", "TEST"))]
    lines += ["a/000.png,,train", " ,a,train", "b/001.png,b, "]
    found = own_data(write_csv(tmp_path / "items.csv", "\n".join(lines)))
    assert sorted(found.table.split) == ["test", "test", "train", "train", "valid", "valid"]
    assert sorted(reason for _, reason in found.left_out) == [
        "no label in this row", "no path in this row", "no split in this row, while others have one",
    ]  # fmt: skip


def test_splits_by_any_name_and_none_of_an_unknown_one(tmp_path):
    save_pictures(tmp_path, classes=("a", "b"), n=2)
    rows = "a/000.png,a,{0}\na/001.png,a,{1}\nb/000.png,b,{0}\nb/001.png,b,{1}\n"
    for train, valid in (("train", "val"), ("Training", "validation"), ("trn ", "DEV")):
        found = own_data(write_csv(tmp_path / "items.csv", "path,label,split\n" + rows.format(train, valid)))
        assert list(found.table.split) == ["train", "valid", "train", "valid"]
    with pytest.raises(InputError, match="'fold1'.*train, valid, test"):
        own_data(write_csv(tmp_path / "items.csv", "path,label,split\n" + rows.format("train", "fold1")))
    blank = own_data(write_csv(tmp_path / "items.csv", "path,label,split\n" + rows.format("", "")))
    assert "split" not in blank.table and len(blank.table) == 4


def test_columns_that_planting_fills_are_kept_under_another_name(tmp_path):
    save_pictures(tmp_path, classes=("a", "b"), n=5)
    lines = ["path,label,value,factor,age"]
    lines += [f"{name}/00{i}.png,{name},{10 * i},mine,{i}" for name in "ab" for i in range(5)]
    found = own_data(write_csv(tmp_path / "items.csv", "\n".join(lines)))
    assert list(found.table.given_value) == [0, 10, 20, 30, 40] * 2 and set(found.table.given_factor) == {"mine"}
    assert found.table.age.dtype.kind in "if" and any("given_value" in note for note in found.notes)


def test_a_csv_without_its_columns_names_them(tmp_path):
    with pytest.raises(InputError, match="label and path"):
        own_data(write_csv(tmp_path / "items.csv", "file,class\na.png,a"))


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Train", "Test"), ("training", "validation")])
def test_folders_called_like_splits_are_splits(tmp_path, names):
    for i, name in enumerate(names):
        save_pictures(tmp_path / name, n=4, size=16 + i)
    found = own_data(tmp_path)
    assert set(found.table.label) == {"left", "right"} and any("as splits" in note for note in found.notes)
    loaded = data.load_dataset(str(tmp_path))
    assert set(loaded.table.label[loaded.table.split == "valid"]) == {"left", "right"}
    assert ("held out" in " ".join(loaded.notes)) == (names == ("Train", "Test"))


def test_folders_called_otherwise_are_classes(tmp_path):
    save_pictures(tmp_path, classes=("train", "bus"), n=3)
    found = own_data(tmp_path)
    assert set(found.table.label) == {"train", "bus"} and not found.notes


def test_files_without_a_class_and_an_empty_table_are_refused_with_what_is_missing(tmp_path):
    for file in save_pictures(tmp_path / "in", classes=("one",), n=3).rglob("*.png"):
        shutil.move(file, tmp_path / file.name)
    shutil.rmtree(tmp_path / "in")
    with pytest.raises(InputError, match="Nothing says the class of the 3 pictures .*columns path and label"):
        data.load_dataset(str(tmp_path))
    assert len(data.find_dataset(str(tmp_path)).table) == 3
    (tmp_path / "items.csv").write_text("")
    with pytest.raises(InputError, match="is empty"):
        data.find_dataset(str(tmp_path / "items.csv"))


def test_splits_beside_another_folder_are_classes_and_that_is_told(tmp_path):
    for i, name in enumerate(("train", "test", "extra")):
        save_pictures(tmp_path / name, n=2, size=16 + i)
    found = own_data(tmp_path)
    assert set(found.table.label) == {"train", "test", "extra"}
    assert any("since extra lies beside them: test, train" in note for note in found.notes)


def test_a_class_that_is_a_link_has_its_name_in_the_folder_one_is_in_too(tmp_path, monkeypatch):
    save_pictures(tmp_path / "here", classes=("near",), n=2)
    save_pictures(tmp_path / "there", classes=("far",), n=2, size=10)
    os.symlink(tmp_path / "there" / "far", tmp_path / "here" / "linked")
    monkeypatch.chdir(tmp_path / "here")
    assert sorted(own_data(".").table.label) == ["linked", "linked", "near", "near"]


def test_every_file_is_used_or_listed(tmp_path):
    save_pictures(tmp_path, n=4)
    one = tmp_path / "left" / "000.png"
    shutil.copy(one, tmp_path / "loose.png")
    for place in ("__MACOSX", ".ipynb_checkpoints", "left/@eaDir"):
        (tmp_path / place).mkdir()
        shutil.copy(one, tmp_path / place / "x.png")
    (tmp_path / "right" / "notes.txt").write_text("hi")
    (tmp_path / "right" / "._001.png").write_bytes(b"")
    os.symlink(tmp_path, tmp_path / "left" / "up")
    os.symlink(tmp_path / "right", tmp_path / "left" / "sideways")
    save_pictures(tmp_path.with_name(f"{tmp_path.name}-outside"), classes=("more",), n=2, size=10)
    os.symlink(tmp_path.with_name(f"{tmp_path.name}-outside") / "more", tmp_path / "left" / "linked")
    found = own_data(tmp_path)
    links = [path for path, reason in found.left_out if reason.startswith("a link")]
    linked = [str(tmp_path / "left" / "linked" / f"{i:03d}.png") for i in range(2)]
    assert sorted([*every_file(tmp_path), *links, *linked]) == accounted(found) and len(links) == 2
    assert len(found.table) == 10 and all(
        found.table.label == [Path(p).relative_to(tmp_path).parts[0] for p in found.table.path]
    )


def test_the_same_content_is_used_once_and_never_under_two_labels(tmp_path):
    save_pictures(tmp_path / "train", n=4)
    save_pictures(tmp_path / "val", n=4, size=20)
    shutil.copy(tmp_path / "train/left/000.png", tmp_path / "val/left/again.png")
    shutil.copy(tmp_path / "train/left/001.png", tmp_path / "train/right/other.png")
    found = own_data(tmp_path)
    reasons = dict(found.left_out)
    assert accounted(found) == every_file(tmp_path) and len(found.left_out) == 3
    torn = [str(tmp_path / "train/left/001.png"), str(tmp_path / "train/right/other.png")]
    assert all("whose label is" in reasons[path] for path in torn)
    contents = [open(path, "rb").read() for path in found.table.path]
    assert len(set(contents)) == len(contents)


def test_a_lost_class_says_why_one_is_left(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        Image.new("L", (8, 8), 7).save(tmp_path / label / "copy.png")
    Image.new("L", (8, 8), 9).save(tmp_path / "a" / "other.png")
    with pytest.raises(InputError, match="the one class 'a': .* 2 others, as .*whose label is '[ab]'"):
        data.load_dataset(str(tmp_path))


def test_records_with_one_header_are_copies_only_if_their_samples_are(tmp_path):
    """The same words in two headers, as of records that are numbered anew in each class, say nothing of the samples."""
    for k, place in enumerate(["a/1", "a/2", "b/1", "b/2"]):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "r.hea").write_text("r 1 100 200\nr.dat 16 1000/mV\n")
        (100 * np.sin(np.arange(200) / (5 + k % 3))).astype("<i2").tofile(folder / "r.dat")
    found = own_data(tmp_path)
    assert [path.removeprefix(f"{tmp_path}/") for path in found.table.path] == ["a/2/r.hea", "b/1/r.hea"]
    assert sorted(found.copies.label) == ["a", "b"] and len(accounted(found)) == len(every_file(tmp_path))


def test_every_copy_is_told_with_a_twin_of_another_label(tmp_path):
    for label, names in ("a", "1 2"), ("b", "3"), ("c", "4 5"):
        (tmp_path / label).mkdir()
        for name in names.split():
            Image.new("L", (8, 8), 7 if name != "5" else 9).save(tmp_path / label / f"{name}.png")
    found = own_data(tmp_path)
    twins = {Path(path).stem: Path(twin).stem for path, twin in zip(found.copies.path, found.copies.twin, strict=True)}
    assert twins == {"1": "3", "2": "3", "3": "1", "4": "1"}
    assert (found.copies.label != found.copies.twin_label).all() and [Path(p).stem for p in found.table.path] == ["5"]


def test_the_kind_is_told_without_a_second_look(tmp_path, monkeypatch):
    """An audit is planned by the kind alone: no file is compared, cut or taken apart for it."""
    save_pictures(tmp_path / "pictures", n=3)
    class_folder(tmp_path / "signals", n=4)
    values, labels = pulses(6, channels=2)
    np.savez(tmp_path / "all.npz", X=values, y=labels)
    for kind in "pictures", "signals":
        files = sorted(path for path in (tmp_path / kind).rglob("*") if path.is_file())
        rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in files]
        write_csv(tmp_path / f"{kind}.csv", "\n".join(["path,label", *rows]))
    names = "pictures", "pictures.csv", "signals", "signals.csv", "all.npz"
    expected = {name: own_data(tmp_path / name).kind for name in names}
    monkeypatch.setattr(data, "own_data", None)
    assert expected == {name: data.kind_of_dataset(str(tmp_path / name)).name for name in names}
    assert set(expected.values()) == {"picture", "signal"}


def test_a_csv_that_names_a_file_twice_uses_it_once(tmp_path):
    save_pictures(tmp_path, n=3)
    lines = ["path,label", *(f"{name}/00{i}.png,{name}" for name in ("left", "right") for i in range(3))]
    lines += ["left/../left/000.png,left", "right/000.png,left"]
    found = own_data(write_csv(tmp_path / "items.csv", "\n".join(lines)))
    assert len(found.table) == 5 and sum("the same file as" in reason for _, reason in found.left_out) == 3


def test_many_small_classes_are_split_and_cut_by_class(tmp_path):
    classes = [f"breed {i:02d}" for i in range(20)]
    save_pictures(tmp_path, classes=classes, n=12, size=8)
    for items in (None, 60):
        table = data.load_dataset(str(tmp_path), items=items).table
        for part in ("train", "valid"):
            assert set(table.label[table.split == part]) == set(classes)
    few = data.fewer(pd.DataFrame({"label": ["a"] * 990 + ["b"] * 10}), 50)
    assert few.label.value_counts()["b"] == 2


def test_a_class_of_one_item_is_named(tmp_path):
    save_pictures(tmp_path, classes=("many",), n=9)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save((tmp_path / "one").mkdir() or tmp_path / "one" / "x.png")
    with pytest.raises(InputError, match="'one'.*two items"):
        data.load_dataset(str(tmp_path))


def test_any_text_comes_back_from_the_table_of_a_run(tmp_path):
    texts = [*ODD, '"quoted"', "two\nlines", "  led by blanks"]
    table = pd.DataFrame(
        {"path": texts, "label": texts, "group": texts, "factor": "tag", "value": 0.5, "split": "train"}
    )
    table.loc[2, "group"] = ""
    table.assign(age=[*range(len(texts) - 1), np.nan], sure=True).to_csv(tmp_path / "items.csv", index=False)
    found = run_folder.read_items(tmp_path)
    for name in ("path", "label", "group"):
        assert list(found[name]) == list(table[name])
    assert found.value.dtype == float and found.sure.dtype == bool and np.isnan(found.age.iloc[-1])


def test_held_out_items_alone_are_refused(tmp_path):
    save_pictures(tmp_path, classes=("a", "b"), n=2)
    rows = "\n".join(f"{name}/00{i}.png,{name},test" for name in "ab" for i in range(2))
    with pytest.raises(InputError, match="in the train split"):
        data.load_dataset(str(write_csv(tmp_path / "items.csv", f"path,label,split\n{rows}")))


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_that_cannot_be_read_is_named(tmp_path, split):
    for part in ("train", "val"):
        save_pictures(tmp_path / part, classes=("a", "b"), n=30, size=8 + len(part))
        save_pictures(tmp_path / part, classes=("rare",), n=2, size=12 + len(part))
    for i, picture in enumerate(sorted((tmp_path / split / "rare").iterdir())):
        picture.write_text(f"broken {i}")
    settings, _ = resolve(RunSettings.from_options("smoke", dataset=str(tmp_path), epochs=1))
    with pytest.raises(InputError, match="Not one of the 2 pictures of class 'rare'.*cannot identify"):
        prepare_training(settings)


def test_a_class_of_copies_alone_is_told(tmp_path):
    save_pictures(tmp_path, classes=("a", "b"), n=4)
    (tmp_path / "c").mkdir()
    shutil.copy(tmp_path / "a" / "000.png", tmp_path / "c" / "x.png")
    found = own_data(tmp_path)
    assert set(found.table.label) == {"a", "b"} and any("Of c no item is left" in note for note in found.notes)
