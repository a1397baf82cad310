"""A traced network in which every call has a layer of its own: rules and merges belong to one call, not to two."""

import copy

from torch import nn
from torch.nn.utils import parametrize
from zennit import types

from xaae.explain.method import Refusal


def own_layers(traced):
    """A copy of a traced network, each of its calls with a module of its own, with plain weights.

    A layer that is called twice would otherwise keep the tensors of its last call only, and a batch norm after one
    call would be merged into both. Rules change the parameter `weight`, so it must be one: parametrizations (such as
    spectral norm) are worked in. Refusal where a hook makes the weights (the old `torch.nn.utils.weight_norm`).
    """
    if odd := [f"{type(m).__name__} ({name})" for name, m in traced.named_modules() if _made_by_hook(m)]:
        raise Refusal(f"a hook makes the weights of {', '.join(odd)}: use those of torch.nn.utils.parametrizations")
    made, met = copy.deepcopy(traced), set()
    for node in [n for n in made.graph.nodes if n.op == "call_module"]:
        name = f"{node.name}_own" if node.target in met else node.target
        if node.target in met or parametrize.is_parametrized(made.get_submodule(node.target)):
            made.set_submodule(name, _plain(made.get_submodule(node.target)))
        node.target = name
        met.add(name)
    return made


def _made_by_hook(module):
    """Is the weight of this convolution or linear layer worked out by a hook before each call?"""
    if not isinstance(module, types.Linear) or parametrize.is_parametrized(module):
        return False
    return "weight" not in dict(module.named_parameters(recurse=False))


def _plain(module):
    """A copy whose parametrized weights are parameters with their present values."""
    made = copy.deepcopy(module)
    if not parametrize.is_parametrized(module):
        return made
    weights = {name: nn.Parameter(getattr(module, name).detach().clone()) for name in module.parametrizations}
    made.__class__ = parametrize.type_before_parametrizations(module)  # torch's own removal would change the original
    del made.parametrizations
    for name, weight in weights.items():
        setattr(made, name, weight)
    return made
