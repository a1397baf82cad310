"""Laws of scans of signals: a network whose answer is known goes by what it goes by; null changes have their size."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from xaae.experiment.kinds import SIGNAL
from xaae.factors.bias import make_bias
from xaae.factors.meters import meter_named, meters_for
from xaae.factors.registry import FACTORS
from xaae.scan import null_changes
from xaae.scan.factor_scan import ScanItems, scan_factors
from xaae.scan.scan_figures import STRIP_DRAWING
from xaae.scan.value_ranges import grid_of, readings_of
from xaae.scan.verdicts import NOT_USED, USED
from xaae.sources.synthbeats import RATE, draw_beats

N = 60
NAMES = ("hum", "drift", "spike", "gain")


@pytest.fixture(scope="module")
def beats():
    """Beats (N, 1, 192), the baseline in the lower third of the range."""
    return torch.from_numpy(0.25 + 0.45 * draw_beats(N)[0])


@pytest.fixture(scope="module")
def varied(beats):
    """The same with hum, drift, spikes and noise of many sizes, none of which goes with a class."""
    rng = np.random.default_rng(0)
    for name in ("hum", "drift", "spike", "offset"):
        values = torch.from_numpy(rng.permutation(np.linspace(*FACTORS[name].whole, N))).float()
        beats = FACTORS[name].plant(beats, values, "zeros", RATE)
    return beats


def goes_by(meter, middle, steep):
    """A classifier of two classes that goes by one meter: x -> probabilities (B, 2)."""
    read = meter_named(meter, SIGNAL, RATE)

    def answer(x):
        reading = torch.from_numpy(read.measure(x[:, None].numpy())[:, 0]).float()
        p = torch.sigmoid(steep * (reading - middle))
        return torch.stack([1 - p, p], 1)

    return answer


def scanned(answer, x, **more):
    items = ScanItems(x, np.repeat(["one", "other"], N // 2), rate=RATE, **more)
    grids = [grid_of(name, x, readings_of(FACTORS[name], x, RATE), rate=RATE) for name in NAMES]
    rows, _, _ = scan_factors(answer, items, grids, np.random.default_rng(0))
    return {row["factor"]: row for row in rows}


@pytest.mark.parametrize(("name", "middle", "steep"), [("hum", 7, 2), ("drift", 0, 1), ("spike", 20, 1)])
def test_a_network_that_goes_by_a_factor_is_said_to_and_flips_at_its_place(varied, name, middle, steep):
    rows = scanned(goes_by(FACTORS[name].meter, middle, steep), varied)
    assert {factor for factor, row in rows.items() if row["used"] == USED} == {name}
    assert rows[name]["source"] == "data" and rows[name]["flips_at"] == pytest.approx(middle, abs=3)
    assert rows[name]["unit"] == "% of the range" and rows[name]["swing"] > 0.9


def test_a_network_that_goes_by_nothing_is_said_to(varied):
    rows = scanned(lambda x: torch.full((len(x), 2), 0.5), varied)
    assert {row["used"] for row in rows.values()} == {NOT_USED}


def test_signals_of_which_none_is_upside_down_are_not_asked_about_it(beats):
    """Their polarity reads differently from one to the next, and no value of the range turns one over."""
    items = ScanItems(beats, np.repeat(["one", "other"], N // 2), rate=RATE)
    grid = grid_of("polarity", beats, readings_of(FACTORS["polarity"], beats, RATE), rate=RATE)
    (row,), _, _ = scan_factors(goes_by("polarity", 0, 9), items, [grid], np.random.default_rng(0))
    assert np.ptp(grid.axis) > 0.05 and row["one_value"] and row["used"] == NOT_USED
    turned = (
        beats * torch.tensor([1, -1.0]).repeat(N // 2)[:, None, None]
        + torch.tensor([0, 1.0]).repeat(N // 2)[:, None, None]
    )
    items = replace(items, x=turned)
    grid = grid_of("polarity", turned, readings_of(FACTORS["polarity"], turned, RATE), rate=RATE)
    (row,), _, _ = scan_factors(lambda x: torch.full((len(x), 2), 0.5), items, [grid], np.random.default_rng(0))
    assert not row["one_value"]


def test_what_is_planted_is_asked_about_over_its_whole_range(beats):
    bias = replace(make_bias(["one", "other"], factor="hum"), rate=RATE)
    values = np.random.default_rng(0).uniform(*bias.whole(), N)
    items = ScanItems(beats, np.repeat(["one", "other"], N // 2), values, bias, RATE)
    assert items.part(slice(4)).rate == RATE
    grid = grid_of("hum", beats, None, bias)
    rows, _, _ = scan_factors(goes_by("hum", 7, 2), items, [grid], np.random.default_rng(0))
    assert grid.source == "planted" and rows[0]["used"] == USED


CHANGES = null_changes.NULL_CHANGES["signal"]


@pytest.mark.parametrize("size", [0.01, 0.03, 0.08])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_null_changes_have_the_size_that_is_asked_for(beats, change, size):
    for x in (beats, beats.repeat(1, 3, 1)):
        changed = change(x, torch.full((N,), size), np.random.default_rng(0))
        assert changed.shape == x.shape and 0 <= changed.min() and changed.max() <= 1
        far = null_changes.pixel_distance(changed, x)
        assert far.median() == pytest.approx(size, rel=0.15)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_null_changes_are_none_that_a_factor_names(beats, change):
    changed = change(beats, torch.full((N,), 0.03), np.random.default_rng(0))
    meters = meters_for(1, SIGNAL, rate=RATE)
    most = {"hum": 1.0, "level": 1.0, "drift": 2.0, "amplitude": 1.5, "lag": 1.5, "rate": 0.25}
    for name, bound in most.items():
        readings = meters[name].measure(torch.stack([beats, changed], 1))
        assert np.median(np.abs(readings[:, 1] - readings[:, 0])) < bound, name


def test_warps_keep_the_values_and_move_them_in_time(beats):
    warped = null_changes.warp_time(beats, torch.full((N,), 0.03), np.random.default_rng(0))
    assert (warped.amax(-1) - beats.amax(-1)).abs().median() < 0.02
    assert null_changes.pixel_distance(warped, beats).median() > 0.01


def test_strips_of_signals_are_drawn_as_traces(beats):
    row = {"factor": "hum", "noun": "mains hum", "scale": "% of the range", "places": ["0", "5", "10"]}
    results = {"models": {"aae": {"title": "AAE", "classes": ["one", "other"], "factors": [row]}}}
    frames = beats[:6].numpy().reshape(2, 3, 1, -1)
    arrays = {"hum.frames": frames, "label": np.array(["one", "other"]), "hum.aae": np.full((2, 3, 2), 0.5)}
    (ax,) = STRIP_DRAWING["signal"](results, arrays, "hum").axes
    assert len(ax.lines) == 6 and all(len(line.get_xdata()) == 192 for line in ax.lines)
    tops = [line.get_ydata().min() for line in ax.lines]
    assert max(tops[:3]) < min(tops[3:])
