"""Laws of volumes: a map that is written as NIfTI is read again at the same place; a planted blob is found."""

import gzip

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.figures import sheets
from xaae.explain.figures.heatmaps import projections, slices
from xaae.explain.patches import explain_patches
from xaae.explain.volume_files import read_volume, write_map

nibabel = pytest.importorskip("nibabel")

AFFINE = np.array([[0, -2.0, 0, 30], [1.5, 0, 0, -12], [0, 0, 3.0, 7], [0, 0, 0, 1]])
SHAPE = (6, 7, 9)


def save(path, values, affine=AFFINE, **header):
    """A NIfTI file with these values."""
    image = nibabel.Nifti1Image(values, affine)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


@pytest.fixture
def values():
    """Values of a scan, far from [0, 1]."""
    return (1000 * np.random.default_rng(0).standard_normal(SHAPE)).astype(np.float32)


# ---- in ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [np.float32, np.int16, np.uint8, np.float64])
def test_a_volume_is_read_in_the_files_order_from_0_to_1(tmp_path, values, suffix, kind):
    values = np.clip(values, 0, 255).astype(kind)
    found = read_volume(save(tmp_path / f"scan{suffix}", values))
    assert found.x.shape == (1, 1, *SHAPE) and found.x.dtype == torch.float32
    assert found.x.min() == 0 and found.x.max() == 1
    expected = (values - values.min()) / np.ptp(values.astype(float))
    np.testing.assert_allclose(found.x[0, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(found.affine, AFFINE)


def test_limits_say_what_becomes_0_and_1(tmp_path, values):
    found = read_volume(save(tmp_path / "scan.nii", values), limits=(-500, 1500)).x[0, 0]
    np.testing.assert_allclose(found, np.clip((values + 500) / 2000, 0, 1), atol=1e-6)
    with pytest.raises(InputError, match="limits"):
        read_volume(tmp_path / "scan.nii", limits=(3, 3))


@pytest.mark.parametrize("shape", [(*SHAPE, 3), (*SHAPE, 1, 3)])
def test_a_fourth_dimension_holds_channels_each_by_its_own_range(tmp_path, values, shape):
    stack = np.stack([values, 5 + 10 * values, np.zeros_like(values)], -1)
    found = read_volume(save(tmp_path / "scan.nii", stack.reshape(shape))).x
    assert found.shape == (1, 3, *SHAPE)
    torch.testing.assert_close(found[:, 0], found[:, 1], atol=1e-5, rtol=0)
    assert (found[:, 2] == 0).all(), "a channel of one value becomes 0"


def test_values_that_are_no_numbers_become_0(tmp_path, values):
    values[0, 0, :3] = np.nan, np.inf, -np.inf
    found = read_volume(save(tmp_path / "scan.nii", values)).x[0, 0]
    assert torch.isfinite(found).all() and (found[0, 0, :3] == 0).all() and found.max() == 1
    with pytest.raises(InputError, match="no finite number"):
        read_volume(save(tmp_path / "none.nii", np.full(SHAPE, np.nan, np.float32)))


def test_files_that_are_no_volumes_are_refused(tmp_path, values):
    with pytest.raises(InputError, match="no file"):
        read_volume(tmp_path / "absent.nii")
    with pytest.raises(InputError, match="no file"):
        read_volume(tmp_path)
    for name in ("text.nii", "text.nii.gz", "text.txt"):
        (tmp_path / name).write_text("this is no volume " * 40)
        with pytest.raises(InputError, match="no NIfTI file"):
            read_volume(tmp_path / name)
    with pytest.raises(InputError, match="MGHImage"):
        nibabel.save(nibabel.MGHImage(values, AFFINE), tmp_path / "scan.mgz")
        read_volume(tmp_path / "scan.mgz")


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (4, 5, 6, 2, 3)])
def test_shapes_that_are_no_volumes_are_refused(tmp_path, shape):
    with pytest.raises(InputError, match="give a volume"):
        read_volume(save(tmp_path / "scan.nii", np.ones(shape, np.float32)))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, values, suffix):
    path = save(tmp_path / f"scan{suffix}", values)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="whole file|no NIfTI file"):
        read_volume(path)


def test_colours_are_refused(tmp_path):
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(InputError, match="cannot be read"):
        read_volume(save(tmp_path / "scan.nii", colours))


# ---- out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("from_file", [True, False])
def test_a_map_comes_back_with_its_values_at_its_places(tmp_path, values, suffix, from_file):
    scan = save(tmp_path / "scan.nii", (values * 3).astype(np.int16), xyzt_units=2, scl_slope=0.5, scl_inter=3)
    maps = torch.from_numpy(values / 7e4).view(1, 1, *SHAPE).requires_grad_()
    write_map(tmp_path / f"map{suffix}", maps, scan if from_file else read_volume(scan))
    found = nibabel.load(tmp_path / f"map{suffix}")
    np.testing.assert_array_equal(np.asarray(found.dataobj), maps.detach()[0, 0].numpy())
    np.testing.assert_array_equal(found.affine, nibabel.load(scan).affine)
    assert found.get_data_dtype() == np.float32 and found.header["xyzt_units"] == 2
    assert found.header["cal_max"] == pytest.approx(maps.max().item()) and found.header["cal_min"] < 0


def test_the_codes_of_both_affines_stay(tmp_path, values):
    image = nibabel.Nifti1Image(values, AFFINE)
    image.set_sform(AFFINE, "mni")
    image.set_qform(AFFINE, "scanner")
    nibabel.save(image, tmp_path / "scan.nii")
    write_map(tmp_path / "map.nii", values, tmp_path / "scan.nii")
    before, after = (nibabel.load(tmp_path / name).header for name in ("scan.nii", "map.nii"))
    assert before["sform_code"] == after["sform_code"] == 4 and before["qform_code"] == after["qform_code"]


@pytest.mark.parametrize("shape", [(1, 3, *SHAPE), (3, *SHAPE)])
def test_channels_become_the_fourth_dimension(tmp_path, values, shape):
    scan = save(tmp_path / "scan.nii", values)
    maps = np.random.default_rng(1).random(shape, np.float32)
    write_map(tmp_path / "map.nii", maps, scan)
    found = np.asarray(nibabel.load(tmp_path / "map.nii").dataobj)
    np.testing.assert_array_equal(np.moveaxis(found, -1, 0), maps.reshape(3, *SHAPE))


def test_maps_and_names_that_do_not_fit_are_refused(tmp_path, values):
    scan = read_volume(save(tmp_path / "scan.nii", values))
    for wrong in (values[1:], values[0], np.stack([values[None]] * 2)):
        with pytest.raises(InputError, match="does not fit"):
            write_map(tmp_path / "map.nii", wrong, scan)
    with pytest.raises(InputError, match="end in .nii"):
        write_map(tmp_path / "map.png", values, scan)


# ---- flat -------------------------------------------------------------------------------------------------------


def test_slices_go_through_the_middle_or_a_given_place(values):
    d, h, w = (n // 2 for n in SHAPE)
    for found, expected in zip(slices(values), (values[d], values[:, h], values[:, :, w]), strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(slices(values, (1, 2, 3)), (values[1], values[:, 2], values[:, :, 3]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_projections_show_the_largest_size_with_its_sign(values):
    stack = np.stack([values, -values])
    for axis, found in enumerate(projections(stack), 1):
        np.testing.assert_array_equal(np.abs(found), np.abs(stack).max(axis))
        np.testing.assert_array_equal(found[0], -found[1])
    for found, expected in zip(projections(np.abs(values)), (np.abs(values).max(i) for i in range(3)), strict=True):
        np.testing.assert_array_equal(found, expected)


# ---- from end to end --------------------------------------------------------------------------------------------


def scans(n, seed, size=12):
    """Noise (n, 1, size, size, size), every other one with a bright blob, and where that begins (n, 3)."""
    g = torch.Generator().manual_seed(seed)
    x = 0.3 * torch.rand(n, 1, size, size, size, generator=g)
    at = torch.randint(1, size - 4, (n, 3), generator=g)
    for i in range(1, n, 2):
        d, h, w = at[i].tolist()
        x[i, 0, d : d + 3, h : h + 3, w : w + 3] += 0.6
    return x, at


@pytest.fixture(scope="module")
def network():
    """A 3-D convnet that tells scans with a blob (class 1) from those without."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = [nn.Conv3d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv3d(6, 6, 3, padding=1), nn.ReLU()]
        made = nn.Sequential(*first, nn.AdaptiveMaxPool3d(1), nn.Flatten(), nn.Linear(6, 2))
        optimiser = torch.optim.Adam(made.parameters(), 1e-2)
        for step in range(60):
            x, _ = scans(16, step)
            loss = F.cross_entropy(made(x), torch.arange(16) % 2)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return made.eval()


def share_at(maps, corner):
    """How much of the size of a map (1, D, H, W) lies within one place of the blob that begins at `corner`."""
    size = np.abs(maps).sum(0)
    return size[tuple(slice(max(0, a - 1), a + 4) for a in corner)].sum() / size.sum()


HOW = {
    "saliency": {},
    "integrated_gradients": {"steps": 16},
    "deeplift": {},
    "lrp_epsilon_plus": {},
    "occlusion": {"window": 3, "stride": 1},
}


@pytest.mark.parametrize("how", HOW)
def test_the_blob_is_found(network, how):
    x, at = scans(8, 999)
    assert (network(x).argmax(1) == torch.arange(8) % 2).all()
    maps = explain(network, x[1::2], how, 1, **HOW[how])
    shares = [share_at(m, corner.tolist()) for m, corner in zip(maps, at[1::2], strict=True)]
    assert np.median(shares) > 0.5, "the box holds at most 7 % of the places"


def test_from_a_file_to_a_map_beside_it_and_a_picture(network, tmp_path):
    """A scan larger than the network's, with one blob: the map in the file is highest there, in the scanner's space."""
    rng = np.random.default_rng(0)
    scan = 0.3 * rng.random((20, 17, 26))
    scan[12:15, 5:8, 17:20] += 0.6
    path = save(tmp_path / "scan.nii.gz", (scan * 4000).astype(np.int16))
    volume = read_volume(path, limits=(0, 4000))
    found = explain_patches(network, volume.x, "integrated_gradients", 1, size=12, steps=16)
    write_map(tmp_path / "map.nii.gz", found.maps, volume)
    written = nibabel.load(tmp_path / "map.nii.gz")
    peak = np.unravel_index(np.abs(written.get_fdata()).argmax(), scan.shape)
    where, blob = (written.affine @ [*p, 1] for p in (peak, (13, 6, 18)))
    assert np.abs(where - blob)[:3].max() <= 2 * 3, "within two places of 3 mm"
    assert share_at(found.maps[0], (12, 5, 17)) > 0.25, "1.4 % of the places; every patch has its own small map"
    figure = sheets.side_by_side(volume.x, {"integrated_gradients": found.maps}, view="projections")
    figure.savefig(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    assert gzip.decompress((tmp_path / "map.nii.gz").read_bytes())[:4] == b"\x5c\x01\x00\x00"
