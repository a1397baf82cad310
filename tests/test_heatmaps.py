"""Laws of drawn maps: what each colour stands for; any map, and any number of them, can be drawn."""

import io

import numpy as np
import pytest
import torch
from matplotlib import _pylab_helpers
from PIL import Image

from xaae.experiment.errors import InputError
from xaae.explain.figures import heatmaps, sheets
from xaae.explain.figures.heatmaps import AGAINST, FOR, heatmap
from xaae.explain.method import METHODS

PLACES = {"signal": (30,), "picture": (8, 12), "volume": (6, 9, 12)}
COLOURED = ["grey", "signed", "overlay"]


def random(*shape, seed=0):
    """Normal numbers, float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# ---- colours ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("preset", heatmaps.PRESETS)
def test_every_map_becomes_bytes_of_three_colours(kind, channels, preset):
    maps = random(2, channels, *PLACES[kind])
    found = heatmap(maps, preset, x=maps)
    assert found.dtype == np.uint8 and found.shape[0] == 2 and found.shape[-1] == 3
    rows = {"signal": (channels, 30), "picture": (8, 12)}
    if kind in rows:
        assert found.shape[1:3] == rows[kind]


def test_tensors_with_gradients_are_drawn_too():
    maps = torch.rand(2, 1, 4, 4, requires_grad=True)
    np.testing.assert_array_equal(heatmap(maps), heatmap(maps.detach().numpy()))


def test_signed_is_white_at_0_and_red_and_blue_at_the_ends():
    found = heatmap(np.array([[[[-2.0, 0, 2]]]]))[0, 0]
    expected = np.round(255 * np.stack([AGAINST, np.ones(3), FOR]))
    np.testing.assert_array_equal(found, expected)
    assert FOR.argmax() == 0 and AGAINST.argmax() == 2


def test_signed_is_symmetric():
    """The same share of the ink of either end for values of the same size."""
    maps = random(3, 1, 8, 8)
    ink = lambda m, end: (255 - heatmap(m).astype(float)) / (255 * (1 - end))  # noqa: E731
    positive = (maps[:, 0] > 0)[..., None]
    red, blue = np.where(positive, ink(maps, FOR), 0), np.where(positive, ink(-maps, AGAINST), 0)
    np.testing.assert_allclose(red, blue, atol=2 / 255 / 0.2)
    assert red.max() > 0.5


def test_a_stronger_value_never_has_a_paler_colour():
    ramp = np.linspace(0, 1, 50)[None, None, None]
    for maps, falling in ((ramp, 1), (-ramp, 0)):
        assert (np.diff(heatmap(maps)[0, 0, :, falling].astype(int)) <= 0).all()
    assert (np.diff(heatmap(ramp, "grey")[0, 0, :, 0].astype(int)) >= 0).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_grey_is_black_at_0_and_white_at_the_largest_size(sign):
    found = heatmap(np.array([[[[0.0, sign * 3, 1]]]]), "grey")[0, 0]
    assert (found[0] == 0).all() and (found[1] == 255).all() and (found[2] == 85).all()


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("normalise", heatmaps.NORMALISE)
@pytest.mark.parametrize("preset, neutral", [("grey", 0), ("signed", 255)])
def test_a_map_of_nothing_is_neutral(kind, normalise, preset, neutral):
    with np.errstate(all="raise"):
        found = heatmap(np.zeros((2, 1, *PLACES[kind])), preset, normalise, percentile=99)
    rest = found != heatmaps.GROUND
    assert (found[rest] == neutral).all() and rest.any()


def test_a_map_of_nothing_leaves_the_item_in_grey():
    x = np.random.default_rng(0).random((2, 3, 8, 8))
    found = heatmap(np.zeros((2, 3, 8, 8)), "overlay", x=x).astype(float)
    assert np.ptp(found, -1).max() == 0
    grey = x.mean(1)
    for mine, each in zip(found[..., 0], grey, strict=True):
        assert np.corrcoef(mine.ravel(), each.ravel())[0, 1] > 0.999


def test_one_map_for_all_channels_of_a_signal_lies_on_their_mean():
    x = random(2, 3, 30)
    found = heatmap(np.zeros((2, 1, 30)), "overlay", x=x)
    np.testing.assert_array_equal(found, heatmap(np.zeros((2, 1, 30)), "overlay", x=x.mean(1, keepdims=True)))


def test_overlay_takes_the_ends_colour_where_the_map_is_strong():
    maps = np.zeros((1, 1, 2, 2))
    maps[0, 0, 0] = 1, -1
    found = heatmap(maps, "overlay", x=random(1, 1, 2, 2))[0, 0].astype(float)
    assert found[0].argmax() == 0 and found[1].argmax() == 2
    assert np.abs(found[0] / 255 - FOR).max() < 0.1


@pytest.mark.parametrize("preset", COLOURED)
def test_scale_by_image_does_not_see_the_other_items(preset):
    maps = random(3, 1, 8, 8)
    scaled = maps * np.array([1, 10, 1000.0])[:, None, None, None]
    near(heatmap(maps, preset, x=maps), heatmap(scaled, preset, x=maps))


def near(a, b, most=1):
    """The same but for rounding."""
    assert np.abs(a.astype(int) - b.astype(int)).max() <= most


def test_scale_by_batch_keeps_the_ratios_between_items():
    maps = np.abs(random(1, 1, 8, 8)) * np.array([1, 0.5, 0.25])[:, None, None, None]
    found = heatmap(maps, "grey", "batch").astype(float)
    assert found[0].max() == 255
    np.testing.assert_allclose(found[1], found[0] / 2, atol=1)
    np.testing.assert_allclose(found[2], found[0] / 4, atol=1)


def test_no_scale_cuts_off_and_does_not_stretch():
    small, large = np.full((1, 1, 2, 2), 0.25), np.full((1, 1, 2, 2), 7.0)
    assert (heatmap(small, "grey", "none") == 64).all()
    assert (heatmap(large, "grey", "none") == 255).all()
    assert (heatmap(large, "grey", "none", limit=14) == 128).all()


def test_a_percentile_takes_single_values_out_of_the_scale():
    maps = np.full((1, 1, 10, 10), 0.5)
    maps[0, 0, 0, 0] = 100
    assert (heatmap(maps, "grey", percentile=95) == 255).all()
    assert heatmap(maps, "grey")[0, 5, 5, 0] == 1
    lone = np.zeros((1, 1, 10, 10))
    lone[0, 0, 0, 0] = 100
    assert heatmap(lone, "grey", percentile=95)[0, 0, 0, 0] == 255, "what is almost everywhere 0 still has its maximum"


def test_channels_are_summed_with_their_signs_or_give_their_largest_size():
    maps = np.array([1.0, -1, 0]).reshape(1, 3, 1, 1) * np.ones((1, 3, 4, 4))
    maps[0, :, 0, 0] = 1, 1, 1
    assert (heatmap(maps)[0, 1:] == 255).all()
    assert (heatmap(maps, "grey") == 255).all()
    assert (heatmap(maps, "grey", reduce="sum")[0, 1:] == 0).all()
    root = heatmap(maps, "grey", "none", reduce="norm", limit=4)[0]
    assert root[1, 1, 0] == round(255 * 2**0.5 / 4) and root[0, 0, 0] == round(255 * 3**0.5 / 4)


def test_pictures_are_drawn_as_they_are():
    x = np.random.default_rng(0).random((2, 3, 5, 7))
    near(heatmap(x, "picture"), np.round(255 * np.moveaxis(x, 1, -1)), 0)
    near(heatmap(4 * x - 2, "picture"), np.round(255 * np.clip(4 * np.moveaxis(x, 1, -1) - 2, 0, 1)), 0)


def test_a_volume_is_shown_by_its_three_middle_slices_or_projections():
    maps = np.zeros((1, 1, 4, 6, 8))
    maps[0, 0, 1, 1, 1], maps[0, 0, 2, 3, 4] = 2, -1
    reds = lambda view: (heatmap(maps, view=view) == np.round(255 * FOR)).all(-1).sum()  # noqa: E731
    half = np.round(255 * (0.5 + 0.5 * AGAINST))
    blues = lambda view: (np.abs(heatmap(maps, view=view) - half) <= 1).all(-1).sum()  # noqa: E731
    assert (reds("slices"), blues("slices")) == (0, 3)
    assert (reds("projections"), blues("projections")) == (3, 3)
    assert heatmap(maps).shape[1:3] == (6, 8 + 8 + 6 + 2)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_has_a_preset_by_what_it_shows(name):
    how = METHODS[name]
    expected = "overlay" if how.kind == "cam" else {"size": "grey"}.get(how.shows, how.shows)
    assert heatmaps.preset_for(name) == expected


@pytest.mark.parametrize(
    "given, word",
    [
        ({"preset": "hot"}, "no preset"),
        ({"normalise": "max"}, "choose from image"),
        ({"reduce": "mean"}, "choose from largest"),
        ({"preset": "overlay"}, "pass the items"),
        ({"preset": "overlay", "x": np.zeros((2, 1, 5, 4))}, "do not lie on"),
        ({"normalise": "none", "limit": 0.0}, "above 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(given, word):
    with pytest.raises(InputError, match=word):
        heatmap(np.zeros((2, 1, 4, 4)), **given)


def test_maps_that_cannot_be_drawn_are_refused():
    with pytest.raises(InputError, match="finite"):
        heatmap(np.full((1, 1, 4, 4), np.nan))
    with pytest.raises(InputError, match="cannot be drawn"):
        heatmap(np.zeros((4, 4)))
    with pytest.raises(InputError, match="choose from slices"):
        heatmap(np.zeros((1, 1, 4, 4, 4)), view="front")


# ---- sheets -----------------------------------------------------------------------------------------------------


def drawn(figure):
    """The figure as an array (H, W, 3)."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=60)
    return np.asarray(Image.open(file).convert("RGB"))


def words(figure):
    """All texts of a figure."""
    return [t.get_text().replace("\n", " ") for t in figure.axes[0].texts]


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("methods", [1, 2, 9, 45])
def test_any_number_of_methods_fits_a_sheet_that_can_be_read(kind, methods):
    x = random(2, 1, *PLACES[kind])
    maps = {f"method_{i}": random(2, 1, *PLACES[kind], seed=i) for i in range(methods)}
    figure = sheets.side_by_side(x, maps, labels=["cat 0.98", "dog 0.51"])
    assert figure.get_size_inches()[0] <= sheets.WIDTH
    found = words(figure)
    assert all(f"method {i}" in found for i in range(methods))
    assert found.count("input") == found.count("cat 0.98") == found.count("dog 0.51")
    assert np.ptp(drawn(figure)) > 200


def test_texts_stay_on_the_sheet_and_titles_off_each_other():
    x = random(2, 1, 8, 8)
    maps = {name: random(2, 1, 8, 8) for name in METHODS}
    figure = sheets.side_by_side(x, maps, title="Why?", labels=["a class of a very long name 0.98", "b"])
    drawn(figure)
    boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text()]
    width, height = figure.get_size_inches() * figure.dpi
    assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width and b.y1 <= height for b in boxes)
    for i, a in enumerate(boxes):
        assert not any(a.overlaps(b) for b in boxes[i + 1 :])


def test_the_sheet_shows_each_map_at_its_place():
    """Row and column of a cell are those of item and method: its colour is found at the middle of its box."""
    x = np.zeros((2, 1, 4, 4))
    maps = {"first": np.ones((2, 1, 4, 4)), "second": np.ones((2, 1, 4, 4))}
    maps["first"][1] *= -1
    maps["second"][0] *= 0
    figure = sheets.side_by_side(x, maps)
    picture = drawn(figure)
    place = sheets.sheet_layout(x, ["first", "second"], [], "", {"signed"}, "slices")
    at = lambda row, column: picture[tuple(middle(place.box(0, row, column)))]  # noqa: E731
    red, blue = np.round(255 * FOR), np.round(255 * AGAINST)
    for cell, expected in {(0, 1): red, (1, 1): blue, (0, 2): [255] * 3, (1, 2): red, (0, 0): [0] * 3}.items():
        assert np.abs(at(*cell) - np.asarray(expected)).max() <= 1, cell


def middle(box):
    """Row and column of the middle of a box in pixels."""
    left, right, bottom, top = box
    return int(60 * (top + bottom) / 2), int(60 * (left + right) / 2)


def test_a_curve_has_the_colours_of_its_map():
    x, maps = random(1, 2, 30), np.zeros((1, 2, 30))
    maps[0, 0, 10], maps[0, 1, 20] = 1, -1
    figure = sheets.side_by_side(x, {"shares": maps})
    first, second = figure.axes[0].collections
    for curve, end in ((first, FOR), (second, AGAINST)):
        strong = np.isclose(curve.get_colors()[:, :3], end).all(1)
        assert strong.sum() == 2, "the two pieces that meet at the place"
        assert np.isclose(curve.get_colors()[~strong, :3], sheets.NEUTRAL).all()


def test_no_global_state_of_pyplot_is_touched():
    before = list(_pylab_helpers.Gcf.figs)
    sheets.side_by_side(random(1, 1, 4, 4), {"a": random(1, 1, 4, 4)})
    assert list(_pylab_helpers.Gcf.figs) == before


def test_titles_presets_and_scales_can_be_given():
    x = random(1, 1, 4, 4)
    figure = sheets.side_by_side(x, {"saliency": x, "a": x}, {"a": "Mine"}, presets={"a": "grey"}, normalise="batch")
    found = words(figure)
    assert {"Mine", METHODS["saliency"].title} <= set(found)
    assert not any("against" in text for text in found) and "all maps of a method" in found[-1]


def test_maps_and_labels_that_do_not_fit_are_refused():
    x = random(2, 1, 4, 4)
    with pytest.raises(InputError, match="at least one"):
        sheets.side_by_side(x, {})
    with pytest.raises(InputError, match="maps of odd"):
        sheets.side_by_side(x, {"odd": random(2, 1, 5, 4)})
    with pytest.raises(InputError, match="1 labels"):
        sheets.side_by_side(x, {"a": x}, labels=["one"])
