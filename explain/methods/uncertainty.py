"""Monte-Carlo dropout (Gal and Ghahramani 2016, arXiv 1506.02142): how certain a prediction, or a map, is.

A network with dropout switched on is a random draw from the networks that fit the training data. Where draws agree, the
answer is certain; where they differ, it is not. `predict_with_dropout` draws predictions; the methods at the end draw
maps of any other method.
"""

import copy
import itertools
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from xaae import model as models
from xaae.experiment.errors import InputError
from xaae.explain.method import Refusal, find_method, method
from xaae.explain.network import needs

GAL = "Gal and Ghahramani 2016, arXiv 1506.02142"
ONE_CALL = {"saliency", "input_x_gradient", "guided_backprop", "deconvolution"}  # methods that call the network once
COPIES = {  # need of a method -> attribute of Subject with the traced copy that the method works on
    "graph": "unrolled",
    "relu": "unrolled",
    "rescale": "rectified",
    "relevance": "merged",
}
PROBES = 16  # random masks with which a traced copy is compared with the network


def dropout_rate(module):
    """The dropout rate of a module: 0 if it has no dropout of its own."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p
    return module.dropout if isinstance(module, nn.MultiheadAttention | nn.RNNBase) else 0.0


# ---- a prediction -----------------------------------------------------------------------------------------------


@contextmanager
def stochastic(network, inject=0.0):
    """A context in which the dropout of `network` is switched on, with new masks for each item and call.

    Everything else, such as batch norms, is in evaluation mode; afterwards all is as it was. inject: for a network
    without dropout, the rate of a dropout that is put before its last linear layer (dropout injection, Ledda et al.
    2023, arXiv 2302.02924). Refusal if there is neither (a call of F.dropout cannot be switched on), InputError for a
    rate outside [0, 1).
    """
    if not 0 <= inject < 1:
        raise InputError(f"inject={inject} is no dropout rate: give a number from 0 to below 1.")
    training = [m for m in network.modules() if m.training]
    active = [m for m in network.modules() if dropout_rate(m) > 0]
    hook = None if active else _put_before(_last_linear(network, inject), inject)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the fast path leaves out a transformer's dropout
    try:
        _set_modes(network, active)
        yield
    finally:
        _set_modes(network, training)
        torch.backends.mha.set_fastpath_enabled(fast)
        if hook is not None:
            hook.remove()


def _set_modes(network, training):
    """Put these modules of `network` in training mode and all others in evaluation mode."""
    network.eval()
    for module in training:
        module.training = True


def _last_linear(network, inject):
    """The last linear layer of a network, to inject dropout before it. Refusal if there is none, or the rate is 0."""
    layers = [m for m in models.classifier(network).modules() if isinstance(m, nn.Linear)]
    if not inject:
        raise Refusal("it needs dropout layers, and this network has none: a rate to inject= would put one in")
    if not layers:
        raise Refusal("dropout is injected before the last linear layer, and this network has none")
    return layers[-1]


def _put_before(layer, p):
    """Let dropout of rate p change the input of `layer`: the hook that does so."""
    return layer.register_forward_pre_hook(lambda _, given: (F.dropout(given[0], p), *given[1:]))


@torch.no_grad()
def predict_with_dropout(network, x, samples=30, inject=0.0, seed=0, batch_size=256):
    """Class probabilities of items x (B, C, *places) over `samples` passes with dropout.

    network: x -> logits (B, K), or an AAE. Returns a dict of float64 arrays. mean, variance (B, K): of the
    probabilities over the passes. entropy (B,): of `mean`, in nats (predictive entropy). mutual_information (B,):
    entropy less the mean entropy of the passes, in nats: the part that more training data would remove (BALD, Houlsby
    et al. 2011, arXiv 1112.5745). entropy_error (B,): the standard error of `entropy`, that another draw of as many
    masks would change it by (delta method), NaN for one pass. inject: see `stochastic`. Each item and pass has its own
    mask; the masks depend on `seed` and batch_size. Refusal if there is no dropout, InputError for fewer than one
    sample or a wrong rate.
    """
    passes = passes_with_dropout(network, x, samples, inject, seed, batch_size)
    return {name: value.numpy() for name, value in _summary(passes.softmax(-1)).items()}


@torch.no_grad()
def passes_with_dropout(network, x, samples=30, inject=0.0, seed=0, batch_size=256):
    """What a network answers in `samples` passes with dropout, (S, B, K) in double precision.

    See `predict_with_dropout`.
    """
    _check(samples, 1)
    network = models.classifier(network)
    device = next((p.device for p in network.parameters()), x.device)
    parts = [part.to(device) for part in x.split(batch_size)]
    with torch.random.fork_rng(), stochastic(network, inject):
        torch.manual_seed(seed)
        passes = [torch.cat([network(part).cpu() for part in parts]) for _ in range(samples)]
    return torch.stack(passes).double()


def _summary(p):
    """What `predict_with_dropout` returns, as tensors, of the probabilities p (S, B, K) of S passes."""
    mean = p.mean(0)
    entropy, entropy_of_pass = (torch.special.entr(q).sum(-1) for q in (mean, p))
    information = (entropy - entropy_of_pass.mean(0)).clamp_min(0)  # rounding may leave -1e-17
    surprise = -(p * mean.clamp_min(torch.finfo(p.dtype).tiny).log()).sum(-1)  # its mean over the passes is the entropy
    error = surprise.std(0) / len(p) ** 0.5 if len(p) > 1 else torch.full_like(entropy, torch.nan)
    summary = {"mean": mean, "variance": p.var(0, correction=0), "entropy": entropy, "entropy_error": error}
    return summary | {"mutual_information": information}


def _check(samples, least):
    """InputError for fewer than `least` samples."""
    if samples < least:
        raise InputError(f"samples={samples} is too few: give {least} or more.")


# ---- a map ------------------------------------------------------------------------------------------------------


@contextmanager
def fixed_masks(networks, rows):
    """A context in which dropout has one fixed mask for each of `rows` items, the same in every call.

    A method that calls the network many times for one item (along a path, with hidden parts) then explains one and the
    same network. With one row, its mask holds for every input. networks: a network and traced copies of it, in
    evaluation mode; the n-th dropout layer has the same mask in all of them. Dropout inside attention and recurrent
    layers stays off.
    """
    masks, count = {}, [itertools.count()]

    def restart(*_):
        count[0] = itertools.count()

    def drop(layer, _, out):
        key = (next(count[0]), out.shape[1:])
        if key not in masks:
            masks[key] = draw_mask(layer, out.new_ones(rows, *out.shape[1:]))
        scale, shift = masks[key]
        return scale * out + shift

    layers = _dropout_layers(networks)
    hooks = [n.register_forward_pre_hook(restart) for n in networks]
    hooks += [m.register_forward_hook(drop) for m in layers]
    try:
        for layer in layers:
            layer.relevance_rule = "pass"  # a value that is kept and scaled keeps its relevance
        yield
    finally:
        for layer in layers:
            del layer.relevance_rule
        for hook in hooks:
            hook.remove()


def _dropout_layers(networks):
    """All dropout layers of these networks, each once."""
    layers = [m for n in networks for m in n.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    return list(dict.fromkeys(layers))


def draw_mask(layer, ones):
    """One draw of a dropout layer of any type, as (scale, shift) of the shape of `ones`: what it does to 1 and to 0."""
    drawn = copy.copy(layer)
    drawn.training, drawn.inplace = True, False
    with torch.no_grad():
        with torch.random.fork_rng():  # the same draw for both
            shift = drawn.forward(torch.zeros_like(ones))
        return drawn.forward(ones) - shift, shift


def find_base(ask, name):
    """The method called `name`, to draw maps of. InputError if it does not explain single items, Refusal if it does not
    fit the model or the input.
    """
    base = find_method(name)
    if base.kind in ("visualisation", "uncertainty"):
        raise InputError(f"base={name!r} gives no map of an item: choose a method of another kind, such as saliency.")
    needs.check_needs(base, ask)
    return base


def networks_of(ask, base):
    """The network, and the traced copies of it that the method `base` works on.

    Refusal if dropout does something else in a copy: so it is where a batch norm before the dropout was merged into the
    layer after it.
    """
    networks = [ask.network, *(getattr(ask.subject, COPIES[need]) for need in base.needs if need in COPIES)]
    x = ask.x[:1].expand(PROBES, *ask.x.shape[1:])
    with torch.no_grad(), fixed_masks(networks, PROBES):
        own, *copies = [network(x) for network in networks]
    if not all(torch.allclose(own, other, 1e-3, 1e-3 * float(own.abs().max())) for other in copies):
        raise Refusal("the base works on a copy of the network in which dropout does not do the same")
    return networks


def _draws(ask, base, samples):
    """Yield `samples` maps (B, C or 1, *places) of the method `base`, each with new dropout masks for all items.

    A base that calls the network more than once gets the items one by one: the rows of its calls do not tell to which
    item they belong.
    """
    base = find_base(ask, base)
    networks = networks_of(ask, base)
    size = len(ask.x) if base.name in ONE_CALL else 1
    parts = [replace(ask, x=x, target=t) for x, t in zip(ask.x.split(size), ask.target.split(size), strict=True)]
    for _ in range(samples):
        maps = []
        for part in parts:
            with fixed_masks(networks, size):
                maps.append(base.attribute(part).detach())
        yield torch.cat(maps)


def _moments(maps):
    """Mean and standard deviation of an iterable of maps, without keeping them (Welford 1962)."""
    mean = squares = 0
    for n, each in enumerate(maps, 1):
        gap = each - mean
        mean = mean + gap / n
        squares = squares + gap * (each - mean)
    return mean, (squares / n).clamp_min(0).sqrt()


FIELDS = {"shows": "size", "needs": ("gradient", "dropout")}


@method("uncertainty", "Monte-Carlo dropout, mean", GAL, "mean map over random dropout masks", **FIELDS)
def mc_dropout_mean(ask, *, base="saliency", samples=20):
    """Mean map of `base`, a method of the registry that explains single items, over `samples` draws of the dropout."""
    _check(samples, 1)
    return _moments(_draws(ask, base, samples))[0]


@method(
    "uncertainty",
    "Monte-Carlo dropout, deviation",
    GAL,
    "standard deviation of the map over random dropout masks",
    **FIELDS,
)
def mc_dropout_std(ask, *, base="saliency", samples=20):
    """Standard deviation of the map of `base` over `samples` draws of the dropout, in the units of the map."""
    _check(samples, 2)
    return _moments(_draws(ask, base, samples))[1]
