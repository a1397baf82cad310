"""The network that is explained (Subject), and one question to it (Ask): why these items have this score."""

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
from xaae.experiment.kinds import kind_of
from xaae.explain.method import Refusal
from xaae.explain.network import answer_form, graph, maxima, merging

LEAST_CELLS = 4  # a map with fewer cells a side locates nothing
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
INTERPOLATION = {"signal": "linear", "picture": "bilinear", "volume": "trilinear"}  # kind -> its name in torch


def stretch(x, places):
    """x (B, C, ...) of any kind interpolated linearly to other places: (B, C, *places)."""
    return F.interpolate(x, places, mode=INTERPOLATION[kind_of(x.shape).name], align_corners=False)


class Subject:
    """A classifier x (B, C, *places) -> logits (B, K), with what methods need to know of it, worked out once.

    model: any nn.Module; of an AAE, the chain of modules that leads to its logits. It is put in evaluation mode. x:
    some items of the shape that will be explained: the shapes of the layers' outputs follow from it. classes: names in
    the order of the logits, if there are any. A network with one output is a binary head of two classes, unless it has
    the attribute `one_score`: answers (-z, z), class 1 where z > 0 (for a sigmoid, above 0.5). InputError if the
    network does not return one row of logits for each item.
    """

    def __init__(self, model, x, classes=None):
        self.network, self.classes = models.classifier(model).eval(), list(classes or [])
        self.device = next((p.device for p in self.network.parameters()), x.device)
        self.example = x[:2].detach().to(self.device, torch.float32)
        self.outputs, self._maps = self._count_outputs(), {}
        self.form = answer_form.form_of_answers(self.network, self.example)
        self.binary = self.outputs == 1 and not getattr(self.network, "one_score", False)
        if self.binary:
            self.network, self.outputs = nn.Sequential(self.network, answer_form.BinaryHead()).eval(), 2

    def _count_outputs(self):
        """K, the number of logits. InputError if the output is not (B, K)."""
        with torch.no_grad():
            logits = self.network(self.example)
        if not torch.is_tensor(logits) or logits.ndim != 2 or len(logits) != len(self.example):
            raise InputError("The network must return one row of logits (B, K) for each item: wrap it so that it does.")
        if logits.isnan().any():
            raise InputError(
                "The network answers NaN (no number) for some items: see whether its weights are whole, and whether it"
                " takes values from 0 to 1."
            )
        return logits.shape[1]

    def probabilities(self, answers):
        """Answers (B, K) of the network as probabilities (B, K), whatever it returns."""
        return answer_form.as_probabilities(answers, self.form, self.binary)

    @cached_property
    def random(self):
        """Does the network, in evaluation mode, answer one item differently each time?"""
        with torch.no_grad():
            one, other = (self.network(self.example.clone()) for _ in range(2))
        return not _alike(one, other)

    @property
    def remark(self):
        """What is unusual about the network's answers, in a phrase or two; "" if nothing is."""
        said = [answer_form.SAID.get(self.form, ""), "one output, taken as a binary head" if self.binary else ""]
        said += ["it answers one item differently each time (random numbers in evaluation mode)" if self.random else ""]
        return "; ".join(filter(None, said))

    @cached_property
    def unrolled(self):
        """The network as a GraphModule, each step a module of its own, same weights.

        Refusal if it cannot be traced, or if what was traced answers differently.
        """
        unrolled = graph.unroll(self.network, self.example)
        with torch.no_grad():
            own, traced = (network(self.example.clone()) for network in (self.network, unrolled))
        if not _alike(own, traced):
            off = float((own - traced).norm() / own.norm().clamp_min(1e-12))
            why = answer_form.RANDOM if self.random else "a step does something else there"
            raise Refusal(f"the traced copy that it works on answers {off:.0%} off the network itself: {why}")
        return unrolled

    @cached_property
    def rectified(self):
        """`unrolled` with max pools made of ReLUs, for DeepLift. Refusal if the network cannot be traced."""
        return maxima.by_relu(self.unrolled)

    @cached_property
    def merged(self):
        """`unrolled` with batch norms merged, for relevance propagation. Refusal that names steps without a rule."""
        return merging.merge(self.unrolled)

    @cached_property
    def unbiased(self):
        """`merged` with all biases 0, to see whether relevance is kept; None if it has none."""
        return merging.without_biases(self.merged)

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
        """A layer whose output is a map of places (B, channels, *cells).

        name: the layer's name in named_modules(); if "", `place` decides: the "first" convolution; the "deepest" layer
        with at least 4 cells a side; or the "narrowest", the last of those with the fewest cells (the middle of a
        U-Net, which widens again). network: whose layer, by default this one's; or a traced copy. vectors: a named
        layer may also give vectors. Refusal if there is no convolution, InputError for a name that does not exist or
        belongs to a layer without such a map.
        """
        network = self.network if network is None else network
        maps = self.maps(network)
        if name:
            return _named_layer(network, name, None if vectors else [m for m, _ in maps])
        first = next((i for i, (m, _) in enumerate(maps) if isinstance(m, CONVOLUTIONS)), None)
        if first is None:
            raise Refusal("it looks at a map of places, and this network has no convolution")
        if place == "first":
            return maps[first][0]
        large = [(m, math.prod(shape[2:])) for m, shape in maps[first:] if min(shape[2:]) >= LEAST_CELLS]
        fewest = min((cells for _, cells in large), default=0) if place == "narrowest" else math.inf
        return next((m for m, cells in reversed(large) if cells <= fewest), maps[first][0])

    def maps(self, network):
        """[(module, shape of its output)] of the modules of `network` whose output is a map of places: it has as many
        dimensions as the items. Worked out once for each network."""
        if network not in self._maps:
            shapes = _output_shapes(network, self.example)
            self._maps[network] = [(m, shape) for m, shape in shapes if len(shape) == self.example.ndim]
        return self._maps[network]

    def targets(self, x, target=None):
        """The number of the logit that is explained of each item x (B, ...): (B,) on the network's device.

        target: None or "predicted" for the class that the network predicts; else a class name, a class number, or one
        of these for each item. InputError for a class that does not exist and for a wrong number of targets.
        """
        if target is None or (isinstance(target, str) and target == "predicted" and target not in self.classes):
            with torch.no_grad():
                return self.probabilities(self.network(x.to(self.device))).argmax(1)
        given = target.flatten().tolist() if torch.is_tensor(target) else np.atleast_1d(np.asarray(target, object))
        numbers = [each if type(each) is int and 0 <= each < self.outputs else self.number(each) for each in given]
        if len(numbers) not in (1, len(x)):
            raise InputError(f"{len(numbers)} targets were given for {len(x)} items: give one, or one for each.")
        return torch.tensor(numbers, device=self.device).expand(len(x)).clone()

    def number(self, target):
        """The number of a class that is given by its name or number. InputError for a class that does not exist."""
        text = str(target)
        if text in self.classes:
            return self.classes.index(text)
        if text.isdecimal() and len(text) < 10 and 0 <= int(text) < self.outputs:
            return int(text)
        known = ", ".join(self.classes) or f"the numbers 0 to {self.outputs - 1}"
        raise InputError(f"There is no class {text!r}: choose from {known}.")


def _alike(one, other):
    """Are two answers (B, K) the same but for rounding?"""
    scale = float(torch.maximum(one.abs().max(), other.abs().max()))
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4 * scale + 1e-12)


def _named_layer(network, name, maps=None):
    """The module of `network` called `name`. InputError if there is none, or if it is not in `maps`, where given."""
    layers = dict(network.named_modules())
    name = name if name in layers else f"0.{name}"  # of a network that a binary head was put on
    if name not in layers:
        name = name.removeprefix("0.")
        first_names = ", ".join(list(layers)[1:6])
        raise InputError(f"The network has no layer {name!r}: its layers are {first_names}, ... (see named_modules()).")
    if maps is not None and not any(layers[name] is m for m in maps):
        raise InputError(
            f"The layer {name!r} gives no map of places (B, channels, ...): name a convolution or a block."
        )
    return layers[name]


def _output_shapes(network, x):
    """[(module, shape of its output)] of the modules that are called when `network` sees x, in the order in which they
    finish. Modules whose output has the shape of the network's own are left out."""
    shapes = []
    record = lambda m, _, out: shapes.append((m, tuple(out.shape))) if torch.is_tensor(out) else None  # noqa: E731
    hooks = [m.register_forward_hook(record) for m in network.modules() if m is not network]
    try:
        with torch.no_grad():
            final = tuple(network(x).shape)
    finally:
        for hook in hooks:
            hook.remove()
    return [(m, shape) for m, shape in shapes if shape != final]


@dataclass
class Ask:
    """One question: why does `subject` give items x (B, C, *places) the logits of target (B,)?

    background (N, C, *places): typical items to compare with, None if there are none. seed: of everything that is
    drawn. batch_size: how many inputs a method may put through the network at once.
    """

    subject: Subject
    x: torch.Tensor
    target: torch.Tensor
    background: torch.Tensor | None = None
    seed: int = 0
    batch_size: int = 32

    @property
    def network(self):
        """x (B, C, *places) -> logits (B, K)."""
        return self.subject.network

    @property
    def places(self):
        """Shape of an item without its channels: (T,), (H, W) or (D, H, W)."""
        return tuple(self.x.shape[2:])

    @property
    def kind(self):
        """The Kind of the items. InputError if they are of none."""
        return kind_of(self.x.shape)

    def score(self, x, target=None):
        """The explained score (N,) of inputs x (N, C, *places); target (N,), by default this question's own."""
        return self.network(x).gather(1, (self.target if target is None else target)[:, None])[:, 0]

    def spread(self, maps):
        """Maps (B, 1, *cells) of a layer stretched over the places of the input: (B, 1, *places)."""
        return stretch(maps, self.places)


@contextmanager
def asking(network, seed):
    """A context in which `network` is in evaluation mode and random numbers come from `seed`.

    Afterwards the network's modes and the states of torch's and NumPy's generators are as they were.
    """
    training, numpy_state = [m for m in network.modules() if m.training], np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="captum")  # it warns that it sets hooks, and it removes them again
        if torch.accelerator.is_available():
            torch.manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)  # the same without a look for accelerators, which takes 2 ms
        np.random.seed(seed % 2**32)  # noqa: NPY002  (some libraries draw from it)
        if training:
            network.eval()
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            for module in training:
                module.training = True
