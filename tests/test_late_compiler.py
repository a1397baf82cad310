"""torch's compiler is loaded by what uses it, and by nothing else."""

import subprocess
import sys
from importlib import import_module

import pytest
import torch

from xaae.experiment import late_compiler
from xaae.experiment.light_adam import LightAdam, LightAdamW

START = "import sys; from xaae.experiment.machine import quieten; quieten()\n"
LOADED = "print('torch._dynamo' in sys.modules, 'sympy' in sys.modules)\n"
LEARNS = """
import torch
from xaae import model
from xaae.experiment.light_adam import LightAdam
network = torch.nn.Linear(2, 1)
adam = LightAdam(network.parameters())
network(torch.ones(3, 2)).sum().backward()
adam.step()
adam.zero_grad()
adam.load_state_dict(adam.state_dict())
model.save(model.baseline(2), sys.argv[1])
model.load(sys.argv[1])
"""
USES = """
import torchvision
boxes = [torch.tensor([[0.0, 0.0, 4.0, 4.0]])]
print(*torchvision.ops.roi_align(torch.ones(1, 3, 8, 8), boxes, 2).shape)
print(sys.modules["torchvision.ops.roi_align"].is_compile_supported("mps"))
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist())
"""


def test_neither_training_nor_a_kept_model_loads_it_and_what_uses_it_does(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", START + LEARNS + LOADED + USES + LOADED]
    said = subprocess.check_output([*command, str(tmp_path / "kept.safetensors")], text=True).splitlines()
    assert said == ["False False", "1 3 2 2", "False", "[2.0, 2.0]", "True True"]


def test_a_torchvision_that_asks_for_more_gets_the_compiler_itself(tmp_path, monkeypatch):
    """A package of another name stands for the compiler."""
    (tmp_path / "compiler").mkdir()
    (tmp_path / "compiler" / "__init__.py").write_text("")
    (tmp_path / "compiler" / "tools.py").write_text("counters, is_compile_supported = {}, print")
    (tmp_path / "asking.py").write_text("from compiler.tools import counters, is_compile_supported")
    monkeypatch.syspath_prepend(tmp_path)
    for name, value in {"ASKS": "asking", "COMPILER": "compiler", "TOOLS": "compiler.tools"}.items():
        monkeypatch.setattr(late_compiler, name, value)
    monkeypatch.setattr(sys, "meta_path", [late_compiler._Finder(), *sys.meta_path])
    try:
        asking = import_module("asking")
        assert (asking.counters, asking.is_compile_supported) == ({}, print)
    finally:
        for name in ("asking", "compiler", "compiler.tools"):
            sys.modules.pop(name, None)


def test_it_is_asked_for_once(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [])
    late_compiler.load_compiler_late()
    late_compiler.load_compiler_late()
    (finder,) = sys.meta_path
    assert finder.find_spec("json", None) is None


@pytest.mark.parametrize(
    ("light", "torchs", "options"),
    [
        (LightAdam, torch.optim.Adam, {"fused": True, "betas": (0.5, 0.99)}),
        (LightAdamW, torch.optim.AdamW, {"weight_decay": 0.1}),
    ],
)
def test_its_steps_are_those_of_torch_to_the_last_bit(light, torchs, options, threads):
    threads(1)
    ends = []
    for kind in (light, torchs):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 1))
        optimiser, steps = kind(network.parameters(), 1e-2, **options), []
        optimiser.register_step_pre_hook(lambda *_, steps=steps: steps.append(torch.is_grad_enabled()))
        rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=8)
        for _ in range(8):
            optimiser.zero_grad()
            network(torch.rand(3, 5)).square().mean().backward()
            optimiser.step()
            rate.step()
        again = kind(network.parameters(), 1e-2, **options)
        again.load_state_dict(optimiser.state_dict())
        state = [tensor for each in again.state_dict()["state"].values() for tensor in each.values()]
        ends.append(([*network.parameters()], state, again.state_dict()["param_groups"], steps))
        assert len(steps) == 8 and torch.is_grad_enabled() and not network[0].weight.grad_fn
    (ours, our_state, our_groups, our_steps), (theirs, their_state, their_groups, their_steps) = ends
    assert all(map(torch.equal, ours + our_state, theirs + their_state))
    assert (our_groups, our_steps) == (their_groups, their_steps)
    assert light is not torchs and issubclass(light, torchs)
