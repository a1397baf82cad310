"""Laws of the segments that items are cut into."""

import math

import pytest
import torch

from xaae.experiment.errors import InputError
from xaae.explain.method import Refusal
from xaae.explain.methods.segments import sizes, split

SHAPES = {"signal": (2, 48), "grey": (1, 16, 16), "colour": (3, 16, 16), "volume": (1, 8, 8, 8)}

over_kinds = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def items(shape, n=3):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


@over_kinds
def test_segments_are_labels_from_0_and_the_same_again(shape):
    x = items(shape)
    labels = split(x, 8)
    assert labels.shape == (3, 1, *shape[1:]) and labels.dtype == torch.long and torch.equal(labels, split(x, 8))
    for each in labels:
        found, counts = each.unique(return_counts=True)
        assert torch.equal(found, torch.arange(len(found))) and 4 <= len(found) <= 12 and counts.min() > 1
        assert sizes(each[None]).unique().tolist() == counts.unique().tolist()


@over_kinds
def test_each_place_is_its_own_segment_only_when_asked_for(shape):
    x = items(shape)
    n = math.prod(shape[1:])
    assert all(len(each.unique()) <= n // 2 for each in split(x, n))
    assert all(len(each.unique()) == n for each in split(x, "places"))


@pytest.mark.parametrize("shape", [SHAPES[k] for k in ("grey", "colour", "volume")])
def test_segments_follow_the_edges(shape):
    """The edge is where no grid would have it: a segment lies on one side of it."""
    x = items(shape, 1) * 0.02
    x[..., 5:] += 0.9
    labels = split(x, 8)[0, 0]
    assert not set(labels[..., :5].unique().tolist()) & set(labels[..., 5:].unique().tolist())


def test_a_flat_picture_and_the_smallest_have_segments_too():
    for x in (torch.zeros(1, 1, 16, 16), torch.ones(1, 3, 16, 16), torch.rand(1, 1, 3, 3), torch.rand(1, 2, 8)):
        assert len(split(x, 2).unique()) > 1


@pytest.mark.parametrize("segments", [1, 0, -3, 2.5, "many"])
def test_segments_that_make_no_sense_are_refused(segments):
    with pytest.raises(InputError, match="segments="):
        split(items((1, 16, 16)), segments)


def test_items_without_places_are_refused():
    with pytest.raises(Refusal, match="signals, pictures and volumes"):
        split(torch.rand(2, 5))
