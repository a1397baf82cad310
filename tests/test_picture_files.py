"""Laws of reading picture files: channels, orientation and depth are obeyed, in memory or not."""

import numpy as np
import pytest
import torch
from helpers.pictures import save_pictures
from PIL import Image

from xaae import data
from xaae.sources import decoded_items, picture_files


def test_a_grey_class_hides_no_colour_of_another(tmp_path):
    """All classes are looked at, whichever comes first; grey is grey in every mode."""
    save_pictures(tmp_path, classes=("a",), mode="L", n=30)
    grey = [str(p) for p in sorted(tmp_path.rglob("*.png"))]
    for name, pixels in (("16 bits.png", np.zeros((8, 8), np.uint16)), ("float.tiff", np.zeros((8, 8), np.float32))):
        Image.fromarray(pixels).save(tmp_path / name)
        grey.append(str(tmp_path / name))
    Image.new("LA", (8, 8)).save(tmp_path / "transparent.png")
    grey.append(str(tmp_path / "transparent.png"))
    assert picture_files.picture_channels(grey) == 1
    save_pictures(tmp_path, classes=("z",), mode="RGB", n=3)
    paths = grey + [str(p) for p in sorted((tmp_path / "z").glob("*.png"))]
    labels = ["a"] * len(grey) + ["z"] * 3
    assert (
        picture_files.picture_channels(paths, labels) == 3 == picture_files.picture_channels(paths[::-1], labels[::-1])
    )


def test_what_nobody_sees_is_not_decoded(tmp_path):
    """Colours under full transparency lie on black, in every mode that can be transparent."""
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 0], pixels[4:, :, 3] = 200, 128
    image = Image.fromarray(pixels)
    for name, each in (("rgba.png", image), ("palette.png", image.quantize(8)), ("grey.png", image.convert("LA"))):
        each.save(tmp_path / name)
        found = picture_files.decode_picture(tmp_path / name, 8, 3)
        assert found[:, :4].max() <= 2 and 20 < found[:, 5:].max() < 120, name
    assert picture_files.decode_picture(tmp_path / "rgba.png", 8, 4)[0].min() == 200


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_float_picture_with_values_that_are_no_numbers_is_refused(tmp_path, odd):
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    values[2, 3] = odd
    Image.fromarray(values).save(tmp_path / "x.tiff")
    assert "no finite numbers" in picture_files.try_decode(tmp_path / "x.tiff", 8, 1)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_channels_as_the_files_have_them(tmp_path, mode, channels):
    folder = save_pictures(tmp_path / "p", mode=mode, n=5)
    table = data.load_table(str(folder))
    assert picture_files.picture_channels(list(table.path)) == channels
    _, found, _ = picture_files.open_pictures(table, 20, channels, quiet=True)
    assert found[[0, 3]].shape == (2, channels, 20, 20)


def test_pictures_too_many_for_memory_are_the_same(pictures_folder, monkeypatch):
    table = data.load_table(str(pictures_folder))
    _, kept, _ = picture_files.open_pictures(table, 32, 3, quiet=True)
    monkeypatch.setattr(decoded_items, "IN_MEMORY", 0)
    _, lazy, _ = picture_files.open_pictures(table, 32, 3, quiet=True)
    assert lazy.stack is None and torch.equal(lazy[[0, 7]], kept[[0, 7]])


def test_exif_orientation_is_obeyed(tmp_path):
    image = Image.new("L", (40, 40))
    image.paste(255, (0, 0, 40, 20))
    exif = image.getexif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "a.jpg", exif=exif)
    x = picture_files.decode_picture(tmp_path / "a.jpg", 40, 1)[0]
    assert x[:15].max() < 40 and x[25:].min() > 200


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_pictures_of_many_bits_keep_their_greys(tmp_path, mode):
    ramp = np.linspace(1000, 5000, 32 * 32).reshape(32, 32)
    kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
    Image.fromarray(ramp.astype(kind)).save(tmp_path / "x.tif")
    found = picture_files.decode_picture(tmp_path / "x.tif", 32, 1)[0].numpy()
    assert found.min() == 0 and found.max() == 255
    np.testing.assert_allclose(found, (ramp - 1000) / 4000 * 255, atol=1.5)
