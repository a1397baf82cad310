"""The small networks of the benchmarks, made once for all tests of a process."""

from functools import cache

import pytest

from helpers.toys import shallow_resnet
from xaae import model as models
from xaae.benchmarks.networks import build
from xaae.explain import Subject


@cache
def network_case(name, items=2):
    """(Subject, items x, background) of one of NETWORKS. A test that changes the network builds its own.

    The ResNet34 is a shallow one: what a method asks of a network is a matter of its blocks, not of their number.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "resnet34", shallow_resnet)
        network, x, background = build(name, items)
    return Subject(network, x), x, background
