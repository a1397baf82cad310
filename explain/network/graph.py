"""A network as a graph of single modules: what DeepLift, guided backpropagation and relevance propagation hook into.

Networks reuse one ReLU, write in place, call functions where a library looks for modules: all of it silently spoils
methods that hook modules. `unroll` mends that for every network that torch.fx can trace; `merge` goes on to what
relevance propagation needs, and says what it cannot follow.
"""

import copy
import operator

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from zennit import types
from zennit.layer import Sum

from xaae.explain.method import Refusal
from xaae.explain.network.calls import own_layers
from xaae.model import Affine, Standardise

POOLS = (nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd)
POOLS += (nn.modules.pooling._AdaptiveMaxPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd)
OWN = (Affine, Standardise)  # value by value: relevance passes through them unchanged
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
QUIET = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Identity)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh, nn.ReLU6)


class Places(nn.Module):
    """Sum or mean of x (B, C, ...) over dimensions `dims`."""

    def __init__(self, how, dims, keep):
        super().__init__()
        self.how, self.dims, self.keep = how, dims, keep

    def forward(self, x):
        return getattr(torch, self.how)(x, self.dims, keepdim=self.keep)


FUNCTIONS = {  # function -> the module that does the same
    F.relu: lambda inplace=False: nn.ReLU(),
    torch.relu: lambda: nn.ReLU(),
    F.leaky_relu: lambda negative_slope=0.01, inplace=False: nn.LeakyReLU(negative_slope),
    F.elu: lambda alpha=1.0, inplace=False: nn.ELU(alpha),
    F.gelu: lambda approximate="none": nn.GELU(approximate),
    F.silu: lambda inplace=False: nn.SiLU(),
    F.softplus: lambda beta=1, threshold=20: nn.Softplus(beta, threshold),
    F.tanh: lambda: nn.Tanh(),
    torch.tanh: lambda: nn.Tanh(),
    torch.sigmoid: lambda: nn.Sigmoid(),
    F.sigmoid: lambda: nn.Sigmoid(),
    F.dropout: lambda p=0.5, training=True, inplace=False: nn.Dropout(p),
    F.interpolate: lambda size=None, scale_factor=None, mode="nearest", align_corners=None, **_: nn.Upsample(
        size, scale_factor, mode, align_corners
    ),
    torch.flatten: lambda start_dim=0, end_dim=-1: nn.Flatten(start_dim, end_dim),
    torch.mean: lambda dim, keepdim=False: Places("mean", dim, keepdim),
    torch.sum: lambda dim, keepdim=False: Places("sum", dim, keepdim),
}
for n in (1, 2, 3):
    for kind in ("max", "avg", "adaptive_avg"):
        pool = getattr(nn, f"{kind.title().replace('_', '')}Pool{n}d")
        FUNCTIONS[getattr(F, f"{kind}_pool{n}d")] = pool
METHODS = {name: getattr(torch, name) for name in ("relu", "tanh", "sigmoid", "mean", "sum", "flatten")}

ADDS = {operator.add, operator.iadd, torch.add}
DIVISIONS = {operator.truediv, torch.div}
ARITHMETIC = {operator.sub, operator.mul, torch.sub, torch.mul} | ADDS | DIVISIONS


class Step(nn.Module):
    """Arithmetic of x with numbers, such as x / 255 or 1 - x: relevance passes through it unchanged."""

    relevance_rule = "pass"

    def __init__(self, function, args):
        super().__init__()
        self.function, self.args = function, tuple(None if isinstance(a, fx.Node) else a for a in args)

    def forward(self, x):
        return self.function(*(x if a is None else a for a in self.args))


def _with_numbers(node):
    """Is this arithmetic of one tensor with numbers, and linear in the tensor?"""
    tensors = [isinstance(a, fx.Node) for a in node.args]
    linear = not node.kwargs and (tensors[0] or node.target not in DIVISIONS)
    return linear and sum(tensors) == 1 and "tensor_meta" in node.meta


class Tracer(fx.Tracer):
    """Follows a network down to torch's own modules and ours."""

    def is_leaf_module(self, m, qualified_name):
        """Stop at this module? Its relevance rule, where it has one, is for the whole of it."""
        return isinstance(m, OWN) or hasattr(m, "relevance_rule") or super().is_leaf_module(m, qualified_name)


def unroll(network, x):
    """`network` in evaluation mode as a GraphModule: each step one module, called once, nothing in place; same weights.

    x: items (B, C, ...) whose shape settles adaptive pools. Refusal if the network cannot be traced, which is so when
    its Python branches on values.
    """
    try:
        traced = fx.GraphModule(network, Tracer().trace(network))
        ShapeProp(traced).propagate(x)
    except Exception as e:  # tracing runs the user's own code: anything can be raised
        why = " ".join(str(e).split())[:120]
        raise Refusal(f"it has to follow the network module by module, and this one cannot be traced ({why})") from e
    for node in list(traced.graph.nodes):
        made = _module_for(traced, node)
        if made is not None:
            _put(traced, node, made.train(False))
    traced.graph.lint()
    traced.recompile()
    traced.delete_all_unused_submodules()
    return traced.eval()


def _module_for(traced, node):
    """The module of its own that a node should call; None if it may stay as it is."""
    if node.op == "call_module":
        module = traced.get_submodule(node.target)
        if isinstance(module, nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d | nn.AdaptiveMaxPool3d):
            return _whole_pool(module, node)
        if isinstance(module, ACTIVATIONS + POOLS + QUIET):
            return _fresh(module)
        return None
    if node.op == "call_function" and node.target in ARITHMETIC and _with_numbers(node):
        return Step(node.target, node.args)
    function = METHODS.get(node.target) if node.op == "call_method" else node.target
    if node.op not in ("call_function", "call_method") or function not in FUNCTIONS or not node.args:
        return None
    if any(isinstance(a, fx.Node) for a in [*node.args[1:], *node.kwargs.values()]):  # sizes worked out on the way
        return None
    given = {k: v for k, v in node.kwargs.items() if k not in ("input", "dtype")}
    try:
        return FUNCTIONS[function](*node.args[1:], **given)
    except TypeError:
        return None


def _whole_pool(module, node):
    """An adaptive maximum as the plain one that does the same at this size; libraries know only the plain one."""
    before, after = node.args[0].meta["tensor_meta"].shape[2:], node.meta["tensor_meta"].shape[2:]
    if any(b % a for b, a in zip(before, after, strict=True)):
        return _fresh(module)
    kernel = tuple(b // a for b, a in zip(before, after, strict=True))
    return getattr(nn, type(module).__name__.removeprefix("Adaptive"))(kernel)


def _fresh(module):
    """A copy that writes nothing in place."""
    made = copy.deepcopy(module)
    if hasattr(made, "inplace"):
        made.inplace = False
    return made


def _put(traced, node, module, inputs=None):
    """Let `node` call `module`, a new submodule under the node's name."""
    name = f"{node.name}_step"
    traced.add_submodule(name, module)
    with traced.graph.inserting_before(node):
        new = traced.graph.call_module(name, inputs or (next(a for a in node.args if isinstance(a, fx.Node)),))
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    traced.graph.erase_node(node)


# ---- what relevance propagation needs ---------------------------------------------------------------------------

AVERAGES = (nn.modules.pooling._AvgPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd)
LINEAR = (*OWN, *NORMS, *QUIET, *AVERAGES, Places, Sum, nn.Flatten, nn.Unflatten, nn.Upsample)
FOLLOWED = (*LINEAR, *POOLS, *ACTIVATIONS, nn.Sigmoid)
SHAPES = {
    torch.flatten,
    torch.cat,
    torch.reshape,
    torch.squeeze,
    torch.unsqueeze,
    torch.stack,
    torch.broadcast_tensors,
    operator.getitem,
    getattr,
}
SHAPE_METHODS = {"view", "reshape", "flatten", "squeeze", "unsqueeze", "size", "contiguous", "permute", "transpose"}


def merge(unrolled, x):
    """A copy of an unrolled network without batch norms where they can be merged, its sums modules.

    Refusal that names every step through which relevance cannot be followed.
    """
    merged = own_layers(unrolled)
    for node in list(merged.graph.nodes):
        tensors = all(isinstance(a, fx.Node) for a in node.args[:2]) and not node.kwargs
        if node.op == "call_function" and node.target in ADDS and tensors:
            _add_as_module(merged, node)
        elif node.op == "call_module" and isinstance(merged.get_submodule(node.target), NORMS):
            _merge_norm(merged, node)
    merged.graph.lint()
    merged.recompile()
    merged.delete_all_unused_submodules()
    if odd := unsupported(merged):
        raise Refusal(f"relevance cannot be followed through {', '.join(odd)}")
    return merged.eval()


def _add_as_module(merged, node):
    """a + b as a module, so that relevance is shared between them."""
    with merged.graph.inserting_before(node):
        alike = merged.graph.call_function(torch.broadcast_tensors, node.args[:2])
        stacked = merged.graph.call_function(torch.stack, (alike, -1))
    _put(merged, node, Sum(dim=-1), (stacked,))


def _merge_norm(merged, node):
    """Merge a batch norm into the linear layer before it, else into the one after it; else leave it."""
    norm, before = _weighted(merged.get_submodule(node.target)), node.args[0]
    layer = merged.get_submodule(before.target) if before.op == "call_module" else None
    if len(before.users) == 1 and isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
        fuse = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
        replace(merged, before, fuse(layer, norm))
    elif isinstance(norm, nn.BatchNorm1d) and (after := _linear_after(merged, node)) is not None:
        replace(merged, after, norm_then_linear(norm, merged.get_submodule(after.target)))
    else:
        return
    node.replace_all_uses_with(before)
    merged.graph.erase_node(node)


def _weighted(norm):
    """The batch norm with weights: ones and zeros where it has none."""
    if norm.weight is not None:
        return norm
    made = copy.deepcopy(norm)
    made.weight, made.bias = (nn.Parameter(f(norm.running_var)) for f in (torch.ones_like, torch.zeros_like))
    return made


def replace(merged, node, module):
    """Another module in the place of the one that `node` calls."""
    parent, _, name = node.target.rpartition(".")
    setattr(merged.get_submodule(parent), name, module.eval())


def _linear_after(merged, node):
    """The node of the linear layer that alone uses this one's output (B, C), dropout between them allowed."""
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
    made = copy.deepcopy(linear)
    bias = linear.weight @ shift + (0 if linear.bias is None else linear.bias)
    made.weight, made.bias = nn.Parameter(linear.weight * scale), nn.Parameter(bias)
    return made


def unsupported(network, modules=FOLLOWED, functions=SHAPES):
    """Names of the steps of a traced network that are none of these: [] if all are known."""
    odd = []
    for node in network.graph.nodes:
        if node.op == "call_module":
            module = network.get_submodule(node.target)
            known = isinstance(module, modules) or hasattr(module, "relevance_rule")
            if not (known or isinstance(module, types.Linear)):
                odd.append(f"{type(module).__name__} ({node.target})")
        elif node.op == "call_function" and node.target not in functions:
            odd.append(f"the function {getattr(node.target, '__name__', node.target)}")
        elif node.op == "call_method" and node.target not in SHAPE_METHODS:
            odd.append(f"the method {node.target}")
        elif node.op == "get_attr":
            odd.append(f"the constant {node.target}")
    return list(dict.fromkeys(odd))
