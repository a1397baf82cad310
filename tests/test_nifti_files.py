"""Laws of slices of NIfTI volumes: the patient's axes, one group for a file, empty slices left out and no fault."""

import numpy as np
import pytest
from helpers.command_line import SMALL, call, refused, succeed
from helpers.scans import save_volume

from xaae import data
from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import SLICES
from xaae.sources import formats, path_lists, picture_files
from xaae.sources.class_folders import own_data

nibabel = pytest.importorskip("nibabel")

SIZE = (10, 12, 8)  # to the right, the front, the head
ORIENTATIONS = {"RAS": np.eye(4), "LPS": np.diag([-1, -1, 1, 1]), "LAI": np.diag([-1, 1, -1, 1])}


def marked(orientation="RAS"):
    """A volume with 9 in the corner that is to the patient's right, in front and above, stored in an orientation."""
    values = np.ones(SIZE, np.float32)
    values[0, 0, 0] = 0
    values[-1, -1, -1] = 9
    affine = ORIENTATIONS[orientation]
    flips = tuple(slice(None, None, int(sign)) for sign in np.sign(np.diag(affine)[:3]))
    return values[flips], affine


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("axis", SLICES)
def test_slices_are_the_patients_however_the_volume_is_stored(tmp_path, orientation, axis):
    """As radiologists see them: the right, in sagittal slices the front, on the left; the front or the head on top."""
    path = save_volume(tmp_path / "x.nii.gz", *marked(orientation))
    items = formats.items_of(path, slices=axis)
    assert items == [f"{path}#{axis}/{i}" for i in range(SIZE[2 - SLICES.index(axis)])]
    found = formats.read_item(items[-1]).values
    assert found[0, 0] == 9 and (found.ravel()[1:] == 1).all()
    assert found.shape == {"axial": (12, 10), "coronal": (8, 10), "sagittal": (8, 12)}[axis]


def test_a_volumes_slices_compare_and_its_header_may_say_how(tmp_path):
    values = np.ones(SIZE, np.float32) * np.arange(8)
    values[:5] += 1
    path = save_volume(tmp_path / "x.nii", values)
    dark, bright = (picture_files.decode_picture(f"{path}#axial/{i}", 8, 1).float().mean() for i in (1, 6))
    assert dark < 60 < 180 < bright
    image = nibabel.load(path)
    image.header["cal_min"], image.header["cal_max"] = 0, 100
    nibabel.save(image, tmp_path / "y.nii")
    assert formats.read_item(f"{tmp_path / 'y.nii'}#axial/6").window == (0, 100)


def test_thick_slices_are_drawn_in_proportion(tmp_path):
    path = save_volume(tmp_path / "x.nii", *[marked()[0], np.diag([1, 1, 3, 1])])
    assert formats.read_item(f"{path}#coronal/11").values.shape == (24, 10)
    assert formats.read_item(f"{path}#axial/7").values.shape == (12, 10)


def test_several_volumes_in_a_file_are_told_apart(tmp_path):
    values = np.stack([marked()[0] * (n + 1) for n in range(3)], -1)
    path = save_volume(tmp_path / "x.nii", values)
    assert len(formats.items_of(path)) == 3 * SIZE[2]
    assert formats.read_item(f"{path}#axial/7/2").values[0, 0] == 27


def save_classes(folder, n=5, classes="ab", seed=0):
    """A folder of two classes of n volumes each, whose first and last slices are empty."""
    rng = np.random.default_rng(seed)
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            values = rng.normal(100, 5, (24, 24, 8)).astype(np.float32)
            values[8:16, 8:16] += 60 * k
            values[..., [0, -1]] = 0
            save_volume(folder / name / f"{i}.nii.gz", values)
    return folder


def test_no_volume_is_in_two_parts_unasked_and_empty_slices_are_listed(tmp_path):
    folder = save_classes(tmp_path / "scans")
    found = data.load_dataset(str(folder))
    assert found.table.groupby("group").split.nunique().max() == 1 and found.table.group.nunique() == 10
    assert set(found.table.split) == {"train", "valid"}
    assert any("axial slices of volumes" in note for note in found.notes)
    table, items, skipped = picture_files.open_pictures(found.table, 16, 1)
    assert len(table) == 60 and len(skipped) == 20 and skipped.reason.str.contains("empty slice").all()


def test_the_axis_is_a_setting_of_the_run_and_its_volumes_are_predicted(tmp_path):
    folder, out = save_classes(tmp_path / "scans", n=4), tmp_path / "run"
    succeed("train", *SMALL, "--baseline-epochs", 0, "--slices", "coronal", "--dataset", folder, "--out", out)
    text = succeed("predict", out, folder / "a" / "0.nii.gz", "--samples", 2, "--out", tmp_path / "p.csv")
    assert "24 of 24 pictures" in text and "#coronal/0" in (tmp_path / "p.csv").read_text()
    asked = "--run", out, "--methods", "saliency", "--out", tmp_path / "maps"
    assert "saliency: ok" in succeed("explain", f"{folder / 'a' / '0.nii.gz'}#coronal/12", *asked)
    assert refused(call("explain", folder / "a" / "0.nii.gz", *asked), "axial/17")


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def not_finite(path):
    values = np.ones(SIZE, np.float32)
    values[3, 3, 3] = np.nan
    values[0, 0] = 5
    save_volume(path, values)


def values_far_away(path):
    """A header that says that the values begin where no file reaches."""
    with open(path, "rb+") as file:
        file.seek(108)
        file.write(np.float32(1.6e30).tobytes())


def one_slice_too_few(path):
    save_volume(path, np.ones(SIZE[:2], np.float32))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cut, "cut short|no NIfTI"),
        (values_far_away, "cut short|no NIfTI"),
        (not_finite, "no finite numbers"),
        (one_slice_too_few, r"shape \(10, 12\)"),
    ],
)
def test_a_fault_is_said_in_a_sentence(tmp_path, change, words):
    path = tmp_path / "x.nii"
    save_volume(path, np.random.default_rng(0).normal(size=SIZE).astype(np.float32))
    change(path)
    with pytest.raises((InputError, ValueError), match=words):
        formats.read_item(f"{path}#axial/3")
    assert isinstance(path_lists.try_read(f"{path}#axial/3", 8, 1), str)


@pytest.mark.parametrize("item", ["axial/99", "axial/x", "axial/-1", "oblique/3", "axial", "axial/3/1"])
def test_a_slice_that_is_not_there_is_named(tmp_path, item):
    path = save_volume(tmp_path / "x.nii", *marked())
    with pytest.raises(InputError, match="slice|it has"):
        formats.read_item(f"{path}#{item}")


def test_a_broken_volume_among_others_is_left_out(tmp_path):
    folder = save_classes(tmp_path / "scans", n=3)
    (folder / "a" / "1.nii.gz").write_bytes(b"nothing")
    found = own_data(folder)
    files = {path.partition("#")[0] for path in found.table.path}
    assert len(files) == 5 and [path for path, _ in found.left_out] == [str(folder / "a" / "1.nii.gz")]


def test_volumes_too_few_to_hold_out_are_told(tmp_path):
    folder = save_classes(tmp_path / "scans", n=1)
    assert "Warning" in succeed("train", *SMALL, "--dataset", folder, "--dry-run")
