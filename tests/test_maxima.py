"""Max pooling by ReLU is max pooling, for any window, stride, padding and number of dimensions."""

import pytest
import torch
from torch import fx, nn

from xaae.explain.network import maxima

POOLS = [
    nn.MaxPool1d(3, 2, 1),
    nn.MaxPool1d(5, 3, 2, dilation=2, ceil_mode=True),
    nn.MaxPool2d(2),
    nn.MaxPool2d(3, 2, 1),
    nn.MaxPool2d((1, 4), (2, 3), (0, 1), ceil_mode=True),
    nn.MaxPool2d(1),
    nn.MaxPool3d(2),
    nn.MaxPool3d(3, 2, 1, ceil_mode=True),
]


@pytest.mark.parametrize("pool", POOLS, ids=str)
@pytest.mark.parametrize("size", [7, 8, 11])
def test_the_same_as_the_pool(pool, size):
    dims = int(type(pool).__name__[-2])
    x = torch.randn(2, 3, *[size] * dims, generator=torch.Generator().manual_seed(size))
    torch.testing.assert_close(maxima.ReluMax(pool)(x), pool(x), atol=1e-5, rtol=1e-5)


def test_padding_never_wins_where_all_is_negative():
    x = -1 - torch.rand(1, 1, 4, 4)
    torch.testing.assert_close(maxima.ReluMax(nn.MaxPool2d(3, 2, 1))(x), nn.MaxPool2d(3, 2, 1)(x))


def test_the_network_that_was_given_keeps_its_pools():
    network = fx.symbolic_trace(nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)).eval())
    made = maxima.by_relu(network)
    x = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(made(x), network(x))
    kinds = [type(m) for m in network.modules()]
    assert nn.MaxPool2d in kinds and maxima.ReluMax not in kinds
    assert any(isinstance(m, maxima.ReluMax) for m in made.modules())
    assert made.get_submodule("0").weight is network.get_submodule("0").weight
