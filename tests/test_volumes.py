"""Laws of volumes as items: read whole, cut to cubes by their voxels, kept and drawn; what is no volume is refused."""

import numpy as np
import pytest
import torch
from helpers.scans import save_volume
from helpers.volumes import ellipsoids, save_archive
from PIL import Image

from xaae import data
from xaae.app.uploads import read_upload
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import VOLUME
from xaae.experiment.planes import lay_flat, slices
from xaae.experiment.run_folder import as_stored
from xaae.experiment.settings import RunSettings
from xaae.experiment.vocabulary import WHOLE
from xaae.first_look.look_run import look
from xaae.sources import formats, item_cache, path_lists
from xaae.sources.file_contents import Raster
from xaae.sources.items import open_items
from xaae.sources.volumes import decode_volume, fit_volume, middle_cube

nibabel = pytest.importorskip("nibabel")
SIZE = (10, 12, 8)  # to the right, the front, the head
ORIENTATIONS = {"RAS": np.eye(4), "LPS": np.diag([-1, -1, 1, 1]), "LAI": np.diag([-1, 1, -1, 1])}


def opened(dataset, size=8, **options):
    """(table, Volumes, what cannot be read, the Dataset) of a dataset of whole volumes."""
    found = data.find_dataset(str(dataset), slices=WHOLE)
    return *open_items(VOLUME, found.table, size, 1, **options), found


def folder_of(tmp_path, n=20, **others):
    """Two classes of NIfTI volumes, and further files {name: values, or what writes them}."""
    for i, (values, label) in enumerate(zip(*ellipsoids(n), strict=True)):
        (tmp_path / label).mkdir(parents=True, exist_ok=True)
        save_volume(tmp_path / label / f"{i}.nii.gz", values.astype(np.float32))
    for name, write in others.items():
        write(tmp_path / "tall" / name)
    return tmp_path


# ---- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_volume_lies_alike_however_it_is_stored(tmp_path, orientation):
    """Depth from the head, height from the front, width from the patient's right."""
    values = np.ones(SIZE, np.float32)
    values[-1, -1, -1] = 9
    affine = ORIENTATIONS[orientation]
    stored = values[tuple(slice(None, None, int(sign)) for sign in np.sign(np.diag(affine)[:3]))]
    path = save_volume(tmp_path / "x.nii.gz", stored, affine)
    assert formats.items_of(path, VOLUME.name) == [path]
    raster = formats.read_item(path, VOLUME.name)
    assert raster.values.shape == (8, 12, 10) and raster.values[0, 0, 0] == 9 and raster.spacing == (1, 1, 1)


def test_slices_of_a_volume_are_those_that_are_cut_from_its_file(tmp_path):
    values = np.random.default_rng(0).random(SIZE).astype(np.float32)
    path = save_volume(tmp_path / "x.nii.gz", values)
    volume = formats.read_item(path, VOLUME.name).values
    names = {"axial": (0, 7), "coronal": (1, 11), "sagittal": (2, 9)}
    for name, (axis, last) in names.items():
        cut = formats.read_item(f"{path}#{name}/2").values
        np.testing.assert_array_equal(np.take(volume, last - 2, axis), cut)


def test_thick_slices_make_a_cube_of_space_not_of_voxels(tmp_path):
    path = save_volume(tmp_path / "x.nii", np.random.default_rng(0).random((20, 20, 10)).astype(np.float32),
                       np.diag([1, 1, 2, 1]))  # fmt: skip
    facts = formats.file_facts(path, VOLUME.name)
    assert (facts["depth"], facts["height"], facts["voxel"]) == (10, 20, "1 x 1 x 2")
    assert [part.stop - part.start for part in middle_cube((10, 20, 20), (2.0, 1.0, 1.0))] == [10, 20, 20]
    assert [part.stop - part.start for part in middle_cube((10, 20, 20))] == [10, 10, 10]
    assert middle_cube((10, 10, 20), (1, 1, 1))[2] == slice(5, 15)


@pytest.mark.parametrize("size", [4, 8, 11])
def test_a_cube_is_resampled_without_new_values(size):
    """Halved exactly by means, a constant stays, and a rise along an axis stays one, however many voxels there are."""
    block = np.kron(np.arange(8, dtype=np.uint8).reshape(2, 2, 2) * 30, np.ones((4, 4, 4), np.uint8))
    found = fit_volume(Raster(block), size)
    assert found.shape == (1, size, size, size) and found.dtype == torch.uint8
    assert found.max() == 210 and found.min() == 0
    if size in (4, 8):
        np.testing.assert_array_equal(found[0], block[:: 8 // size, :: 8 // size, :: 8 // size])
    assert (found[0].int().diff(dim=0) >= 0).all() and (found[0].int().diff(dim=2) >= 0).all()


def test_an_archive_of_volumes_is_one_unasked_by_path_and_by_name(tmp_path):
    path = save_archive(tmp_path / "toymnist3d.npz")
    for dataset, root in ((str(path), None), ("medmnist:toymnist3d", tmp_path)):
        found = data.load_dataset(dataset, root)
        assert found.kind == data.kind_of_dataset(dataset, root).name == "volume" and len(found.table) == 24
    _, items, skipped = open_items(VOLUME, found.table, 10, 1)
    np.testing.assert_array_equal(255 * items[[3]][0, 0], np.load(path)["train_images"][3])
    assert items.kind is VOLUME and items.channels == 1 and not len(skipped) and "axial" in items.notes[0]


def test_arrays_are_volumes_where_they_are_asked_for(tmp_path):
    volumes, labels = ellipsoids(8)
    for label in set(labels):
        (tmp_path / label).mkdir()
        np.save(tmp_path / label / "stack.npy", volumes[labels == label])
        np.save(tmp_path / label / "one.npy", volumes[labels == label][0].astype(np.float32) / 300)
    assert data.kind_of_dataset(str(tmp_path)).name == "picture"
    assert data.kind_of_dataset(str(tmp_path), slices=WHOLE).name == "volume"
    table, items, skipped, _ = opened(tmp_path, 10)
    assert len(items) == 10 and not len(skipped)
    stacked = [row for row, path in enumerate(table.path) if "#" in str(path)]
    assert len(stacked) == 8
    np.testing.assert_array_equal(
        (255 * items[stacked[:1]])[0, 0].round(), volumes[labels == table.label[stacked[0]]][0]
    )


def test_volumes_in_the_cache_are_the_same(tmp_path, monkeypatch):
    found = data.find_dataset(str(save_archive(tmp_path / "x.npz")))
    plain = open_items(VOLUME, found.table, 8, 1)[1][[0, 5]]
    monkeypatch.setattr(item_cache, "LONG", 0)
    for _ in range(2):
        kept = open_items(VOLUME, found.table, 8, 1, tmp_path)[1]
        assert isinstance(kept.stack, item_cache.MappedItems) and torch.equal(kept[[0, 5]], plain)


# ---- what is no volume --------------------------------------------------------------------------------------------


def _rgb(path):
    colours = np.zeros((8, 8, 8), dtype=[(name, "u1") for name in "RGB"])
    nibabel.save(nibabel.Nifti1Image(colours, np.eye(4)), path)


def _cut_short(path):
    save_volume(path, np.random.default_rng(0).random((9, 9, 9)).astype(np.float32))
    path.write_bytes(path.read_bytes()[:900])


BAD = {  # name of a file -> (what writes it, the reason that is listed)
    "nan.nii.gz": (lambda path: save_volume(path, np.where(np.arange(8) == 3, np.nan, np.ones((8, 8, 8)))), "finite"),
    "rgb.nii.gz": (_rgb, "colours"),
    "five.nii.gz": (lambda path: save_volume(path, np.ones((6, 6, 6, 1, 2), np.float32)), "the shape"),
    "thin.nii.gz": (lambda path: save_volume(path, np.random.default_rng(0).random((9, 9, 2))), "4 voxels or more"),
    "flat.nii.gz": (lambda path: save_volume(path, np.ones((8, 8, 8), np.float32)), "one value throughout"),
    "cut.nii.gz": (_cut_short, "cut short"),
    "coloured.npy": (lambda path: np.save(path, np.ones((5, 6, 6, 6, 3), np.uint8)), "in colour"),
    "objects.npy": (lambda path: np.save(path, np.array([{}], object), allow_pickle=True), "Python objects"),
    "picture.png": (lambda path: Image.fromarray(np.zeros((9, 9), np.uint8)).save(path), "no volume"),
}  # fmt: skip


def test_what_is_no_volume_is_listed_with_the_reason(tmp_path):
    folder = folder_of(tmp_path, 20, **{name: write for name, (write, _) in BAD.items()})
    table, items, skipped, found = opened(folder, most_bad=0.5)
    assert len(table) == len(items) == 20
    reasons = {str(path).rpartition("/")[2]: reason for path, reason in zip(skipped.path, skipped.reason, strict=True)}
    reasons |= {str(p).rpartition("/")[2]: r for p, r in zip(found.left_out.path, found.left_out.reason, strict=True)}
    assert set(reasons) == set(BAD)
    assert all(words in reasons[name] for name, (_, words) in BAD.items()), reasons


def test_several_volumes_in_a_file_are_items_of_one_group(tmp_path):
    path = tmp_path / "a" / "x.nii.gz"
    path.parent.mkdir()
    values = np.random.default_rng(0).random((*SIZE, 3)).astype(np.float32)
    save_volume(path, values)
    assert formats.items_of(path, VOLUME.name) == [f"{path}#{i}" for i in range(3)]
    np.testing.assert_array_equal(formats.read_item(f"{path}#2", VOLUME.name).values, values[::-1, ::-1, ::-1, 2].T)
    with pytest.raises(InputError, match="3 volumes: write FILE#NUMBER"):
        decode_volume(str(path), 8)
    with pytest.raises(InputError, match="no volume 3"):
        decode_volume(f"{path}#3", 8)


def test_much_that_lies_outside_of_the_cube_is_said(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(3):
            values = np.random.default_rng([i, ord(label)]).random((8, 8, 30)).astype(np.float32)
            save_volume(tmp_path / label / f"{i}.nii", values)
    _, items, _, _ = opened(tmp_path)
    assert "more than a third lies outside" in items.notes[0]


def test_files_to_predict_and_uploads_are_read_as_in_training(tmp_path):
    folder = folder_of(tmp_path, 4)
    table, items, *_ = opened(folder, 8)
    listed = path_lists.list_items(folder, VOLUME, WHOLE)
    assert sorted(listed.path) == sorted(map(str, table.path))
    x, reasons = path_lists.FILE_READERS[VOLUME.name]([*table.path, str(tmp_path / "none.nii")], 8, 1)
    assert torch.equal(x, items[range(4)]) and reasons == ["", "", "", "", "no such file"]
    assert torch.equal(read_upload(table.path[0], VOLUME, 8, 1), items[[0]][0])
    (tmp_path / "x.txt").write_text("words")
    with pytest.raises(InputError, match="none of volumes"):
        read_upload(tmp_path / "x.txt", VOLUME, 8, 1)


# ---- drawing ------------------------------------------------------------------------------------------------------


def test_a_volume_lies_flat_by_its_middle_slices():
    x = np.random.default_rng(0).random((2, 3, 1, 8, 8, 8)).astype(np.float32)
    flat = lay_flat(x, 0.5)
    axial, coronal, sagittal = slices(x)
    assert flat.shape == (2, 3, 1, 8, 26) and flat.dtype == x.dtype
    for at, part in ((0, axial), (9, coronal), (18, sagittal)):
        np.testing.assert_array_equal(flat[..., at : at + 8], part)
    np.testing.assert_array_equal(axial, x[..., 4, :, :])
    assert (flat[..., 8] == 0.5).all()
    kept = as_stored(x, VOLUME)
    assert kept.shape == (2, 3, 8, 26, 1) and kept.dtype == np.uint8
    np.testing.assert_array_equal(kept[..., :8, 0], np.round(255 * axial[:, :, 0]))


def test_a_first_look_shows_volumes_and_the_command_that_trains_on_them(tmp_path):
    folder = folder_of(tmp_path / "own", 12)
    about, out = look(RunSettings.from_options(dataset=str(folder), slices=WHOLE), tmp_path / "look")
    assert about["kind"] == "volume" and about["sizes"]["depth"]["usual"] == 10
    assert f"--slices {WHOLE}" in about["command"] and "12 volumes" in about["found"]
    assert Image.open(out / "contact_sheet.png").width > 600
