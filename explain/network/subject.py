"""The network that is explained, and one question to it: which score of which items."""

import math
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from xaae import model as models
from xaae.experiment.errors import InputError
from xaae.explain.method import Refusal
from xaae.explain.network import graph, maxima

LEAST_CELLS = 4  # a map of fewer cells a side locates nothing
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}  # of interpolation, by the number of places' dimensions


class Subject:
    """A classifier to explain: x (B, C, ...) -> logits (B, K), with what methods need to know of it, found once.

    model: any nn.Module; an AAE is taken as the chain of modules that leads to its logits. x: items of the kind that
    will be explained; their shape settles the layers. classes: names in the order of the logits, if there are any. The
    model is put in evaluation mode.
    InputError if the network does not return one row of logits for each item.
    """

    def __init__(self, model, x, classes=None):
        self.network, self.classes = models.classifier(model).eval(), list(classes or [])
        self.device = next((p.device for p in self.network.parameters()), x.device)
        self.example = x[:2].detach().to(self.device, torch.float32)
        with torch.no_grad():
            logits = self.network(self.example)
        if not torch.is_tensor(logits) or logits.ndim != 2 or len(logits) != len(self.example):
            raise InputError("The network must return one row of logits (B, K) for each item: wrap it so that it does.")
        self.outputs, self.found = logits.shape[1], {}

    @cached_property
    def unrolled(self):
        """The network, each step a module of its own (GraphModule, same weights). Refusal if it cannot be traced."""
        return graph.unroll(self.network, self.example)

    @cached_property
    def rectified(self):
        """`unrolled` with max pools written by ReLU, for DeepLift. Refusal if the network cannot be traced."""
        return maxima.by_relu(self.unrolled)

    @cached_property
    def merged(self):
        """`unrolled` with batch norms merged, for relevance propagation. Refusal that names what is in the way."""
        return graph.merge(self.unrolled, self.example)

    @cached_property
    def differentiable(self):
        """Does a gradient reach the input?"""
        x = self.example.clone().requires_grad_()
        with torch.enable_grad():
            score = self.network(x).sum()
            if not score.requires_grad:
                return False
            return torch.autograd.grad(score, x, allow_unused=True)[0] is not None

    def layer(self, name="", place="deepest", network=None, vectors=False):
        """A layer with a map of places: the one called `name`, else the "deepest" with at least 4 cells a side, the
        last of those with the fewest cells ("narrowest": the middle of a U-Net, which widens again), or the "first"
        convolution, of `network` (this one's by default, or a traced one). Refusal if there is none, InputError for a
        name that is none or, unless `vectors` will do as well, belongs to a layer without such a map.
        """
        network = self.network if network is None else network
        found = self.maps(network)
        if name:
            return _named_layer(network, name, None if vectors else [m for m, _ in found])
        first = next((i for i, (m, _) in enumerate(found) if isinstance(m, CONVOLUTIONS)), None)
        if first is None:
            raise Refusal("it looks at a map of places, and this network has no convolution")
        if place == "first":
            return found[first][0]
        large = [(m, math.prod(shape[2:])) for m, shape in found[first:] if min(shape[2:]) >= LEAST_CELLS]
        fewest = min((cells for _, cells in large), default=0) if place == "narrowest" else math.inf
        return next((m for m, cells in reversed(large) if cells <= fewest), found[first][0])

    def maps(self, network):
        """[(module, shape of its output)] of the modules of `network` that give maps of places; found once for each."""
        if network not in self.found:
            found = _shapes(network, self.example)
            self.found[network] = [(m, shape) for m, shape in found if len(shape) == self.example.ndim]
        return self.found[network]

    def targets(self, x, target=None):
        """Which logit of each item x (B, ...) is explained: (B,) on the network's device.

        None or "predicted": the class that the network says; else a class name, a number, or one of these for each
        item. InputError for a class that there is not.
        """
        if target is None or (isinstance(target, str) and target == "predicted" and target not in self.classes):
            with torch.no_grad():
                return self.network(x.to(self.device)).argmax(1)
        many = target.flatten().tolist() if torch.is_tensor(target) else np.atleast_1d(np.asarray(target, dtype=object))
        numbers = [each if type(each) is int and 0 <= each < self.outputs else self.number(each) for each in many]
        if len(numbers) not in (1, len(x)):
            raise InputError(f"{len(numbers)} targets were given for {len(x)} items: give one, or one for each.")
        return torch.tensor(numbers, device=self.device).expand(len(x)).clone()

    def number(self, target):
        """The number of a class given by name or number. InputError for a class that there is not."""
        text = str(target)
        if text in self.classes:
            return self.classes.index(text)
        if text.lstrip("-").isdigit() and 0 <= int(text) < self.outputs:
            return int(text)
        known = ", ".join(self.classes) or f"the numbers 0 to {self.outputs - 1}"
        raise InputError(f"There is no class {text!r}: choose from {known}.")


def _named_layer(network, name, maps=None):
    """The module of `network` called `name`, one of those that give `maps` if named. InputError if it is not."""
    found = dict(network.named_modules())
    if name not in found:
        some = ", ".join(list(found)[1:6])
        raise InputError(f"The network has no layer {name!r}: its layers are {some}, ... (see named_modules()).")
    if maps is not None and not any(found[name] is m for m in maps):
        raise InputError(
            f"The layer {name!r} gives no map of places (B, channels, ...): name a convolution or a block."
        )
    return found[name]


def _shapes(network, x):
    """[(module, shape of its output)] of a network met on x, in the order in which they finish, without the network."""
    found = []
    note = lambda m, _, out: found.append((m, tuple(out.shape))) if torch.is_tensor(out) else None  # noqa: E731
    hooks = [m.register_forward_hook(note) for m in network.modules() if m is not network]
    try:
        with torch.no_grad():
            final = tuple(network(x).shape)
    finally:
        for hook in hooks:
            hook.remove()
    return [(m, shape) for m, shape in found if shape != final]


@dataclass
class Ask:
    """One question: why does `subject` give items x (B, C, ...) the score of logit target (B,)?

    background (N, C, ...): items that stand for "nothing special", None if there are none. seed: of all that is drawn.
    batch_size: how many inputs a method may put through the network at once.
    """

    subject: Subject
    x: torch.Tensor
    target: torch.Tensor
    background: torch.Tensor | None = None
    seed: int = 0
    batch_size: int = 32

    @property
    def network(self):
        """x (B, C, ...) -> logits (B, K)."""
        return self.subject.network

    @property
    def places(self):
        """Shape of an item without its channels: (T,), (H, W) or (D, H, W)."""
        return tuple(self.x.shape[2:])

    def score(self, x, target=None):
        """The explained score (N,) of inputs x (N, C, ...), target (N,) or this question's own."""
        return self.network(x).gather(1, (self.target if target is None else target)[:, None])[:, 0]

    def spread(self, maps):
        """Maps (B, 1, ...) of a layer's places stretched over the input's places: (B, 1, *places)."""
        return F.interpolate(maps, self.places, mode=MODES[len(self.places)], align_corners=False)


@contextmanager
def asking(network, seed):
    """Evaluation mode and a seed of its own for what is drawn inside; afterwards all is as it was."""
    training, numpy_state = [m for m in network.modules() if m.training], np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="captum")  # that it sets hooks, and takes them off again
        if torch.accelerator.is_available():
            torch.manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)  # the same, without asking for accelerators: 2 ms a call
        np.random.seed(seed % 2**32)  # noqa: NPY002  (some libraries draw from it)
        if training:
            network.eval()
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            for module in training:
                module.training = True
