"""Laws of how signals are drawn: what is higher lies higher, one unit has one height, nothing short is lost."""

import numpy as np
import pytest

from xaae.experiment.traces import (
    PAPER,
    TraceSheet,
    between_colours,
    draw_change,
    draw_traces,
    lay_out_traces,
    nice_step,
    shade_traces,
    walk_traces,
)
from xaae.experiment.vocabulary import PALETTE

PLAIN = TraceSheet.of({})
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
RED, BLUE = (200, 0, 0), (0, 0, 200)


def sheet(channels=1, rate=None, names=None, units=None, low=-1.0, high=1.0):
    low, high = (np.broadcast_to(each, channels).tolist() for each in (low, high))
    about = {"rate": rate, "names": names or [""] * channels, "units": units or [""] * channels}
    return TraceSheet.of(about | {"low": low, "high": high}, channels)


def drawn(tile, colour):
    """Where a tile has a colour, mixed with at most three times as much white as a line's edge is: (H, W) bool."""
    ink, whole = 255.0 - tile, 255.0 - np.array(colour)
    share = ink @ whole / (whole @ whole)
    return (share > 0.25) & (np.abs(ink - share[..., None] * whole).max(-1) < 12)


def rows_of(tile, colour):
    """The rows of a tile that hold a colour, as a set."""
    return set(np.flatnonzero(drawn(tile, colour).any(1)).tolist())


def columns_of(tile, colour):
    return set(np.flatnonzero(drawn(tile, colour).any(0)).tolist())


def flat(value, channels=1, samples=50):
    return np.full((channels, samples), value, np.float32)


def middle_row(value, on=PLAIN, width=120):
    return np.mean(sorted(rows_of(draw_traces(flat(value), on, width, colours=RED), RED)))


def test_a_larger_value_lies_higher_and_evenly_so():
    places = [middle_row(value) for value in (0, 0.25, 0.5, 0.75, 1)]
    assert all(np.diff(places) < 0) and np.ptp(np.diff(places)) <= 2


def test_leading_dimensions_are_kept_and_every_tile_has_its_colour():
    tiles = draw_traces(np.zeros((2, 3, 1, 40)), PLAIN, 100, colours=np.array([[RED] * 3, [BLUE] * 3], np.uint8))
    assert tiles.shape[:2] == (2, 3) and tiles.shape[3:] == (100, 3) and tiles.dtype == np.uint8
    assert all(rows_of(tile, RED) and not rows_of(tile, BLUE) for tile in tiles[0])
    assert all(rows_of(tile, BLUE) and not rows_of(tile, RED) for tile in tiles[1])


def test_channels_of_one_unit_share_its_scale_and_others_have_their_own():
    step = np.stack([np.repeat([0.25, 0.75], 25), np.repeat([0.375, 0.625], 25)])  # 1 mV in both
    heights = {}
    for units in (["mV", "mV"], ["mV", "uV"]):
        on = sheet(2, units=units, low=0, high=[2, 4])
        frame, tile = lay_out_traces(on, 160), draw_traces(step, on, 160, colours=RED)
        lanes = [tile[int(top) : int(bottom)] for top, bottom in zip(frame.top, frame.bottom, strict=True)]
        heights[units[1]] = [np.ptp(sorted(rows_of(lane, RED))) for lane in lanes]
    assert on.shared is False and abs(heights["mV"][0] - heights["mV"][1]) <= 2
    assert heights["uV"][0] > 1.5 * heights["uV"][1]


@pytest.mark.parametrize("channels", [1, 2, 12])
def test_channels_have_lanes_that_do_not_overlap_and_hold_a_line_of_text(channels):
    frame = lay_out_traces(sheet(channels), 343)
    assert (frame.top[1:] >= frame.bottom[:-1] - 1e-6).all() and frame.bottom[-1] + frame.text < frame.size[0]
    assert frame.text >= 12 and (frame.bottom - frame.top >= 2 * frame.text - 1e-6).all()


def test_time_is_in_seconds_where_the_rate_is_known():
    assert sheet(rate=360).in_words(256).startswith("0.7111 s") and "samples" not in sheet(rate=360).in_words(256)
    assert sheet().in_words(96).startswith("96 samples from left to right")


@pytest.mark.parametrize(
    ("about", "is_one"),
    [
        ({"rate": 360, "names": ["MLII"], "units": ["mV"]}, True),
        ({"rate": 500, "names": ["ECG aVR"], "units": ["uV"]}, True),
        ({"rate": None, "names": ["MLII"], "units": ["mV"]}, False),
        ({"rate": 360, "names": ["Fpz"], "units": ["uV"]}, False),
        ({"rate": 360, "names": ["II"], "units": ["mmHg"]}, False),
        ({"rate": 360, "names": [""], "units": ["mV"]}, False),
    ],
)
def test_only_an_ecg_lies_on_the_paper_of_ecgs(about, is_one):
    on = sheet(**about)
    tile = draw_traces(flat(0.5, samples=400), on)
    assert on.is_ecg == is_one == (tile == PAPER["square"]).all(-1).any() == ("squares" in on.in_words(400))


def test_squares_that_are_too_narrow_to_be_drawn_are_not_spoken_of():
    on = sheet(rate=360, names=["II"], units=["mV"])
    for samples, drawn_ones in (400, True), (40_000, False):
        tile = draw_traces(flat(0.5, samples=samples), on)
        assert drawn_ones == (tile == PAPER["square"]).all(-1).any() == ("squares" in on.in_words(samples))


def test_the_squares_of_an_ecg_are_a_fifth_of_a_second():
    on = sheet(rate=250, names=["II"], units=["mV"])
    tile = draw_traces(flat(0.99, samples=251), on)  # one second
    frame = lay_out_traces(on)
    lines = np.flatnonzero((tile[frame.size[0] // 3 : frame.size[0] // 2] == PAPER["square"]).all(-1).all(0))
    assert np.diff(lines).mean() == pytest.approx((frame.right - frame.left) / 5, rel=0.03)


def test_each_frame_of_a_walk_lies_over_the_first_one_in_colours_from_class_to_class():
    frames = np.stack([flat(value) for value in (0.1, 0.5, 0.9)])
    tiles = walk_traces(frames, PLAIN, 120)
    ends = [tuple(int(PALETTE[k][i : i + 2], 16) for i in (1, 3, 5)) for k in (0, 1)]
    assert rows_of(tiles[0], ends[0]) and rows_of(tiles[2], ends[1]) and not rows_of(tiles[2], ends[0])
    first = rows_of(tiles[0], ends[0])
    for tile in tiles[1:]:
        assert ((tile[sorted(first)] != 255).any(-1)).mean() > 0.5  # the first frame is still there
    assert [tuple(map(int, c)) for c in between_colours(5)[[0, -1]]] == ends


def test_a_map_colours_and_thickens_the_trace_where_it_is_strong_alone():
    values = np.zeros((1, 101), np.float32)
    values[0, 50] = 1
    colour_of = lambda v: np.where(np.abs(v)[:, None] > 0.5, (1.0, 0, 0), (0.8, 0.8, 0.8))  # noqa: E731
    tile = draw_traces(flat(0.5, samples=101), PLAIN, 150, weights=(values, colour_of))
    frame, red = lay_out_traces(PLAIN, 150), sorted(columns_of(tile, (255, 0, 0)))
    assert abs(np.mean(red) - (frame.left + frame.right) / 2) <= 2 and np.ptp(red) < 12
    inked = (tile != 255).any(-1)
    assert inked[:, red[len(red) // 2]].sum() > inked[:, 20].sum()


@pytest.mark.parametrize("samples", [40, 100_000])
def test_what_is_strong_at_one_sample_is_shaded_there(samples):
    level = np.zeros((1, samples))
    level[0, samples // 4] = 1
    shaded = shade_traces(level, PLAIN, 200, lambda v: (v[..., None] * 255).astype(np.uint8))
    frame, lit = lay_out_traces(PLAIN, 200), np.flatnonzero(shaded[0, :, 0])
    assert shaded.shape == (*frame.size, 1) and len(lit)
    assert abs(lit.mean() - (frame.left + 0.25 * (frame.right - frame.left))) <= 5


def test_a_spike_of_one_sample_in_a_million_is_drawn():
    x = flat(0.2, samples=1_000_000)
    x[0, 333_333] = 0.95
    tile, without = (draw_traces(each, PLAIN, 300, colours=RED) for each in (x, flat(0.2, samples=1_000_000)))
    assert min(rows_of(tile, RED)) < min(rows_of(without, RED)) - 30


def test_a_change_is_above_the_middle_where_values_rise_and_below_where_they_fall():
    level = np.r_[np.full(50, 0.8), np.full(50, -0.8)][None]
    tile = draw_change(level, PLAIN, 150, RED, BLUE)
    assert np.mean(sorted(rows_of(tile, RED))) < np.mean(sorted(rows_of(tile, BLUE)))
    assert max(columns_of(tile, RED)) <= 80 and min(columns_of(tile, BLUE)) >= 70


def test_the_names_of_twelve_leads_stand_beside_their_traces_each_in_its_lane():
    on = sheet(12, rate=500, names=list(LEADS), units=["mV"] * 12)
    frame, tile = lay_out_traces(on), draw_traces(flat(0.5, 12), on)
    beside = tile[:, : int(frame.left) - 3].min(-1) < 120  # no trace is there
    assert frame.left > frame.text > 0
    for top, bottom in zip(frame.top, frame.bottom, strict=True):
        assert beside[int(top) : int(bottom)].sum() > 5


@pytest.mark.parametrize(("most", "step"), [(1.0, 1), (0.99, 0.5), (7, 5), (230, 200), (0.0031, 0.002)])
def test_steps_are_one_two_or_five(most, step):
    assert nice_step(most) == pytest.approx(step)
