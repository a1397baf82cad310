"""Laws of the optimiser of the factored code."""

import copy

import pytest
import torch
from torch import nn

from xaae.experiment.settings import CODES, USUAL_OPTIMISER
from xaae.experiment.vocabulary import OPTIMISERS
from xaae.training.muon import LARGE, LIKE_ADAM, MAKERS, orthogonalisers

CONVOLUTIONS = [nn.Conv1d(3, 8, 3), nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 3, 4), nn.Conv3d(2, 4, 3)]
SIDES = {1: (9,), 2: (9, 9), 3: (5, 5, 5)}  # axes of places -> places


def random_numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def stepped(network, name, lr=0.01, steps=1, scale=1.0):
    """The network after some steps on one random batch; scale: of its loss."""
    optimiser = MAKERS[name]([list(network.parameters())], lr=lr, wd=0.0)
    layer = network[0]
    x = random_numbers(4, layer.in_channels, *SIDES[layer.weight.ndim - 2])
    for _ in range(steps):
        optimiser.zero_grad()
        (scale * network(x).square().mean()).backward()
        optimiser.step()
    return network


def test_every_optimiser_has_its_name():
    assert tuple(MAKERS) == OPTIMISERS and USUAL_OPTIMISER in MAKERS
    assert {own["optimiser"] for own in CODES.values() if "optimiser" in own} <= {*OPTIMISERS}


@pytest.mark.parametrize("shape", [(8, 30), (12, 12), (1, 5)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_singular_values_come_near_one_and_directions_stay(shape, scale):
    matrix = scale * random_numbers(*shape)
    (left,) = orthogonalisers([matrix])
    assert left.shape == (shape[0], shape[0]) and left.dtype == matrix.dtype
    found = left @ matrix
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.5 and values.max() < 1.4
    assert (found * matrix).sum() > 0.65 * torch.linalg.svdvals(matrix).sum()


def test_matrices_that_are_computed_together_come_out_as_each_by_itself():
    matrices = [random_numbers(*shape) for shape in ((8, 30), (12, 12), (8, 9), (1, 5))]
    for together, (alone,) in zip(
        orthogonalisers(matrices), map(orthogonalisers, ([m] for m in matrices)), strict=True
    ):
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_nothing_to_learn_is_no_step():
    matrix = torch.zeros(4, 6)
    assert (orthogonalisers([matrix])[0] @ matrix).abs().max() == 0


@pytest.mark.parametrize(
    "shape",  # with fewer rows than columns, and more; small ones, and large ones whose products are others
    [(3, 8, 5, 5), (40, 2, 3, 3), (LARGE + 2, 16, 3, 3), (200, 16, 3, 3)],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_step_is_the_same_however_weights_lie_in_memory(shape, layout):
    """And it is the one that singular values give: all of them 1, to some tenths."""
    weight = random_numbers(*shape).to(memory_format=layout).requires_grad_()
    place, before, gradient = weight.data_ptr(), weight.detach().clone(), random_numbers(*shape) - 0.5
    weight.grad = gradient.clone()
    MAKERS["muon"]([[weight]], lr=0.1, wd=0.5).step()
    assert weight.data_ptr() == place and weight.is_contiguous(memory_format=layout)
    matrix = gradient.flatten(1)
    wanted = (
        orthogonalisers([matrix])[0] @ matrix
        if shape[0] <= matrix.shape[1]
        else (orthogonalisers([matrix.T])[0] @ matrix.T).T
    )
    far = 0.1 * LIKE_ADAM * max(matrix.shape) ** 0.5
    torch.testing.assert_close(weight.detach(), 0.95 * before - far * wanted.view(shape), rtol=1e-4, atol=1e-5)
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    assert ((u @ v) * wanted).sum() > 0.7 * len(values)


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=lambda layer: type(layer).__name__)
def test_a_step_of_a_convolution_has_the_same_size_whatever_the_loss_is_scaled_by(layer):
    begun = layer.weight.detach()
    moved = [stepped(nn.Sequential(copy.deepcopy(layer)), "muon", scale=s)[0].weight - begun for s in (1.0, 1000.0)]
    torch.testing.assert_close(*moved, rtol=0.02, atol=2e-5)
    size = moved[0].square().mean().sqrt()  # 0.2 x the learning rate where all singular values are 1
    assert 0.2 * 0.01 * 0.6 < size < 0.2 * 0.01 * 1.2


def test_other_weights_and_biases_take_the_steps_of_adam():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 49, 2))
    ours, adams = (stepped(copy.deepcopy(network), name) for name in ("muon", "adam"))
    torch.testing.assert_close(ours[2].weight, adams[2].weight)
    torch.testing.assert_close(ours[0].bias, adams[0].bias)
    assert (ours[0].weight - adams[0].weight).abs().max() > 1e-4


def test_goes_downhill():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3))
    x = random_numbers(4, 3, 9, 9)
    before = network(x).square().mean().item()
    assert stepped(network, "muon", steps=40)(x).square().mean().item() < 0.1 * before


def test_a_step_goes_by_the_mean_of_gradients_and_ahead_of_it():
    """Nesterov's momentum, 0.9 unasked: a tenth of the mean is new, and a tenth of the step is the newest alone."""
    weight = random_numbers(3, 4, 2, 2).requires_grad_()
    optimiser, mean = MAKERS["muon"]([[weight]], lr=0.1, wd=0.0), torch.zeros(3, 4, 2, 2)
    for seed in range(2):
        before = weight.detach().clone()
        weight.grad = random_numbers(3, 4, 2, 2) * (1 - 3 * seed * torch.eye(3, 4)[:, :, None, None])
        mean = 0.9 * mean + 0.1 * weight.grad
        ahead = (0.9 * mean + 0.1 * weight.grad).flatten(1)
        optimiser.step()
        far = 0.1 * LIKE_ADAM * 16**0.5
        step = before - weight.detach()
        torch.testing.assert_close(
            step, far * (orthogonalisers([ahead])[0] @ ahead).view(3, 4, 2, 2), rtol=1e-3, atol=1e-5
        )


def test_weights_that_no_matrix_shows_are_an_error_and_not_left_as_they_were():
    weight = random_numbers(8, 3, 5, 5).transpose(0, 1).requires_grad_()
    weight.grad = torch.ones_like(weight)
    with pytest.raises(RuntimeError, match="view"):
        MAKERS["muon"]([[weight]], lr=0.1).step()


def test_squares_are_kept_of_what_needs_them_alone():
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    optimiser = MAKERS["muon"]([list(network.parameters())], lr=0.01)
    network(random_numbers(2, 3, 9, 9)).sum().backward()
    optimiser.step()
    assert "sqr_avg" not in optimiser.state[network[0].weight] and "sqr_avg" in optimiser.state[network[0].bias]


def test_weights_of_few_directions_stay_numbers():
    matrix = random_numbers(40, 2) @ random_numbers(2, 60)
    values = torch.linalg.svdvals(orthogonalisers([matrix])[0] @ matrix)
    assert values[:2].min() > 0.5 and values.isfinite().all() and values.max() < 1.4
