"""Laws of films: every start in its place, every frame read back, nothing half-written."""

import cv2
import numpy as np
import pytest
from PIL import Image

from xaae.latent_nav import films


@pytest.fixture(autouse=True)
def usual_size(monkeypatch):
    """Films as large as they are outside of tests."""
    monkeypatch.setattr(films, "SIDE", 128)


def walk(starts, frames=5, size=32, channels=3):
    """Frames (S, T, H, W, C) of flat pictures, each start of its own grey, which rises along the walk."""
    level = 20 * np.arange(starts)[:, None] + 15 * np.arange(frames)
    return np.broadcast_to(level[..., None, None, None], (starts, frames, size, size, channels)).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("starts", "rows", "columns"), [(1, 1, 1), (3, 1, 3), (4, 1, 4), (5, 2, 4), (8, 2, 4)])
def test_a_sheet_holds_the_starts_in_rows_of_four(starts, rows, columns, channels):
    frames = walk(starts, channels=channels)
    found = films.sheets(frames)
    place = 128 + films.GAP
    assert found.shape == (5, rows * place, columns * place, 3) and found.dtype == np.uint8
    for s in range(starts):
        y, x = divmod(s, 4)
        seen = found[:, y * place : y * place + 128, x * place : x * place + 128]
        assert (seen == frames[s, :, :1, :1]).all()
    blank = found.reshape(5, rows, place, columns, place, 3).swapaxes(2, 3).reshape(5, rows * columns, -1)[:, starts:]
    assert (blank == 255).all()


def test_more_starts_than_asked_for_are_left_out():
    np.testing.assert_array_equal(films.sheets(walk(10)), films.sheets(walk(8)))
    np.testing.assert_array_equal(films.sheets(walk(10), starts=2), films.sheets(walk(2)))


@pytest.mark.parametrize(("size", "times"), [(16, 8), (28, 5), (64, 2), (100, 1), (128, 1), (256, 1)])
def test_small_pictures_grow_by_a_whole_number(size, times):
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, size, size, 3)).astype(np.uint8)
    big = films.enlarge(frames)
    assert big.shape == (2, 3, size * times, size * times, 3)
    np.testing.assert_array_equal(big[:, :, ::times, ::times], frames)
    np.testing.assert_array_equal(big[:, :, times - 1 :: times, times - 1 :: times], frames)


def read_gif(path):
    """Every frame of a GIF: (T, H, W, 3)."""
    with Image.open(path) as film:
        assert film.info["loop"] == 0
        return np.stack([np.asarray((film.seek(i), film.convert("RGB"))[1]) for i in range(film.n_frames)])


def read_mp4(path):
    """Every frame of an MP4: (T, H, W, 3)."""
    film, frames = cv2.VideoCapture(str(path)), []
    while (found := film.read())[0]:
        frames.append(found[1][..., ::-1])
    film.release()
    return np.stack(frames)


@pytest.mark.parametrize("channels", [1, 3])
def test_both_films_can_be_read_back(tmp_path, channels):
    frames = walk(3, channels=channels)
    films.keep(tmp_path / "lda", frames)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lda.gif", "lda.mp4"]
    sheet = films.sheets(frames).astype(int)
    forth, gif = read_mp4(tmp_path / "lda.mp4"), read_gif(tmp_path / "lda.gif")
    assert forth.shape == sheet.shape and gif.shape == (8, *sheet.shape[1:])
    order = [0, 1, 2, 3, 4, 3, 2, 1]  # there and back, no frame twice at the ends
    at = np.s_[:, 40:90, 40:90]
    assert np.abs(gif[at] - sheet[order][at]).max() <= 20 and np.abs(forth[at] - sheet[at]).max() <= 8


def test_colours_keep_their_places(tmp_path):
    frames = np.zeros((1, 2, 128, 128, 3), np.uint8)
    frames[..., 0], frames[:, :, :, 64:, 2] = 250, 250
    films.keep(tmp_path / "red", frames)
    for found in (read_gif(tmp_path / "red.gif"), read_mp4(tmp_path / "red.mp4")):
        red, violet = found[0, 64, 20].astype(int), found[0, 64, 100].astype(int)
        np.testing.assert_allclose(red, [250, 0, 0], atol=12)
        np.testing.assert_allclose(violet, [250, 0, 250], atol=12)


@pytest.mark.parametrize("name", ["dim_7", "lda.cat", "12-873-linear"])
def test_a_film_is_called_what_its_walk_is_called(tmp_path, name):
    films.keep(tmp_path / name, walk(1))
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{name}.gif", f"{name}.mp4"]


def test_sheets_of_an_odd_size_make_films_too(tmp_path):
    frames = walk(1, size=45)
    assert films.sheets(frames).shape[1] % 2 == 1
    films.keep(tmp_path / "odd", frames)
    assert read_mp4(tmp_path / "odd.mp4").shape == (5, 136, 136, 3)


def test_a_walk_of_one_frame_is_a_film_of_one(tmp_path):
    films.keep(tmp_path / "still", walk(2, frames=1))
    assert len(read_gif(tmp_path / "still.gif")) == len(read_mp4(tmp_path / "still.mp4")) == 1


def test_without_an_encoder_there_is_the_gif_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(films.cv2, "VideoWriter", lambda *_: Shut())
    with pytest.raises(OSError, match="OpenCV"):
        films.write_mp4(tmp_path / "a.mp4", films.sheets(walk(1)))
    films.keep(tmp_path / "walk", walk(1))
    assert [p.name for p in tmp_path.iterdir()] == ["walk.gif"]


class Shut:
    """A film that OpenCV could not open."""

    def isOpened(self):
        return False


@pytest.mark.parametrize("write", [films.write_gif, films.write_mp4])
def test_a_film_that_fails_leaves_the_old_one(tmp_path, monkeypatch, write):
    path = tmp_path / f"walk.{write.__name__[-3:]}"
    write(path, films.sheets(walk(1)))
    before = path.read_bytes()

    def broken(*args, **kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(films.cv2, "cvtColor", broken)
    monkeypatch.setattr(films.Image.Image, "save", broken)
    with pytest.raises(RuntimeError):
        write(path, films.sheets(walk(2)))
    assert path.read_bytes() == before
