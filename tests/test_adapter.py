"""A plain PyTorch autoencoder and classifier that this project did not define goes through every room that walks.

What decides its classes is known: how bright the ground behind a blot is. Where the blot lies and how large it is says
nothing of the class.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xaae.experiment.errors import InputError
from xaae.factors.meters import METERS, meters_for
from xaae.factors.picture_plants import brighten
from xaae.latent_nav import code_health, codes, exemplars, films, gradient, interpolate, latent_maps, naming, walks
from xaae.latent_nav import counterfactual as nearest
from xaae.latent_nav.adapter import Adapter
from xaae.latent_nav.contrasts import contrast
from xaae.latent_nav.directions import Direction, class_separation, fit_directions, random_directions
from xaae.latent_nav.stability import stability

SIZE, DIMS, N, CLASSES = 24, 6, 400, ["dim", "lit"]
KINDS = ["lda", "logistic", "means", "severity", "gradient", "pca:1", "dims:1"]


def draw(channels, rng):
    """Pictures (N, C, 24, 24) of a dark blot on a ground, and what was drawn: level, x, y, width."""
    label = np.arange(N) % 2
    table = pd.DataFrame({"level": 0.3 + 0.3 * label + rng.uniform(-0.1, 0.1, N)})
    for name, low, high in (("x", -0.4, 0.4), ("y", -0.4, 0.4), ("width", 0.2, 0.35)):
        table[name] = rng.uniform(low, high, N)
    at = np.linspace(-1, 1, SIZE)
    x, y, width, level = (table[k].to_numpy()[:, None, None] for k in ("x", "y", "width", "level"))
    blot = np.exp(-((at - x) ** 2 + (at[:, None] + y) ** 2) / (2 * width**2))
    colour = np.array([1.0, 0.9, 0.75])[:channels] if channels == 3 else np.ones(1)
    pictures = (level * (1 - 0.7 * blot))[:, None] * colour[:, None, None]
    return torch.from_numpy(pictures).float(), table, np.array(CLASSES)[label]


class Squeezer(nn.Module):
    """Somebody's autoencoder, with names of its own and no classifier on its code."""

    def __init__(self, channels):
        super().__init__()
        shape = (channels, SIZE, SIZE)
        self.squeeze = nn.Sequential(nn.Flatten(), nn.Linear(channels * SIZE**2, 96), nn.SiLU(), nn.Linear(96, DIMS))
        self.grow = nn.Sequential(
            nn.Linear(DIMS, 96), nn.SiLU(), nn.Linear(96, channels * SIZE**2), nn.Sigmoid(), nn.Unflatten(1, shape)
        )


def fit(parameters, loss, steps):
    """Adam on `loss(rows)` of 64 rows a step."""
    optimiser, rng = torch.optim.Adam(parameters, 3e-3), np.random.default_rng(0)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(rng.integers(0, N, 64)).backward()
        optimiser.step()


@dataclass
class World:
    """A trained model of somebody's, its items, and the codes that the project finds for them."""

    model: Adapter
    x: torch.Tensor
    table: pd.DataFrame
    labels: np.ndarray
    z: np.ndarray

    def items(self, rows):
        return self.x[rows]

    @property
    def evidence(self):
        return contrast("", CLASSES).evidence(self.z, self.labels)

    def start(self, label=None, n=16):
        """Codes (n, D) of the first items of a class, or of all."""
        return torch.from_numpy(self.z[self.labels == label if label else slice(None)][:n])

    def direction(self, spec):
        return fit_directions(self.evidence, [spec])[0]


@pytest.fixture(scope="module", params=[(1, 1), (3, 2)], ids=["grey, one logit", "RGB, two logits"])
def world(request):
    channels, logits = request.param
    x, table, labels = draw(channels, np.random.default_rng(0))
    y = torch.from_numpy((labels == "lit").astype(int))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = Squeezer(channels)
        judge = nn.Sequential(nn.Conv2d(channels, 8, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(800, logits))
        fit(plain.parameters(), lambda r: 100 * F.mse_loss(plain.grow(plain.squeeze(x[r])), x[r]), 400)
    both = lambda out: F.pad(out, (1, 0)) if logits == 1 else out  # noqa: E731
    fit(judge.parameters(), lambda r: F.cross_entropy(both(judge(x[r])), y[r]), 100)
    model = Adapter(plain.squeeze, plain.grow, judge)
    return World(model, x, table, labels, codes.over_items(model.encode, lambda rows: x[rows], np.arange(N)))


def probability(world, z):
    """Probability (S,) of the second class in the decoded pictures of codes z (S, D)."""
    with torch.no_grad():
        return world.model.classify(world.model.decode(z)).softmax(1)[:, 1].numpy()


def test_the_model_has_learned_something(world):
    """Or nothing below would mean much."""
    with torch.no_grad():
        decided = world.model.classify(world.x).argmax(1).numpy()
    assert (np.array(CLASSES)[decided] == world.labels).mean() > 0.95
    grid, dimmed = np.linspace(-0.3, 0.0, 4), world.x[:40]
    assert walks.reconstruction_error(world.model, dimmed, brighten, grid, METERS["luminance"]) < 0.03


def test_items_become_codes_in_their_order(world):
    assert world.z.shape == (N, DIMS) and world.z.dtype == np.float32
    with torch.no_grad():
        np.testing.assert_allclose(world.z[300:305], world.model.encode(world.x[300:305]), atol=1e-5)


def test_items_are_encoded_and_classified_at_once(world):
    z, logits = codes.encode_items(world.model, world.items, np.arange(20))
    np.testing.assert_allclose(z, world.z[:20], atol=1e-5)
    assert logits.shape == (20, 2)


@pytest.mark.parametrize("spec", [kind for kind in KINDS if kind != "gradient"])
def test_directions_tell_the_classes_apart(world, spec):
    found = world.direction(spec)
    auc, d = class_separation(world.z @ found.vector, world.labels == "lit")
    assert auc > (0.75 if ":" in spec else 0.98) and d > 0
    assert stability(world.evidence, spec, np.random.default_rng(0), n=3) > 0.8


def test_without_a_head_on_the_code_there_is_no_direction_of_the_head(world):
    with pytest.raises(InputError, match="no linear head"):
        world.direction("head")


@pytest.mark.parametrize("spec", ["lda", "logistic", "means", "severity", "gradient"])
def test_a_walk_raises_the_probability_and_the_light(world, spec):
    """LDA and severity weigh down what varies much in codes nobody whitened: a step leads surely up, but not far."""
    start = world.start("dim", 8)
    found = walks.walk(world.model, start, torch.eye(2)[[0] * 8], world.direction(spec), walks.alphas(9, 2.0))
    assert found.frames.shape == (8, 9, *world.x.shape[1:]) and found.discriminator is None
    assert set(found.readings) == set(meters_for(world.x.shape[1]))
    rise = found.probability[:, -1, 1] - found.probability[:, 0, 1]
    light = found.readings["luminance"][:, -1] - found.readings["luminance"][:, 0]
    assert (rise > 0).all() and np.median(light) > 0
    if spec in ("means", "gradient"):
        assert np.median(rise) > 0.5 and np.median(light) > 0.1


def test_what_decides_is_named_and_a_direction_without_effect_is_not(world):
    meters, rng, alpha = meters_for(world.x.shape[1]), np.random.default_rng(0), walks.alphas(7, 2.0)
    way, start = world.direction("means"), world.start(n=8)
    spread = naming.spreads(world.model, world.z, meters, rng)
    across = random_directions(30, world.z, rng, way)
    chance = naming.null(world.model, start, across, walks.alphas(3, 2.0), meters)
    told = {}
    for d in (way, Direction("still", way.vector, 1e-4)):
        frames = walks.decode_codes(world.model, walks.move(start, d, alpha))
        rows = naming.naming_table(naming.measure_all(frames, meters), alpha, spread, chance, meters, rng)
        told[d.name] = {r["meter"]: r for r in rows} | {"said": naming.naming_sentence(rows, meters)}
    assert told["means"]["luminance"]["change"] > 0.1 and told["means"]["luminance"]["spreads"] > 1
    assert told["means"]["luminance"]["spearman"] > 0.9 and told["means"]["luminance"]["p"] < 0.1
    assert "changes no factor" in told["still"]["said"]


def test_following_the_gradient_leads_to_the_class_asked_for(world):
    for label, target in (("dim", 1), ("lit", 0)):
        start = world.start(label)
        there = gradient.follow(world.model, start, target, 0.15 * float(world.z.std()), 15)[:, -1]
        first, last = (probability(world, z) if target else 1 - probability(world, z) for z in (start, there))
        assert (last > first).all() and np.median(last - first) > 0.5


def test_counterfactuals_flip_what_is_decided(world):
    z = world.start(n=40)
    before = probability(world, z) > 0.5
    found = nearest.counterfactual(world.model, z, steps=60)
    assert found.flipped.mean() > 0.9 and found.accepted.all()
    assert ((probability(world, found.z) > 0.5) != before)[found.flipped].all()
    np.testing.assert_allclose(found.distance[found.flipped], (found.z - z).norm(dim=1)[found.flipped], rtol=1e-4)
    other = exemplars.counter_exemplars(world.z, world.labels, z, world.labels[:40], 1)[1][:, 0]
    assert np.mean(found.distance < other) > 0.8


def test_in_sight_goes_on_until_the_picture_is_decided_otherwise(world):
    """The codes named as near stop short of the boundary by a third."""
    z = world.start(n=40)
    before = probability(world, z) > 0.5
    far = nearest.counterfactual(world.model, z, steps=60)
    short = z + (far.z - z) * 2 / 3
    assert ((probability(world, short) > 0.5) == before).all()
    found = nearest.in_sight(world.model, z, short)
    assert np.array_equal((probability(world, found.z) > 0.5) != before, found.flipped) and found.flipped.mean() > 0.9
    both = found.flipped & far.flipped
    np.testing.assert_allclose(found.distance[both], far.distance[both], rtol=0.05)


@pytest.mark.parametrize("way", [interpolate.linear, interpolate.spherical])
def test_interpolations_lead_from_one_item_to_the_other(world, way):
    a, b = world.start("dim", 6), world.start("lit", 6)
    found = way(a, b, 9)
    frames = walks.decode_codes(world.model, found)
    seen = walks.second_look(world.model, frames)[..., 1]
    np.testing.assert_allclose(seen[:, 0], probability(world, a), atol=1e-4)
    np.testing.assert_allclose(seen[:, -1], probability(world, b), atol=1e-4)
    assert (seen[:, -1] > seen[:, 0]).all() and interpolate.walk_heat(frames).shape == (6, SIZE, SIZE)


def test_exemplars_lie_along_what_decides(world):
    way, level = world.direction("lda"), world.table.level.to_numpy()
    along = exemplars.nearest_along(world.z, way.vector, np.linspace(-1.5, 1.5, 7) * way.scale)
    assert len(set(along)) == 7 and level[along[-1]] - level[along[0]] > 0.2
    position = codes.relative_positions(world.z, way.vector)
    mean, count = exemplars.tenth_means(position, world.items, np.arange(N))
    filled = mean[count > 0].mean((1, 2, 3))
    assert count.sum() == N and mean.shape == (10, *world.x.shape[1:]) and filled[-1] - filled[0] > 0.1
    found = exemplars.factor_correlations(position, world.table, world.labels, np.random.default_rng(0), 99)
    assert set(found.factor) == set(world.table) and found.p_holm.between(0, 1).all()


def test_maps_keep_its_classes_apart(world):
    last, way = world.labels == "lit", world.direction("lda")
    for xy in (latent_maps.tsne(world.z), latent_maps.side(world.z, way)):
        assert xy.shape == (N, 2) and np.isfinite(xy).all()
        inside = np.concatenate([np.linalg.norm(xy[s] - xy[s].mean(0), axis=1) for s in (last, ~last)])
        assert np.linalg.norm(xy[last].mean(0) - xy[~last].mean(0)) > 0.5 * inside.mean()
    assert class_separation(latent_maps.side(world.z, way)[:, 0], last)[0] > 0.98
    assert latent_maps.pca(world.z).shape == (N, 2) and latent_maps.arrow(world.z, way).shape == (2, 2)


def test_its_codes_have_a_health_and_tell_what_was_drawn(world):
    found = code_health.latent_health(world.z, factors=world.table.assign(label=world.labels))
    assert (found["items"], found["dimensions"]) == (N, DIMS) and 1 <= found["effective_rank"] <= DIMS
    assert all(found["probe_r2"][name] > 0.7 for name in ("level", "x", "y"))
    assert found["probe_balanced_accuracy"]["label"] > 0.95 and 0 <= found["dci"]["informativeness"] <= 1


def test_its_walk_can_be_filmed(world, tmp_path):
    frames = walks.decode_codes(world.model, walks.move(world.start(n=3), world.direction("means"), walks.alphas(5)))
    films.keep(tmp_path / "means", np.round(255 * np.moveaxis(frames, 2, -1)).astype(np.uint8))
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".gif", ".mp4"]
