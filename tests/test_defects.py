"""A folder with a defect of every kind at once: each of its files is used, or listed once with its reason.

From the files on disk through `train` to the page.
"""

import os
import re
import shutil

import numpy as np
import pytest
from helpers.command_line import SMALL, succeed
from helpers.pictures import save_pictures
from PIL import Image

from xaae.experiment.text_tables import read_texts

CLASSES = ("None", "$0-$50", "nan")
DICOM = b"\0" * 128 + b"DICM"


def as_text(path):
    return os.fsencode(path).decode(errors="backslashreplace")


def every_file(folder):
    """All files below a folder, links among them, as texts."""
    found = []
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        found += [as_text(os.path.join(place, name)) for name in [*names, *links]]
    return sorted(found)


def spoil(root):
    """Put every kind of defect into a folder of splits and classes; reason -> how many files are left out for it."""
    first, last = root / "train" / "None", root / "train" / "nan"
    shutil.copy(first / "000.png", root / "Val" / "None" / "copy.png")
    shutil.copy(first / "001.png", last / "two labels.png")
    os.symlink(first / "003.png", root / "Val" / "None" / "link.png")
    os.symlink(root, first / "up")
    os.symlink(root / "gone.png", last / "dangling.png")
    for place in (root / "loose.png", root / "train" / "between.png", root / "__MACOSX" / "x.png", last / "._x.png"):
        place.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (len(place.name), 0, 0)).save(place)
    for name, content in {"broken.png": b"nothing", "empty.png": b"", "notes.txt": b"hi", "Icon\r": b"", "a.dcm": DICOM,
                          "IM0001": DICOM, "x.npy": b"\x93NUMPY",
                          "x.mat": b"MATLAB"}.items():  # fmt: skip
        (last / name).write_bytes(content)
    (last / "cut.png").write_bytes((first / "004.png").read_bytes()[:500])
    for name, value in (("nan.tiff", np.nan), ("inf.tiff", np.inf)):
        values = np.full((8, 8), 0.5, np.float32)
        values[3, 3] = value
        Image.fromarray(values).save(last / name)
    os.mkfifo(last / "pipe.png")
    os.rename(first / "005.png", os.path.join(os.fsencode(first), b"caf\xe9.png"))
    (root / "train" / "nothing in it").mkdir()
    return {"the same content": 3, "the same file": 1, "a link to": 2, "in no folder of a split and class": 2,
            "hidden": 2, "cannot identify": 2, "no picture": 2, "DICOM": 2, "no whole .npy": 1, "MATLAB": 1,
            "truncated": 1, "no finite numbers": 2, "no file": 1, "no text in UTF-8": 1}  # fmt: skip


def add_odd_ones(root):
    """Put files that are used although they are unusual: several frames, transparent, many bits, odd names."""
    place, frames = root / "train" / "None", [Image.new("L", (8, 8), shade) for shade in (9, 99)]
    for ending in ("gif", "tiff", "webp", "png"):
        frames[0].save(place / f"many.{ending}", save_all=True, append_images=frames[1:])
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(place / "clear.png")
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 900).save(place / "16 bits.png")
    for i, name in enumerate(("a:b", "x,y", 'q"', "two\nlines", " blank", "c\rr")):
        Image.new("RGB", (8, 8), (0, i, 0)).save(place / f"{name}.png")


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """(the folder, its run, what train printed, how many files have to be left out for which reason)."""
    root = tmp_path_factory.mktemp("defects")
    for split, n in (("train", 14), ("Val", 4), ("test", 3)):
        save_pictures(root / split, classes=CLASSES, n=n, size=20 + n)
    for split in ("train", "Val", "test"):  # the third class looks like the second: not the same bytes
        for picture in (root / split / "nan").glob("*.png"):
            Image.open(picture).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(picture)
    try:
        reasons = spoil(root)
    except OSError as e:
        pytest.skip(f"this disk cannot hold such files: {e}")
    add_odd_ones(root)
    run = root.with_name(f"{root.name}-run")
    options = ["--epochs", "1", "--baseline-epochs", "0", "--size", "16", "--items", "2000"]
    return root, run, succeed("train", *SMALL, *options, "--dataset", root, "--out", run), reasons


def test_every_file_is_used_or_listed_once(spoilt):
    root, run, _, reasons = spoilt
    used, skipped = (list(read_texts(run / name).path) for name in ("items.csv", "skipped.csv"))
    assert sorted([*used, *skipped]) == every_file(root)
    told = list(read_texts(run / "skipped.csv").reason)
    assert {words: sum(words in reason for reason in told) for words in reasons} == reasons
    assert sum(reasons.values()) == len(told), "no file is left out for another reason"


def test_every_label_and_split_is_the_folders(spoilt):
    root, run, _, _ = spoilt
    table, splits = read_texts(run / "items.csv"), {"train": "train", "Val": "valid", "test": "test"}
    for row in table.itertuples():
        top, label = os.path.relpath(row.path, root).split(os.sep)[:2]
        assert (row.split, row.label) == (splits[top], label)
    assert set(table.label) == set(CLASSES)


def test_what_was_found_is_printed_and_on_the_page(spoilt):
    root, run, printed, reasons = spoilt
    succeed("report", run)
    page = re.sub(r"\s+", " ", (run / "report.html").read_text(encoding="utf-8"))
    used = len(every_file(root)) - sum(reasons.values())
    for words in (f"{used} pictures are used", f"{sum(reasons.values())} files or rows are left out",
                  "4 files hold several frames", "MATLAB files (1)", "nothing in it"):  # fmt: skip
        assert words in printed and words in page, words
