"""Laws of the pictures on a page: which of many are shown, how items become colours, how tiles lie in a sprite."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS
from xaae.report.shared import sprites
from xaae.report.shared.sprites import PAINTERS, balanced, change_levels, evenly, heat_levels, make_sprite, tile_place

PAINT = PAINTERS["picture"]({})


@pytest.mark.parametrize("number", [1, 3, 8, 50])
def test_chosen_few_are_spread(number):
    chosen = evenly(number, 8)
    assert len(chosen) == min(number, 8) and chosen[0] == 0 and chosen[-1] == number - 1
    assert number <= 8 or np.ptp(np.diff(chosen)) <= 1


@pytest.mark.parametrize("number", [3, 8, 50])
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_chosen_rows_take_the_classes_in_turn(number, classes):
    target = np.arange(number)[::-1] % classes
    shown = balanced(target, 4)
    counts = np.bincount(target[shown], minlength=classes)
    assert len(shown) == min(4, number) and np.ptp(counts) <= 1 and (np.diff(target[shown]) >= 0).all()


def test_every_painter_is_of_a_kind():
    assert set(PAINTERS) <= set(KINDS)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_keep_their_places_and_get_three_colours(channels):
    items = np.random.default_rng(0).integers(0, 255, (2, 5, 4, 6, channels), dtype=np.uint8)
    painted = PAINT.items(items)
    assert painted.shape == (2, 5, 4, 6, 3) and painted.dtype == np.uint8
    np.testing.assert_array_equal(painted[..., 0], items[..., 0])


@pytest.mark.parametrize("places", [(6,), (4, 6), (3, 4, 6)])
def test_levels_are_of_any_number_of_dimensions(places):
    rng = np.random.default_rng(0)
    heat, change = rng.uniform(0, 9, (3, 2, *places)), rng.normal(0, 9, (3, *places))
    heat[0] = 0
    levels = heat_levels(heat)
    assert (levels[0] == 0).all() and all(row.max() == 1 for row in levels[1:]) and (levels >= 0).all()
    signed = change_levels(change)
    assert signed.shape == change.shape and np.abs(signed).max() == 1 and (np.sign(signed) == np.sign(change)).all()
    assert (change_levels(0 * change) == 0).all()


def test_a_rise_is_red_a_fall_blue_and_nothing_white():
    fall, none, rise = PAINT.change(np.array([[-1.0, 0.0, 1.0]]))[0].astype(int)
    assert fall[2] > fall[0] and rise[0] > rise[2] and (none == 255).all()


def test_heat_is_seen_the_better_the_stronger():
    opacity = PAINT.heat(np.linspace(0, 1, 9)[None])[0][:, 3].astype(int)
    assert opacity[0] == 0 and (np.diff(opacity) > 0).all() and opacity[-1] < 255


def test_a_tile_is_where_the_style_sheet_moves_to():
    rows, columns, size = 3, 4, 10
    flat = np.arange(rows * columns, dtype=np.uint8).reshape(rows, columns, 1, 1, 1) * 20
    sprite = make_sprite(np.broadcast_to(flat, (rows, columns, size, size, 3)), quality=100)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(sprite["uri"].partition(",")[2]))).convert("L")).astype(
        int
    )
    assert sheet.shape == (rows * size, columns * size) and sprite["ratio"] == 1
    for row in range(rows):
        for column in range(columns):
            place = tile_place(column, columns, row, rows)
            left, top = (round(place[k] / 100 * (n - 1) * size) for k, n in (("x", columns), ("y", rows)))
            tile = sheet[top : top + size, left : left + size]
            assert np.abs(tile - flat[row, column]).max() < 12


@pytest.mark.parametrize("shape", [(200, 100), (100, 200), (20, 20)])
def test_large_pictures_are_scaled_down_and_small_ones_left(shape):
    small = sprites.shrink(np.zeros((2, *shape, 3), np.uint8), 50)
    assert max(small.shape[1:3]) == min(50, max(shape)) and small.shape[1] / small.shape[2] == shape[0] / shape[1]


def test_a_broken_picture_file_is_refused_by_name(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(InputError, match=r"a\.png cannot be read"):
        sprites.embed_picture(tmp_path / "a.png")
