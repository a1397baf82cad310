"""Laws of planting in signals: each factor's own meter reads it in order and with its unit, nothing else moves."""

import numpy as np
import pytest
import torch

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import SIGNAL
from xaae.experiment.vocabulary import FILLS
from xaae.factors import placement, signal_plants
from xaae.factors.coordinates import Coordinate, check_coordinates, plant_coordinates, undo_coordinates
from xaae.factors.meters import meter_named, meters_for
from xaae.factors.registry import FACTORS, factors_for
from xaae.sources.synthbeats import RATE, draw_beats

WHOLE = {  # factor -> change of its meter over the whole range, at least, with its sign
    "hum": 14, "drift": 39.9, "shift": 19, "polarity": 0.5, "spike": 39.9, "offset": 23.9, "gain": 2.4,
    "noise_floor": 4, "stretch": -0.3,
}  # fmt: skip
EXACT = {"hum": 0.4, "drift": 0.01, "spike": 0.01, "offset": 0.01, "shift": 0.2}  # factor -> how far from as planted
NAMES = factors_for(SIGNAL, 1)


@pytest.fixture(scope="module")
def beats():
    """Beats (6, 1, 192) in the middle of the range, so that nothing planted here is cut off."""
    return torch.from_numpy(0.45 + 0.2 * draw_beats(6)[0])


def plant(name, x, value, fill="zeros", rate=RATE):
    return FACTORS[name].plant(x, torch.full((len(x),), float(value)), fill, rate)


def read(meter, x, name, values, rate=RATE):
    """What a meter reads of x given each value: (S, T)."""
    frames = torch.stack([plant(name, x, v, rate=rate) for v in values], 1)
    return meter_named(meter, SIGNAL, rate).measure(frames)


def test_every_factor_of_signals_has_laws_here():
    assert set(NAMES) == set(WHOLE) and {"hum", "drift", "shift", "polarity", "spike"} <= set(NAMES)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", NAMES)
def test_the_neutral_value_leaves_a_signal_as_it_is(beats, name, fill):
    torch.testing.assert_close(plant(name, beats, FACTORS[name].neutral, fill), beats, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rate", [RATE, None])
@pytest.mark.parametrize("name", NAMES)
def test_each_factor_is_read_by_its_own_meter_in_order_and_with_its_sign(beats, name, rate):
    factor = FACTORS[name]
    values = np.linspace(*factor.whole, 6)
    change = np.diff(read(factor.meter, beats, name, values, rate), axis=1) * np.sign(WHOLE[name])
    steps = change[:, 2:3] if name == "polarity" else change  # a flip is one step
    assert steps.min() > 0 and change.min() > -1e-6 and change.sum(1).min() > abs(WHOLE[name])


@pytest.mark.parametrize("name", EXACT)
def test_what_is_planted_is_read_in_its_own_unit(beats, name):
    values = np.linspace(*FACTORS[name].whole, 5)
    found = read(FACTORS[name].meter, beats, name, values)
    np.testing.assert_allclose(found - found[:, :1], np.tile(values - values[0], (6, 1)), atol=EXACT[name])


UNTOUCHED = {  # factor -> meter -> how far it may move, in its own unit, at a quarter of the factor's range
    "hum": {"drift": 0.3, "level": 0.1, "lag": 0.6, "polarity": 0.1, "amplitude": 0.4, "rate": 0.1},
    "drift": {"hum": 0.3, "level": 0.1, "lag": 0.6, "spike": 1},
    "spike": {"lag": 0.6, "polarity": 0.01, "drift": 0.01, "level": 0.01, "amplitude": 0.01, "rate": 0.01},
    "offset": {"hum": 0.01, "drift": 0.01, "lag": 0.1, "polarity": 0.01, "amplitude": 0.01, "rate": 0.01},
    "gain": {"level": 0.1, "lag": 0.1, "polarity": 0.01, "rate": 0.01},
    "polarity": {"amplitude": 0.01, "rate": 0.01, "hum": 0.01},
}  # fmt: skip


@pytest.mark.parametrize(("name", "meter"), [(f, m) for f, found in UNTOUCHED.items() for m in found])
def test_a_factor_leaves_the_other_meters_alone(beats, name, meter):
    low, high = FACTORS[name].whole
    values = [low, high] if name == "polarity" else [FACTORS[name].neutral, (high - low) / 4]
    found = read(meter, beats, name, values)
    assert np.abs(np.diff(found, axis=1)).max() <= UNTOUCHED[name][meter]


@pytest.mark.parametrize("rate", [200.0, 250.0, 500.0, 1000.0])
def test_hum_is_50_hz_where_the_rate_allows_it(rate):
    wave = signal_plants.hum_wave(int(rate), rate).numpy()  # one second
    assert np.abs(np.fft.rfft(wave)).argmax() == 50
    flat = torch.full((1, 2, int(rate)), 0.5)
    assert read("hum", flat, "hum", [10], rate)[0, 0] == pytest.approx(10, abs=0.01)


def test_hum_is_as_fast_as_a_low_rate_allows_and_has_fixed_cycles_without_one():
    assert signal_plants.hum_cycles(400, 100.0) == 100  # one in four samples: 50 Hz cannot be seen
    assert signal_plants.hum_cycles(256, 128.0) == signal_plants.hum_cycles(300, 150.0) == 100  # 50 Hz in two seconds
    assert signal_plants.hum_cycles(400) == signal_plants.hum_cycles(4000) == signal_plants.CYCLES


@pytest.mark.parametrize(("seconds", "rate"), [(0.5, 250.0), (1.0, 360.0), (10.0, 100.0), (60.0, 20.0)])
def test_drift_stays_below_half_a_hertz_but_for_half_a_wave_a_window(seconds, rate):
    length = round(seconds * rate)
    frequency = signal_plants.wander_halves(length, rate) / 2 / seconds
    assert frequency < signal_plants.SLOW or signal_plants.wander_halves(length, rate) == 1
    assert np.ptp(signal_plants.wander_wave(length, rate).numpy()) == pytest.approx(1, abs=0.01)


def test_a_shift_of_whole_samples_moves_every_sample(beats):
    percent = 100 * 5 / beats.shape[-1]
    torch.testing.assert_close(plant("shift", beats, percent)[..., 5:], beats[..., :-5], atol=1e-4, rtol=0)
    held = plant("shift", beats, percent)[..., :5]
    torch.testing.assert_close(held, beats[..., :1].expand_as(held), atol=1e-4, rtol=0)
    torch.testing.assert_close(plant("shift", beats, percent, "circle"), beats.roll(5, -1), atol=1e-4, rtol=0)
    mirrored = plant("shift", beats, percent, "reflect")[..., :5]
    torch.testing.assert_close(mirrored, beats[..., 1:6].flip(-1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", [name for name in NAMES if FACTORS[name].opposite])
def test_the_opposite_takes_a_move_back(beats, name):
    factor, inner = FACTORS[name], np.s_[..., 48:-48]
    for value in factor.whole:
        back = plant(name, plant(name, beats, value / 2), factor.opposite(value / 2))
        assert (back - beats)[inner].abs().mean() < 0.005 < (plant(name, beats, value / 2) - beats)[inner].abs().mean()


@pytest.mark.parametrize("name", NAMES)
def test_signals_of_one_batch_get_their_own_values_in_every_channel(beats, name):
    x = beats.repeat(1, 3, 1)
    values = np.linspace(*FACTORS[name].whole, len(x)).astype(np.float32)
    together = FACTORS[name].plant(x, torch.from_numpy(values), "zeros", RATE)
    assert together.shape == x.shape and 0 <= together.min() and together.max() <= 1
    for i, value in enumerate(values):
        torch.testing.assert_close(together[i], plant(name, x[i : i + 1], value)[0], atol=1e-5, rtol=0)
        if name != "noise_floor":  # of which each channel has its own
            torch.testing.assert_close(together[i, 0], together[i, 2])


def test_the_same_signal_has_the_same_noise_whatever_is_in_its_batch(beats):
    torch.testing.assert_close(plant("noise_floor", beats, 4)[2], plant("noise_floor", beats[2:3], 4)[0])


@pytest.mark.parametrize("name", [name for name in NAMES if FACTORS[name].smooth])
def test_a_coordinate_has_a_gradient_in_signals_and_values(beats, name):
    x, z = beats.double().requires_grad_(), torch.full((len(beats), 1), 0.3, dtype=torch.double, requires_grad=True)
    coordinate = Coordinate(name, rate=RATE)
    planted = lambda x, z: coordinate.plant(x, coordinate.values(z[:, 0]), "zeros")  # noqa: E731
    planted(x, z).square().sum().backward()
    assert (z.grad.abs() > 1e-6).all() and (x.grad != 0).float().mean() > 0.5
    step = 1e-4
    ahead, behind = (planted(x, z + sign * step).square().flatten(1).sum(1) for sign in (1, -1))
    np.testing.assert_allclose(((ahead - behind) / 2 / step).detach(), z.grad[:, 0], rtol=0.02, atol=1e-3)


def test_what_is_not_smooth_is_refused_as_a_coordinate():
    for name in ("polarity", "noise_floor", "rotation"):
        with pytest.raises(InputError, match=f"{name}.*cannot be a coordinate.*hum, drift, shift, spike"):
            check_coordinates([name], SIGNAL, 1)


def test_coordinates_know_the_rate(beats):
    coordinates, z = [Coordinate("hum", rate=RATE), Coordinate("shift", rate=RATE)], torch.tensor([[1.0, 0.5]] * 6)
    planted = plant_coordinates(beats, coordinates, z, "zeros")
    values = [c.values(z[:, i]) for i, c in enumerate(coordinates)]
    own = plant("shift", plant("hum", beats, values[0][0]), values[1][0])
    torch.testing.assert_close(planted, own)
    undone = undo_coordinates(plant("shift", beats, values[1][0]), coordinates, z, "zeros")
    assert (undone - beats)[..., 30:-30].abs().mean() < 0.002


def test_the_spike_is_at_its_place(beats):
    factor = FACTORS["spike"]
    place, changed = factor.place(192), (plant("spike", beats, 30) - beats).abs().amax((0, 1)) > 0.03
    assert factor.is_local and torch.equal(place, changed) and 2 <= place.sum() <= 15
    assert np.flatnonzero(place).mean() == pytest.approx(signal_plants.LATENCY * 192, abs=1)


def test_a_single_signal_is_placed_in_time(beats):
    found = [placement.PLACEMENT["signal"]["lag"](plant("shift", beats, v)) for v in (-4, 0, 4)]
    steps = np.diff(found, axis=0)
    assert (steps > 2).all() and (steps < 6).all()


def test_meters_of_signals_read_any_number_of_channels_and_lengths():
    for channels, length in ((1, 16), (3, 97), (12, 1000)):
        meters = meters_for(channels, SIGNAL, planted="noise_floor", rate=100.0)
        frames = torch.rand(2, 3, channels, length)
        for meter in meters.values():
            assert np.isfinite(meter.measure(frames)).all() and np.isfinite(meter.measure(0 * frames + 0.5)).all()
    with pytest.raises(ValueError, match=r"\(S, T, C, L\)"):
        meters["hum"].measure(torch.rand(2, 3, 1, 8, 8))


def test_the_meter_of_lag_compares_with_the_first_frame(beats):
    found = read("lag", beats, "shift", [0, 5, -5, 2.5])
    np.testing.assert_allclose(found, np.tile([0, 5, -5, 2.5], (6, 1)), atol=0.2)


def test_a_flat_signal_comes_neither_earlier_nor_later(beats):
    flat = torch.zeros_like(beats[:1, None])
    for walk in ((flat, flat), (beats[:1, None], flat), (flat, beats[:1, None])):
        assert (meters_for(1, SIGNAL)["lag"].measure(torch.cat(walk, 1)) == 0).all()
