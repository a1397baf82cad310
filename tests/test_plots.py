"""Laws of the figures of a walk: every frame is in its place, with its caption."""

import numpy as np
import pytest

from xaae.latent_nav import plots


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
