"""Laws of .npy files of pictures: one a file or a stack, the same values whatever the type, objects refused."""

import numpy as np
import pytest
from helpers.command_line import SMALL, succeed

from xaae.experiment.errors import InputError
from xaae.sources import formats, item_facts, picture_files
from xaae.sources.class_folders import own_data

GREY = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)


def save(path, values):
    """Write an array; the path as a text."""
    np.save(path, values, allow_pickle=True)
    return str(path)


ONES = {
    "(H, W)": GREY,
    "(H, W, 1)": GREY[..., None],
    "(H, W, 3)": np.repeat(GREY[..., None], 3, -1),
    "int64": GREY.astype(np.int64),
    "float to 1": GREY / 255,
    "float32 to 255": GREY.astype(np.float32),
}


@pytest.mark.parametrize("name", ONES)
def test_a_picture_is_the_same_in_any_shape_and_type(tmp_path, name):
    path = save(tmp_path / "x.npy", ONES[name])
    assert formats.items_of(path) == [path]
    assert np.array_equal(picture_files.decode_picture(path, 7, 1)[0], GREY[1:8])
    assert picture_files.picture_channels([path]) == (3 if ONES[name].shape[-1] == 3 else 1)


@pytest.mark.parametrize("shape", [(5, 9, 7), (5, 9, 7, 1), (5, 9, 7, 3), (5, 3, 9, 7)])
def test_a_stack_is_an_item_each(tmp_path, shape):
    values = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    for name in "ab":
        (tmp_path / name).mkdir()
        save(tmp_path / name / "x.npy", values + np.uint8(name == "b"))
    found = own_data(tmp_path)
    assert len(found.table) == 10 and found.table.path[3] == f"{tmp_path / 'a' / 'x.npy'}#3"
    assert any("2 files hold several items, 10 items in all" in note for note in found.notes)
    pictures = {path: picture_files.decode_picture(path, 7, 1).numpy().tobytes() for path in found.table.path}
    assert len(set(pictures.values())) == 10


def test_other_numbers_are_scaled_by_the_window(tmp_path):
    path = save(tmp_path / "x.npy", GREY * 100.0 - 5000)
    found = picture_files.decode_picture(path, 7, 1)[0].numpy()
    low, high = float(GREY.min()), float(GREY.max())
    np.testing.assert_allclose(found, 255 * (GREY[1:8] - low) / (high - low), atol=0.51)


BAD = {
    "objects": (np.array([GREY, None], object), "Python objects"),
    "a number": (np.float32(3), "no pictures"),
    "a row": (GREY[0], "no pictures"),
    "volumes": (np.zeros((2, 9, 9, 9), np.uint8), "volumes.*slices"),
    "not finite": (np.where(GREY > 9, GREY, np.nan), "no finite numbers"),
    "text": (np.full((9, 7), "x"), "type <U1"),
    "no pixels": (np.zeros((3, 0, 7), np.uint8), "without pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_refused_by_name(tmp_path, name):
    values, words = BAD[name]
    path = save(tmp_path / "x.npy", values)
    with pytest.raises(InputError, match=words):
        formats.read_item(formats.items_of(path, "picture")[0], "picture")


def test_a_file_that_was_cut_short_is_refused(tmp_path):
    path = tmp_path / "x.npy"
    save(path, GREY)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="no whole .npy file"):
        formats.read_item(str(path))


@pytest.mark.parametrize("item", ["9", "-1", "x"])
def test_an_item_that_is_not_there_is_named(tmp_path, item):
    path = save(tmp_path / "x.npy", np.zeros((5, 9, 7), np.uint8))
    with pytest.raises(InputError, match="has no picture"):
        formats.read_item(f"{path}#{item}")
    with pytest.raises(InputError, match="INDEX"):
        formats.read_item(path)


def test_class_folders_of_arrays_train(tmp_path):
    rng = np.random.default_rng(0)
    for k, name in enumerate("ab"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(10):
            save(tmp_path / "data" / name / f"{i}.npy", rng.random((20, 20)) * 0.5 + 0.4 * k)
    printed = succeed("train", *SMALL, "--dataset", tmp_path / "data", "--dry-run")
    assert "20 pictures are used" in printed and "input_channels: 1" in printed


def test_half_a_header_is_a_reason(tmp_path):
    head = b"{'descr': ('|u1', "
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(99))
    assert "no whole .npy file" in picture_files.try_decode(str(tmp_path / "x.npy"), 7, 1)
    with pytest.raises(InputError, match="no whole .npy file"):
        formats.items_of(tmp_path / "x.npy", "picture")
    assert item_facts.read_item_facts([tmp_path / "x.npy"], quiet=True)[1][0]
