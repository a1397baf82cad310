"""A traced network in which each call has its own copy of a layer, so that rules and merges apply to one call only."""

import copy

from torch import nn
from torch.nn.utils import parametrize
from zennit import types

from xaae.explain.method import Refusal


def own_layers(traced):
    """A copy of a traced network in which each call has its own module, with plain weights.

    Otherwise a layer that is called twice keeps the tensors of its last call only, and a batch norm after one call is
    merged into both. Relevance rules change the parameter `weight`: parametrized weights (such as spectral norm's)
    become plain parameters. Refusal where a hook computes the weights (the old `torch.nn.utils.weight_norm`).
    """
    if hooked := [f"{type(m).__name__} ({name})" for name, m in traced.named_modules() if _made_by_hook(m)]:
        raise Refusal(f"a hook makes the weights of {', '.join(hooked)}: use those of torch.nn.utils.parametrizations")
    copied, called = copy.deepcopy(traced), set()
    for node in [n for n in copied.graph.nodes if n.op == "call_module"]:
        name = f"{node.name}_own" if node.target in called else node.target
        if node.target in called or parametrize.is_parametrized(copied.get_submodule(node.target)):
            copied.set_submodule(name, _with_plain_weights(copied.get_submodule(node.target)))
        node.target = name
        called.add(name)
    return copied


def _made_by_hook(module):
    """Does a hook compute the weight of this convolution or linear layer before each call?"""
    if not isinstance(module, types.Linear) or parametrize.is_parametrized(module):
        return False
    return "weight" not in dict(module.named_parameters(recurse=False))


def _with_plain_weights(module):
    """A copy of a module whose parametrized weights are plain parameters with their present values."""
    copied = copy.deepcopy(module)
    if not parametrize.is_parametrized(module):
        return copied
    weights = {name: nn.Parameter(getattr(module, name).detach().clone()) for name in module.parametrizations}
    copied.__class__ = parametrize.type_before_parametrizations(module)  # torch's own removal changes the original
    del copied.parametrizations
    for name, weight in weights.items():
        setattr(copied, name, weight)
    return copied
