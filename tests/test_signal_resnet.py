"""The 1-D ResNet that the AAE of signals is set beside."""

import numpy as np
import pytest
import torch
from helpers.recorded import pulses

from xaae.callbacks.trace_grid import COLUMNS, GAP, WIDTH, save_trace_grid
from xaae.experiment.errors import InputError
from xaae.experiment.traces import TraceSheet, draw_traces
from xaae.model import load, save
from xaae.training.signal_resnet import SignalResNet


@pytest.mark.parametrize(("channels", "samples"), [(1, 16), (2, 96), (12, 1001)])
def test_signals_of_any_length_and_number_of_channels_are_answered(channels, samples):
    network = SignalResNet(3, channels, width=4).eval()
    x = torch.rand(2, channels, samples)
    assert network(x).shape == (2, 3) and network.blocks(x).shape == (2, 8, samples)


def test_every_weight_is_learned_and_the_network_comes_back_from_a_file(tmp_path):
    network, x = SignalResNet(2, 1, width=4), torch.rand(8, 1, 40)
    network(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters() if p.ndim > 1)
    save(network, tmp_path / "network.safetensors")
    again = load(tmp_path / "network.safetensors")
    torch.testing.assert_close(again(x), network.eval()(x))
    with pytest.raises(InputError, match="start at 1"):
        SignalResNet(0)


def test_it_tells_wide_pulses_from_narrow_ones():
    torch.manual_seed(0)
    values, labels = pulses(64)
    x, y = torch.from_numpy(values).clamp(0, 1), torch.tensor([label == "wide" for label in labels]).long()
    network = SignalResNet(2, 1, width=8)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(30):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        optimiser.step()
    fresh, names = pulses(32, seed=1)
    right = network.eval()(torch.from_numpy(fresh).clamp(0, 1)).argmax(1) == torch.tensor(names == "wide")
    assert right.float().mean() > 0.9


@pytest.mark.parametrize("channels", [1, 2, 20])
def test_traces_are_drawn_of_any_number_of_channels(tmp_path, channels):
    from PIL import Image

    items = torch.rand(8, channels, 50)
    save_trace_grid(items, tmp_path / "grid.png")
    tile = draw_traces(items[:1].numpy(), TraceSheet.of({}, channels), WIDTH)[0]
    with Image.open(tmp_path / "grid.png") as image:
        assert image.size == (COLUMNS * (WIDTH + GAP), len(tile) + GAP)
        pixels = np.asarray(image.convert("L"))
    lanes = np.array_split(pixels[: len(tile)], channels)
    assert all(lane.min() < 128 for lane in lanes)  # each channel has a line in its own lane
