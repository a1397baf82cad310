"""Laws of the figures of a walk: every frame is in its place, with its caption."""

import numpy as np
import pytest

from xaae.factors.meters import METERS
from xaae.latent_nav import plots, walk_results


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("heat", [None, np.arange(128.0).reshape(2, 8, 8)], ids=["plain", "heat"])
def test_a_strip_holds_every_frame_and_its_caption(channels, heat):
    frames = np.random.default_rng(0).integers(0, 256, (2, 5, 8, 8, channels)).astype(np.uint8)
    captions = [[f"{i}.{j}" for j in range(5)] for i in range(2)]
    figure = plots.strip(frames, captions, "a walk", heat)
    (ax,) = figure.axes
    said = [t.get_text() for t in ax.texts]
    assert figure.get_suptitle() == "a walk" and [s for row in captions for s in row] == [s for s in said if "." in s]
    assert ("change" in said) == (heat is not None)
    sheet = np.asarray(ax.get_images()[0].get_array())
    tall, wide = sheet.shape[0] // 2, sheet.shape[1] // (5 + (heat is not None))
    for i, j in np.ndindex(2, 5):
        left = j * wide + (wide - 8) // 2
        seen = sheet[(i + 1) * tall - 8 : (i + 1) * tall, left : left + 8]
        np.testing.assert_array_equal(seen, plots.three_channels(frames)[i, j])


def test_a_figure_has_one_map_for_each_that_was_made():
    xy = np.random.default_rng(0).standard_normal((20, 2))
    found = {"pca.xy": xy, "tsne.xy": xy, "pca.arrow": np.array([[-1.0, 0], [1, 0]])}
    labels, thumbs = np.repeat(["a", "b"], 10), np.zeros((3, 8, 8, 1), np.uint8)
    figure = plots.maps_figure(found, labels, thumbs, [0, 7, 19])
    assert [ax.get_title() for ax in figure.axes] == ["PCA", "t-SNE"]
    pictures = [sum(bool(inset.get_images()) for inset in ax.child_axes) for ax in figure.axes]
    arrows = [sum(len(inset.texts) for inset in ax.child_axes) for ax in figure.axes]
    assert pictures == [3, 3] and arrows == [1, 0]


def test_captions_of_a_walk_have_their_unit_and_the_class():
    change, probability = np.array([[0.0, -0.3, 1.2, 30.0]]), np.array([[0.1, 0.2, 0.3, 0.95]])
    (texts,) = walk_results._captions(METERS["rotation"], change, probability, "a class with a long name")
    assert [text.split("\n")[0] for text in texts] == ["+0 degrees", "+0 degrees", "+1 degree", "+30 degrees"]
    assert texts[-1].endswith(" 0.95") and texts[-1].split("\n")[1].startswith("a clas")
    (texts,) = walk_results._captions(METERS["luminance"], change / 100, probability, "dog")
    assert texts[-1] == "+0.30 of full scale\ndog 0.95"


def test_the_whole_arrow_lies_on_its_map_above_points_and_pictures():
    xy, arrow = np.random.default_rng(0).uniform(-1, 1, (20, 2)), np.array([[-9.0, 0], [9, 0]])
    found = {"pca.xy": xy, "pca.arrow": arrow}
    (ax,) = plots.maps_figure(found, np.repeat(["a", "b"], 10), np.zeros((3, 8, 8, 1), np.uint8), [0, 7, 19]).axes
    (above,) = [inset for inset in ax.child_axes if inset.texts]
    assert all(above.get_zorder() > inset.get_zorder() for inset in ax.child_axes if inset is not above)
    (low, high), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert low < -9 and high > 9 and bottom < 0 < top and above.get_xlim() == (low, high)
