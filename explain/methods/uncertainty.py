"""Monte-Carlo dropout (Gal and Ghahramani 2016, arXiv 1506.02142): how far a prediction, or a map, can be trusted.

A network with dropout left on is one draw from the networks that training finds plausible; what all draws agree on is
known, what they differ in is not. `predict` asks for classes, the methods below for maps of any other method.
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
ONE_CALL = {"saliency", "input_x_gradient", "guided_backprop", "deconvolution"}  # each item once, in the items' order
COPIES = {"graph": "unrolled", "relu": "unrolled", "rescale": "rectified", "relevance": "merged"}  # need -> Subject's
PROBES = 16  # draws of the masks on which a traced copy is compared with the network


def dropout_rate(module):
    """The dropout rate of a module that has dropout of its own, 0 for any other."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p
    return module.dropout if isinstance(module, nn.MultiheadAttention | nn.RNNBase) else 0.0


# ---- a prediction -----------------------------------------------------------------------------------------------


@contextmanager
def stochastic(network, inject=0.0):
    """Inside, only the dropout of `network` is at work, with other masks for each item and call; afterwards all is as
    it was. Batch norms stay in evaluation.

    inject: the rate of a dropout put before the last linear layer of a network that has none (dropout injection,
    Ledda et al. 2023, arXiv 2302.02924); a network's own dropout goes before it. Refusal if there is neither (a mere
    call of F.dropout cannot be switched on), InputError for a rate outside [0, 1).
    """
    if not 0 <= inject < 1:
        raise InputError(f"inject={inject} is no dropout rate: give a number from 0 to below 1.")
    training = [m for m in network.modules() if m.training]
    active = [m for m in network.modules() if dropout_rate(m) > 0]
    hook = None if active else _put_before(_last_linear(network, inject), inject)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it leaves out a transformer's dropout, whatever its mode
    try:
        _set_modes(network, active)
        yield
    finally:
        _set_modes(network, training)
        torch.backends.mha.set_fastpath_enabled(fast)
        if hook is not None:
            hook.remove()


def _set_modes(network, training):
    """Put these modules of `network` in training mode and all others in evaluation."""
    network.eval()
    for module in training:
        module.training = True


def _last_linear(network, inject):
    """The last linear layer of a network to inject dropout into. Refusal if there is none, or the rate is 0."""
    found = [m for m in models.classifier(network).modules() if isinstance(m, nn.Linear)]
    if not inject:
        raise Refusal("it needs dropout layers, and this network has none: a rate to inject= would put one in")
    if not found:
        raise Refusal("dropout is injected before the last linear layer, and this network has none")
    return found[-1]


def _put_before(layer, p):
    """Let dropout of rate p act on what `layer` is given: the hook, to be removed."""
    return layer.register_forward_pre_hook(lambda _, given: (F.dropout(given[0], p), *given[1:]))


@torch.no_grad()
def predict_with_dropout(network, x, samples=30, inject=0.0, seed=0, batch_size=256):
    """Classes of items x (B, C, ...) by a network x -> logits (B, K) (or an AAE), over `samples` passes with dropout.

    A dict of float64 arrays. mean (B, K): of the probabilities; variance (B, K): of them over the passes; entropy (B,):
    of `mean`, the predictive entropy, in nats; mutual_information (B,): entropy less the passes' mean entropy, in nats:
    the part that more training data would remove (BALD, Houlsby et al. 2011, arXiv 1112.5745). inject: see
    `stochastic`. Other masks for each item and pass, drawn from `seed` and in portions of batch_size.
    Refusal if there is no dropout, InputError for fewer than one sample or a wrong rate.
    """
    _check(samples, 1)
    network = models.classifier(network)
    device = next((p.device for p in network.parameters()), x.device)
    parts = [part.to(device) for part in x.split(batch_size)]
    with torch.random.fork_rng(), stochastic(network, inject):
        torch.manual_seed(seed)
        passes = [torch.cat([network(part).cpu() for part in parts]) for _ in range(samples)]
    return {name: found.numpy() for name, found in _summary(torch.stack(passes).double().softmax(-1)).items()}


def _summary(p):
    """What `predict` returns, as tensors, of the passes' probabilities p (S, B, K)."""
    mean = p.mean(0)
    entropy, each = (torch.special.entr(q).sum(-1) for q in (mean, p))
    information = (entropy - each.mean(0)).clamp_min(0)  # rounding may leave -1e-17
    return {"mean": mean, "variance": p.var(0, correction=0), "entropy": entropy, "mutual_information": information}


def _check(samples, least):
    """InputError for fewer than `least` samples."""
    if samples < least:
        raise InputError(f"samples={samples} is too few: give {least} or more.")


# ---- a map ------------------------------------------------------------------------------------------------------


@contextmanager
def thinned(networks, rows):
    """Inside, the networks are one draw of the dropout for each of `rows` items: a mask holds for every call.

    So a base that looks at an item many times (a path, a baseline, hidden parts) asks one and the same network; with
    one row the mask is that of every input. networks: a network and traced copies of it in evaluation mode, which
    share the masks by the order of their dropout layers. Dropout within attention and recurrent layers stays off.
    """
    masks, count = {}, [itertools.count()]

    def restart(*_):
        count[0] = itertools.count()

    def drop(layer, _, out):
        key = (next(count[0]), out.shape[1:])
        if key not in masks:
            masks[key] = mask(layer, out.new_ones(rows, *out.shape[1:]))
        scale, shift = masks[key]
        return scale * out + shift

    found = [m for n in networks for m in n.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    layers = list(dict.fromkeys(found))
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


def mask(layer, ones):
    """One draw of a dropout layer of any kind as (scale, shift) of its input's shape, from what it does to 1 and 0."""
    drawn = copy.copy(layer)
    drawn.training, drawn.inplace = True, False
    with torch.no_grad():
        with torch.random.fork_rng():  # the same draw for both
            shift = drawn.forward(torch.zeros_like(ones))
        return drawn.forward(ones) - shift, shift


def base_of(ask, name):
    """The method called `name`, if maps of it can be drawn. InputError for one that explains no item, Refusal where it
    does not fit.
    """
    base = find_method(name)
    if base.kind in ("visualisation", "uncertainty"):
        raise InputError(f"base={name!r} gives no map of an item: choose a method of another kind, such as saliency.")
    needs.check_needs(base, ask)
    return base


def networks_of(ask, base):
    """The network and the traced copies of it that the base works on. Refusal if a copy thins out in another way, as
    one does in which a batch norm before the dropout was merged into the layer behind it.
    """
    found = [ask.network, *(getattr(ask.subject, COPIES[need]) for need in base.needs if need in COPIES)]
    x = ask.x[:1].expand(PROBES, *ask.x.shape[1:])
    with torch.no_grad(), thinned(found, PROBES):
        own, *copies = [network(x) for network in found]
    if not all(torch.allclose(own, other, 1e-3, 1e-3 * float(own.abs().max())) for other in copies):
        raise Refusal("the base works on a copy of the network in which dropout does not do the same")
    return found


def _draws(ask, base, samples):
    """Maps (B, C or 1, ...) of the base, one after the other, each of another draw of the dropout for each item.

    Item by item where the base puts an item through the network more than once: nothing then tells which row is whose.
    """
    base = base_of(ask, base)
    networks = networks_of(ask, base)
    size = len(ask.x) if base.name in ONE_CALL else 1
    parts = [replace(ask, x=x, target=t) for x, t in zip(ask.x.split(size), ask.target.split(size), strict=True)]
    for _ in range(samples):
        maps = []
        for part in parts:
            with thinned(networks, size):
                maps.append(base.attribute(part).detach())
        yield torch.cat(maps)


def _moments(maps):
    """Mean and standard deviation of maps given one after the other, without keeping them (Welford 1962)."""
    mean = squares = 0
    for n, each in enumerate(maps, 1):
        gap = each - mean
        mean = mean + gap / n
        squares = squares + gap * (each - mean)
    return mean, (squares / n).clamp_min(0).sqrt()


ABOUT = {"shows": "size", "needs": ("gradient", "dropout")}


@method("uncertainty", "Monte-Carlo dropout, mean", GAL, "mean map of networks thinned out at random", **ABOUT)
def mc_dropout_mean(ask, *, base="saliency", samples=20):
    """base: any method of the registry that explains an item. samples: draws of the dropout."""
    _check(samples, 1)
    return _moments(_draws(ask, base, samples))[0]


@method("uncertainty", "Monte-Carlo dropout, deviation", GAL, "how far the map differs between them", **ABOUT)
def mc_dropout_std(ask, *, base="saliency", samples=20):
    """base, samples: as of mc_dropout_mean. The standard deviation over the draws, in the units of the base's map."""
    _check(samples, 2)
    return _moments(_draws(ask, base, samples))[1]
