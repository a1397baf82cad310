"""The fused optimiser takes the steps of fastai's Adam."""

import copy

import pytest
import torch
from fastai.optimizer import Adam
from torch import nn

from xaae.training.fused_adam import FusedAdam

LAYOUTS = {"rows": torch.contiguous_format, "channels last": torch.channels_last}


def network_of(layout):
    """Convolutions of several sizes, a norm, a transposed convolution and a dense layer, and a batch for it."""
    torch.manual_seed(0)
    steps = [
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 4, 1),
        nn.ConvTranspose2d(4, 2, 4),
    ]
    network = nn.Sequential(*steps, nn.Flatten(), nn.Linear(2 * 10 * 10, 2)).to(memory_format=LAYOUTS[layout])
    return network, torch.randn(4, 3, 9, 9).to(memory_format=LAYOUTS[layout])


def train(network, optimiser, x, steps, first=0):
    """Some steps with numbers that change as a schedule changes them."""
    for step in range(first, first + steps):
        optimiser.set_hypers(lr=slice(1e-3, 0.01 / (1 + step)), mom=0.95 - 0.02 * step)
        optimiser.zero_grad()
        network(x).square().mean().backward()
        optimiser.step()


def both(layout, undecayed=(1, 2)):
    """[(network, optimiser)] by fastai and fused, in two groups; weights of no decay, which fastai has for norms."""
    made, (network, x) = [], network_of(layout)
    for kind in (Adam, FusedAdam):
        own = copy.deepcopy(network)
        parameters = list(own.parameters())
        optimiser = kind([parameters[:5], parameters[5:]], lr=0.01, wd=0.1)
        for place in undecayed:
            optimiser.state[parameters[place]]["do_wd"] = False
        made.append((own, optimiser))
    return made, x


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_become_those_of_fastai(layout):
    made, x = both(layout)
    begun = [p.clone() for p in made[0][0].parameters()]
    for network, optimiser in made:
        train(network, optimiser, x, 8)
    for p, q, old in zip(*(network.parameters() for network, _ in made), begun, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=2e-6)
        assert (p - old).abs().max() > 1e-3


def test_what_one_remembers_the_other_goes_on_from():
    """A training that an earlier version left can be resumed."""
    (theirs, ours), x = both("channels last")
    train(*theirs, x, 3)
    ours[0].load_state_dict(theirs[0].state_dict())
    kept = copy.deepcopy({"state": list(theirs[1].state_dict()["state"]), "hypers": theirs[1].state_dict()["hypers"]})
    assert {name for each in kept["state"] for name in each} == {"grad_avg", "sqr_avg", "step", "do_wd"}
    ours[1].load_state_dict(kept)
    for network, optimiser in (theirs, ours):
        train(network, optimiser, x, 3, first=3)
    for p, q in zip(theirs[0].parameters(), ours[0].parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=2e-6)


def test_frozen_weights_stay():
    (_, (network, optimiser)), x = both("rows")
    begun = [p.clone() for p in network.parameters()]
    optimiser.freeze()
    train(network, optimiser, x, 2)
    moved = [bool((p - old).abs().max() > 0) for p, old in zip(network.parameters(), begun, strict=True)]
    assert moved == [False] * 5 + [True] * 4


def test_a_closure_is_refused():
    with pytest.raises(NotImplementedError):
        FusedAdam([[nn.Parameter(torch.zeros(1))]], lr=0.1).step(lambda: 0)
