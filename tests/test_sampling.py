"""Pictures that are read between their pixels, some after the other: what the library gives of all of them at once."""

import pytest
import torch
import torch.nn.functional as F

from xaae.experiment import device
from xaae.factors import sampling
from xaae.factors.sampling import PADDINGS, sampled

SIDE = 112  # pixels, of which three channels are a large picture


@pytest.fixture
def pictures(monkeypatch, threads):
    """Five pictures and points (B, H', W', 2) in them and beyond their borders; two at a time are near."""
    threads(1)
    monkeypatch.setattr(device, "CACHED", 2 * 3 * SIDE**2)
    rng = torch.Generator().manual_seed(0)
    return torch.rand(5, 3, SIDE, SIDE, generator=rng), 2.6 * torch.rand(5, 90, SIDE, 2, generator=rng) - 1.3


def by_library(x, grid, padding):
    return F.grid_sample(x, grid, "bilinear", padding, align_corners=False)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("asked", ["x", "grid", "x and grid"])
def test_values_and_gradients_are_those_of_the_library_to_the_last_bit(pictures, padding, asked, layout):
    found = []
    for function in (sampled, by_library):
        x, grid = pictures[0].contiguous(memory_format=layout), pictures[1].clone()
        wanted = [each.requires_grad_() for name, each in (("x", x), ("grid", grid)) if name in asked]
        y = function(x, grid, padding)
        assert (y.grad_fn.name() == "_InTurnBackward") == (function is sampled)
        found.append([y, *torch.autograd.grad((y * y).sum(), wanted)])
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("kept", ["small", "few", "in bf16"])
def test_others_are_read_by_the_library(pictures, kept, monkeypatch):
    monkeypatch.setattr(sampling._InTurn, "apply", lambda *_: pytest.fail("some after the other"))
    x, grid = pictures
    if kept == "few":
        x, grid = x[:2], grid[:2]
    if kept == "small":
        x = x[..., :100, :100]
    if kept == "in bf16":
        x, grid = x.bfloat16(), grid.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=kept == "in bf16"):
        found, wanted = (function(x, grid, "border") for function in (sampled, by_library))
    assert found.dtype == torch.float32 and torch.equal(found, wanted)
