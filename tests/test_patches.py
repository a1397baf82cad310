"""Laws of large items explained patch by patch: how patches lie, how their maps are blended."""

import numpy as np
import pytest
import torch
from torch import nn

from xaae.benchmarks.networks import SignalNet, VolumeNet
from xaae.experiment.errors import InputError
from xaae.explain import patches
from xaae.explain.call import explain
from xaae.explain.network.segmentation import Segmentation
from xaae.explain.patches import explain_patches, lay_patches

# ---- how they lie ---------------------------------------------------------------------------------------------------

LAID = [((40,), 16), ((16,), 16), ((33, 50), (16, 20)), ((10, 9, 13), 8), ((5, 40), (8, 16))]


@pytest.mark.parametrize("places, size", LAID)
@pytest.mark.parametrize("overlap", [0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("window", patches.WINDOWS)
def test_weights_sum_to_1_at_every_place(places, size, overlap, window):
    grid = lay_patches(places, size, overlap, window)
    total = np.zeros(grid.places)
    for number, cut in enumerate(grid.cuts):
        total[cut] += grid.weights(number)
        assert (grid.weights(number) > 0).all() and total[cut].shape == grid.size
    np.testing.assert_allclose(total, 1, atol=1e-12)
    assert len(grid.cuts) == np.prod(grid.shape)


@pytest.mark.parametrize("places, size", LAID)
@pytest.mark.parametrize("overlap", [0, 0.3, 0.5, 0.9])
def test_neighbours_share_what_was_asked_and_the_last_ends_at_the_border(places, size, overlap):
    grid = lay_patches(places, size, overlap)
    for starts, n, length in zip(grid.starts, grid.size, grid.places, strict=True):
        assert starts[0] == 0 and starts[-1] + n == length and sorted(set(starts)) == list(starts)
        assert all(b - a <= max(1, n * (1 - overlap)) for a, b in zip(starts, starts[1:], strict=False))


@pytest.mark.parametrize(
    "given, word",
    [
        ({"size": (8, 8, 8)}, "2 dimensions"),
        ({"size": 0}, "from 1"),
        ({"size": 8, "overlap": 1}, "below 1"),
        ({"size": 8, "window": "round"}, "smooth, flat"),
    ],
)
def test_grids_that_make_no_sense_are_refused(given, word):
    with pytest.raises(InputError, match=word):
        lay_patches((20, 20), **given)


# ---- explained ------------------------------------------------------------------------------------------------------


def linear(dims, channels=2, classes=3):
    """A network that weighs every place alike: (B, channels, ...) of any size -> (B, classes)."""
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1](channels, classes, 1)
    return Segmentation(conv).eval()


KINDS = {1: (50,), 2: (21, 30), 3: (9, 12, 10)}


@pytest.mark.parametrize("dims", KINDS)
@pytest.mark.parametrize("how", ["saliency", "input_x_gradient", "integrated_gradients", "lrp_epsilon"])
@pytest.mark.parametrize("window", patches.WINDOWS)
def test_of_a_linear_network_the_blended_map_is_the_whole_one(dims, how, window):
    torch.manual_seed(dims)
    x, network = torch.randn(2, 2, *KINDS[dims]), linear(dims)
    found = explain_patches(network, x, how, 1, size=8, overlap=0.4, window=window)
    whole = explain(network, x, how, 1)
    np.testing.assert_allclose(found.maps, whole, atol=1e-4 * np.abs(whole).max())


NETS = {"signal": (SignalNet, (2, 96)), "volume": (VolumeNet, (1, 12, 12, 12))}


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("how", ["saliency", "deeplift"])
def test_a_single_patch_is_the_plain_explanation(kind, how):
    make, shape = NETS[kind]
    torch.manual_seed(0)
    network, x = make().eval(), torch.rand(3, *shape)
    found = explain_patches(network, x, how, size=shape[1:])
    np.testing.assert_allclose(found.maps, explain(network, x, how), rtol=1e-5, atol=1e-7)
    assert found.grid.shape == (1,) * len(shape[1:])
    with torch.no_grad():
        np.testing.assert_allclose(found.logits.reshape(3, -1), network(x).numpy(), rtol=1e-5)


def test_each_patch_is_explained_for_what_the_network_says_of_it():
    """Left the signal speaks for one class, right for the other."""
    x = torch.cat([torch.full((1, 1, 32), 1.0), torch.full((1, 1, 32), -1.0)], 2)
    network = nn.Sequential(nn.Conv1d(1, 2, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    network[0].weight.data, network[0].bias.data = torch.tensor([[[1.0]], [[-1.0]]]), torch.zeros(2)
    found = explain_patches(network, x, "saliency", size=16, overlap=0)
    assert found.targets.tolist() == [[0, 0, 1, 1]]
    np.testing.assert_allclose(found.scores, 1)
    np.testing.assert_allclose(found.maps[0, 0] * 16, [1] * 32 + [-1] * 32, rtol=1e-5)
    one = explain_patches(network, x, "saliency", "left", size=16, overlap=0, classes=["left", "right"])
    np.testing.assert_allclose(one.scores, [[1, 1, -1, -1]])
    np.testing.assert_allclose(one.score_maps[0, 0], [1] * 32 + [-1] * 32)
    np.testing.assert_allclose(one.maps * 16, 1, rtol=1e-5)


def test_batches_of_patches_change_nothing():
    torch.manual_seed(0)
    network, x = VolumeNet().eval(), torch.rand(2, 1, 20, 12, 17)
    once, often = (explain_patches(network, x, "saliency", size=12, batch_size=n) for n in (64, 3))
    np.testing.assert_allclose(once.maps, often.maps, atol=1e-7)
    np.testing.assert_array_equal(once.targets, often.targets)
    assert once.logits.shape == (2, *once.grid.shape, 2) and once.scores.shape == once.targets.shape


def test_an_item_smaller_than_a_patch_gets_a_map_of_its_own_size():
    torch.manual_seed(0)
    x, network = torch.randn(2, 2, 5, 30), linear(2)
    found = explain_patches(network, x, "input_x_gradient", 1, size=(8, 16))
    assert found.maps.shape == x.shape and found.score_maps.shape == (2, 1, 5, 30)
    np.testing.assert_allclose(found.maps, explain(network, x, "input_x_gradient", 1), rtol=1e-4, atol=1e-6)


def test_one_target_for_each_item_and_maps_of_one_channel():
    torch.manual_seed(0)
    network, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)), torch.rand(2, 3, 20, 20)
    network = Segmentation(network).eval()
    found = explain_patches(network, x, "layer_gradient_x_activation", [0, 1], size=12)
    assert found.maps.shape == (2, 1, 20, 20)
    assert (found.targets[0] == 0).all() and (found.targets[1] == 1).all()
    with pytest.raises(InputError, match="3 targets"):
        explain_patches(network, x, "saliency", [0, 1, 1], size=12)
