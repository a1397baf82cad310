"""Laws of the first look: planted metadata are named, shuffled labels raise no alarm, nothing goes untold."""

import json
import shlex

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.command_line import call, refused, succeed
from helpers.pictures import save_pictures
from PIL import Image

from xaae.experiment.tasks import Target
from xaae.first_look import associations, look_run
from xaae.first_look.look_sentences import alarms_of, words_of
from xaae.report.first_look.look_page import render_look
from xaae.sources import item_facts, picture_metadata

CLASSES = ("cat", "dog")
N = 60  # items of a class


def noise(rng, side=16):
    return Image.fromarray(rng.integers(0, 255, (side, side, 3)).astype(np.uint8))


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
            save(noise(rng), folder / name / f"{i:03d}", name == "dog", rng)
    return folder


def compare(facts, labels, **options):
    """What `associate` finds of columns {name: (N,)}."""
    table = pd.DataFrame({"label": labels})
    return associations.associate(pd.DataFrame(facts), table, options.pop("target", Target()), **options)


# ---- the facts of files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [5, 30, 50, 75, 90, 95, 100])
def test_the_quality_of_a_jpeg_is_read_off_its_tables(tmp_path, quality):
    noise(np.random.default_rng(0)).save(tmp_path / "a.jpg", quality=quality)
    assert picture_metadata.picture_metadata(tmp_path / "a.jpg")["JPEG quality"] == quality


def test_the_facts_of_a_file(tmp_path):
    exif = Image.Exif()
    exif[0x0110], exif[0x0132] = "Model 7", "2021:03:04 12:00:00"
    noise(np.random.default_rng(0)).resize((20, 10)).save(tmp_path / "a.jpg", exif=exif, dpi=(72, 72), quality=80)
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"nothing")
    facts, reasons = item_facts.read_item_facts([tmp_path / name for name in ("a.jpg", "b.png", "c.png")], quiet=True)
    first = facts.iloc[0]
    assert (first["width"], first["height"], first["aspect ratio"], first["camera"]) == (20, 10, 2, "Model 7")
    assert (
        first["resolution"] == 72 and pd.Timestamp(first["date in EXIF"], unit="s").date().isoformat() == "2021-03-04"
    )
    assert facts["bits"].tolist()[:2] == [8, 16] and pd.isna(facts["camera"][1])
    assert [bool(reason) for reason in reasons] == [False, False, True] and facts["file size"][2] == 7


def test_a_picture_that_pillow_does_not_know_has_facts(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.random.default_rng(0).random((8, 9, 3)).astype(np.float32))
    facts, reasons = item_facts.read_item_facts([tmp_path / "a.tif"], quiet=True)
    assert list(reasons) == [""] and (facts["width"][0], facts["bits"][0]) == (9, 32)


def test_names_of_files_are_patterns_without_their_numbers_and_class():
    found = item_facts.name_patterns(["x/cat.12.jpg", "x/Dog7.jpg", "y/scat_0001.png"], ["cat", "dog", "cat"])
    assert found.tolist() == ["\u2026.#", "\u2026#", "scat_#"]


# ---- what goes with the class -----------------------------------------------------------------------------------


def test_numbers_and_categories_are_measured_as_by_hand():
    labels = np.array(["a"] * 50 + ["b"] * 50)
    rng = np.random.default_rng(0)
    x = rng.normal(size=100) + (labels == "b")
    rows, _ = compare({"x": x, "site": np.where(labels == "a", "north", "south")}, labels)
    found = {row["fact"]: row for row in rows}
    by_hand = np.mean(x[50:, None] > x[:50])
    assert found["x"]["value"] == pytest.approx(by_hand) and found["x"]["measure"] == "AUROC"
    assert found["site"]["value"] == pytest.approx(1, abs=0.01) and found["site"]["shown"] == {"a": 1.0, "b": 0.0}


def test_cramers_v_is_not_pushed_up_by_many_categories():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(20):
        counts = pd.crosstab(rng.integers(0, 2, 100), rng.integers(0, 15, 100))
        found.append(associations.cramers_v(counts))
    assert np.mean(found) < 0.1 and associations.cramers_v([[50, 0], [0, 50]]) == pytest.approx(1, abs=0.01)


def test_of_several_classes_the_one_that_differs_is_named():
    labels = np.repeat(["a", "b", "c"], 40)
    rows, _ = compare({"x": np.random.default_rng(0).normal(size=120) + 3 * (labels == "c")}, labels)
    assert rows[0]["of"] == "c" and rows[0]["grade"] == "gives away"


def test_facts_that_cannot_go_with_anything_are_told_apart():
    labels = np.repeat(["a", "b"], 20)
    facts = {"same": np.ones(40), "unique": [f"n{i}" for i in range(40)], "none": np.full(40, np.nan)}
    rows, skipped = compare(facts, labels)
    assert not rows and set(skipped) == set(facts) and skipped["same"] == "1 in all items"


def test_a_fact_that_only_one_class_has_is_named():
    labels = np.repeat(["a", "b"], 20)
    rows, _ = compare({"x": np.where(labels == "a", 1.0, np.nan)}, labels)
    assert rows[0]["fact"] == "x given" and rows[0]["grade"] == "gives away"


def test_facts_that_part_the_items_alike_are_one():
    labels = np.repeat(["a", "b"], 20)
    rows, _ = compare({"x": np.where(labels == "a", 1.0, 2.0), "y": np.where(labels == "a", "u", "v")}, labels)
    assert len(rows) == 1 and rows[0]["also"] == ["y"]


def test_numbers_that_all_differ_are_facts_of_their_own():
    """Whatever stands before it, a number or the name of a series: what gives the class away is found."""
    rng, labels = np.random.default_rng(0), np.repeat(["a", "b"], 40)
    facts = {"noise": rng.normal(size=80), "series": [f"s{i}" for i in range(80)], "dose": np.arange(80.0)}
    rows, skipped = compare(facts | {"less dose": -np.arange(80.0)}, labels)
    found = {row["fact"]: row for row in rows}
    assert set(found) == {"noise", "dose"} and set(skipped) == {"series"}
    assert (found["dose"]["grade"], found["dose"]["also"]) == ("gives away", ["less dose"])


@pytest.mark.parametrize("patients", [8, 24])
def test_parts_of_few_files_are_counted_as_files(patients):
    """What a file has once, as its date, goes with the class in all its slices: that proves nothing of a few files."""
    file = np.repeat(np.arange(patients), 50)
    labels, groups = np.where(file < patients // 2, "a", "b"), pd.Series(file.astype(str))
    facts = {"date": np.random.default_rng(1).permutation(patients)[file] * 1.0, "site": [f"s{i % 7}" for i in file]}
    rows, skipped = compare(facts, labels, groups=groups)
    assert not alarms_of({"metadata": rows}) and all(row["counted"] == "groups" for row in rows)
    assert len(rows) + len(skipped) == 2 and (patients == 24 or "fewer than 5 groups" in skipped["date"])


def test_the_most_frequent_category_stands_for_a_group():
    column = pd.Series(["x", "y", "y", "b", "a", "c", "c"], dtype=object)
    found = associations._typical_of_groups(column, np.array([0, 0, 0, 1, 1, 2, 2]))
    assert found.tolist() == ["y", "a", "c"]


def test_slices_of_few_patients_prove_nothing():
    """A number drawn once for each of 24 patients, on 50 slices each: by items it is significant, by patients not."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(24), 50)
    labels, x = np.where(patient < 12, "a", "b"), rng.normal(size=24)[patient]
    (by_item,), _ = compare({"x": x}, labels)
    (by_group,), _ = compare({"x": x}, labels, groups=pd.Series(patient.astype(str)))
    assert by_item["p"] < 0.001 < 0.05 < by_group["p"]
    assert (by_group["counted"], by_group["n"]) == ("groups", 24)


def test_a_severity_is_compared_by_its_order():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"label": ["low"] * 60, "score": rng.normal(size=60)})
    facts = pd.DataFrame({"x": np.exp(table.score), "site": np.where(table.score > 0, "north", "south")})
    rows, _ = associations.associate(facts, table, Target(task="severity", columns=("score",)))
    found = {row["fact"]: row for row in rows}
    assert found["x"]["measure"] == "Spearman" and found["x"]["value"] == pytest.approx(1)
    assert found["site"]["measure"] == "eta" and found["site"]["grade"] == "gives away"


def test_of_several_labels_the_one_that_a_fact_goes_with_is_named():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"label": "x", "fluid": rng.integers(0, 2, 80) * 1.0, "mass": rng.integers(0, 2, 80) * 1.0})
    table.loc[:9, "mass"] = np.nan
    target = Target(task="labels", columns=("fluid", "mass"))
    rows, _ = associations.associate(pd.DataFrame({"x": table.mass.fillna(0.5)}), table, target)
    assert rows[0]["of"] == "mass" and rows[0]["grade"] == "gives away" and rows[0]["n"] == 70


def test_a_label_of_few_items_hides_no_other():
    """By chance a fact parts the few items of a rare label; what it says of a common one is told all the same."""
    rng, n = np.random.default_rng(0), 400
    rare, common = np.full(n, np.nan), np.repeat([0.0, 1.0], n // 2)
    x = rng.normal(size=n) + 1.2 * common
    places = np.array(sorted(rng.permutation(n)[:10], key=x.__getitem__))
    rare[places] = [0, 0, 0, 1, 1, 0, 0, 1, 1, 1]
    table = pd.DataFrame({"label": "x", "rare": rare, "common": common})
    (row,), _ = associations.associate(pd.DataFrame({"x": x}), table, Target(task="labels", columns=tuple(table)[1:]))
    assert row["of"] == "common" and row["grade"] == "goes with" and row["p_holm"] < 0.001


# ---- the command ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_shortcut_is_named(tmp_path, name):
    save, fact, words = PLANTED[name]
    text = succeed("data", save_planted(tmp_path / "data", save), "--out", tmp_path / "out")
    look = json.loads((tmp_path / "out" / "data.json").read_text())
    row = next(row for row in look["metadata"] if fact in (row["fact"], *row["also"]))
    assert row["grade"] == "gives away" and row["p_holm"] < 0.001
    assert words in text and f"python main.py --dataset {tmp_path / 'data'}" in text


def test_shuffled_labels_of_a_clean_folder_raise_at_most_one_alarm(tmp_path):
    rng, paths = np.random.default_rng(7), []
    for i in range(200):
        side, path = int(rng.integers(12, 40)), tmp_path / f"{rng.choice(['IMG', 'scan'])}_{i}"
        path = path.with_suffix(rng.choice([".jpg", ".png"]))
        noise(rng, side).save(path, **({"quality": int(rng.integers(60, 96))} if path.suffix == ".jpg" else {}))
        paths.append(path)
    facts, _ = item_facts.read_item_facts(paths, quiet=True)
    facts["camera"] = rng.choice([f"camera {i}" for i in range(30)], 200)  # many categories, few items of each
    facts["age"] = rng.integers(20, 90, 200) * 1.0
    alarms = []
    for _ in range(20):
        labels = rng.choice(["a", "b", "c"], 200)
        facts["file name"] = item_facts.name_patterns(paths, labels)
        rows, _ = compare(facts.drop(columns="file date"), labels)
        assert len(rows) >= 7
        alarms.append(len(alarms_of({"metadata": rows})))
    assert sum(alarms) <= 1


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
    assert "data:image/png;base64" in page and "notes.txt" in page and "http" not in page.replace("http://www.w3", "")
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size[0] > 600


def test_the_headline_says_whether_there_was_anything_to_compare(tmp_path):
    out = tmp_path / "out"
    succeed("data", save_pictures(tmp_path / "data", n=6), "--out", out)
    look = json.loads((out / "data.json").read_text())
    for rows, headline in ((look["metadata"], "No metadata go with the class"), ([], "Nothing could be compared")):
        (out / "data.json").write_text(json.dumps(look | {"metadata": rows}))
        assert f"<h1>{headline}" in render_look(out)


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
    words = shlex.split(look["command"])[2:]
    assert "patient" in look["warnings"][0] and "--outside-files" in words and "--group" not in words
    again = json.loads(call("data", *words[1:], "--json", "--out", tmp_path / "again").stdout)
    assert (look["refusal"], again["refusal"], again["split_by"]) == ("", "", look["split_by"])


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


def test_a_picture_too_large_to_be_opened_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    noise(np.random.default_rng(0)).save(tmp_path / "a.png")
    _, reasons = item_facts.read_item_facts([tmp_path / "a.png"], quiet=True)
    assert "DecompressionBomb" in reasons[0]


def test_no_training_is_named_where_no_item_can_be_used(tmp_path):
    path = tmp_path / "all.npz"
    np.savez(path, X=np.ones((12, 2, 100), complex), y=np.arange(12) % 2)
    text = succeed("data", path, "--out", tmp_path / "out")
    assert "Training would refuse this: 12 of 12 signals cannot be used" in text and "To train" not in text


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_column_that_is_infinite_or_blank_is_told_in_words():
    labels = np.repeat(["a", "b"], 20)
    facts = {"column x": np.tile([np.inf, -np.inf], 20), "column y": np.where(labels == "a", 1, np.nan)}
    rows, _ = compare(facts, labels)
    sentences = [words_of(row)["sentence"] for row in rows]
    assert sentences[0].startswith("Whether the column y is filled gives the class away") and len(rows) == 2


def test_data_that_training_would_refuse_are_looked_at_all_the_same(tmp_path):
    save_pictures(tmp_path / "data", n=8)
    (tmp_path / "data" / "lone").mkdir()
    noise(np.random.default_rng(0)).save(tmp_path / "data" / "lone" / "1.png")
    text = succeed("data", tmp_path / "data", "--out", tmp_path / "out")
    assert "Training would refuse this: No item of class 'lone'" in text and "To train" not in text
    assert refused(call("train", "--dataset", tmp_path / "data", "--out", tmp_path / "run"), "No item of class 'lone'")


@pytest.mark.parametrize("case", ["empty", "texts", "nowhere", "one class", "other folder"])
def test_bad_input_is_refused_in_a_sentence(tmp_path, case):
    folder, out, words = tmp_path / "data", tmp_path / "out", "No pictures were found"
    folder.mkdir()
    if case == "texts":
        (folder / "a").mkdir()
        (folder / "a" / "b.txt").write_text("text")
    elif case == "nowhere":
        folder, words = tmp_path / "nowhere", "no dataset"
    elif case == "one class":
        save_pictures(folder, ("left",), n=4)
        words = "one class"
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
