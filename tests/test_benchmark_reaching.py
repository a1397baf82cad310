"""Laws of the time to an aim: looks are not counted, what is not reached is said, walks have to turn steadily."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import nn

from xaae.benchmarks import reaching, run
from xaae.factors.picture_plants import rotate


class Slow(nn.Linear):
    """A model whose steps say that they take a second each."""

    def __init__(self, clock):
        super().__init__(1, 1)
        self.clock, self.steps = clock, 0

    def forward(self, x):
        self.clock[0] += 1.0
        self.steps += 1
        return super().forward(x)


@pytest.fixture
def slow(monkeypatch, tmp_path):
    """A Learner of a Slow model, and its clock."""
    clock = [0.0]
    monkeypatch.setattr(reaching, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    batches = [(torch.zeros(2, 1), torch.zeros(2, 1))] * 3
    dls = DataLoaders(batches, batches)
    return Learner(dls, Slow(clock), nn.functional.mse_loss, lr=0.0, path=tmp_path)


def reached_at(steps):
    """An aim that is reached after so many steps; to look at it takes 100 seconds by the clock."""

    def aim(model):
        assert not model.training
        model.clock[0] += 100.0
        return model.steps >= steps

    return aim


def test_an_aim_has_the_seconds_of_training_alone_and_one_not_reached_has_none(slow):
    aims = {"soon": reached_at(4), "never": reached_at(10**9)}
    assert reaching.seconds_to_reach(slow, aims, 0.0, limit=12.0, pause=2.0) == {"soon": 4.0}
    assert slow.model.steps == 12 and slow.model.training


def test_training_ends_when_every_aim_is_reached(slow):
    aims = {"soon": reached_at(4), "later": reached_at(7)}
    assert reaching.seconds_to_reach(slow, aims, 0.0, limit=100.0, pause=2.0) == {"soon": 4.0, "later": 8.0}
    assert slow.model.steps == 8


def test_what_is_not_reached_counts_as_the_limit_and_is_said(monkeypatch, tmp_path):
    made = {"factored code": {"coarse": 2.0, "fine": 4.0}, "thesis": {"coarse": 6.0}}
    trained = []

    def train(name, seed, size, precision, limit):
        trained.append((name, seed, size))
        return made[name]

    monkeypatch.setitem(run.COMPARISONS, "reaching", lambda *asked: reaching.reaching(*asked, train=train, limit=20.0))
    path = tmp_path / "x.json"
    assert run.main(["reaching", "--size", "64", "128", "--repeats", "2", "--json", str(path)]) == 0
    found = {row["name"]: row for row in json.loads(path.read_text())["comparisons"]}
    assert trained == [("thesis", 0, 32), ("factored code", 0, 32), ("factored code", 1, 32), ("thesis", 1, 32)]
    assert [found[f"reaching-32-{aim}"]["ratio_median"] for aim in reaching.AIMS] == pytest.approx([1 / 3, 0.2, 1.0])
    assert all({"ratio_min", "ratio_max"} <= set(row) and row["repeats"] == 2 for row in found.values())
    says = {aim: found[f"reaching-32-{aim}"]["says"] for aim in reaching.AIMS}
    assert "not reached" not in says["coarse"]
    assert "thesis not reached in 20 s in 2 of 2, counted as 20 s: the ratio is an upper bound" in says["fine"]
    assert "factored code not reached in 20 s" in says["rotation"] and "no bound" in says["rotation"]


def test_a_ratio_is_a_lower_bound_where_the_first_misses_the_aim():
    assert "a lower bound" in reaching.in_words({"factored code": 1, "thesis": 0}, 2, 5.0)
    assert reaching.in_words({"factored code": 0, "thesis": 0}, 2, 5.0) == ""


class Turner(nn.Module):
    """A code of two numbers, the pictures' brightness and noise; decoded it turns one picture, or is noise."""

    def __init__(self, degrees):
        super().__init__()
        self.degrees, self.weight = degrees, nn.Parameter(torch.zeros(1))
        ramp = torch.linspace(0, 1, 32)
        self.picture = (ramp[:, None] * ramp.square()).expand(1, 3, 32, 32)

    def encode(self, x):
        return torch.stack([x.mean((1, 2, 3)), x[:, 0, 0, 0]], 1)

    def decode(self, z):
        if self.degrees is None:
            return torch.rand(len(z), 3, 32, 32)
        return rotate(self.picture.expand(len(z), -1, -1, -1), self.degrees * z[:, 0], "circle")


@pytest.mark.parametrize(("degrees", "least", "most"), [(40.0, 90, 360), (5.0, 5, 45), (None, 0, 1)])
def test_a_walk_that_turns_is_told_from_one_that_shows_noise(degrees, least, most):
    torch.manual_seed(0)
    labels = ["cat", "dog"] * 20
    x = torch.randn(40, 1, 1, 1) * 0.3 + torch.tensor([-1.0, 1.0] * 20)[:, None, None, None]
    x = x.expand(-1, 3, 4, 4).clone()
    x[:, 0, 0, 0] = torch.randn(40)
    seen = reaching.Seen(x, np.array(labels), x[:8], ("cat", "dog"))
    assert least <= reaching.steady_turn(Turner(degrees), seen) <= most


def test_the_error_of_reconstructions_is_that_of_every_held_out_item():
    model = SimpleNamespace(encode=lambda x: x, decode=lambda z: z + 0.1)
    seen = reaching.Seen(None, None, torch.rand(70, 3, 4, 4), ())
    assert reaching.reconstruction_mse(model, seen) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("name", reaching.WAYS)
def test_what_train_makes_is_trained_and_looked_at(name, monkeypatch):
    monkeypatch.setattr(reaching, "ITEMS", 60)
    monkeypatch.setattr(reaching, "AIMS", reaching.AIMS | {"any": (lambda model, seen: len(seen.valid) == 12, "")})
    assert set(reaching.one_training(name, 0, 32, "fp32", 0.5)) == {"any"}
