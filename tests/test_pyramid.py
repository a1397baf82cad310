"""Laws of the pyramid and of neighbourhood means: the values and gradients of the library's pooling and resizing."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from xaae.benchmarks.loss_speed import composed_means, composed_pyramid
from xaae.callbacks import half_of, neighbour_means
from xaae.callbacks.pyramid import MODES, POOLS, doubled, halved, pyramid_distance, size_of_band
from xaae.experiment import device

SHAPES = [(2, 1, 64), (3, 2, 50), (2, 3, 32, 32), (2, 3, 28, 20), (1, 1, 9, 16), (2, 1, 8, 12, 16), (1, 2, 7, 8, 8)]


def with_gradient(function, x, weights=None):
    """(function(x), the gradient of its values' sum, by `weights` where they are given)."""
    x = x.clone().requires_grad_()
    found = function(x)
    (found * (1.0 if weights is None else weights)).sum().backward()
    return found.detach(), x.grad


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_pyramid_is_that_of_the_librarys_steps(shape, layout):
    if layout is torch.channels_last and len(shape) != 4:
        pytest.skip("a layout of pictures")
    x, x_hat = (torch.rand(shape, dtype=torch.float64).contiguous(memory_format=layout) for _ in range(2))
    weights = torch.rand(shape[0], 1)
    found, wanted = (
        with_gradient(partial(distance, x=x), x_hat, weights) for distance in (pyramid_distance, composed_pyramid)
    )
    torch.testing.assert_close(found, wanted)
    assert pyramid_distance(x, x).abs().max() == 0
    torch.testing.assert_close(with_gradient(lambda y: pyramid_distance(x_hat, y), x)[1],
                               -with_gradient(lambda y: pyramid_distance(y, x), x_hat)[1])  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_of_precision_are_computed_in_full(dtype):
    x, x_hat = torch.rand(2, 3, 64, 64).to(dtype), torch.rand(2, 3, 64, 64).to(dtype)
    found, wanted = pyramid_distance(x_hat, x), pyramid_distance((x_hat - x).float(), torch.zeros(2, 3, 64, 64))
    torch.testing.assert_close(found, wanted)
    assert neighbour_means(torch.full((1, 1, 8, 8), 0.3, dtype=dtype)).unique().tolist() == [
        torch.tensor(0.3).to(dtype)
    ]


def test_no_items_have_no_distances():
    nobody = torch.rand(0, 3, 32, 32)
    assert pyramid_distance(nobody, nobody).shape == (0, 1) and half_of(nobody).shape == (0, 3, 16, 16)


def test_items_that_are_taken_in_turns_are_all_there(monkeypatch):
    """Two of them at a time for each thread, and one that is left over."""
    monkeypatch.setattr(device, "CACHED", 2 * 3 * 32 * 32)
    x = torch.rand(6 * torch.get_num_threads() + 1, 3, 32, 32)
    found, wanted = (with_gradient(partial(distance, x=x), 1 - x) for distance in (pyramid_distance, composed_pyramid))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("shape", [(2, 1, 8), (2, 2, 4, 6), (1, 1, 4, 6, 4)], ids=str)
def test_what_comes_back_through_a_band_is_its_gradient(shape):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert gradcheck(size_of_band, x)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_halves_are_means_of_pairs(shape):
    x, pool = torch.rand(shape, dtype=torch.float64), POOLS[len(shape) - 2]
    library = lambda y: pool(y, 2, ceil_mode=True, count_include_pad=False)  # noqa: E731
    weights = torch.rand(library(x).shape)
    torch.testing.assert_close(with_gradient(half_of, x, weights), with_gradient(library, x, weights))


@pytest.mark.parametrize("shape", [(2, 1, 8), (2, 3, 1, 5), (1, 2, 4, 6, 5)], ids=str)
def test_doubled_is_as_the_library_resizes(shape):
    x, axes = torch.rand(shape), len(shape) - 2
    torch.testing.assert_close(doubled(x), F.interpolate(x, scale_factor=2, mode=MODES[axes]))
    even = torch.full(shape, 0.3)
    torch.testing.assert_close(halved(doubled(even)), even)


@pytest.mark.parametrize("shape", [*SHAPES, (2, 3, 1, 5)], ids=str)
def test_means_of_neighbours_are_those_of_the_librarys_pooling(shape):
    x, weights = torch.rand(shape, dtype=torch.float64), torch.rand(shape)
    torch.testing.assert_close(with_gradient(neighbour_means, x, weights), with_gradient(composed_means, x, weights))
