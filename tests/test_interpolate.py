"""Laws of interpolation and of the heat maps of walks, where the answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from xaae import model as models
from xaae.experiment.errors import InputError
from xaae.latent_nav import interpolate, walks


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def aae():
    torch.manual_seed(0)
    return models.AAE(16, 1, 4, 4).eval()


@pytest.mark.parametrize("path", [interpolate.linear, interpolate.spherical])
def test_paths_join_their_ends_and_the_way_back_is_the_same(path):
    a, b = draw(6, 16), draw(6, 16, seed=1)
    b[5] = a[5]
    codes = path(a, b, 9)
    assert codes.shape == (6, 9, 16)
    torch.testing.assert_close(codes[:, 0], a)
    torch.testing.assert_close(codes[:, -1], b)
    torch.testing.assert_close(codes.flip(1), path(b, a, 9))
    torch.testing.assert_close(codes[5], a[5].expand(9, 16))


def test_the_straight_line_has_even_steps():
    steps = interpolate.linear(draw(3, 4), draw(3, 4, seed=1), 6).diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-5, rtol=1e-4)


def test_slerp_keeps_the_norm_and_turns_evenly():
    a, b = (5 * nn.functional.normalize(draw(6, 16, seed=s), dim=1) for s in (0, 1))
    codes = interpolate.spherical(a, b, 9)
    torch.testing.assert_close(codes.norm(dim=2), torch.full((6, 9), 5.0))
    cosine = (codes[:, 1:] * codes[:, :-1]).sum(2) / 25
    torch.testing.assert_close(cosine.acos(), cosine[:, :1].acos().expand(6, 8), atol=1e-3, rtol=1e-3)
    assert (interpolate.linear(a, b, 9)[:, 4].norm(dim=1) < 4.5).all()


def test_slerp_of_a_quarter_turn_and_of_nearly_one_code():
    quarter = interpolate.spherical(torch.tensor([[2.0, 0]]), torch.tensor([[0, 4.0]]), 3)
    torch.testing.assert_close(quarter[0, 1], torch.full((2,), 3 * 0.5**0.5))
    near = interpolate.spherical(torch.tensor([[1.0, 0]]), torch.tensor([[1.0, 1e-6]]), 3)
    torch.testing.assert_close(near[0, 1], torch.tensor([1.0, 5e-7]), rtol=1e-3, atol=0)


def test_slerp_refuses_opposite_codes():
    a = draw(2, 4)
    with pytest.raises(InputError, match="opposite"):
        interpolate.spherical(a, -2 * a)


def test_heat_of_a_known_walk():
    frames = np.zeros((1, 4, 2, 1, 3))
    frames[0, :, 0, 0, 0] = [0, 1, 0.5, 0.2]  # there and back, in one channel of two
    frames[0, :, :, 0, 1] = np.array([0.9, 0.6, 0.5, 0.1])[:, None]
    frames[0, :, 0, 0, 2], frames[0, :, 1, 0, 2] = [0, 0, 0, 1], [1, 1, 1, 0]  # the channels change places
    expected = {"integral": [0.9, 0.8, 1], "maximum": [0.5, 0.8, 1], "ends": [0.1, -0.8, 0]}
    for kind, values in expected.items():
        heat = interpolate.walk_heat(frames, kind)
        assert heat.shape == (1, 1, 3)
        np.testing.assert_allclose(heat[0, 0], values, atol=1e-6)


def test_heats_are_ordered(aae):
    frames = walks.decode_codes(aae, interpolate.linear(draw(4, 4), draw(4, 4, seed=1), 7))
    integral, maximum, ends = (interpolate.walk_heat(frames, kind) for kind in interpolate.HEATS)
    assert integral.shape == (4, 16, 16) and (integral > 0).any()
    assert (integral >= maximum - 1e-6).all() and (maximum >= np.abs(ends) - 1e-6).all()


def test_an_unknown_heat_is_refused_in_one_sentence():
    with pytest.raises(
        InputError, match=r"^No such heat map of a walk: 'warm'. Choose one of integral, maximum, ends.$"
    ):
        interpolate.walk_heat(np.zeros((1, 2, 1, 2, 2)), "warm")
