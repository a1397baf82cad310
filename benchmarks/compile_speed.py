"""Does torch.compile pay? A network's forward and backward pass by what it makes, beside the same as it is written."""

import logging
import tempfile
from functools import partial
from pathlib import Path

import torch
from fastai.torch_core import default_device

from xaae import model as models
from xaae.benchmarks.pairs import compare, compared, seconds_of
from xaae.benchmarks.thesis import factored
from xaae.benchmarks.training_speed import BATCH, plain_aae
from xaae.experiment.device import autocast_in, lay_out

ITEMS = 200  # that the factored code's network is made for; the batches are random


def _factored_aae(size, precision):
    """The network of the factored code as `train` makes it."""
    with tempfile.TemporaryDirectory() as folder:
        return factored(ITEMS, size, Path(folder), precision).model


NETWORKS = {  # name -> (size, precision) -> the network, and how many batches its forward pass takes
    "plain code": (lambda size, _: plain_aae(size), 1),
    "factored code": (_factored_aae, 2),
    "ResNet34": (lambda *_: models.baseline(2, 3), 1),
}


def _pass(network, batches, precision):
    """A function that takes a forward and a backward pass; its loss is the mean square of all that the network says."""
    weights = [p for p in network.parameters() if p.requires_grad]

    def run(forward):
        with autocast_in(precision):
            said = forward(*batches)
        said = [said] if isinstance(said, torch.Tensor) else [each for each in said if each is not None]
        sum(each.float().square().mean() for each in said).backward()
        for weight in weights:
            weight.grad = None

    return run


def compiling(size, precision, repeats):
    """Of each of NETWORKS two Comparisons: a compiled pass / one as written, and the first one, which compiles."""
    torch._logging.set_logs(dynamo=logging.CRITICAL, inductor=logging.CRITICAL)
    return [found for name in NETWORKS for found in _compiling_one(name, size, precision, repeats)]


def _compiling_one(name, size, precision, repeats):
    """The two Comparisons of one of NETWORKS."""
    make, versions = NETWORKS[name]
    network = lay_out(make(size, precision)).to(default_device()).train()
    run = _pass(network, torch.rand(versions, BATCH // versions, 3, size, size, device=default_device()), precision)
    compiled = partial(run, torch.compile(network))
    written = partial(run, network)
    written()
    says, short = f"{name}, both passes at {size} pixels: {{}} / as written", f"{name.replace(' ', '-')}-{size}"
    first = [(seconds_of(compiled), seconds_of(written))]
    return [
        compared(f"compiling-{short}-first", says.format("the first, which compiles,"), first),
        compare(f"compiling-{short}", says.format("compiled"), compiled, written, repeats),
    ]
