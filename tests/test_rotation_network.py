"""Laws of the trained meter of rotation: it reads planted turns, is kept for the next time, and sees no corners."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from xaae.factors import rotation_network
from xaae.factors.measuring import wrap
from xaae.factors.meters import METERS
from xaae.factors.photometry import Sight
from xaae.factors.picture_plants import rotate
from xaae.sources import synthpets

ROWS, HELD_OUT = np.arange(160), np.arange(160, 200)


def circle(x, degrees):
    return rotate(x, degrees, "circle")


@pytest.fixture(scope="module")
def pets():
    """Upright pictures (200, 3, 32, 32)."""
    return torch.from_numpy(synthpets.draw_pictures(200, 32, 5)[0]).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def items(pets):
    return lambda rows: pets[rows]


@pytest.fixture(scope="module")
def network(items):
    return rotation_network.train_rotation_network(items, ROWS, circle, np.random.default_rng(0), steps=150)


def walks_of(pets, angles, fill="circle"):
    """Held-out pictures turned by each angle: (40, T, 3, 32, 32)."""
    x = pets[HELD_OUT]
    return torch.stack([rotate(x, torch.full((len(x),), float(a)), fill) for a in angles], 1)


def test_it_reads_planted_turns_of_pictures_it_never_saw(network, items):
    assert rotation_network.error(network, items, HELD_OUT, circle, np.random.default_rng(1)) < 15


def test_an_untrained_one_knows_nothing(items):
    assert (
        rotation_network.error(
            rotation_network.RotationNetwork().eval(), items, HELD_OUT, circle, np.random.default_rng(1)
        )
        > 45
    )


def test_each_frame_is_read_by_itself_and_counter_clockwise(network, pets):
    angles = np.array([0, 40, 90, 160, -70.0])
    for angle, column in zip(angles, walks_of(pets, angles).unbind(1), strict=True):
        found = rotation_network.angles(network, rotation_network.luma_of(column)).numpy()
        assert ((found > -180) & (found <= 180)).all()
        assert np.abs(np.median(wrap(found - angle))) < 15


def test_training_is_the_same_for_the_same_generator_and_moves_no_global_seed(items):
    before = torch.get_rng_state()
    a, b = (
        rotation_network.train_rotation_network(items, ROWS, circle, np.random.default_rng(4), steps=2).state_dict()
        for _ in range(2)
    )
    assert all(torch.equal(a[k], b[k]) for k in a) and torch.equal(before, torch.get_rng_state())
    start = rotation_network.train_rotation_network(items, ROWS, circle, np.random.default_rng(4), steps=1).state_dict()
    assert not torch.equal(a["body.5.weight"], start["body.5.weight"])


def test_the_meter_unwraps_along_the_walk(network, pets):
    angles = np.arange(120, 481, 20.0)  # past 180 and once round
    meter = rotation_network.meter(network)
    found = meter.measure(walks_of(pets, angles))
    assert np.abs(np.diff(found, axis=1)).max() < 180
    assert np.median(found[:, -1] - found[:, 0]) == pytest.approx(360, abs=5)
    assert meter.confirms == "rotation" and meter.unit == METERS["rotation"].unit
    assert meter.say(30) == "turns left by 30 degrees" and meter.between(170, -170) == 20


@pytest.mark.parametrize("angle", [0, 45, 100])
def test_corners_tell_nothing(network, pets, angle):
    black, hidden = (rotation_network.luma_of(walks_of(pets, [angle], fill)[:, 0]) for fill in ("zeros", "circle"))
    assert (black - hidden).abs().max() > 0.1
    gap = wrap(rotation_network.angles(network, black).numpy() - rotation_network.angles(network, hidden).numpy())
    assert np.abs(gap).max() < 10 and np.median(np.abs(gap)) < 2


def test_what_it_sees_has_no_light_no_contrast_and_no_corners(pets):
    luma = rotation_network.luma_of(pets[:4])
    seen = rotation_network.prepared(luma)
    assert seen.shape == (4, 1, 32, 32)
    torch.testing.assert_close(rotation_network.prepared(0.3 * luma + 0.4), seen, atol=1e-3, rtol=1e-3)
    corner = luma.clone()
    corner[:, :4, :4] += 5
    torch.testing.assert_close(rotation_network.prepared(corner), seen, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [16, 32, 100])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_it_takes_pictures_of_any_size_and_kind(network, size, channels):
    found = rotation_network.meter(network).read(Sight(torch.rand(2, 3, channels, size, size)))
    assert found.shape == (2, 3) and torch.isfinite(found).all()


# ---- the cache --------------------------------------------------------------------------------------------------


class Maker:
    """Makes a network that can be told from others, and counts how often it is asked to."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return rotation_network.RotationNetwork().eval()


def same(a, b):
    return all(torch.equal(x, b.state_dict()[k]) for k, x in a.state_dict().items())


def test_a_network_is_made_once_for_each_key(tmp_path):
    make, folder = Maker(), tmp_path / "deep" / "cache"
    first = rotation_network.cached(folder, "pets", make)
    again = rotation_network.cached(folder, "pets", make)
    assert make.calls == 1 and same(first, again) and not again.training
    other = rotation_network.cached(folder, "x-rays", make)
    assert make.calls == 2 and not same(first, other)
    assert len(list(folder.iterdir())) == 2 and not list(folder.glob("*.part"))


BROKEN = ["text", "empty", "cut", "other weights"]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_file_is_replaced(tmp_path, broken):
    make = Maker()
    rotation_network.cached(tmp_path, "pets", make)
    (path,) = tmp_path.iterdir()
    if broken == "other weights":
        save_file({"a": torch.zeros(3)}, path)
    else:
        path.write_bytes({"text": b"this is no network", "empty": b"", "cut": path.read_bytes()[:2000]}[broken])
    mended = rotation_network.cached(tmp_path, "pets", make)
    assert make.calls == 2 and same(mended, rotation_network.cached(tmp_path, "pets", make)) and make.calls == 2
    assert load_file(path).keys() == mended.state_dict().keys()


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    make = Maker()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/no/cache")):
        assert isinstance(rotation_network.cached(folder, "pets", make), rotation_network.RotationNetwork)
    assert make.calls == 3 and (tmp_path / "file").read_text() == "in the way"
