"""Laws of splits: no group is in two parts, a file list is obeyed, and unused groups are warned of."""

import numpy as np
import pandas as pd
import pytest
from helpers.command_line import call, refused, succeed
from helpers.pictures import save_pictures
from PIL import Image
from sklearn.linear_model import LogisticRegression

from xaae import data
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.sources.group_hints import find_group_hints, parts_of_files
from xaae.sources.items import open_items
from xaae.sources.splits import SplitPlan, held_groups, split_by_plan, split_table


def table_of(names, labels=("a", "b"), **columns):
    """A table with the labels in turn. names: of the files."""
    label = [labels[i % len(labels)] for i in range(len(names))]
    return pd.DataFrame(
        {"path": [f"/data/{name}/{file}" for name, file in zip(label, names, strict=True)], "label": label, **columns}
    )


def parts_of(table, groups):
    """How many parts each group has items in."""
    return table.split.groupby(np.asarray(groups)).nunique()


# ---- whole groups -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_parts_though_it_has_items_of_several_classes(seed):
    rng = np.random.default_rng(seed)
    table = table_of([f"{i}.png" for i in range(200)], group=rng.integers(0, 30, 200).astype(str))
    split = split_table(table, "group", seed=seed)
    assert (parts_of(split, split.group) == 1).all() and 0.1 < (split.split == "valid").mean() < 0.35


def test_groups_of_both_classes_are_not_counted_twice():
    table = table_of([f"{i}.png" for i in range(100)], group=(np.arange(100) // 5).astype(str))
    assert len(held_groups(table, 0.2, 0)) == 4


def test_a_column_of_groups_of_your_own_is_used_unasked():
    table = table_of([f"{i}.png" for i in range(80)], group=(np.arange(80) // 4).astype(str))
    done = split_by_plan(table, SplitPlan(), own=True)
    assert (parts_of(done.table, done.table.group) == 1).all() and "Whole groups are held out" in done.notes[0]
    for plan, own in ((SplitPlan("random"), True), (SplitPlan(), False)):
        assert (parts_of(split_by_plan(table, plan, own).table, table.group) == 2).any()


def test_parts_of_one_file_stay_together_unasked():
    names = [f"v{i // 8}.nii#axial/{i}" for i in range(160)]
    done = split_by_plan(table_of(sorted(names)), SplitPlan(), own=True)
    assert (parts_of(done.table, done.table.group) == 1).all() and "40 files" in done.notes[0]


def test_a_number_sign_in_a_folder_makes_no_part_of_a_file(tmp_path):
    """ "site#1/p01_3.png" is a whole file, and its name begins with a patient."""
    names = [f"p{i // 4:02d}_{i % 4}.png" for i in range(40)]
    for label in "ab":
        (tmp_path / f"{label}#1").mkdir()
        for name in names:
            (tmp_path / f"{label}#1" / name).write_bytes(b"")
    paths = [str(tmp_path / f"{label}#1" / name) for label in "ab" for name in names]
    table = pd.DataFrame({"path": paths, "label": np.repeat(["a", "b"], 40)})
    assert parts_of_files(table) is None
    assert [hint.source for hint in find_group_hints(split_table(table))] == ["file-name"]


def test_where_groups_are_too_few_unasked_a_warning_says_so_and_asked_it_is_refused():
    table = table_of([f"{i}.png" for i in range(40)], group=["x", "y"] * 20)
    done = split_by_plan(table, SplitPlan(), own=True)
    assert "Whole groups cannot be held out" in done.warnings[0] and set(done.table.split) == {"train", "valid"}
    for plan in (SplitPlan("group"), SplitPlan(group="group")):
        with pytest.raises(InputError, match="1 group"):
            split_by_plan(table, plan, own=True)


def test_groups_by_any_column_and_by_what_names_begin_with():
    names = [f"p{i // 8}_{i % 8}.png" for i in range(96)]
    table = table_of(names, patient=(np.arange(96) // 8))
    for group in ("patient", "file-name"):
        done = split_by_plan(table, SplitPlan(group=group), own=True)
        assert (parts_of(done.table, np.arange(96) // 8) == 1).all() and not done.warnings
        assert done.table.group.nunique() == 12


@pytest.mark.parametrize("group, words", [("hospital", "no column 'hospital'"), ("folder", "no groups by folder"),
                                          ("ward", "has no group by ward")])  # fmt: skip
def test_groups_that_there_are_not_are_refused(group, words):
    table = table_of([f"{i}.png" for i in range(20)], ward=["x"] * 10 + [""] * 10)
    with pytest.raises(InputError, match=words):
        split_by_plan(table, SplitPlan(group=group), own=True)


def test_a_stratified_split_holds_out_a_fifth_of_each_class():
    table = table_of([f"{i}.png" for i in range(200)], labels="aaaaaaaaab")
    split = split_by_plan(table, SplitPlan("stratified")).table
    assert split[split.split == "valid"].label.value_counts().to_dict() == {"a": 36, "b": 4}


# ---- what looks like a group ------------------------------------------------------------------------------------

NAMES = {  # pattern of names -> is it a patient?
    "patient{p:03d}_{i:02d}.png": True,
    "sub-{p:02d}_ses-{i}_T1w.nii.gz": True,
    "{p:08d}_{i:03d}.png": True,  # as in ChestX-ray14
    "P{p}-slice{i}.png": True,
    "scan {p}.{i}.png": False,  # the part after the point is an ending
    "IMG_{n:04d}.jpg": False,
    "cat.{n}.jpg": False,
    "2021{n:04d}_120000.jpg": False,
    "frame{n}.png": False,
    "{n}.png": False,
}


@pytest.mark.parametrize("pattern", NAMES)
def test_names_that_begin_with_a_patient_are_warned_of_and_others_are_not(pattern):
    names = [pattern.format(p=n // 8, i=n % 8, n=n) for n in range(160)]
    split = split_by_plan(table_of(names), SplitPlan("random"), own=True)
    assert bool(split.warnings) == NAMES[pattern], split.warnings
    if NAMES[pattern]:
        assert "--group file-name" in split.warnings[0] and split.group_hint == "file-name"


@pytest.mark.parametrize("column, values, expected", [
    ("patient", np.arange(160) // 8, True), ("PatientID", [f"x{i // 4}" for i in range(160)], True),
    ("subject_id", np.arange(160) // 3, True), ("image_id", np.arange(160), False), ("patient", [1] * 160, False),
    ("age", np.arange(160) // 8, False),
])  # fmt: skip
def test_a_column_that_looks_like_a_group_is_warned_of(column, values, expected):
    table = table_of([f"{i}.png" for i in range(160)], **{column: values})
    split = split_by_plan(table, SplitPlan("random"), own=True)
    assert bool(split.warnings) == expected and (not expected or f"--group {column}" in split.warnings[0])


def test_folders_below_the_class_are_groups_too():
    table = table_of([f"person{i // 20}/{i}.png" for i in range(160)])
    assert [hint.source for hint in find_group_hints(split_table(table))] == ["folder"]


def test_groups_that_a_given_split_keeps_apart_are_not_warned_of():
    names = [f"patient{i // 8:03d}_{i}.png" for i in range(160)]
    apart = table_of(names, split=["valid" if i < 32 else "train" for i in range(160)])
    torn = apart.assign(split=["valid" if i % 5 == 0 else "train" for i in range(160)])
    assert not split_by_plan(apart, SplitPlan(), own=True).warnings
    assert split_by_plan(torn, SplitPlan(), own=True).warnings


# ---- a file that lists what is held out ---------------------------------------------------------------------------


def test_a_list_of_what_is_held_out_is_obeyed(tmp_path):
    table = table_of([f"{i}.png" for i in range(20)])
    (tmp_path / "held.txt").write_text("a/0.png\n1\n\nb/3.png\nnobody.png\n")  # a path's end, a name without its ending
    done = split_by_plan(table, SplitPlan(file=str(tmp_path / "held.txt")), own=True)
    assert [path[-7:] for path in done.table.path[done.table.split == "valid"]] == ["a/0.png", "b/1.png", "b/3.png"]
    assert len(done.table) == 20 and any("nobody.png" in note for note in done.notes)


def test_a_csv_of_splits_leaves_out_what_it_does_not_name(tmp_path):
    table = table_of([f"{i}.png" for i in range(20)])
    rows = [(path, ["train", "VAL", "test"][i // 2 % 3]) for i, path in enumerate(table.path[:18])]
    pd.DataFrame(rows, columns=["path", "split"]).to_csv(tmp_path / "s.csv", index=False)
    done = split_by_plan(table, SplitPlan(file=str(tmp_path / "s.csv")), own=True)
    assert done.table.split.value_counts().to_dict() == {"train": 6, "valid": 6, "test": 6}
    assert [path for path, _ in done.left_out] == list(table.path[18:])


@pytest.mark.parametrize("name, text, words", [
    ("s.csv", "path,label\na/0.png,a\n", "no column split"), ("s.csv", "path,split\na/0.png,holdout\n", "'holdout'"),
    ("s.csv", "path,split\na/0.png,train\n/data/a/0.png,test\n", "two splits"), ("s.txt", "", "lists no paths"),
    ("s.txt", "x.png\n", "Not one path"), ("s.txt", "same.png\n", "write more"), (None, "", "cannot be read"),
])  # fmt: skip
def test_a_file_of_splits_that_makes_no_sense_is_refused(tmp_path, name, text, words):
    table = table_of([f"{i}.png" for i in range(10)] + ["same.png", "same.png"])
    if name:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words):
        split_by_plan(table, SplitPlan(file=str(tmp_path / (name or "gone.txt"))), own=True)


def test_a_run_is_split_as_another_run_was(tmp_path):
    folder = save_pictures(tmp_path / "data")
    rows = [(path, "valid" if path.stem.endswith("7") else "train") for path in sorted(folder.rglob("*.png"))]
    pd.DataFrame(rows, columns=["path", "split"]).to_csv(tmp_path / "items.csv", index=False)
    text = succeed("train", "--dataset", folder, "--split-file", tmp_path / "items.csv", "--dry-run", "--size", "16")
    assert "train 36, valid 4" in text
    assert refused(
        call("train", "--dataset", folder, "--split-file", tmp_path / "items.csv", "--split", "group"), "or by groups"
    )


# ---- why it matters ---------------------------------------------------------------------------------------------


def save_patients(folder, patients=40, each=12, side=12):
    """Pictures that show nothing but the patient; the class is drawn for each patient."""
    rng = np.random.default_rng(0)
    for p in range(patients):
        label, face = "ab"[p % 2], rng.integers(40, 216, (side, side))
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            pixels = face + rng.normal(0, 12, (side, side))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / label / f"patient{p:02d}_{i}.png")
    return folder


def accuracy_of(found):
    """Of a linear classifier, on the items that are held out."""
    table, items, _ = open_items(PICTURE, found.table, 12, 1, quiet=True)
    x, train = items[table.index].flatten(1).numpy(), (table.split == "train").to_numpy()
    model = LogisticRegression(C=100, max_iter=2000).fit(x[train], table.label[train])
    return model.score(x[~train], table.label[~train])


def test_a_leaking_split_scores_high_the_group_split_is_chance_and_the_tool_warns(tmp_path):
    folder = save_patients(tmp_path / "data")
    leaking = data.load_dataset(str(folder))
    whole = data.load_dataset(str(folder), split=SplitPlan(group=leaking.group_hint))
    assert accuracy_of(leaking) > 0.95 and 0.25 < accuracy_of(whole) < 0.75
    assert "file-name" in leaking.warnings[0] and not whole.warnings
    text = succeed("data", folder, "--out", tmp_path / "out")
    assert "Warning: The beginning of the file names looks like a group" in text and "--group file-name" in text
    assert "looks like a group" in (tmp_path / "out" / "data.html").read_text()
    dry = succeed("train", "--dataset", folder, "--dry-run", "--size", "16")
    assert "Warning: The beginning of the file names looks like a group" in dry


def test_all_items_of_one_recording_are_warned_of_and_rows_of_a_table_are_not():
    for names, warned in (("100.hea#samples/0-9", True), ("scan.nii#axial/3", True), ("all.csv#7", False)):
        file, item = names.split("#")
        paths = [f"/data/{file}#{item}{i}" for i in range(40)]
        table = pd.DataFrame({"path": paths, "label": ["a", "b"] * 20})
        found = split_by_plan(table, SplitPlan(), own=True)
        assert any(f"cut from one file, {file}" in text for text in found.warnings) == warned
