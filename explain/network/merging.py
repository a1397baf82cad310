"""A traced network for relevance propagation: each call has its own layer, batch norms are merged, sums are modules."""

import copy

import torch
from torch import fx, nn
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from zennit import types
from zennit.layer import Sum

from xaae.explain.method import Refusal
from xaae.explain.network.graph import ADDS, NORMS, QUIET, call_module, unsupported


def merge(unrolled):
    """A copy of an unrolled network in which sums are modules and batch norms are merged into their neighbours.

    A batch norm without a layer with weights beside it stays. Refusal that names every step through which relevance
    cannot be followed.
    """
    merged = _own_layers(unrolled)
    for node in list(merged.graph.nodes):
        tensors = all(isinstance(a, fx.Node) for a in node.args[:2]) and not node.kwargs
        if node.op == "call_function" and node.target in ADDS and tensors:
            _add_as_module(merged, node)
        elif node.op == "call_module" and isinstance(merged.get_submodule(node.target), NORMS):
            _merge_norm(merged, node)
    merged.graph.lint()
    merged.recompile()
    merged.delete_all_unused_submodules()
    if unknown := unsupported(merged):
        raise Refusal(f"relevance cannot be followed through {', '.join(unknown)}")
    return merged.eval()


def without_biases(merged):
    """A copy of a merged network whose biases are 0; None if there are none."""
    is_bias = lambda m: isinstance(getattr(m, "bias", None), nn.Parameter)  # noqa: E731
    if not any(m.bias.any() for m in merged.modules() if is_bias(m)):
        return None
    bare = copy.deepcopy(merged)
    for module in filter(is_bias, bare.modules()):
        module.bias = nn.Parameter(torch.zeros_like(module.bias))
    return bare


def _add_as_module(merged, node):
    """Let `node` compute a + b by a module, so that a rule can share the relevance between a and b."""
    with merged.graph.inserting_before(node):
        same_shape = merged.graph.call_function(torch.broadcast_tensors, node.args[:2])
        stacked = merged.graph.call_function(torch.stack, (same_shape, -1))
    call_module(merged, node, Sum(dim=-1), (stacked,))


def _merge_norm(merged, node):
    """Merge a batch norm into the layer with weights before it, else into the linear layer after it, else leave it."""
    norm, before = _with_weights(merged.get_submodule(node.target)), node.args[0]
    layer = merged.get_submodule(before.target) if before.op == "call_module" else None
    if len(before.users) == 1 and isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
        fuse = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
        replace_module(merged, before, fuse(layer, norm))
    elif isinstance(norm, nn.BatchNorm1d) and (after := _linear_after(merged, node)) is not None:
        replace_module(merged, after, norm_then_linear(norm, merged.get_submodule(after.target)))
    else:
        return
    node.replace_all_uses_with(before)
    merged.graph.erase_node(node)


def _with_weights(norm):
    """A batch norm with weight and bias: 1 and 0 where it has none."""
    if norm.weight is not None:
        return norm
    copied = copy.deepcopy(norm)
    copied.weight, copied.bias = (nn.Parameter(f(norm.running_var)) for f in (torch.ones_like, torch.zeros_like))
    return copied


def replace_module(merged, node, module):
    """Replace the module that `node` calls by another one."""
    parent, _, name = node.target.rpartition(".")
    setattr(merged.get_submodule(parent), name, module.eval())


def _linear_after(merged, node):
    """The node of the linear layer that is the only one to use this node's output (B, C); None if there is none.

    Dropout may stand between them.
    """
    while len(node.users) == 1:
        node = next(iter(node.users))
        module = merged.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(module, nn.Linear):
            return node
        if not isinstance(module, QUIET):
            return None
    return None


def norm_then_linear(norm, linear):
    """One linear layer for `linear(norm(x))` with the norm's running statistics."""
    scale = (norm.running_var + norm.eps).rsqrt() * norm.weight
    shift = norm.bias - norm.running_mean * scale
    merged = copy.deepcopy(linear)
    bias = linear.weight @ shift + (0 if linear.bias is None else linear.bias)
    merged.weight, merged.bias = nn.Parameter(linear.weight * scale), nn.Parameter(bias)
    return merged


# ---- a layer for each call --------------------------------------------------------------------------------------


def _own_layers(traced):
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
