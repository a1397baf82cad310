"""Laws of what is planted in volumes, what reads it back, and the changes that no factor names."""

import numpy as np
import pytest
import torch
from helpers.volumes import ellipsoids

from xaae.experiment.kinds import PICTURE, VOLUME
from xaae.factors.acquisition import noise_like
from xaae.factors.meters import METERS_BY_KIND, meter_named, meters_for
from xaae.factors.picture_plants import rotate
from xaae.factors.registry import FACTORS, factors_for
from xaae.factors.volume_plants import blur_volume
from xaae.scan.null_changes import NULL_CHANGES, pixel_distance, warp

SIDE = 20
X = torch.from_numpy(ellipsoids(4, SIDE)[0]).float()[:, None] / 255
NAMES = factors_for(VOLUME, 1)
LEAST = {"rotation": 44.0, "brightness": 0.2, "contrast": 0.03, "blur": -0.3, "noise": 2.0, "tag": 0.24}  # of a step


def walked(name, n=5, fill="circle"):
    """(values (n,), X with the factor at each of them (B, n, C, D, H, W))."""
    factor = FACTORS[name]
    values = torch.linspace(*factor.whole, n)
    return values, torch.stack([factor.plant(X, torch.full((len(X),), float(v)), fill) for v in values], 1)


def test_the_factors_of_volumes_are_those_that_have_a_meter_of_volumes():
    assert set(NAMES) == set(LEAST) and "tint" not in NAMES and "hum" not in NAMES
    assert set(meters_for(1, VOLUME)) == set(METERS_BY_KIND["volume"])


@pytest.mark.parametrize("name", NAMES)
def test_a_factor_leaves_a_volume_as_it_is_where_it_is_neutral(name):
    same = FACTORS[name].plant(X, torch.full((len(X),), FACTORS[name].neutral))
    torch.testing.assert_close(same, X, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_meter_of_a_factor_reads_what_was_planted_in_order(name):
    _, frames = walked(name)
    assert 0 <= frames.min() and frames.max() <= 1 + 1e-5
    steps = np.diff(meter_named(FACTORS[name].meter, VOLUME).measure(frames), axis=1)
    least = LEAST[name]
    assert (steps * np.sign(least) > 0).all() and (np.abs(steps).sum(1) / 4 > 0.5 * abs(least)).all()


@pytest.mark.parametrize("name", ["rotation", "tag"])
def test_turns_and_tags_are_read_as_they_were_planted(name):
    values, frames = walked(name)
    readings = meter_named(FACTORS[name].meter, VOLUME).measure(frames)
    off = np.abs(readings - readings[:, :1] - values.numpy()).max()
    assert off < {"rotation": 2, "tag": 0.01}[name]


@pytest.mark.parametrize("name", [name for name in NAMES if FACTORS[name].smooth])
def test_a_decoder_learns_through_what_it_plants(name):
    x = X[:2].clone().requires_grad_()
    value = (torch.tensor([0.3, 0.4]) * FACTORS[name].whole[1]).requires_grad_()
    FACTORS[name].plant(x, value).square().sum().backward()
    assert x.grad.abs().sum() > 0 and (value.grad != 0).all()


def test_every_slice_of_the_depth_turns_as_a_picture_does():
    turned = FACTORS["rotation"].plant(X, torch.full((4,), 30.0), "reflect")
    torch.testing.assert_close(turned[:, :, 7], rotate(X[:, :, 7], torch.full((4,), 30.0), "reflect"))


def test_a_blur_keeps_the_mean_and_is_the_same_along_each_axis():
    soft = blur_volume(X, torch.full((4,), 8.0))
    torch.testing.assert_close(soft.mean((1, 2, 3, 4)), X.mean((1, 2, 3, 4)), atol=2e-3, rtol=0)
    torch.testing.assert_close(blur_volume(X.transpose(2, 4), torch.full((4,), 8.0)), soft.transpose(2, 4))


def test_the_tag_changes_its_own_place_alone():
    tag = FACTORS["tag"]
    changed = (tag.plant(X, torch.ones(4)) != X).any(0)[0]
    place = tag.place(SIDE, VOLUME)
    assert place.shape == (SIDE,) * 3 and not (changed & ~place).any() and place.sum() == 125
    assert place[SIDE // 2].any()  # seen in the middle slice
    assert tag.place(SIDE, PICTURE).shape == tag.place(SIDE).shape == (SIDE, SIDE)


def test_noise_is_the_same_for_the_same_volume_and_its_meter_reads_it():
    assert torch.equal(noise_like(X)[1:2], noise_like(X[1:2]))
    flat = torch.full((3, 1, SIDE, SIDE, SIDE), 0.5)
    noisy = FACTORS["noise"].plant(flat, torch.tensor([2.0, 5.0, 8.0]))
    read = meter_named("noise", VOLUME).measure(noisy[:, None])[:, 0]
    np.testing.assert_allclose(read, [2, 5, 8], rtol=0.05)


@pytest.mark.parametrize("change", NULL_CHANGES["volume"])
def test_changes_of_no_factor_differ_by_what_is_asked_and_keep_the_whole(change):
    distance = torch.full((4,), 0.02)
    changed = change(X, distance, np.random.default_rng(0))
    assert (pixel_distance(X, changed) / distance).sub(1).abs().max() < 0.35
    assert changed.shape == X.shape and 0 <= changed.min() and changed.max() <= 1
    light = meter_named("luminance", VOLUME).measure(torch.stack([X, changed], 1))
    assert np.abs(np.diff(light, axis=1)).max() < 0.02


def test_a_warp_of_a_volume_moves_along_all_axes():
    x = torch.zeros(1, 1, 12, 12, 12)
    for axis in (2, 3, 4):
        rise = torch.linspace(0, 1, 12).view([12 if i == axis else 1 for i in range(5)])
        assert pixel_distance(x + rise, warp(x + rise, torch.tensor([0.02]), np.random.default_rng(1))) > 0.01
