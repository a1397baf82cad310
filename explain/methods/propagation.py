"""Layer-wise relevance propagation and excitation backpropagation, by zennit.

They work on the merged network (see network.graph): batch norms are part of the layers beside them. Maps have the shape
of the items, (B, C, *places).
"""

import copy

import torch
import torch.nn.functional as F
from torch import fx, nn
from zennit import composites, rules, types
from zennit.attribution import Gradient
from zennit.core import Composite

from xaae.experiment.errors import InputError
from xaae.explain.method import Refusal, method
from xaae.explain.network import graph
from xaae.explain.network.merging import replace_module

BACH = "Bach et al. 2015, doi 10.1371/journal.pone.0130140"
KOHLBRENNER = "Kohlbrenner et al. 2020, arXiv 1910.09840"
MONTAVON = "Montavon et al. 2019, doi 10.1007/978-3-030-28954-6_10"
ZHANG = "Zhang et al. 2016, arXiv 1608.00507"
NEEDS = ("gradient", "relevance")

RULES = {  # steps that zennit has no rule for: relevance passes unchanged ("pass"), or in proportion ("norm")
    "pass": (*graph.VALUE_BY_VALUE, *graph.NORMS),
    "norm": (graph.Places, nn.Upsample, graph.Sum, *graph.AVERAGES),
}


# ---- which rule for which step ----------------------------------------------------------------------------------


def _rule_of(module):
    """The rule of a step: "pass" or "norm", by its attribute `relevance_rule` or else by its type; "" for all others.

    Refusal for an attribute with any other value.
    """
    rule = getattr(module, "relevance_rule", None) or next((r for r in RULES if isinstance(module, RULES[r])), "")
    if rule and rule not in RULES:
        raise Refusal(
            f"{type(module).__name__} has the relevance rule {rule!r}, and there are only {' and '.join(RULES)}"
        )
    return rule


def _additional_rules(network):
    """[(names, rule)] for the steps of a merged network that zennit's composites have no rule for."""
    names = {"pass": [], "norm": [], "": []}
    for node in network.graph.nodes:
        if node.op == "call_module":
            names[_rule_of(network.get_submodule(node.target))].append(node.target)
    return [(names["pass"], rules.Pass()), (names["norm"], rules.Norm())]


def _nodes_with_weights(network):
    """[(node, is it a convolution or a linear layer?)] of a traced network."""
    is_layer = lambda n: n.op == "call_module" and isinstance(network.get_submodule(n.target), types.Linear)  # noqa: E731
    return [(node, is_layer(node)) for node in network.graph.nodes]


def first_layers(network):
    """Names of the layers with weights that no other layer with weights comes before.

    zennit itself takes the layer that was defined first, which need not be the first in the computation.
    """
    names, later = [], set()  # later: nodes that depend on a layer with weights
    for node, has_weights in _nodes_with_weights(network):
        depends = not later.isdisjoint(node.all_input_nodes)
        if has_weights and not depends:
            names.append(node.target)
        if has_weights or depends:
            later.add(node)
    return names


# ---- one pass back ----------------------------------------------------------------------------------------------


def _propagate(ask, base, first=(), start=None, network=None):
    """Relevance (B, C, *places) of the input by the rules of the zennit composite `base`; then all hooks are removed.

    first: [(names, rule)] for the first layers, where they have a rule of their own. start: relevance of the logits
    (B, K), by default the explained logit and 0 for the others. network: the merged network, or one made from it.
    """
    network = ask.subject.merged if network is None else network
    chosen = F.one_hot(ask.target, ask.subject.outputs)
    attributor = Gradient(network, _composite_for(network, base, first))
    return attributor(ask.x, (lambda logits: chosen * logits) if start is None else start)[1]


def _composite_for(network, base, first):
    """A composite with the rules `first`, then the additional ones, then those of `base`.

    It holds for the steps of the graph only: a step with a rule of its own may contain modules, which get no rule.
    """
    steps = {node.target for node in network.graph.nodes if node.op == "call_module"}
    named = composites.NameMapComposite([*first, *_additional_rules(network)])
    rule_of = composites.MixedComposite([named, base]).mapping
    return Composite(module_map=lambda context, name, module: rule_of(context, name, module) if name in steps else None)


def _check_positive(**numbers):
    """InputError unless all these parameters are greater than 0."""
    for name, value in numbers.items():
        if value <= 0:
            raise InputError(f"{name} must be greater than 0, and it is {value}: see `--list` for its default.")


def _flat(ask):
    """[(names, rule)] by which the first layers give all their inputs the same share."""
    return [(first_layers(ask.subject.merged), rules.Flat())]


def _box(ask, low, high):
    """[((name,), rule)] of the first layers for inputs x in [low, high]; an item beyond the bounds widens its own.

    The bounds pass through what stands before a layer (such as standardisation).
    """
    network, shape = ask.subject.merged, (-1,) + (1,) * (ask.x.ndim - 1)
    bounds = ask.x.flatten(1).amin(1).clamp(max=low), ask.x.flatten(1).amax(1).clamp(min=high)
    a, b = (_inputs_of(network, first_layers(network), bound.view(shape).expand_as(ask.x)) for bound in bounds)
    return [((name,), rules.ZBox(torch.minimum(a[name], b[name]), torch.maximum(a[name], b[name]))) for name in a]


def _inputs_of(network, names, x):
    """{name: the input of this layer} when the network sees x."""
    inputs, layers = {}, {name: network.get_submodule(name) for name in names}
    record = lambda name: lambda _, given: inputs.update({name: given[0]})  # noqa: E731
    hooks = [layer.register_forward_pre_hook(record(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    return inputs


# ---- layer-wise relevance propagation ---------------------------------------------------------------------------


@method("propagation", "LRP-epsilon", BACH, "share in the score; biases keep a part", keeps=True, needs=NEEDS)
def lrp_epsilon(ask, *, epsilon=1e-6):
    """Relevance by the epsilon rule in all layers; without biases it sums to the score.

    epsilon: > 0, added to each denominator; the larger it is, the more small and contradictory shares are absorbed.
    """
    _check_positive(epsilon=epsilon)
    layers = [*composites.layer_map_base(), (types.Linear, rules.Epsilon(epsilon))]
    return _propagate(ask, composites.LayerMapComposite(layers))


@method(
    "propagation",
    "LRP epsilon-plus",
    KOHLBRENNER,
    "share in the score by what speaks for it",
    keeps="positive",
    needs=NEEDS,
)
def lrp_epsilon_plus(ask, *, epsilon=1e-6):
    """Relevance by the z-plus rule in convolutions and the epsilon rule in linear layers."""
    _check_positive(epsilon=epsilon)
    return _propagate(ask, composites.EpsilonPlus(epsilon))


@method(
    "propagation",
    "LRP epsilon-plus, flat",
    KOHLBRENNER,
    "as LRP epsilon-plus, but even within each window of the first layer",
    keeps="positive",
    needs=NEEDS,
)
def lrp_epsilon_plus_flat(ask, *, epsilon=1e-6):
    """As LRP epsilon-plus, but the first layers give all their inputs the same share, whatever their values."""
    _check_positive(epsilon=epsilon)
    return _propagate(ask, composites.EpsilonPlus(epsilon), _flat(ask))


@method(
    "propagation",
    "LRP epsilon-alpha2-beta1",
    KOHLBRENNER,
    "twice what speaks for the score, less what speaks against it",
    needs=NEEDS,
)
def lrp_epsilon_alpha2_beta1(ask, *, epsilon=1e-6):
    """Relevance by the rule alpha 2, beta 1 in convolutions and the epsilon rule in linear layers.

    A unit whose inputs are all in its favour has nothing to subtract and passes on twice its relevance.
    """
    _check_positive(epsilon=epsilon)
    return _propagate(ask, composites.EpsilonAlpha2Beta1(epsilon))


@method(
    "propagation",
    "LRP epsilon-alpha2-beta1, flat",
    KOHLBRENNER,
    "as LRP epsilon-alpha2-beta1, but even within each window of the first layer",
    needs=NEEDS,
)
def lrp_epsilon_alpha2_beta1_flat(ask, *, epsilon=1e-6):
    """As LRP epsilon-alpha2-beta1, but the first layers give all their inputs the same share, whatever their values."""
    _check_positive(epsilon=epsilon)
    return _propagate(ask, composites.EpsilonAlpha2Beta1(epsilon), _flat(ask))


@method(
    "propagation",
    "LRP epsilon-gamma-box",
    MONTAVON,
    "share in the score, evidence for it weighted more, for inputs within bounds",
    keeps=True,
    needs=NEEDS,
)
def lrp_epsilon_gamma_box(ask, *, epsilon=1e-6, gamma=0.25, low=0.0, high=1.0):
    """Relevance by the box rule in the first layers, then the gamma rule in convolutions and epsilon in linear layers.

    gamma: > 0, how much positive contributions to a unit are favoured. low, high: the bounds of x; an item beyond them
    has wider bounds of its own. InputError for bounds in the wrong order.
    """
    _check_positive(epsilon=epsilon, gamma=gamma)
    if low >= high:
        raise InputError(f"The lowest value of the input, {low}, must be below the highest, {high}.")
    layers = [(types.Convolution, rules.Gamma(gamma)), (nn.Linear, rules.Epsilon(epsilon))]
    return _propagate(ask, composites.LayerMapComposite([*composites.layer_map_base(), *layers]), _box(ask, low, high))


# ---- excitation backpropagation ---------------------------------------------------------------------------------


def _excitation(ask, network=None):
    """The marginal winning probability of each input value, from the explained logit down: (B, C, *places), sum 1.

    Biases are no neurons and win nothing.
    """
    network = ask.subject.merged if network is None else network
    composite = composites.ExcitationBackprop(zero_params="bias")
    certain = F.one_hot(ask.target, ask.subject.outputs).float()
    maps = _propagate(ask, composite, start=certain, network=network)
    if not ask.subject.binary or bool(ask.target.all()):
        return maps
    negated = _propagate(ask, composite, start=certain, network=_with_negated_head(network))  # what speaks for class 0
    return torch.where(ask.target.view(-1, *[1] * (maps.ndim - 1)) == 1, maps, negated)


def _with_negated_head(network):
    """A copy of a merged network with the weights of its last layer negated: logits for "not this class".

    The other layers are shared. Refusal if there is no layer with weights.
    """
    negated = fx.GraphModule(network, copy.deepcopy(network.graph))
    layers = [node for node, has_weights in _nodes_with_weights(network) if has_weights]
    if not layers:
        raise Refusal("it negates the last layer with weights, and this network has none")
    layer = copy.deepcopy(network.get_submodule(layers[-1].target))
    layer.weight = nn.Parameter(-layer.weight.detach())
    replace_module(negated, layers[-1], layer)
    return negated


def _normalise(maps):
    """Maps (B, C, ...) divided by their sums; maps with the sum 0 stay as they are."""
    total = maps.flatten(1).sum(1).view(-1, *[1] * (maps.ndim - 1))
    return maps / torch.where(total == 0, 1, total)


@method(
    "propagation",
    "Excitation backpropagation",
    ZHANG,
    "marginal winning probability, from the score down",
    needs=(*NEEDS, "relu"),
    flag="hardly changes with the class, or when the last layers are randomised (Sixt et al. 2020)",
)
def excitation_backprop(ask):
    """The marginal winning probability of each input value; it sums to 1 and is >= 0 where the input is."""
    return _excitation(ask)


@method(
    "propagation",
    "Contrastive excitation backpropagation",
    ZHANG,
    "marginal winning probability for this class less that for its opposite",
    needs=(*NEEDS, "relu"),
)
def contrastive_excitation_backprop(ask):
    """The marginal winning probability less that with a negated last layer; it sums to 0.

    The paper subtracts at the layer before the last. Since the pass down is linear, the difference may be taken at its
    end, as here.
    """
    return _normalise(_excitation(ask)) - _normalise(_excitation(ask, _with_negated_head(ask.subject.merged)))
