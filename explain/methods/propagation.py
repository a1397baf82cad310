"""Layer-wise relevance propagation and excitation backpropagation, by zennit, on the network without batch norms."""

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

BACH = "Bach et al. 2015, doi 10.1371/journal.pone.0130140"
KOHLBRENNER = "Kohlbrenner et al. 2020, arXiv 1910.09840"
MONTAVON = "Montavon et al. 2019, doi 10.1007/978-3-030-28954-6_10"
ZHANG = "Zhang et al. 2016, arXiv 1608.00507"
NEEDS = ("gradient", "relevance")

RULES = {  # of steps without weights that zennit has no rule for: relevance goes on unchanged, or is shared out
    "pass": (*graph.OWN, *graph.NORMS),
    "norm": (graph.Places, nn.Upsample, graph.Sum, *graph.AVERAGES),
}


# ---- which rule for which step ----------------------------------------------------------------------------------


def _rule_of(module):
    """What a step does to relevance: "pass" or "norm", by its attribute `relevance_rule` or its kind; "" for others.

    Refusal for an attribute that asks for anything else.
    """
    rule = getattr(module, "relevance_rule", None) or next((r for r in RULES if isinstance(module, RULES[r])), "")
    if rule and rule not in RULES:
        raise Refusal(
            f"{type(module).__name__} has the relevance rule {rule!r}, and there are only {' and '.join(RULES)}"
        )
    return rule


def _own_rules(network):
    """[(names, rule)] for the steps of a merged network that zennit's composites do not know."""
    names = {"pass": [], "norm": [], "": []}
    for node in network.graph.nodes:
        if node.op == "call_module":
            names[_rule_of(network.get_submodule(node.target))].append(node.target)
    return [(names["pass"], rules.Pass()), (names["norm"], rules.Norm())]


def _weighted(network):
    """[(node, has it weights?)] of a traced network: convolutions and linear layers have."""
    is_layer = lambda n: n.op == "call_module" and isinstance(network.get_submodule(n.target), types.Linear)  # noqa: E731
    return [(node, is_layer(node)) for node in network.graph.nodes]


def entries(network):
    """Names of the layers with weights that see the input before any other such layer has: the "first" layers.

    zennit takes the first in the order in which modules were made, which need not be the order of the computation.
    """
    found, beyond = [], set()
    for node, layer in _weighted(network):
        after = not beyond.isdisjoint(node.all_input_nodes)
        if layer and not after:
            found.append(node.target)
        if layer or after:
            beyond.add(node)
    return found


# ---- one pass back ----------------------------------------------------------------------------------------------


def _propagate(ask, base, first=(), start=None, network=None):
    """Relevance (B, C, ...) of the input under the composite `base`; all hooks are gone afterwards.

    first: [(names, rule)] of the first layers, where they have one of their own. start: relevance of the logits (B, K),
    by default the explained logit itself. network: the merged network, or one made from it.
    """
    network = ask.subject.merged if network is None else network
    only = F.one_hot(ask.target, ask.subject.outputs)
    found = Gradient(network, _for_steps(network, base, first))
    return found(ask.x, (lambda logits: only * logits) if start is None else start)[1]


def _for_steps(network, base, first):
    """A composite of the rules `first`, the own ones and those of `base`, for the steps only: a step with a rule of
    its own may hold other modules, which are not asked.
    """
    steps = {node.target for node in network.graph.nodes if node.op == "call_module"}
    named = composites.NameMapComposite([*first, *_own_rules(network)])
    each = composites.MixedComposite([named, base]).mapping
    return Composite(module_map=lambda context, name, module: each(context, name, module) if name in steps else None)


def _positive(**numbers):
    """InputError unless all these parameters are greater than 0."""
    for name, value in numbers.items():
        if value <= 0:
            raise InputError(f"{name} must be greater than 0, and it is {value}: see `--list` for its default.")


def _flat(ask):
    """The first layers, each of whose inputs gets the same share."""
    return [(entries(ask.subject.merged), rules.Flat())]


def _box(ask, low, high):
    """[((name,), rule)] of the first layers for inputs x in [low, high], or as far as an item goes beyond.

    What stands before a layer (such as standardisation) is done to the bounds as well.
    """
    network, shape = ask.subject.merged, (-1,) + (1,) * (ask.x.ndim - 1)
    ends = ask.x.flatten(1).amin(1).clamp(max=low), ask.x.flatten(1).amax(1).clamp(min=high)
    one, other = (_inputs(network, entries(network), end.view(shape).expand_as(ask.x)) for end in ends)
    return [((n,), rules.ZBox(torch.minimum(one[n], other[n]), torch.maximum(one[n], other[n]))) for n in one]


def _inputs(network, names, x):
    """name -> what the layer called so is given when the network sees x."""
    found, layers = {}, {name: network.get_submodule(name) for name in names}
    note = lambda name: lambda _, given: found.update({name: given[0]})  # noqa: E731
    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    return found


# ---- layer-wise relevance propagation ---------------------------------------------------------------------------


@method("propagation", "LRP-epsilon", BACH, "share in the score, less what the biases took", needs=NEEDS)
def lrp_epsilon(ask, *, epsilon=1e-6):
    """Relevance (B, C, ...) by the epsilon rule everywhere: without biases its sum is the score.

    epsilon: what is added to each denominator, > 0; the greater, the less of small and contradictory shares is left.
    """
    _positive(epsilon=epsilon)
    layers = [*composites.layer_map_base(), (types.Linear, rules.Epsilon(epsilon))]
    return _propagate(ask, composites.LayerMapComposite(layers))


@method("propagation", "LRP epsilon-plus", KOHLBRENNER, "share in the score by what speaks for it", needs=NEEDS)
def lrp_epsilon_plus(ask, *, epsilon=1e-6):
    """Relevance (B, C, ...) by the z-plus rule in convolutions, by the epsilon rule in linear layers."""
    _positive(epsilon=epsilon)
    return _propagate(ask, composites.EpsilonPlus(epsilon))


@method(
    "propagation",
    "LRP epsilon-plus, flat",
    KOHLBRENNER,
    "the same, spread evenly over each first window",
    needs=NEEDS,
)
def lrp_epsilon_plus_flat(ask, *, epsilon=1e-6):
    """The same, but the first layers share out evenly: no input value counts by what it is (B, C, ...)."""
    _positive(epsilon=epsilon)
    return _propagate(ask, composites.EpsilonPlus(epsilon), _flat(ask))


@method(
    "propagation",
    "LRP epsilon-alpha2-beta1",
    KOHLBRENNER,
    "twice what speaks for the score, less what speaks against it",
    needs=NEEDS,
)
def lrp_epsilon_alpha2_beta1(ask, *, epsilon=1e-6):
    """Relevance (B, C, ...) by alpha 2, beta 1 in convolutions, by the epsilon rule in linear layers.

    A unit whose inputs all speak for it has nothing to subtract, and hands down twice what it got.
    """
    _positive(epsilon=epsilon)
    return _propagate(ask, composites.EpsilonAlpha2Beta1(epsilon))


@method(
    "propagation",
    "LRP epsilon-alpha2-beta1, flat",
    KOHLBRENNER,
    "the same, spread evenly over each first window",
    needs=NEEDS,
)
def lrp_epsilon_alpha2_beta1_flat(ask, *, epsilon=1e-6):
    """The same, but the first layers share out evenly: no input value counts by what it is (B, C, ...)."""
    _positive(epsilon=epsilon)
    return _propagate(ask, composites.EpsilonAlpha2Beta1(epsilon), _flat(ask))


@method(
    "propagation",
    "LRP epsilon-gamma-box",
    MONTAVON,
    "share in the score, what speaks for it favoured, input within bounds",
    needs=NEEDS,
)
def lrp_epsilon_gamma_box(ask, *, epsilon=1e-6, gamma=0.25, low=0.0, high=1.0):
    """Relevance (B, C, ...) by the gamma rule in convolutions, the epsilon rule in linear layers, the box rule first.

    gamma: how much what speaks for a unit is favoured, > 0. low, high: the bounds of x; an item beyond them widens its
    own. The first layers may be linear ones, too. InputError for bounds in the wrong order.
    """
    _positive(epsilon=epsilon, gamma=gamma)
    if low >= high:
        raise InputError(f"The lowest value of the input, {low}, must be below the highest, {high}.")
    layers = [(types.Convolution, rules.Gamma(gamma)), (nn.Linear, rules.Epsilon(epsilon))]
    return _propagate(ask, composites.LayerMapComposite([*composites.layer_map_base(), *layers]), _box(ask, low, high))


# ---- excitation backpropagation ---------------------------------------------------------------------------------


def _excitation(ask, network=None):
    """The probability of each input value to win, going down from the explained logit: (B, C, ...), its sum 1.

    Biases are no neurons, so they win nothing.
    """
    certain = F.one_hot(ask.target, ask.subject.outputs).float()
    return _propagate(ask, composites.ExcitationBackprop(zero_params="bias"), start=certain, network=network)


def _opposed(network):
    """A merged network with the weights of its last layer negated, the others shared: logits for "not this class"."""
    made = fx.GraphModule(network, copy.deepcopy(network.graph))
    layers = [node for node, layer in _weighted(network) if layer]
    if not layers:
        raise Refusal("it negates the last layer with weights, and this network has none")
    layer = copy.deepcopy(network.get_submodule(layers[-1].target))
    layer.weight = nn.Parameter(-layer.weight.detach())
    graph.replace(made, layers[-1], layer)
    return made


def _normalised(maps):
    """Maps (B, C, ...) with sum 1 each, or 0 where nothing arrived."""
    total = maps.flatten(1).sum(1).view(-1, *[1] * (maps.ndim - 1))
    return maps / torch.where(total == 0, 1, total)


@method(
    "propagation",
    "Excitation backpropagation",
    ZHANG,
    "probability to win on the way down from the score",
    needs=(*NEEDS, "relu"),
    flag="hardly changes with the class, or when the last layers are randomised (Sixt et al. 2020)",
)
def excitation_backprop(ask):
    """The probability to win of each input value (B, C, ...): not negative where the input is not, and of sum 1."""
    return _excitation(ask)


@method(
    "propagation",
    "Contrastive excitation backpropagation",
    ZHANG,
    "probability to win for this class less that for its opposite",
    needs=(*NEEDS, "relu"),
)
def contrastive_excitation_backprop(ask):
    """The probability to win less that under the negated last layer (B, C, ...): its sum is 0.

    The paper subtracts at the layer below the last; the way down is linear, so here it is done at its end.
    """
    return _normalised(_excitation(ask)) - _normalised(_excitation(ask, _opposed(ask.subject.merged)))
