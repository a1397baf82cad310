"""The small networks of the benchmarks, made once for all tests of a process."""

from functools import cache

from xaae.benchmarks.networks import build
from xaae.explain import Subject


@cache
def network_case(name, items=2):
    """(Subject, items x, background) of one of NETWORKS. A test that changes the network builds its own."""
    network, x, background = build(name, items)
    return Subject(network, x), x, background
