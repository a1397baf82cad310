"""Laws of gradient walks and counterfactuals, where the answer is known."""

import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from xaae import model as models
from xaae.experiment.errors import InputError
from xaae.latent_nav import counterfactual as cf
from xaae.latent_nav import gradient, walks
from xaae.latent_nav.adapter import Adapter


def linear(weight, bias=None):
    """A linear layer with this weight (O, I) and bias (O,)."""
    weight = torch.as_tensor(weight, dtype=torch.float32)
    layer = nn.Linear(*weight.T.shape)
    bias = torch.zeros(len(weight)) if bias is None else torch.as_tensor(bias, dtype=torch.float32)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def perfect(classifier, discriminator=None):
    """An autoencoder that loses nothing: pictures (B, 1, 2, 2) are codes (B, 4), turned; and a classifier of codes."""
    turn = torch.linalg.qr(draw(4, 4, seed=5))[0]
    encoder = nn.Sequential(nn.Flatten(), linear(turn))
    decoder = nn.Sequential(linear(turn.T), nn.Unflatten(1, (1, 2, 2)))
    return Adapter(encoder, decoder, nn.Sequential(encoder, classifier), discriminator)


@pytest.fixture
def aae():
    torch.manual_seed(0)
    return models.AAE(16, 1, 4, 4).eval()


W = torch.tensor([[1.0, 0, 2, 0], [0, -1, 0, 2], [1, 3, -1, 0]])
B = [0.5, 0.0, -0.5]


@pytest.mark.parametrize("context", [nullcontext, torch.inference_mode])
def test_the_gradient_of_a_linear_classifier_is_its_weights_difference(context):
    model, z = perfect(linear(W, B)), draw(300, 4)
    own = (z @ W.T + torch.tensor(B)).argmax(1)
    with context():
        target = (own + 1) % 3
        g = gradient.gradient_direction(model, z.clone(), target)
    difference = W[target] - W[own]
    torch.testing.assert_close(g, difference / difference.norm(dim=1, keepdim=True))
    assert all(p.grad is None for p in model.parameters())


def test_each_item_has_its_own_gradient_where_the_classifier_is_curved():
    class Radius(nn.Module):
        def forward(self, z):
            return torch.stack([torch.zeros(len(z)), z.norm(dim=1)], 1)

    z = draw(5, 4)
    g = gradient.gradient_direction(perfect(Radius()), z, [1, 1, 1, 0, 0])
    sign = torch.tensor([1.0, 1, 1, -1, -1])[:, None]
    torch.testing.assert_close(g, sign * z / z.norm(dim=1, keepdim=True))


def test_a_flat_classifier_gives_no_direction():
    assert not gradient.gradient_direction(perfect(linear(torch.zeros(2, 4))), draw(3, 4), 1).any()


@pytest.mark.parametrize("target", [3, -1, [0, 1, 5]])
def test_a_class_that_is_not_there_is_refused(target):
    model, z = perfect(linear(W)), draw(3, 4)
    for function in (gradient.gradient_direction, cf.counterfactual):
        with pytest.raises(InputError, match="from 0 to 2"):
            function(model, z, target)


def test_shift_is_in_deviations_of_the_training_codes_along_each_direction():
    codes = draw(20000, 3) * torch.tensor([1.0, 2.0, 5.0]) + 7
    g = torch.tensor([[0.0, 1, 0], [0, 0.6, 0.8]])
    scale = gradient.scale_along(g, codes)
    torch.testing.assert_close(scale, torch.tensor([2.0, math.hypot(1.2, 4.0)]), rtol=0.02, atol=0)
    z, alpha = draw(2, 3), walks.alphas(5, 2.0)
    moved = gradient.shift(z, g, alpha, scale)
    assert moved.shape == (2, 5, 3)
    torch.testing.assert_close(moved[:, 2], z)
    torch.testing.assert_close(moved[:, 4] - z, 2 * scale[:, None] * g)
    torch.testing.assert_close(gradient.shift(z, g, alpha, 3.0)[:, 0], z - 6 * g)


def test_following_with_a_perfect_autoencoder_is_the_plain_walk():
    model, z, step = perfect(linear(W[:2])), draw(6, 4), torch.linspace(0.1, 0.6, 6)
    plain = gradient.shift(z, gradient.gradient_direction(model, z, 1), np.arange(8), step)
    torch.testing.assert_close(gradient.follow(model, z, 1, step, 8), plain, rtol=1e-4, atol=1e-4)


def test_following_takes_the_slope_of_what_it_drew(aae):
    z, step = draw(5, 4), 0.5
    slope_of = lambda code: gradient.gradient_direction(aae, code, 0)  # noqa: E731
    one = z + step * slope_of(gradient.look_again(aae, z))
    two = one + step * slope_of(gradient.look_again(aae, one))
    torch.testing.assert_close(gradient.follow(aae, z, 0, step, 3), torch.stack([z, one, two], 1))
    assert not torch.allclose(one, z + step * slope_of(z), atol=1e-3)


@pytest.mark.parametrize("context", [nullcontext, torch.inference_mode])
def test_the_nearest_flip_of_a_linear_head_is_its_margin(aae, context):
    with torch.no_grad():
        aae.head.weight.mul_(50)  # the scale of logits must not matter
    z = 100 * draw(300, 4)  # nor that of codes
    with context():
        found = cf.counterfactual(aae, z.clone())
    logits, w = aae.head(z).detach(), aae.head.weight.detach()
    exact = (logits[:, 1] - logits[:, 0]).abs() / (w[1] - w[0]).norm()
    np.testing.assert_allclose(found.distance, exact, rtol=0.01)
    assert found.flipped.all() and found.accepted.all()
    assert (aae.head(found.z).argmax(1) != logits.argmax(1)).all()
    np.testing.assert_allclose(found.probability, aae.head(found.z).softmax(1).detach(), atol=1e-5)
    np.testing.assert_allclose(found.distance, (found.z - z).norm(dim=1), rtol=1e-5)
    assert all(p.grad is None for p in aae.parameters())


def test_any_other_class_is_the_nearest_of_them_and_a_target_may_be_farther():
    z, w = draw(200, 4), torch.cat([W, 10 * W[:1].roll(1)])
    head = linear(w)
    logits = head(z).detach()
    own = logits.argmax(1)
    gap = logits[range(200), own][:, None] - logits
    walls = (gap / (w[own][:, None] - w).norm(dim=2)).scatter(1, own[:, None], torch.inf)
    anywhere = cf.counterfactual(perfect(head), z)
    np.testing.assert_allclose(anywhere.distance, walls.amin(1), rtol=0.05)
    there = cf.counterfactual(perfect(head), z, 2)
    assert np.array_equal(there.flipped, own != 2) and 0.1 < there.flipped.mean() < 1
    assert (head(there.z).argmax(1) == 2).all()
    ahead = there.distance[there.flipped] / anywhere.distance[there.flipped]
    assert ahead.min() > 0.95 and ahead.max() > 1.5


def test_items_of_the_target_stay_home():
    z = torch.tensor([[1.0, 0], [-1.0, 0]])
    found = cf.counterfactual(perfect_2d(), z, 1, decide=lambda z: z @ torch.tensor([[-1.0, 1], [0, 0]]))
    assert found.flipped.tolist() == [False, True] and np.isnan(found.distance).tolist() == [True, False]
    torch.testing.assert_close(found.z, torch.tensor([[1.0, 0], [0, 0]]), atol=2e-3, rtol=0)


def perfect_2d(discriminator=None):
    """Codes (B, 2) are the pictures; class 1 where the first number is above 1."""
    return Adapter(linear(torch.eye(2)), linear(torch.eye(2)), linear([[-1, 0], [1, 0]], [1, -1]), discriminator)


def test_a_curved_boundary_is_met_at_its_nearest_point():
    """An ellipse: the first gradient points elsewhere, so the search must slide along the boundary."""
    angle = torch.linspace(0, 2 * math.pi, 20001)
    ellipse = torch.stack([3 * angle.cos(), angle.sin()], 1)
    z = torch.cat([1.5 * draw(100, 2), torch.tensor([[2.9, 0.05], [5.0, 3.0]])])
    exact = torch.cdist(z, ellipse).amin(1)
    inside = lambda z: torch.stack([torch.zeros(len(z)), (z**2 / torch.tensor([9.0, 1.0])).sum(1) - 1], 1)  # noqa: E731
    found = cf.counterfactual(perfect_2d(), z, decide=inside)
    assert found.flipped.mean() > 0.95
    ratio = found.distance / exact.numpy()
    assert np.nanmin(ratio) > 0.99 and np.nanquantile(ratio, 0.95) < 1.05


class Ball(nn.Module):
    """A discriminator that takes codes for real as long as they are near the middle."""

    def forward(self, z):
        return -(z**2).sum(1, keepdim=True)


def test_the_counterfactual_stays_where_the_discriminator_accepts():
    z = torch.tensor([[0.0, 1.3], [0.2, -1.35], [0.0, 0.5], [-1.0, 0.0]])
    found = cf.counterfactual(perfect_2d(Ball()), z, threshold=-2.0)
    corner = torch.tensor([[1.0, 1], [1, -1], [1, 0.5], [1, 0]])  # of the boundary and the ball of radius sqrt(2)
    assert found.flipped.all() and found.accepted.all() and (found.z.norm(dim=1) < 2**0.5).all()
    np.testing.assert_allclose(found.distance, (corner - z).norm(dim=1), rtol=0.05)
    free = cf.counterfactual(perfect_2d(Ball()), z)
    assert (found.distance[:2] > free.distance[:2]).all()
    np.testing.assert_allclose(free.distance, 1 - z[:, 0], rtol=0.01)


def test_a_flip_that_no_code_makes_acceptable_is_reported_so():
    z = torch.tensor([[0.0, 0.1], [0.3, 0.0]])
    found = cf.counterfactual(perfect_2d(Ball()), z, threshold=-0.5)
    assert found.flipped.all() and not found.accepted.any()
    np.testing.assert_allclose(found.distance, [1.0, 0.7], rtol=0.05)


def test_a_decision_that_never_changes_has_no_counterfactual():
    z = draw(3, 2)
    found = cf.counterfactual(perfect_2d(), z, decide=lambda z: torch.stack([z.sum(1) * 0, z.sum(1) * 0 - 1], 1))
    assert not found.flipped.any() and np.isnan(found.distance).all() and torch.equal(found.z, z)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_border_that_lies_elsewhere_in_half_precision_is_met_where_it_is(precision):
    """The descent may be in a caller's bf16: what it ends at has to be decided otherwise in full precision too."""
    z = torch.tensor([[0.0, 0.0], [0.4, -1.0], [-2.0, 0.5]])
    half = lambda: torch.is_autocast_enabled("cpu")  # noqa: E731
    decide = lambda z: torch.stack([z[:, 0] * 0, z[:, 0].float() - (0.95 if half() else 1.0)], 1)  # noqa: E731
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        found = cf.counterfactual(perfect_2d(), z, decide=decide)
    assert found.flipped.all()
    np.testing.assert_allclose(found.distance, 1 - z[:, 0], rtol=0.02)


def test_what_is_found_elsewhere_takes_the_place_of_what_is_not_found_or_farther():
    z = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.2, 0.0]])
    nowhere = cf.counterfactual(perfect_2d(), z, decide=lambda z: torch.stack([z[:, 0] * 0, z[:, 0] * 0 - 1], 1))
    there = cf.in_sight(perfect_2d(), z[[2, 0]], torch.tensor([[4.0, 0.0], [3.0, 0.0]]), reaches=(1.0,))
    found = nowhere.improved([2, 0], there)
    assert found.flipped.tolist() == [True, False, True] and not nowhere.flipped.any()
    np.testing.assert_allclose(found.distance, [1.0, np.nan, 0.8], rtol=0.03)
    torch.testing.assert_close(found.z[[2, 0]], there.z)
    assert torch.equal(found.z[1], nowhere.z[1])
    askew = cf.in_sight(perfect_2d(), z[[0, 1]], torch.tensor([[4.0, 9.0], [3.0, 0.0]]), reaches=(1.0,))
    again = found.improved([0, 1], askew)
    np.testing.assert_allclose(again.distance, [1.0, 0.5, 0.8], rtol=0.03)


def test_nothing_that_is_accepted_gives_way_to_what_is_not():
    z, far = torch.zeros(1, 2), torch.tensor([[3.0, 0.0]])
    found = cf.in_sight(perfect_2d(Ball()), z, torch.tensor([[2.0, 2.0]]), threshold=-9.0, reaches=(1.0,))
    nearer = cf.in_sight(perfect_2d(Ball()), z, far, threshold=-0.5, reaches=(1.0,))
    assert found.accepted.all() and not nearer.accepted.any() and nearer.distance < found.distance
    assert found.improved([0], nearer).distance == found.distance
    assert nearer.improved([0], nearer).flipped.all()


def test_the_margin_is_led_by():
    z = torch.tensor([[0.0, 0.0]])
    found = cf.counterfactual(perfect_2d(), z, margin=1.0)
    assert found.distance == pytest.approx(1.5, rel=2e-3)


def test_what_is_seen_again_may_be_decided_otherwise():
    blind = Adapter(linear(torch.eye(2)), linear([[0, 0], [0, 1]]), linear([[-1, 0], [1, 0]], [1, -1]))
    z = torch.zeros(2, 2)
    decide = perfect_2d().classify
    assert cf.counterfactual(perfect_2d(), z, decide=decide).flipped_when_seen.all()
    found = cf.counterfactual(blind, z, decide=decide)
    assert found.flipped.all() and not found.flipped_when_seen.any()


def test_a_threshold_needs_a_discriminator():
    with pytest.raises(InputError, match="no discriminator"):
        cf.counterfactual(perfect_2d(), draw(2, 2), threshold=0.0)


def test_a_learned_head_is_flipped_nearer_than_at_any_item_of_the_other_class():
    torch.manual_seed(0)
    y = torch.arange(400) % 2
    z = draw(400, 8) + 3 * (2 * y[:, None] - 1) * torch.eye(8)[0]
    head = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
    optimiser = torch.optim.Adam(head.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(z), y).backward()
        optimiser.step()
    model = Adapter(nn.Identity(), nn.Identity(), head, Ball())
    decided = head(z).argmax(1)
    assert (decided == y).float().mean() > 0.98
    scores = model.discriminate(z)
    real = scores > (threshold := float(scores.quantile(0.05)))
    found = cf.counterfactual(model, z, threshold=threshold)
    assert found.flipped.mean() >= 0.95 and (found.flipped & found.accepted).mean() >= 0.95
    other = torch.cdist(z, z[real]).where(decided[:, None] != decided[real], torch.inf).amin(1)
    nearer = found.distance[found.flipped] < other.numpy()[found.flipped]
    assert nearer.all()


def test_an_aae_walks_and_flips_with_all_its_columns(aae):
    z = draw(5, 4)
    g = gradient.gradient_direction(aae, z, 1)
    assert walks.decode_codes(aae, gradient.shift(z, g, walks.alphas(3), 1.0)).shape == (5, 3, 1, 16, 16)
    assert gradient.follow(aae, z, 0, 0.5, 4).shape == (5, 4, 4)
    threshold = aae.discriminate(draw(200, 4, seed=1)).quantile(0.05).item()
    found = cf.counterfactual(aae, z, threshold=threshold)
    assert found.z.shape == (5, 4) and found.probability.shape == (5, 2)
    seen = aae.classify(aae.decode(found.z)).argmax(1) != aae.head(z).argmax(1)
    assert np.array_equal(found.flipped_when_seen, seen.numpy())
    assert np.array_equal(found.accepted, (aae.discriminate(found.z) > threshold).numpy())


def test_a_prior_informed_of_the_class_judges_the_code_as_one_of_the_new_class():
    torch.manual_seed(0)
    aae = models.AAE(16, 1, 4, 4, prior="class").eval()
    z = draw(6, 4)
    found = cf.counterfactual(aae, z, threshold=0.0)
    onehot = torch.eye(2)[torch.from_numpy(found.probability.argmax(1))]
    assert np.array_equal(found.accepted, (aae.discriminate(found.z, onehot) > 0).numpy())


# A plain autoencoder that this project did not define


class Plain(nn.Module):
    """Somebody's autoencoder with names of its own."""

    def __init__(self):
        super().__init__()
        self.squeeze = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 5))
        self.grow = nn.Sequential(nn.Linear(5, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))


def test_the_adapter_lends_any_autoencoder_the_whole_walk():
    torch.manual_seed(0)
    plain, classifier = Plain(), nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, 1))
    model = Adapter(plain.squeeze, plain.grow, classifier)
    x = draw(6, 1, 8, 8)
    z = model.encode(x).detach()
    torch.testing.assert_close(model.classify(x).softmax(1)[:, 1], classifier(x).sigmoid()[:, 0])
    g = gradient.gradient_direction(model, z, 1)
    ahead = model.classify(model.decode(z + 0.01 * g)) - model.classify(model.decode(z))
    assert (ahead[:, 1] > ahead[:, 0]).all()
    found = cf.counterfactual(model, z)
    decided = lambda z: model.classify(model.decode(z)).argmax(1)  # noqa: E731
    assert found.flipped.any()
    assert np.array_equal(found.flipped, (decided(found.z) != decided(z)).numpy())
    assert walks.second_look(model, walks.decode_codes(model, found.z[:, None])).shape == (6, 1, 2)


def test_the_adapter_says_what_it_cannot_use():
    conv = Adapter(nn.Conv2d(1, 2, 3), nn.Identity(), nn.Identity())
    with pytest.raises(InputError, match="codes"):
        conv.encode(draw(2, 1, 8, 8))
    with pytest.raises(InputError, match="no discriminator"):
        conv.discriminate(draw(2, 4))
