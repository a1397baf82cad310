"""Laws of what a path names: every file of every format, each item of a file of several, and uploads the same."""

import numpy as np
import pytest
from helpers.pictures import save_pictures
from helpers.scans import save_dicom, save_volume, twins
from PIL import Image

from xaae.app import uploads
from xaae.cli import early_checks
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.experiment.settings import RunSettings
from xaae.sources import picture_files
from xaae.sources.folder_walk import walk_once
from xaae.sources.path_lists import list_items, read_pictures
from xaae.sources.raster_scaling import BY_FILE, Window, parse_window

VOLUME = np.random.default_rng(0).normal(size=(9, 10, 4)).astype(np.float32)
WINDOWS = [BY_FILE, parse_window("800:3300"), Window("dataset", 900.0, 1700.0)]


@pytest.fixture
def mixed(tmp_path):
    """A folder of pictures, a DICOM file without an ending, one of two frames, a volume, a stack, and what is none."""
    folder = save_pictures(tmp_path / "mixed", classes=("a",), n=2)
    values, inverted = twins(0)
    save_dicom(folder / "a" / "IM01", values)
    save_dicom(folder / "film.dcm", np.stack([values, inverted]))
    save_volume(folder / "b.nii.gz", VOLUME)
    np.save(folder / "c.npy", np.zeros((3, 8, 8), np.uint8))
    np.savez(folder / "archive.npz", x=VOLUME)
    (folder / ".hidden").mkdir()
    Image.new("L", (8, 8)).save(folder / ".hidden" / "x.png")
    (folder / "notes.txt").write_text("nothing")
    return folder


@pytest.mark.parametrize("axis", ["axial", "coronal"])
def test_a_folder_names_every_item_of_its_files(mixed, axis):
    found = [path.removeprefix(f"{mixed}/") for path in list_items(mixed, slices=axis).path]
    slices = [f"b.nii.gz#{axis}/{i}" for i in range({"axial": 4, "coronal": 10}[axis])]
    stack = [f"c.npy#{i}" for i in range(3)]
    assert found == ["a/000.png", "a/001.png", "a/IM01", *slices, *stack, "film.dcm#frame/0", "film.dcm#frame/1"]
    x, reasons = read_pictures(list_items(mixed).path, 8, 1)
    assert len(x) == len(reasons) and not any(reasons)


def test_a_folder_that_a_link_leads_to_is_listed(tmp_path):
    folder = save_pictures(tmp_path / "pictures", n=2)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "link").symlink_to(folder)
    assert len(list_items(tmp_path / "other")) == 4


def test_links_that_lead_in_a_circle_are_walked_once(tmp_path):
    """Two of them in a folder would lead to twice as many places at each depth; one goes around by another folder."""
    folder, other = save_pictures(tmp_path / "pictures", n=2), tmp_path / "other"
    for name in ("up", "again"):
        (folder / "left" / name).symlink_to(folder)
    (folder / "left" / "above").symlink_to(tmp_path)
    other.mkdir()
    (folder / "there").symlink_to(other)
    for place, name in ((other, "back"), (other, "round")):
        (place / name).symlink_to(folder)
    left_out = []
    assert [place for place, *_ in walk_once(str(folder), left_out)] == [
        str(folder), *(str(folder / name) for name in ("there", "left", "right"))
    ]  # fmt: skip
    assert sorted(left_out) == sorted(
        str(folder / name) for name in ("left/up", "left/again", "left/above", "there/back", "there/round")
    )
    assert len(list_items(folder)) == 4
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("up", "again"):
        (empty / name).symlink_to(empty)
    with pytest.raises(InputError, match="There are no pictures in the folder"):
        list_items(empty)
    with pytest.raises(InputError):
        early_checks.check_own(RunSettings.from_options(dataset=str(empty)))


def test_a_file_of_several_items_names_them_all_and_one_item_itself(mixed):
    assert len(list_items(mixed / "film.dcm")) == 2
    assert list(list_items(f"{mixed / 'film.dcm'}#frame/1").path) == [f"{mixed / 'film.dcm'}#frame/1"]


def test_a_mark_in_a_name_is_no_item(tmp_path):
    (tmp_path / "study#3").mkdir()
    for name in ("x#1.png", "plain.png"):
        Image.new("L", (8, 8), 99).save(tmp_path / "study#3" / name)
    x, reasons = read_pictures(list_items(tmp_path / "study#3").path, 8, 1)
    assert len(x) == 2 and reasons == ["", ""]


# ---- uploads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.mode)
@pytest.mark.parametrize("name", ["scan.dcm", "scan.png"])
def test_an_upload_is_scaled_as_the_run_scales_its_files(tmp_path, name, window):
    values, inverted = twins(0)
    path = tmp_path / name
    if name == "scan.dcm":
        save_dicom(path, inverted, photometric="MONOCHROME1")
    else:
        Image.fromarray(values.astype(np.uint16)).save(path)
    found = uploads.read_upload(path, PICTURE, 32, 1, window=window)
    assert (found == picture_files.decode_picture(path, 32, 1, window).float() / 255).all() and found.std() > 0.05


def test_an_upload_of_dicom_that_cannot_be_read_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "any name"
    save_dicom(path, twins(0)[0])
    assert uploads.read_upload(path, PICTURE, 16, 1).shape == (1, 16, 16)
    with open(path, "rb+") as file:
        file.truncate(path.stat().st_size - 300)
    with pytest.raises(InputError, match="cut short"):
        uploads.read_upload(path, PICTURE, 16, 1)


def test_an_upload_of_too_many_pixels_is_refused_by_its_header(tmp_path, monkeypatch):
    save_dicom(tmp_path / "x.dcm", twins(0)[0])
    monkeypatch.setattr(uploads, "MOST_PIXELS", 1000)
    with pytest.raises(InputError, match="megapixels"):
        uploads.read_upload(tmp_path / "x.dcm", PICTURE, 16, 1)
