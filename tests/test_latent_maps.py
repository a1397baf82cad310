"""Laws of the maps: classes stay apart, the straight map is straight, other processes answer alike or say why not."""

import numpy as np
import pytest
from helpers.waiting import GENEROUS
from sklearn.neighbors import KNeighborsClassifier

from xaae.latent_nav import latent_maps
from xaae.latent_nav.directions import scaled


@pytest.fixture(scope="module")
def cloud():
    """Codes (240, 6) float32 of three classes, far apart along an oblique plane, and their classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    centres = 8 * np.linalg.qr(rng.standard_normal((6, 6)))[0][:3]
    return (rng.standard_normal((240, 6)) + centres[labels]).astype(np.float32), labels


def kept_apart(xy, labels):
    """Share of points whose five neighbours on the map are mostly of their own class."""
    return KNeighborsClassifier(5).fit(xy, labels).score(xy, labels)


@pytest.mark.parametrize("name", ["pca", "tsne"])
def test_a_map_keeps_the_classes_apart(cloud, name):
    z, labels = cloud
    xy = latent_maps.MAPS[name](z)
    assert xy.shape == (240, 2) and np.isfinite(xy).all() and kept_apart(xy, labels) > 0.98
    np.testing.assert_array_equal(latent_maps.MAPS[name](z), xy)


def test_pca_keeps_the_distances_of_what_lies_in_a_plane():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((5, 2)))[0]
    z = rng.standard_normal((50, 2)) @ basis.T + 3
    xy = latent_maps.pca(z)
    apart = lambda p: np.linalg.norm(p[:, None] - p, axis=2)  # noqa: E731
    np.testing.assert_allclose(apart(xy), apart(z), atol=1e-9)


@pytest.mark.parametrize("n", [5, 40])
def test_maps_of_few_items_can_be_made(n):
    z = np.random.default_rng(0).standard_normal((n, 4))
    for name in ("pca", "tsne"):
        assert latent_maps.MAPS[name](z).shape == (n, 2)


# ---- the side view ----------------------------------------------------------------------------------------------


def test_the_side_view_measures_along_and_at_right_angles(cloud):
    z, _ = cloud
    way = scaled("d", np.array([1.0, 2, 0, -1, 0, 3]), z)
    xy = latent_maps.side(z, way)
    np.testing.assert_allclose(xy[:, 0], (z - z.mean(0)) @ way.vector / way.scale, atol=1e-4)
    assert xy[:, 0].mean() == pytest.approx(0, abs=1e-4) and xy[:, 0].std() == pytest.approx(1, rel=1e-3)
    axis = np.linalg.lstsq(z - z.mean(0), xy[:, 1], rcond=None)[0]  # the axis that y is a place along
    np.testing.assert_allclose((z - z.mean(0)) @ axis, xy[:, 1], atol=1e-3)
    assert abs(axis @ way.vector) < 1e-3 and np.linalg.norm(axis) == pytest.approx(1, rel=1e-3)


def test_upwards_is_the_largest_variance_that_is_left():
    z = np.random.default_rng(0).standard_normal((2000, 4)) * [1, 9, 3, 5]
    xy = latent_maps.side(z, scaled("d", np.eye(4)[1], z))
    assert abs(np.corrcoef(xy[:, 1], z[:, 3])[0, 1]) > 0.99 and xy[:, 1].std() == pytest.approx(5, rel=0.05)


# ---- the arrow --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flat():
    """Codes (500, 4) whose plane of largest variance is that of the first two dimensions."""
    z = np.random.default_rng(0).standard_normal((500, 4)) * [5, 3, 0, 0] + 7
    return z


@pytest.mark.parametrize("reach", [1.0, 2.0])
@pytest.mark.parametrize("vector", [[1, 0, 0, 0], [3, 4, 0, 0]])
def test_an_arrow_inside_the_plane_has_its_full_length(flat, vector, reach):
    way = scaled("d", np.array(vector, float), flat)
    found = latent_maps.arrow(flat, way, reach)
    assert np.linalg.norm(found[1] - found[0]) == pytest.approx(2 * reach * way.scale, rel=1e-5)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-5)


def test_an_arrow_out_of_the_plane_is_foreshortened(flat):
    slanted, upright = (
        latent_maps.arrow(flat, scaled("d", np.array(v, float), flat), 2) for v in ([1, 0, 1, 0], [0, 0, 1, 0])
    )
    whole = scaled("d", np.array([1.0, 0, 1, 0]), flat)
    assert np.linalg.norm(slanted[1] - slanted[0]) == pytest.approx(4 * whole.scale / 2**0.5, rel=1e-3)
    np.testing.assert_allclose(upright, 0, atol=1e-5)


def test_the_arrow_points_to_where_the_codes_of_the_second_side_are(cloud):
    z, labels = cloud
    way = scaled("d", z[labels == 1].mean(0) - z[labels == 0].mean(0), z)
    xy, found = latent_maps.pca(z), latent_maps.arrow(z, way)
    step = xy[labels == 1].mean(0) - xy[labels == 0].mean(0)
    assert step @ (found[1] - found[0]) > 0.9 * np.linalg.norm(step) * np.linalg.norm(found[1] - found[0])


# ---- in another process -----------------------------------------------------------------------------------------


def test_another_process_makes_the_same_map(cloud, warm, monkeypatch):
    monkeypatch.setattr(latent_maps, "subprocess", warm)
    z, _ = cloud
    np.testing.assert_allclose(latent_maps.elsewhere("pca", z).result(GENEROUS), latent_maps.pca(z), atol=1e-5)


def test_umap_comes_from_another_process(cloud, monkeypatch):
    """As it is written, not compiled: that takes longer than everything else about a map of few items."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    z, labels = cloud[0][:30], cloud[1][:30]
    xy = latent_maps.elsewhere("umap", z, seed=3).result(GENEROUS)
    assert xy.shape == (30, 2) and np.isfinite(xy).all() and kept_apart(xy, labels) > 0.98


@pytest.mark.parametrize(("name", "z"), [("atlas", np.zeros((9, 3))), ("pca", np.full((9, 3), np.nan))])
def test_a_map_that_fails_says_why(name, z, warm, monkeypatch):
    monkeypatch.setattr(latent_maps, "subprocess", warm)
    with pytest.raises(RuntimeError, match="atlas|NaN"):
        latent_maps.elsewhere(name, z).result(GENEROUS)
