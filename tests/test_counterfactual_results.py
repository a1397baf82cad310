"""Laws of what is told of counterfactuals: what the step across the border changes, and what a search falls back on."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from xaae.experiment.kinds import PICTURE
from xaae.factors.meters import meters_for
from xaae.latent_nav import counterfactual_results as results
from xaae.latent_nav.adapter import Adapter
from xaae.latent_nav.contrasts import contrast

SIZE = 16


class Grey(nn.Module):
    """Codes (B, D) -> evenly grey pictures (B, 3, SIZE, SIZE) as bright as the last number says."""

    def forward(self, z):
        return z[:, -1:, None, None].expand(-1, 3, SIZE, SIZE)


class MeanOf(nn.Module):
    """Pictures -> codes (B, 1): their mean brightness."""

    def forward(self, x):
        return x.mean((1, 2, 3))[:, None]


class BrightIsDog(nn.Module):
    """Pictures -> logits (B, 2): a dog where they are brighter than a half."""

    def __init__(self):
        super().__init__()
        self.by_brightness = nn.Linear(1, 2)
        self.by_brightness.weight.data = torch.tensor([[-20.0], [20.0]])
        self.by_brightness.bias.data = torch.tensor([10.0, -10.0])

    def forward(self, x):
        return self.by_brightness(x.mean((1, 2, 3))[:, None])


def encoded_greys(values, across, content=()):
    """What `counterfactual_results` needs of an EncodedRun of grey pictures as bright as `values` (N,).

    across (N,): the row of an item of the other side for each. content (N,): another number of each code, which is not
    drawn.
    """
    z = torch.tensor([content, values] if content else [values], dtype=torch.float32).T
    meters = {"luminance": meters_for(3, PICTURE, "luminance")["luminance"]}
    model = Adapter(MeanOf(), Grey(), BrightIsDog())
    model.head, model.dims = None, z.shape[1] - 1  # a factored code, whose coordinate is the brightness
    model.content = lambda z: z[:, : model.dims]
    return SimpleNamespace(
        model=model,
        contrast=contrast("", ["cat", "dog"]),
        nearest_across=lambda rows: (np.asarray(across)[rows], (z[across] - z).norm(dim=1).numpy()[rows]),
        codes=lambda rows: z[rows],
        floor=None,
        meters=meters,
    )


def test_the_step_is_told_from_the_first_side_to_the_last_whichever_way_each_item_takes():
    """Cats become dogs by getting brighter, dogs cats by getting darker: the median of both would be nothing."""
    encoded, rows = encoded_greys([0.1, 0.2, 0.15, 0.9, 0.8, 0.85], [3, 3, 3, 0, 0, 0]), np.arange(6)
    _, found = results._searched(encoded, rows)
    assert found.flipped.all()
    said = results._in_words(encoded, rows, found, {"luminance": 0.05})
    assert said.startswith("gets brighter by 0.3")
    assert results._in_words(encoded, rows, found, {"luminance": 10.0}).startswith("no meter changes")


def test_items_for_which_none_was_found_say_nothing():
    encoded, rows = encoded_greys([0.1, 0.2], [1, 0]), np.arange(2)
    _, found = results._searched(encoded, rows)
    found.flipped[:] = False
    assert results._in_words(encoded, rows, found, {"luminance": 0.05}).startswith("no meter changes")


@pytest.fixture
def blind(monkeypatch):
    """A descent that finds nothing."""
    search = results.nearest.counterfactual
    nowhere = lambda z: torch.stack([z[:, 0] * 0, z[:, 0] * 0 - 1], 1)  # noqa: E731
    monkeypatch.setattr(results.nearest, "counterfactual", partial(search, decide=nowhere))


def test_where_the_descent_finds_nothing_the_line_to_a_real_item_is_searched(blind, monkeypatch):
    encoded, rows = encoded_greys([0.1, 0.2, 0.9], [2, 2, 0], [0.0, 0.0, 3.0]), np.arange(2)
    monkeypatch.setattr(encoded.model, "content", lambda z: z[:, :1] + torch.nan)  # nothing by the coordinate alone
    near, found = results._searched(encoded, rows)
    assert near is None and found.flipped.all()
    np.testing.assert_allclose(found.z[:, 1], 0.5, atol=0.02)
    assert (found.z[:, 0] > 1).all()


def test_a_border_that_a_coordinate_alone_crosses_is_crossed_by_it(blind):
    encoded, rows = encoded_greys([0.1, 0.2, 0.9], [2, 2, 0], [1.0, 2.0, 3.0]), np.arange(2)
    _, found = results._searched(encoded, rows)
    assert found.flipped.all()
    torch.testing.assert_close(found.z[:, 0], torch.tensor([1.0, 2.0]))
    np.testing.assert_allclose(found.distance, [0.4, 0.3], rtol=0.05)
