"""Laws of the features that reconstructions are compared by: what a distance is, and what cells are."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from xaae.benchmarks.loss_speed import composed_features
from xaae.callbacks.perceptual import feature_distance
from xaae.experiment import device
from xaae.model import LAYERS
from xaae.training.factored_code import CONVOLUTIONS
from xaae.training.feature_network import Cells, FeatureNetwork

SHAPES = {"signal": (5, 6, 9), "picture": (5, 6, 4, 7), "volume": (5, 6, 3, 4, 2)}  # kind -> (B, W, *places)


def random_numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("cached", [10**6, 1])  # values at once: all items, and one item after the other
def test_the_distance_is_that_of_features_of_length_one(shape, cached, monkeypatch):
    monkeypatch.setattr(device, "CACHED", cached)
    a, b = random_numbers(*shape).requires_grad_(), random_numbers(*shape, seed=1)
    found, wanted = feature_distance([a, a], [b, 2 * b]), composed_features([a, a], [b, 2 * b])
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)
    gradients = [torch.autograd.grad(value, a)[0] for value in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-9)
    assert gradcheck(lambda x: feature_distance([x], [b]), a)


def test_nothing_is_apart_where_neither_sees_anything():
    nothing = torch.zeros(2, 3, 4, 4, requires_grad=True)
    distance = feature_distance([nothing], [nothing.detach()])
    distance.backward()
    assert distance == 0 and (nothing.grad == 0).all()


def test_features_in_half_precision_give_a_distance_in_full():
    a, b = (random_numbers(3, 16, 8, 8, seed=s).relu().bfloat16() for s in (0, 1))
    a = a.to(memory_format=torch.channels_last).requires_grad_()
    distance = feature_distance([a], [b])
    distance.backward()
    assert distance.dtype == torch.float32 and a.grad.dtype == torch.bfloat16
    torch.testing.assert_close(distance.item(), composed_features([a.double()], [b.double()]).item(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind, places", [("signal", (10,)), ("picture", (8, 6)), ("volume", (4, 6, 8))])
def test_a_convolution_of_cells_is_one_of_places_with_a_stride(kind, places):
    layers, axes = LAYERS[kind], len(places)
    strided = layers.conv(3, 4, 6, stride=2, padding=2, bias=False).double()
    x, kernel = random_numbers(2, 3, *places), strided.weight.detach()
    cells = Cells(layers.memory)(x)
    assert cells.shape == (2, 3 * 2**axes, *(side // 2 for side in places))
    assert cells.is_contiguous(memory_format=layers.memory)
    for axis in range(axes):
        kernel = kernel.unflatten(2 + 2 * axis, (3, 2))  # which cell, and which of its places
    inner, reached = (range(start, 2 + 2 * axes, 2) for start in (3, 2))
    kernel = kernel.permute(0, *inner, 1, *reached).flatten(1, 1 + axes)
    torch.testing.assert_close(CONVOLUTIONS[axes](cells, kernel, padding=1), strided(x))


@pytest.mark.parametrize("places", [(9,), (7, 8), (5, 6, 3)])
def test_the_last_place_of_an_odd_axis_has_zeros_beside_it(places):
    x = random_numbers(2, 1, *places)
    cells = Cells(torch.contiguous_format)(x)
    even = F.pad(x, [n for side in places[::-1] for n in (0, side % 2)])
    torch.testing.assert_close(cells, Cells(torch.contiguous_format)(even))
    assert cells[cells != 0].sort().values.equal(x.flatten().sort().values)


@pytest.mark.parametrize("kind, places", [("signal", (33,)), ("picture", (45, 32)), ("volume", (9, 8, 11))])
def test_features_are_of_three_depths_each_of_half_the_places(kind, places):
    network = FeatureNetwork(kind, 1, 2).eval()
    x = torch.rand(2, 1, *places)
    shapes = [tuple(f.shape[2:]) for f in network.features(x)]
    for _ in range(3):
        places = tuple(-(-side // 2) for side in places)
        assert shapes.pop(0) == places
    assert network(x).shape == (2, 2)
