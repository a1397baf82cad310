"""Laws of the answers to a planted factor: response, spurious score and Grad-CAM on models whose answer is known."""

import numpy as np
import pytest
import torch

from xaae import model as models
from xaae.explain import factor_response
from xaae.explain.call import explain
from xaae.factors.picture_plants import rotate

MIDDLES = {"cat": 45.0, "dog": 135.0}
LABELS = np.array(["cat", "dog"] * 8)


def tag(x, values):
    """A bias that any model can read: the value is written into the first pixel."""
    x = x.clone()
    x[:, :, 0, 0] = torch.as_tensor(values)[:, None] / 180
    return x


def reads_tag(x):
    """A model that decides by the planted value alone."""
    z = 50 * (x[:, 0, 0, 0] - 0.5)
    return torch.stack([-z, z], 1)


def reads_animal(x):
    """A model that decides by the second pixel alone, which the bias leaves alone."""
    z = 50 * (x[:, 0, 0, 1] - 0.5)
    return torch.stack([-z, z], 1)


@pytest.fixture
def x():
    pictures = torch.rand(16, 1, 8, 8)
    pictures[:, 0, 0, 1] = torch.tensor([0.0, 1.0] * 8)
    return pictures


def test_spurious_score_tells_who_uses_the_factor(x):
    assert factor_response.spurious_score(reads_tag, x, LABELS, ["cat", "dog"], MIDDLES, tag) == 1
    assert factor_response.spurious_score(reads_animal, x, LABELS, ["cat", "dog"], MIDDLES, tag) == 0


def test_response_swings_with_the_factor_or_not(x):
    grid = (0, 45, 135, 180)
    for score, swing in ((reads_tag, 1.0), (reads_animal, 0.0)):
        probability = factor_response.probabilities(score, x, grid, tag, size=5)
        assert probability.shape == (16, 4, 2)
        table = factor_response.response_table(probability, LABELS, grid, np.random.default_rng(0))
        assert set(table.columns) == {"label", "value", "mean", "low", "high", "n"} and len(table) == 8
        assert all(v["swing"] == pytest.approx(swing, abs=0.01) for v in factor_response.swing(table).values())


def test_gradcam_on_a_real_resnet():
    torch.manual_seed(0)
    network = models.baseline(2, 3).eval()
    x = torch.rand(3, 3, 64, 64)
    images, maps, probability = factor_response.gradcam_over_values(network, x, [0, 1, 0], (0, 90), rotate)
    assert images.shape == (3, 2, 3, 64, 64) and maps.shape == (3, 2, 64, 64) and (maps >= 0).all() and maps.any()
    np.testing.assert_allclose(probability.sum(-1), 1, atol=1e-5)
    torch.testing.assert_close(torch.from_numpy(images[:, 0]), x, atol=1e-5, rtol=0)
    turned = torch.from_numpy(images[:, 1])
    np.testing.assert_allclose(maps[:, 1], explain(network, turned, "gradcam", [0, 1, 0])[:, 0], rtol=1e-3, atol=1e-6)


def test_maps_that_only_turn_with_the_picture_correlate_fully():
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    blob = torch.from_numpy(np.exp(-((x - 0.4) ** 2 + y**2) * 20)).float()[None, None]
    grid = np.array([0.0, 45.0, 90.0], np.float32)
    turned = torch.stack([rotate(blob, torch.tensor([float(a)])) for a in grid], 1)[:, :, 0].numpy()
    assert factor_response.unrotated_ncc(turned, grid, rotate) > 0.97
    still = np.repeat(blob[:, 0].numpy()[:, None], 3, 1)
    assert factor_response.unrotated_ncc(still, grid, rotate) < 0.3
    assert np.isnan(factor_response.unrotated_ncc(np.zeros((1, 3, 8, 8), np.float32), grid, rotate))
