"""Networks without biases, on which relevance propagation loses nothing, and zennit called directly."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock
from zennit.attribution import Gradient

from xaae import model as models
from xaae.explain import METHODS, Subject

ALL = [m.name for m in METHODS.values() if m.kind == "propagation"]
LRP = [name for name in ALL if name.startswith("lrp")]
EXCITATION = [name for name in ALL if "excitation" in name]
NO_BIAS = {"bias": False}


class Concat(nn.Module):
    """Two convolutions side by side see the input; their outputs are concatenated, and one is added again."""

    def __init__(self):
        super().__init__()
        self.near, self.far = nn.Conv2d(3, 8, 3, padding=1, **NO_BIAS), nn.Conv2d(3, 8, 5, padding=2, **NO_BIAS)
        self.mix, self.head = nn.Conv2d(16, 8, 3, padding=1, **NO_BIAS), nn.Linear(8, 4, **NO_BIAS)

    def forward(self, x):
        near, far = F.relu(self.near(x)), torch.relu(self.far(x))
        return self.head((F.relu(self.mix(torch.cat([near, far], 1))) + near).mean((2, 3)))


class Twice(nn.Module):
    """One convolution called twice, each time with another batch norm after it."""

    def __init__(self):
        super().__init__()
        self.first, self.again = nn.Conv2d(3, 8, 3, padding=1, **NO_BIAS), nn.Conv2d(8, 8, 3, padding=1, **NO_BIAS)
        self.one, self.two, self.head = nn.BatchNorm2d(8), nn.BatchNorm2d(8), nn.Linear(8, 4, **NO_BIAS)

    def forward(self, x):
        x = F.relu(self.one(self.again(F.relu(self.first(x)))))
        return self.head(F.relu(self.two(self.again(x))).mean((2, 3)))


def residual():
    """torchvision's residual blocks, which add by a function, without batch norms."""
    blocks = [BasicBlock(8, 8, norm_layer=lambda channels: nn.Identity()) for _ in range(2)]
    first, last = nn.Conv2d(3, 8, 3, padding=1, **NO_BIAS), nn.Linear(8, 4, **NO_BIAS)
    return nn.Sequential(first, nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)


def convolutions(n=2):
    """Convolutions in n dimensions with both kinds of pools, groups and upsampling."""
    conv, maximum, mean = (getattr(nn, f"{kind}{n}d") for kind in ("Conv", "MaxPool", "AvgPool"))
    first = [conv(3, 8, 3, padding=1, **NO_BIAS), nn.ReLU(), maximum(2), conv(8, 16, 3, padding=1, groups=2, **NO_BIAS)]
    last = [nn.ReLU(), mean(2), nn.Upsample(scale_factor=2), conv(16, 8, 3, **NO_BIAS), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*first, *last, nn.Linear(8 * 2**n, 4, **NO_BIAS))


def transposed():
    """A transposed convolution after a plain one."""
    first = [nn.Conv2d(3, 16, 3, padding=1, **NO_BIAS), nn.ReLU(), nn.ConvTranspose2d(16, 8, 3, **NO_BIAS), nn.ReLU()]
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(8 * 100, 4, **NO_BIAS))


def unbiased(network):
    """The network in evaluation mode with every bias and every running mean set to 0."""
    for module in network.modules():
        for name in ("bias", "running_mean"):
            if getattr(module, name, None) is not None:
                getattr(module, name).data.zero_()
    return network.eval()


NETS = {  # name -> (function that makes the network, shape of an item)
    "convolutions": (convolutions, (3, 8, 8)),
    "transposed": (transposed, (3, 8, 8)),
    "1-D": (lambda: convolutions(1), (3, 8)),
    "3-D": (lambda: convolutions(3), (3, 8, 8, 8)),
    "residual": (residual, (3, 8, 8)),
    "concat": (Concat, (3, 8, 8)),
    "one layer twice": (Twice, (3, 8, 8)),
    "dense": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(75, 32), nn.ReLU(), nn.Linear(32, 3)), (3, 5, 5)),
    "ResNet34": (lambda: models.baseline(2, 3), (3, 32, 32)),
    "AAE head": (lambda: models.AAE(32, 3), (3, 32, 32)),
}


@cache
def unbiased_case(name, items=2, seed=0):
    """(Subject, x) of one of NETS without biases; weights and items in [0, 1] from `seed`."""
    make, shape = NETS[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = unbiased(make())
        return Subject(network, torch.rand(2, *shape)), torch.rand(items, *shape)


def plain_network(first=()):
    """A network with biases made of modules that zennit knows, on (B, 3, 14, 14); `first`: modules before it."""
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*first, *layers, nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 3)).eval()


def by_zennit(network, x, target, composite, start=None):
    """The map of zennit itself, on a network that it understands."""
    chosen = F.one_hot(torch.full((len(x),), target), network(x).shape[1])
    return Gradient(network, composite)(x.clone(), start or (lambda logits: logits * chosen))[1].detach().numpy()
