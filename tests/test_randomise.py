"""Laws of networks with new random weights, and of the similarity of maps."""

import numpy as np
import pytest
import torch
from torch import nn

from xaae import model as models
from xaae.benchmarks.networks import NETWORKS, SignalNet
from xaae.experiment.errors import InputError
from xaae.explain.network.randomise import cascade, layers, randomised, similarity


@pytest.fixture(scope="module")
def signals():
    """A small convnet on signals, with items."""
    torch.manual_seed(0)
    return SignalNet().eval(), torch.randn(5, 2, 96)


@pytest.mark.parametrize("name", NETWORKS)
def test_all_weights_are_new_and_the_answers_finite(name):
    make, shape = NETWORKS[name]
    network, x = make().eval(), torch.rand(2, *shape)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    made = randomised(network, 1)
    with torch.no_grad():
        assert torch.isfinite(made(x)).all() and not made.training
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in before.items())
    olds = layers(models.classifier(network))
    for (_, old), (_, new) in zip(olds, layers(made), strict=True):
        pairs = list(zip(old.parameters(recurse=False), new.parameters(recurse=False), strict=True))
        assert all(not torch.equal(a, b) for a, b in pairs if a.min() < a.max())


def test_the_weights_depend_on_the_seed_and_the_global_generator_stays(signals):
    network, x = signals
    state = torch.get_rng_state()
    first, again, other = (randomised(network, seed)(x) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_a_fraction_changes_the_last_layers_only(signals):
    network, x = signals
    assert torch.equal(randomised(network, 0, 0.0)(x), network(x))
    head = randomised(network, 0, 1 / len(layers(network)))
    assert torch.equal(head.first.weight, network.first.weight)
    assert not torch.equal(head.head.weight, network.head.weight)


def test_the_cascade_goes_from_the_last_layer_to_the_first(signals):
    names, networks = zip(*cascade(signals[0], 4), strict=True)
    assert names == ("head", "second", "norm", "first")
    for fewer, more in zip(networks, networks[1:], strict=False):
        assert torch.equal(fewer.head.weight, more.head.weight)
    assert torch.equal(networks[-1](signals[1]), randomised(signals[0], 4)(signals[1]))


def test_weights_without_a_scheme_are_permuted():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.by = nn.Parameter(torch.arange(50.0))

        def forward(self, x):
            return self.by * x

    network = Scale()
    by = randomised(network).by
    assert not torch.equal(by, network.by) and torch.equal(by.sort().values, network.by)


def test_a_batch_norms_statistics_are_reset(signals):
    network = nn.Sequential(nn.BatchNorm1d(4))
    network[0].running_var += 1e30
    made = randomised(network)[0]
    assert (made.running_mean == 0).all() and (made.running_var == 1).all()


def test_drawing_anew_needs_weights_and_a_fraction():
    with pytest.raises(InputError, match="no weights"):
        randomised(nn.Flatten())
    with pytest.raises(InputError, match="fraction"):
        randomised(nn.Linear(2, 2), fraction=1.5)


def test_similarity():
    rng = np.random.default_rng(0)
    a, b, flat = rng.normal(size=(4, 3, 20, 20)), rng.normal(size=(4, 3, 20, 20)), np.ones((4, 3, 20, 20))
    kinds = lambda *maps: [similarity(*maps)[kind] for kind in ("absolute", "signed")]  # noqa: E731
    np.testing.assert_allclose(kinds(a, a), 1)
    np.testing.assert_allclose(kinds(flat, 2 * flat), 1)
    np.testing.assert_allclose(kinds(flat, a), 0)
    np.testing.assert_allclose(kinds(a, a**3), 1)
    np.testing.assert_allclose(kinds(a, -torch.from_numpy(a)), [[1] * 4, [-1] * 4])
    assert np.abs(kinds(a, b)).max() < 0.15
    with pytest.raises(InputError, match="shapes"):
        similarity(a, a[:, :1])
