"""A network as a graph of single modules: what DeepLift, guided backpropagation and relevance propagation hook into.

Many networks use one ReLU twice, write in place, or call functions where a library looks for modules. Each of these
gives wrong maps without an error. `unroll` corrects them for every network that torch.fx can trace; `unsupported` names
the steps that a method cannot follow.
"""

import copy
import operator

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from zennit import types
from zennit.layer import Sum

from xaae.explain.method import Refusal
from xaae.model import Affine, Standardise

POOLS = (nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd)
POOLS += (nn.modules.pooling._AdaptiveMaxPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd)
VALUE_BY_VALUE = (Affine, Standardise)  # ours: relevance passes through them unchanged
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
PADS = (nn.modules.padding._ConstantPadNd,)  # relevance passes through them by the plain gradient
QUIET = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Identity)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh, nn.ReLU6)


class Places(nn.Module):
    """Sum or mean of x (B, C, ...) over dimensions `dims`."""

    def __init__(self, how, dims, keep):
        super().__init__()
        self.how, self.dims, self.keep = how, dims, keep

    def forward(self, x):
        return getattr(torch, self.how)(x, self.dims, keepdim=self.keep)


FUNCTIONS = {  # function -> what makes a module that does the same, from the function's arguments after x
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
    F.relu6: lambda inplace=False: nn.ReLU6(),
    F.selu: lambda inplace=False: nn.SELU(),
    F.celu: lambda alpha=1.0, inplace=False: nn.CELU(alpha),
    F.softmax: lambda dim=None, **_: nn.Softmax(dim),
    torch.softmax: lambda dim, dtype=None: nn.Softmax(dim),
    F.log_softmax: lambda dim=None, **_: nn.LogSoftmax(dim),
    torch.log_softmax: lambda dim, dtype=None: nn.LogSoftmax(dim),
    F.dropout1d: lambda p=0.5, training=True, inplace=False: nn.Dropout1d(p),
    F.dropout2d: lambda p=0.5, training=True, inplace=False: nn.Dropout2d(p),
    F.dropout3d: lambda p=0.5, training=True, inplace=False: nn.Dropout3d(p),
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
TENSOR_METHODS = {
    name: getattr(torch, name) for name in "relu tanh sigmoid softmax log_softmax mean sum flatten".split()
}

ADDS = {operator.add, operator.iadd, torch.add}
DIVISIONS = {operator.truediv, torch.div}
ARITHMETIC = {operator.sub, operator.mul, torch.sub, torch.mul} | ADDS | DIVISIONS


class Step(nn.Module):
    """Arithmetic of x with numbers, such as x / 255 or 1 - x: relevance passes through it unchanged.

    function: of the arguments args, in which a graph node stands for x.
    """

    relevance_rule = "pass"

    def __init__(self, function, args):
        super().__init__()
        self.function, self.args = function, tuple(None if isinstance(a, fx.Node) else a for a in args)

    def forward(self, x):
        return self.function(*(x if a is None else a for a in self.args))


def _is_linear_arithmetic(node):
    """Does this node add, subtract, multiply or divide one tensor and a number, so that it is linear in the tensor?"""
    if node.op != "call_function" or node.target not in ARITHMETIC:
        return False
    tensors = [isinstance(a, fx.Node) for a in node.args]
    linear = not node.kwargs and (tensors[0] or node.target not in DIVISIONS)
    return linear and sum(tensors) == 1 and "tensor_meta" in node.meta


class _Tracer(fx.Tracer):
    """Traces a network down to torch's own modules and ours."""

    def is_leaf_module(self, m, qualified_name):
        """Is this module one step? A module with a relevance rule is: the rule holds for the whole of it."""
        return (
            isinstance(m, VALUE_BY_VALUE) or hasattr(m, "relevance_rule") or super().is_leaf_module(m, qualified_name)
        )


def unroll(network, x):
    """`network` as a GraphModule in evaluation mode, with the same weights: each step is one module that is called once
    and writes nothing in place.

    x: items (B, C, *places); their shape decides the windows of adaptive pools. Refusal if the network cannot be
    traced, as when its Python code branches on values.
    """
    try:
        traced = fx.GraphModule(network, _Tracer().trace(network))
        ShapeProp(traced).propagate(x)
    except Exception as e:  # tracing runs the user's own code: anything can be raised
        why = " ".join(str(e).split())[:120]
        raise Refusal(f"it has to follow the network module by module, and this one cannot be traced ({why})") from e
    for node in list(traced.graph.nodes):
        module = _module_for(traced, node)
        if module is not None:
            call_module(traced, node, module.train(False))
    traced.graph.lint()
    traced.recompile()
    traced.delete_all_unused_submodules()
    return traced.eval()


def _module_for(traced, node):
    """The new module that a node should call; None if the node may stay as it is."""
    if node.op == "call_module":
        return _own_copy(traced.get_submodule(node.target), node)
    if _is_linear_arithmetic(node):
        return Step(node.target, node.args)
    return _module_of_function(node)


def _own_copy(module, node):
    """A copy of an activation, pool or dropout for one node; None for any other module."""
    if isinstance(module, nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d | nn.AdaptiveMaxPool3d):
        return _plain_max_pool(module, node)
    if isinstance(module, ACTIVATIONS + POOLS + QUIET):
        return _copy_not_in_place(module)
    return None


def _module_of_function(node):
    """The module that does the same as the function or tensor method that a node calls; None if there is none."""
    function = TENSOR_METHODS.get(node.target) if node.op == "call_method" else node.target
    if node.op not in ("call_function", "call_method") or function not in FUNCTIONS or not node.args:
        return None
    if any(isinstance(a, fx.Node) for a in [*node.args[1:], *node.kwargs.values()]):  # sizes that depend on the input
        return None
    options = {k: v for k, v in node.kwargs.items() if k not in ("input", "dtype")}
    try:
        return FUNCTIONS[function](*node.args[1:], **options)
    except TypeError:  # an argument that the module does not have
        return None


def _plain_max_pool(module, node):
    """The max pool that does the same at this size as an adaptive one; libraries know only the plain one."""
    before, after = node.args[0].meta["tensor_meta"].shape[2:], node.meta["tensor_meta"].shape[2:]
    if any(b % a for b, a in zip(before, after, strict=True)):  # windows of different sizes
        return _copy_not_in_place(module)
    kernel = tuple(b // a for b, a in zip(before, after, strict=True))
    return getattr(nn, type(module).__name__.removeprefix("Adaptive"))(kernel)


def _copy_not_in_place(module):
    """A copy of a module that writes nothing in place."""
    copied = copy.deepcopy(module)
    if hasattr(copied, "inplace"):
        copied.inplace = False
    return copied


def call_module(traced, node, module, inputs=None):
    """Replace `node` by a call of `module`, a new submodule under the node's name.

    inputs: nodes, by default the first one that `node` takes.
    """
    name = f"{node.name}_step"
    traced.add_submodule(name, module)
    with traced.graph.inserting_before(node):
        new = traced.graph.call_module(name, inputs or (next(a for a in node.args if isinstance(a, fx.Node)),))
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    traced.graph.erase_node(node)


# ---- which steps are known --------------------------------------------------------------------------------------

AVERAGES = (nn.modules.pooling._AvgPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd)
LINEAR = (*VALUE_BY_VALUE, *NORMS, *QUIET, *AVERAGES, *PADS, Places, Sum, nn.Flatten, nn.Unflatten, nn.Upsample)
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


def unsupported(network, modules=FOLLOWED, functions=SHAPES):
    """Names of the steps of a traced network that are not known, each once; [] if all are.

    Known are layers with weights, modules with a relevance rule of their own, `modules`, `functions`, and tensor
    methods that only change the shape.
    """
    names = [_name_if_unknown(network, node, modules, functions) for node in network.graph.nodes]
    return list(dict.fromkeys(name for name in names if name))


def _name_if_unknown(network, node, modules, functions):
    """What this step is called in a Refusal; "" for a known one."""
    if node.op == "call_module":
        module = network.get_submodule(node.target)
        known = isinstance(module, (*modules, types.Linear)) or hasattr(module, "relevance_rule")
        return "" if known else f"{type(module).__name__} ({node.target})"
    if node.op == "call_function" and node.target not in functions:
        return f"the function {getattr(node.target, '__name__', node.target)}"
    if node.op == "call_method" and node.target not in SHAPE_METHODS:
        return f"the method {node.target}"
    return f"the constant {node.target}" if node.op == "get_attr" else ""
