"""Laws of files with several frames or pages, and of the memory that decoding takes."""

import threading

import numpy as np
import pytest
from PIL import Image

from xaae.sources import picture_files

SHADES = (200, 20, 90)  # of the frames, the first one first
PAGES = [Image.new("L", (24, 24), shade) for shade in SHADES]
FORMATS = ["tiff", "gif", "webp", "png"]


def several(path):
    """A file with one frame of each shade."""
    PAGES[0].save(
        path, save_all=True, append_images=PAGES[1:], **({"lossless": True} if path.suffix == ".webp" else {})
    )
    return str(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_the_first_frame_is_used_and_this_is_said(tmp_path, ending):
    path, alone = several(tmp_path / f"x.{ending}"), str(tmp_path / f"alone.{ending}")
    PAGES[0].save(alone)
    assert picture_files.has_more_frames(path) and not picture_files.has_more_frames(alone)
    assert abs(int(picture_files.decode_picture(path, 8, 1).float().mean()) - SHADES[0]) <= 1


def test_a_file_that_is_none_has_no_frames(tmp_path):
    (tmp_path / "x.gif").write_bytes(b"GIF89a")
    assert not picture_files.has_more_frames(tmp_path / "x.gif")
    assert not picture_files.has_more_frames(f"{tmp_path}/x.npz#images/3")


# ---- memory -----------------------------------------------------------------------------------------------------


def test_no_more_pixels_are_held_than_there_is_room_for():
    room, held, most = picture_files._Room(100), [0], []
    lock, begin = threading.Lock(), threading.Barrier(9)

    def decode(size):
        begin.wait(30)
        for _ in range(200):
            with room.hold(size):
                with lock:
                    held[0] += size
                    most.append((held[0], size))
                with lock:
                    held[0] -= size

    threads = [threading.Thread(target=decode, args=(size,)) for size in (60, 30, 50, 500, 10, 90, 40, 500, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 9 * 200 and room.used == 0 and not any(thread.is_alive() for thread in threads)
    assert all(sum_ <= 100 or sum_ == size for sum_, size in most), "a picture larger than the room is alone"


def test_room_is_given_back_by_a_picture_that_cannot_be_read(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "x.png")
    whole = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(whole[: len(whole) // 2])
    assert isinstance(picture_files.try_decode(tmp_path / "x.png", 8, 3), str) and picture_files.IN_FLIGHT.used == 0


@pytest.mark.parametrize(("mode", "size"), [("L", 2 * 40 * 30), ("RGB", 8 * 40 * 30), ("I;16", 4 * 40 * 30)])
def test_the_head_of_a_file_tells_how_much_its_pixels_take(tmp_path, mode, size):
    Image.new(mode, (40, 30)).save(tmp_path / "x.png")
    assert picture_files._bytes_needed(tmp_path / "x.png") == size
