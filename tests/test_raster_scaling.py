"""Laws of pictures with more than 8 bits a value: what is black and what is white is a setting, told and kept."""

import json

import cv2
import numpy as np
import pytest
from helpers.command_line import SMALL, call, refused, succeed
from helpers.pictures import save_pictures
from PIL import Image

from xaae import data
from xaae.experiment.errors import InputError
from xaae.sources import formats, picture_files, pillow_files
from xaae.sources.file_contents import Raster
from xaae.sources.items import reading_options
from xaae.sources.raster_scaling import BY_FILE, Window, measure_window, parse_window, square_pixels, to_eight_bits
from xaae.training.trained_run import open_trained_run

LOW, HIGH = 500, 40_000
SHAPE = np.linspace(0, 1, 24 * 24).reshape(24, 24)


def save_deep(folder, n=6, classes="ab"):
    """A folder of two classes of 16-bit ramps; those of the second class are as bright again as those of the first."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            ramp = LOW + rng.uniform(0, 100, SHAPE.shape) + SHAPE * (HIGH - LOW) * (k + 1) / 2
            Image.fromarray(ramp.astype(np.uint16)).save(folder / name / f"{i}.png")
    return folder


def opened(folder, window):
    """(brightest value of each picture by class, notes)."""
    table = data.load_table(str(folder))
    table, items, _ = picture_files.open_pictures(table, 24, 1, window=window)
    brightest = items[np.arange(len(table))].flatten(1).max(1).values.numpy()
    return {name: brightest[(table.label == name).to_numpy()] for name in "ab"}, items


def test_by_file_every_picture_is_as_bright_and_by_dataset_brightness_stays(tmp_path):
    folder = save_deep(tmp_path / "deep")
    each, items = opened(folder, BY_FILE)
    assert min(each["a"].min(), each["b"].min()) == 1.0 and "--window dataset keeps" in items.notes[0]
    every, items = opened(folder, Window("dataset"))
    assert 0.49 < every["a"].min() <= every["a"].max() < 0.51 and every["b"].min() > 0.99
    low, high = items.measured["levels"]
    assert low == pytest.approx(LOW, abs=150) and high == pytest.approx(HIGH, abs=150)
    assert f"all from {low:g} to {high:g}" in items.notes[0]
    fixed, items = opened(folder, parse_window(f"{LOW}:80000"))
    assert 0.48 < fixed["b"].min() < 0.51 and items.measured == {} and "as --window says" in items.notes[0]


ARRAYS = {  # how an array was scaled -> (its pictures (N, 8, 8), part of the sentence, is another window worth naming?)
    "unit": (lambda x: x, "0 is black and 1 is white, since all values are from 0 to 1", False),
    "bytes": (lambda x: x * 255, "0 is black and 255 is white, since all values are from 0 to 255", False),
    "own": (lambda x: x * 4000 - 1000, "each from its own darkest to its own brightest value", True),
    "range": (lambda x: np.stack([x * 4000] * 3, -1), "from the lowest to the highest value of the whole file", True),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_it_is_said_how_an_array_without_a_window_is_scaled(tmp_path, name):
    make, words, more = ARRAYS[name]
    x = make(np.random.default_rng(0).random((6, 8, 8)))
    np.savez(tmp_path / "a.npz", train_images=x.astype(np.float32), train_labels=np.arange(6) % 2)
    table = data.load_table(str(tmp_path / "a.npz"))
    (note,) = picture_files.open_pictures(table, 8, 3 if x.ndim == 4 else 1)[1].notes
    assert words in note and "their files say" not in note and ("--window dataset" in note) == more


def test_the_window_of_a_dataset_is_measured_in_training_items_alone(tmp_path):
    table = data.load_table(str(save_deep(tmp_path / "deep")))
    held = table.assign(split=np.where(table.label == "b", "valid", "train"))
    window = picture_files.measure_dataset(held)
    assert window.high == pytest.approx(LOW + (HIGH - LOW) / 2, abs=150)


def test_a_hot_pixel_and_an_odd_picture_do_not_rule_the_window():
    usual = [(100.0 + i % 3, 900.0 + i % 5) for i in range(300)]
    window = measure_window([*usual, (0.0, 65535.0)])
    assert 99 < window.low <= 102 and 900 <= window.high < 910
    values = np.full((64, 64), 100, np.uint16)
    values[0, 0] = 65535
    assert picture_files.value_range(Raster(values))[1] == 100


def test_pictures_of_8_bits_are_as_they_are_and_that_is_said(tmp_path):
    folder = save_pictures(tmp_path / "p", n=5)
    table = data.load_table(str(folder))
    plain = picture_files.open_pictures(table, 24, 3)[1]
    for text in ("dataset", "0:9"):
        other = picture_files.open_pictures(table, 24, 3, window=parse_window(text))[1]
        assert (other.stack == plain.stack).all() and "changes nothing" in other.notes[0]
    assert not plain.notes


@pytest.mark.parametrize("text", ["", "x", "5", "5:", ":5", "9:3", "3:3", "nan:5", "0:inf", "1:2:3"])
def test_what_is_no_window_is_refused_before_anything_is_read(tmp_path, text):
    with pytest.raises(InputError, match="LOW:HIGH"):
        parse_window(text)
    assert refused(call("train", *SMALL, "--window", text, "--out", tmp_path / "run"), "LOW:HIGH")


def test_a_float_picture_keeps_what_lies_between_whole_numbers():
    values = np.linspace(-0.3, 0.3, 256, dtype=np.float32)[None]
    found = to_eight_bits(Raster(values), parse_window("-0.3:0.3"))
    assert len(np.unique(found)) > 250 and found[0, 0] == 0 and found[0, -1] == 255


SQUARES = [((1, 1), (8, 8)), ((1.01, 1), (8, 8)), ((2, 1), (16, 8)), ((1, 3), (8, 24)), ((0, 1), (8, 8))]


@pytest.mark.parametrize(("sides", "shape"), SQUARES)
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float64])
def test_pixels_are_made_square(sides, shape, kind):
    found = square_pixels(np.full((8, 8), 7, kind), *sides)
    assert found.shape == shape and (found == 7).all()


# ---- a run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", ["file", "dataset", "0:60000"])
def test_a_run_keeps_its_window_for_every_command(tmp_path, window):
    """Items are read as they were trained on, in memory or one at a time, and so are files of the user's own."""
    folder = save_deep(tmp_path / "deep", n=10)
    out = tmp_path / "run"
    printed = succeed("train", *SMALL, "--baseline-epochs", 0, "--dataset", folder, "--window", window, "--out", out)
    config = json.loads((out / "config.json").read_text())
    assert config["window"] == window and bool(config["levels"]) == (window == "dataset")
    assert "more than 8 bits a value" in printed and "more than 8 bits a value" in config["dataset_note"]
    kept, lazy = open_trained_run(out), open_trained_run(out, decoded=False)
    rows = np.arange(len(kept.table))
    assert (kept.items[rows] == lazy.items[rows]).all()
    dark = kept.items[np.flatnonzero(kept.table.label == "a")].flatten(1).max(1).values
    expected = {"file": 1.0, "dataset": 0.5, "0:60000": 20_250 / 60_000}[window]
    assert dark.mean() == pytest.approx(expected, abs=0.02)
    chosen = reading_options(kept.kind, kept.config)
    own = picture_files.decode_picture(kept.table.path[0], kept.config.input_size, 1, **chosen).float() / 255
    assert (own == kept.items[[0]][0]).all()


# ---- colours ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.png", "x.tif", "float.tif"])
def test_colours_of_more_than_8_bits_keep_them(tmp_path, name):
    """Of a camera's 12 bits in 16, Pillow alone would keep the highest 4."""
    values = np.random.default_rng(0).integers(0, 4096, (24, 24, 3)).astype(np.uint16)
    values[0, 0], values[0, 1] = 0, 4095
    stored = (values / 4096).astype(np.float32) if name == "float.tif" else values
    assert cv2.imwrite(str(tmp_path / name), stored[..., ::-1])
    found = picture_files.decode_picture(tmp_path / name, 24, 3).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, values / 4095 * 255, atol=0.6)
    facts = formats.file_facts(tmp_path / name)
    assert facts["bits"] == stored.dtype.itemsize * 8 and facts["channels"] == 3
    assert picture_files.picture_channels([tmp_path / name]) == 3


def test_transparent_colours_of_16_bits_lie_on_black(tmp_path):
    values = np.full((8, 8, 4), 40_000, np.uint16)
    values[0, 0] = 0
    values[4:, :, 3] = 0
    values[1, 1] = 65_535
    assert cv2.imwrite(str(tmp_path / "x.png"), values)
    found = picture_files.decode_picture(tmp_path / "x.png", 8, 3)
    assert found[:, 4:].max() == 0 and found[:, 2:4].min() > 80


# ---- endings ----------------------------------------------------------------------------------------------------


def test_every_ending_is_one_that_pillow_opens():
    Image.init()
    opened = {ending for ending, name in Image.EXTENSION.items() if name in Image.OPEN} | {".mpo", ".qoi", ".im"}
    assert set(pillow_files.ENDINGS) <= opened
    left = opened - set(pillow_files.ENDINGS)
    stubs = set(".bufr .grib .h5 .hdf .mpg .mpeg .wmf .emf .ps .eps .iim".split())  # Pillow knows them, and reads none
    assert left <= stubs
