"""Laws of .npz files in MedMNIST's keys: one reader; what cannot be used is refused by name, with the cure."""

import zipfile

import numpy as np
import pytest
from helpers.command_line import SMALL, call, refused

from xaae import data
from xaae.experiment.errors import InputError
from xaae.sources import npz_archives, picture_files

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 9, 7), np.uint8)
LABELS = np.arange(12) % 2


def save(path, images=GREY, labels=LABELS, **more):
    """An archive of a part for training, and of one to hold out, of the same shapes and types."""
    named = {"train_images": images, "train_labels": labels, "val_images": images, "val_labels": labels} | more
    np.savez(path, **{name: array for name, array in named.items() if array is not None})
    return path


def pixels(path, index=3, channels=1):
    """A picture of the archive as the trainer gets it, as large as it is stored: its middle square."""
    return picture_files.decode_picture(f"{path}#train_images/{index}", 7, channels).numpy()


SHAPES = {
    "(N, H, W)": GREY,
    "(N, H, W, 1)": GREY[..., None],
    "(N, 1, H, W)": GREY[:, None],
    "(N, H, W, 3)": np.repeat(GREY[..., None], 3, -1),
    "(N, 3, H, W)": np.repeat(GREY[:, None], 3, 1),
    "(N, H, W, 4)": np.concatenate([np.repeat(GREY[..., None], 3, -1), np.full_like(GREY, 255)[..., None]], -1),
    "int64": GREY.astype(np.int64),
    "uint16 to 255": GREY.astype(np.uint16),
    "float to 1": GREY / 255,
    "float32 to 1": (GREY / 255).astype(np.float32),
    "float to 255": GREY.astype(float),
    "float16 to 255": GREY.astype(np.float16),
    "colours, float to 1": np.repeat(GREY[..., None], 3, -1) / 255,
}


@pytest.mark.parametrize("name", SHAPES)
def test_pictures_of_any_shape_and_type_are_the_same(tmp_path, name):
    path = save(tmp_path / "x.npz", SHAPES[name])
    assert np.array_equal(pixels(path)[0], GREY[3, 1:8])
    grey = len(set(SHAPES[name].shape) & {3, 4}) == 0
    assert picture_files.picture_channels([f"{path}#train_images/0"]) == (1 if grey else 3)


def test_truth_values_are_black_and_white_and_other_numbers_are_scaled_like_those_of_a_file(tmp_path):
    assert set(np.unique(pixels(save(tmp_path / "mask.npz", GREY > 99)))) == {0, 255}
    wide = pixels(save(tmp_path / "wide.npz", 100 * GREY.astype(np.uint16)))
    low, high = GREY[3].min(), GREY[3].max()
    np.testing.assert_allclose(wide[0], 255 * (GREY[3, 1:8] - float(low)) / (high - low), atol=1)
    colours = pixels(save(tmp_path / "rgb.npz", np.repeat(GREY[..., None], 3, -1) * 100.0 - 7), channels=3)
    np.testing.assert_allclose(colours[0], 255 * (GREY[3, 1:8] / 255), atol=1.5)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_one_value_throughout_beyond_the_usual_range_is_no_division_by_nought(tmp_path):
    assert np.all(pixels(save(tmp_path / "one.npz", np.full((*GREY.shape, 3), 300, np.int16))) == 0)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("colours", [1, 3])
def test_a_picture_with_values_that_are_no_numbers_is_left_out_alone(tmp_path, odd, colours):
    images = np.repeat(GREY[..., None], colours, -1) / 255
    images[3, 0, 0] = odd
    path = save(tmp_path / "x.npz", images)
    assert "no finite numbers" in picture_files.try_decode(f"{path}#train_images/3", 7, 1)
    assert np.array_equal(pixels(path, 4)[0], GREY[4, 1:8])


GOOD_LABELS = {
    "(N,)": LABELS, "(N, 1)": LABELS[:, None], "float": LABELS.astype(float), "bool": LABELS == 1,
    "one-hot": np.eye(2)[LABELS], "uint8": LABELS.astype(np.uint8), "text": np.array(["0", "1"])[LABELS],
    "bytes": np.array([b"0", b"1"])[LABELS],
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD_LABELS)
def test_labels_of_any_shape_and_type_are_the_same(tmp_path, name):
    table = npz_archives.archive_table(save(tmp_path / "x.npz", labels=GOOD_LABELS[name]))
    assert list(table.label) == [str(k) for k in LABELS] * 2 and list(table.split) == ["train"] * 12 + ["valid"] * 12
    named = npz_archives.archive_table(tmp_path / "x.npz", {"0": "normal"})
    assert set(named.label) == {"normal", "1"}


BAD = {
    "coloured volumes": ({"images": np.zeros((12, 9, 9, 9, 3), np.uint8)}, "volumes in colour.*one channel"),
    "thin volumes": ({"images": np.zeros((12, 2, 9, 9), np.uint8)}, "fewer than 4 voxels"),
    "rows": ({"images": np.zeros((12, 81), np.uint8)}, r"shape \(12, 81\).*\(N, H, W\)"),
    "one number": ({"images": np.uint8(3)}, "empty"),
    "no pixels": ({"images": np.zeros((12, 0, 7), np.uint8)}, "without pixels"),
    "none": ({"images": GREY[:0], "labels": LABELS[:0]}, "empty"),
    "objects": ({"images": np.array([GREY[0]] * 12 + [None], object)[:12]}, "train_images.*Python objects.*np.stack"),
    "object labels": ({"labels": np.array(list(LABELS), object)}, "train_labels.*Python objects"),
    "several labels": ({"labels": np.ones((12, 3), int)}, "several labels.*one column"),
    "a broken number": ({"labels": LABELS + 0.5}, "no classes.*whole numbers"),
    "no number": ({"labels": np.where(LABELS, 1.0, np.nan)}, "no classes"),
    "complex labels": ({"labels": LABELS + 1j}, "no classes"),
    "too few labels": ({"labels": LABELS[:-1]}, "12 pictures.*11 labels"),
    "no labels": ({"labels": None}, "no array train_labels.*holds train_images"),
    "no pictures": ({"images": None}, "no array train_images"),
    "other names": ({"images": None, "labels": None, "x": GREY}, "no array train_images and train_labels, it holds x"),
    "no labels held out": ({"val_labels": None}, "no array val_labels"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("way", ["path", "medmnist"])
def test_what_cannot_be_used_is_refused_by_name_with_the_cure(tmp_path, name, way):
    arrays, words = BAD[name]
    path = save(tmp_path / "mine.npz", **arrays)
    with pytest.raises(InputError, match=words):
        data.load_dataset(*((str(path),) if way == "path" else ("medmnist:mine", tmp_path)))


def test_pictures_of_complex_numbers_are_refused(tmp_path):
    assert "complex128" in picture_files.try_decode(f"{save(tmp_path / 'x.npz', GREY + 1j)}#train_images/0", 7, 1)


BROKEN = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "changed": lambda path: path.write_bytes(path.read_bytes()[:300] + b"\0" * 200 + path.read_bytes()[500:]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("this is no archive"),
    "half a header": lambda path: zip_of_headers(path, b"{'descr': ('|u1', "),
    "another format": lambda path: path.write_bytes(npy(path)),
}


def zip_of_headers(path, head):
    """An archive whose arrays have this text in place of a header."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("train_images", "train_labels"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(99))


def npy(path):
    np.save(path.with_suffix(".npy"), GREY)
    return path.with_suffix(".npy").read_bytes()


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_archive_is_refused_by_the_command(tmp_path, how):
    path = save(tmp_path / "mine.npz")
    BROKEN[how](path)
    out = tmp_path / "run"
    assert refused(call("train", *SMALL, "--dataset", path, "--out", out), "mine.npz is no whole .npz file", "again")
    assert not out.exists()


def test_an_archive_is_a_dataset_and_needs_no_part_to_hold_out(tmp_path):
    found = data.load_dataset(str(save(tmp_path / "x.npz", val_images=None, val_labels=None))).table
    assert found.split.value_counts().to_dict() == {"train": 10, "valid": 2}
    table, items, skipped = picture_files.open_pictures(found, 16, 1, quiet=True)
    assert len(table) == 12 and items[[0, 5]].shape == (2, 1, 16, 16) and skipped.empty


@pytest.mark.parametrize("item", ["train_images/99", "train_images/-1", "train_images/x", "nothing/0"])
def test_an_item_that_is_not_there_is_named(tmp_path, item):
    reason = picture_files.try_decode(f"{save(tmp_path / 'x.npz')}#{item}", 7, 1)
    assert item.split("/")[0] in reason and ("has no picture" in reason or "has no array" in reason)
