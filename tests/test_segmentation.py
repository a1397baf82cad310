"""Laws of segmentation networks as classifiers: what is summed, which places count, maps that lie on their regions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from xaae.benchmarks.networks import SegmentationNet
from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.method import Refusal
from xaae.explain.network import graph
from xaae.explain.network.segmentation import Segmentation
from xaae.explain.network.subject import Subject
from xaae.explain.patches import explain_patches

BRIGHT, DARK = 1, 2  # classes of squares; 0 is the rest


def scenes(n, seed=0, size=32):
    """Noise about 0 with a square of -1 and one of 1: x (n, 1, size, size), and every pixel's class (n, size, size)."""
    g = torch.Generator().manual_seed(seed)
    x, y = 0.1 * torch.randn(n, 1, size, size, generator=g), torch.zeros(n, size, size, dtype=torch.long)
    for i in range(n):
        for k, value in ((DARK, -1.0), (BRIGHT, 1.0)):
            r, c = torch.randint(2, size - 10, (2,), generator=g).tolist()
            x[i, 0, r : r + 8, c : c + 8], y[i, r : r + 8, c : c + 8] = value, k
    return x, y


@pytest.fixture(scope="module")
def unet():
    """A U-Net that has learned to find the squares."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SegmentationNet()
        optimiser = torch.optim.Adam(network.parameters(), 1e-2)
        for step in range(60):
            x, y = scenes(16, step + 100)
            loss = F.cross_entropy(network(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.eval()


class Alone(nn.Module):
    """As a segmentation network: its input is its logits."""

    def forward(self, x):
        return x


# ---- what is summed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("places", [(7,), (5, 6), (4, 3, 5)])
@pytest.mark.parametrize("how", ["sum", "mean"])
def test_all_sums_the_logits_of_every_place(places, how):
    x = torch.randn(2, 3, *places)
    torch.testing.assert_close(Segmentation(Alone(), how=how)(x), getattr(x.flatten(2), how)(2))


@pytest.mark.parametrize("where", ["own", "threshold"])
def test_each_place_counts_for_the_class_that_wins_it(where):
    x = torch.randn(4, 2, 6, 6) * 3
    wins = torch.stack([x[:, 0] > x[:, 1], x[:, 1] > x[:, 0]], 1)  # of two classes the winner is above 0.5
    torch.testing.assert_close(Segmentation(Alone(), where)(x), (x * wins).sum((2, 3)))
    mean = (x * wins).sum((2, 3)) / wins.sum((2, 3))
    torch.testing.assert_close(Segmentation(Alone(), where, "mean")(x), mean)


def test_a_higher_threshold_leaves_fewer_places():
    x = torch.randn(4, 3, 8, 8)
    counts = [
        Segmentation(Alone(), "threshold", threshold=t).mask.weights(x).sum().item() for t in (0, 0.3, 0.6, 0.9, 0.999)
    ]
    assert counts[0] == x.numel() and counts[-1] == 0 and sorted(counts, reverse=True) == counts


def test_classes_that_may_overlap_win_where_their_logit_is_positive():
    x = torch.randn(2, 3, 8, 8)
    expected = x.clamp(min=0).sum((2, 3))
    torch.testing.assert_close(Segmentation(Alone(), "own", exclusive=False)(x), expected)
    torch.testing.assert_close(Segmentation(Alone(), "threshold", exclusive=False)(x), expected)


def test_one_channel_is_one_class_against_none():
    x = torch.randn(2, 1, 8, 8)
    for where in ("own", "threshold"):
        torch.testing.assert_close(Segmentation(Alone(), where)(x), x.clamp(min=0).sum((2, 3)))
    torch.testing.assert_close(Segmentation(Alone(), "threshold", threshold=0.9)(x.clone().fill_(2)), torch.zeros(2, 1))
    assert explain(Segmentation(Alone(), "own"), x, "saliency").shape == x.shape


def test_a_class_without_places_scores_nothing_and_has_no_gradient():
    x = torch.stack([torch.ones(4, 4), torch.zeros(4, 4)])[None].requires_grad_()
    score = Segmentation(Alone(), "own", "mean")(x)
    assert score.tolist() == [[1, 0]]
    (slope,) = torch.autograd.grad(score[0, 1], x)
    assert (slope == 0).all()


@pytest.mark.parametrize("where", ["all", "own", "threshold"])
@pytest.mark.parametrize("how", ["sum", "mean"])
def test_the_gradient_is_that_of_the_logits_at_the_places_that_count(where, how):
    x = torch.randn(2, 3, 6, 6).requires_grad_()
    wrapped = Segmentation(Alone(), where, how)
    (slope,) = torch.autograd.grad(wrapped(x)[:, 1].sum(), x)
    torch.testing.assert_close(slope[:, 1], wrapped.mask.weights(x)[:, 1])
    assert (slope[:, [0, 2]] == 0).all()


# ---- regions ----------------------------------------------------------------------------------------------------


def test_only_places_inside_a_region_count():
    x, region = torch.randn(2, 3, 8, 8), torch.zeros(8, 8)
    region[2:5, 1:7] = 1
    torch.testing.assert_close(Segmentation(Alone(), region=region)(x), x[:, :, 2:5, 1:7].sum((2, 3)))
    torch.testing.assert_close(Segmentation(Alone(), "all", "mean", region=region)(x), x[:, :, 2:5, 1:7].mean((2, 3)))
    both = Segmentation(Alone(), "own", region=region.bool())(x)
    torch.testing.assert_close(both, Segmentation(Alone(), "own")(x[:, :, 2:5, 1:7]))


def test_a_region_for_each_class_and_one_of_another_size():
    x = torch.randn(2, 2, 4, 4)
    left = torch.zeros(8, 8)
    left[:, :4] = 1
    expected = torch.stack([x[:, 0, :, :2].sum((1, 2)), x[:, 1, :, 2:].sum((1, 2))], 1)
    torch.testing.assert_close(Segmentation(Alone(), region=torch.stack([left, 1 - left]))(x), expected)


@pytest.mark.parametrize(
    "region, word",
    [(torch.ones(5), "dimensions"), (torch.ones(2, 4, 4), "begins with"), (-torch.ones(4, 4), "not negative")],
)
def test_regions_that_do_not_fit_are_refused(region, word):
    with pytest.raises(InputError, match=word):
        Segmentation(Alone(), region=region)(torch.rand(1, 3, 4, 4))


@pytest.mark.parametrize("given, word", [({"where": "best"}, "all, own"), ({"how": "max"}, "sum or mean")])
def test_settings_that_do_not_exist_are_refused(given, word):
    with pytest.raises(InputError, match=word):
        Segmentation(Alone(), **given)
    with pytest.raises(InputError, match="probability"):
        Segmentation(Alone(), threshold=1)


def test_outputs_that_are_no_segmentation_are_refused():
    x = torch.rand(2, 3, 8, 8)
    with pytest.raises(InputError, match=r"\(B, K, \*places\)"):
        Segmentation(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))(x)
    wrong = nn.Module()
    wrong.forward = lambda x: {"logits": x}
    with pytest.raises(InputError, match="no 'out'.*logits"):
        Segmentation(wrong)(x)
    assert Segmentation(wrong, output="logits")(x).shape == (2, 3)
    wrong.forward = lambda x: [x, x]
    with pytest.raises(InputError, match="returns list"):
        Segmentation(wrong)(x)


# ---- explained --------------------------------------------------------------------------------------------------


def share_inside(maps, y, target):
    """How much of the size of each map (B, 1, H, W) lies where y (B, H, W) is `target`."""
    size = np.abs(maps).sum(1)
    return (size * (y == target).numpy()).sum((1, 2)) / size.sum((1, 2))


HOW = ["saliency", "smoothgrad", "integrated_gradients", "guided_backprop", "occlusion", "lrp_epsilon_plus"]


@pytest.mark.parametrize("target", [BRIGHT, DARK])
@pytest.mark.parametrize("how", HOW)
def test_the_map_of_a_class_lies_on_its_region(unet, how, target):
    x, y = scenes(4, 9)
    assert (unet(x).argmax(1) == y).float().mean() > 0.99
    given = {"window": 4, "stride": 2} if how == "occlusion" else {}
    maps = explain(Segmentation(unet, "own"), x, how, target, **given)
    inside = share_inside(maps, y, target)
    assert inside.min() > 0.5, "the region is 6 % of the picture"
    other = share_inside(maps, y, DARK if target == BRIGHT else BRIGHT)
    assert (inside > 3 * other).all()


def test_a_region_asks_about_one_place_only(unet):
    """Outside what the network sees from there the map is 0."""
    x, _ = scenes(2, 3)
    region = torch.zeros(32, 32)
    region[4, 4] = 1
    maps = explain(Segmentation(unet, region=region), x, "saliency", BRIGHT)
    assert np.abs(maps[:, :, :8, :8]).max() > 0 and np.abs(maps[:, :, 14:]).max() == np.abs(maps[..., 14:]).max() == 0


@pytest.mark.parametrize("where", ["all", "own", "threshold"])
def test_it_is_followed_module_by_module(unet, where):
    x, _ = scenes(3)
    subject = Subject(Segmentation(unet, where), x)
    expected = subject.network(x)
    for traced in (subject.unrolled, subject.merged):
        torch.testing.assert_close(traced(x), expected, atol=1e-3, rtol=1e-4)
    assert graph.unsupported(subject.merged) == []


@pytest.mark.parametrize("how", ["integrated_gradients", "deeplift"])
@pytest.mark.parametrize("where", ["own", "threshold"])
def test_held_places_make_shares_sum_to_the_scores_difference(unet, how, where):
    x, _ = scenes(1, 5)
    held = Segmentation(unet, where).held(x)
    torch.testing.assert_close(held(x), Segmentation(unet, where)(x))
    gap = (held(x) - held(torch.zeros_like(x)))[0, BRIGHT].item()
    steps = {"steps": 200} if how != "deeplift" else {}
    found = explain(held, x, how, BRIGHT, **steps).sum()
    assert found == pytest.approx(gap, rel=0.02 if steps else 1e-3)


def test_deeplift_refuses_a_mask_that_depends_on_the_input(unet):
    x, _ = scenes(2)
    with pytest.raises(Refusal, match="mask that moves"):
        explain(Segmentation(unet, "own"), x, "deeplift", BRIGHT)
    with pytest.raises(InputError, match="one by one"):
        Segmentation(unet, "own").held(x)


def test_torchvisions_networks_are_taken_as_they_are():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3).eval()
        x = torch.rand(2, 3, 32, 32)
    subject = Subject(Segmentation(network, how="mean"), x)
    assert subject.outputs == 3 and explain(subject, x, "saliency").any()
    torch.testing.assert_close(subject.network(x), network(x)["out"].mean((2, 3)))
    torch.testing.assert_close(subject.unrolled(x), subject.network(x))


def test_a_large_scene_is_explained_where_the_square_is(unet):
    """A network trained on 32 pixels a side, a scene of 80 x 64: the patches find the square."""
    big = 0.1 * torch.randn(1, 1, 80, 64, generator=torch.Generator().manual_seed(1))
    big[..., 50:58, 20:28] = 1
    found = explain_patches(Segmentation(unet, "own"), big, "integrated_gradients", BRIGHT, size=32)
    inside = np.abs(found.maps)[0, 0, 48:60, 18:30].sum() / np.abs(found.maps).sum()
    assert inside > 0.8
    assert found.score_maps[0, 0, 54, 24] > 10 * np.abs(found.score_maps[0, 0, :20]).max()
