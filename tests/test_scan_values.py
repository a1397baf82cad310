"""Laws of what a scan changes: values within what the data hold, and changes of the same size that no factor names."""

import numpy as np
import pytest
import torch
from helpers.pictures import draw_pets

from xaae.factors.measuring import measure_all
from xaae.factors.meters import meter_named
from xaae.factors.registry import FACTORS
from xaae.scan import null_changes, value_ranges
from xaae.scan.factor_scan import ScanItems

PETS = draw_pets(12, 64)
AS_THEY_ARE = ScanItems(PETS, np.array(["cat", "dog"] * 6))


@pytest.mark.parametrize("name", ["brightness", "contrast", "tint", "noise", "blur", "sharpening"])
def test_items_read_as_the_grid_says(name):
    factor = FACTORS[name]
    readings = value_ranges.readings_of(factor, PETS)
    grid = value_ranges.grid_of(name, PETS, readings)
    meter = meter_named(factor.meter)
    frames = torch.stack([AS_THEY_ARE.changed(name, values) for values in grid.values.T], 1)
    found = measure_all(frames.numpy(), {"m": meter})["m"]
    off = np.abs(found - grid.axis) / np.ptp(grid.axis)
    reachable = off < 0.05
    one_sided = name in ("noise", "blur", "sharpening")
    assert reachable.mean() >= (0.3 if one_sided else 0.97) and reachable.mean() == pytest.approx(
        grid.reached, abs=0.08
    )
    assert grid.source == "data" and grid.unit == meter.unit
    if one_sided:  # what cannot be reached stays as it is
        assert (grid.values[~reachable] == 0).mean() > 0.8


def test_edges_without_a_common_direction_do_not_tell_the_turn():
    turned = FACTORS["rotation"].plant(PETS, torch.linspace(0, 170, 12), "circle")
    assert value_ranges.readings_of(FACTORS["rotation"], turned) is None


@pytest.mark.parametrize("name", ["rotation", "zoom", "shift_x", "shift_y"])
def test_where_a_meter_only_compares_the_range_is_how_far_items_differ(name):
    factor, (least, most) = FACTORS[name], FACTORS[name].usual
    alike = PETS[:1].repeat(12, 1, 1, 1)
    moved = factor.plant(alike, torch.linspace(least / 2, most / 2, 12), "reflect")
    none, some = (value_ranges.readings_of(factor, x) for x in (alike, moved))
    assert np.ptp(none) < 0.01 and np.abs(np.corrcoef(some, np.arange(12))[0, 1]) > 0.9, "it reads the move"
    grid = value_ranges.grid_of(name, PETS, none)
    assert grid.source == "spread" and np.ptp(grid.axis) < 0.01 and grid.unit == factor.unit
    wide = value_ranges.grid_of(name, PETS, some)
    assert np.ptp(grid.axis) < np.ptp(wide.axis) <= most - least
    far = value_ranges.grid_of(name, PETS, 100 * some)
    assert (far.axis[0], far.axis[-1]) == factor.usual
    unread = value_ranges.grid_of(name, PETS, None)
    assert unread.source == "usual" and (unread.axis[0], unread.axis[-1]) == factor.usual


# ---- the null ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [0.01, 0.05, 0.15])
@pytest.mark.parametrize("change", null_changes.NULL_CHANGES["picture"])
def test_null_changes_are_of_the_size_that_is_asked_for(channels, size, change):
    x = 0.2 + 0.6 * PETS[:, :channels]
    changed = change(x, torch.full((len(x),), size), np.random.default_rng(0))
    np.testing.assert_allclose(null_changes.pixel_distance(x, changed), size, rtol=0.2)
    assert changed.shape == x.shape and changed.min() >= 0 and changed.max() <= 1


def test_null_changes_name_no_factor():
    """Beside a factor's change of the same size they hardly move its meter."""
    x, size = 0.2 + 0.6 * PETS, torch.full((len(PETS),), 0.08)
    changes = [c(x, size, np.random.default_rng(0)) for c in (null_changes.relight, null_changes.bend_and_relight)]
    brighter = FACTORS["brightness"].plant(x, torch.full((len(x),), 0.16))
    read = lambda m, y: measure_all(torch.stack([x, y], 1).numpy(), {m: meter_named(m)})[m] @ [-1, 1]  # noqa: E731
    for changed in changes:
        assert np.abs(read("luminance", changed)).mean() < 0.25 * np.abs(read("luminance", brighter)).mean()
        assert np.abs(read("rotation", changed)).mean() < 5
