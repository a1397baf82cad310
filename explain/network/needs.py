"""What a method needs of the network, the input or the caller, and the sentence of the Refusal where it is missing."""

import operator

import torch
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR
from torch import nn

from xaae.experiment.kinds import PICTURE, kind_of
from xaae.explain.method import Refusal
from xaae.explain.network import graph as graphs
from xaae.explain.network import maxima

RESCALED = (*SUPPORTED_NON_LINEAR, *graphs.LINEAR, maxima.ReluMax)
LINEAR_FUNCTIONS = graphs.SHAPES | graphs.ADDS | {torch.sub, operator.sub}
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
OTHER_ACTIVATIONS = (
    nn.LeakyReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Softplus,
    nn.Tanh,
    nn.Sigmoid,
    nn.ReLU6,
)


def _gradient(ask):
    """Does a gradient reach the input?"""
    if not ask.subject.differentiable:
        raise Refusal("no gradient reaches the input of this network")


def _graph(ask):
    """Can the network be followed module by module?"""
    ask.subject.unrolled  # noqa: B018  (raises)


def _relevance(ask):
    """Can relevance be followed through every layer?"""
    ask.subject.merged  # noqa: B018  (raises)


def _rescale(ask):
    """Does DeepLift have a rule for every step? Without one captum takes the plain gradient, and the sums are wrong."""
    unknown = graphs.unsupported(ask.subject.rectified, RESCALED, LINEAR_FUNCTIONS)
    if any(getattr(m, "moves", False) for m in ask.network.modules()):
        unknown.append("a mask that moves with the input")
    if unknown:
        raise Refusal(f"DeepLift has no rule for {', '.join(unknown)}")


def _relu(ask):
    """Are all activations ReLU? The method changes ReLUs only: through any other the gradient would pass unchanged."""
    modules = list(ask.subject.unrolled.modules())
    others = sorted({type(m).__name__ for m in modules if isinstance(m, OTHER_ACTIVATIONS)})
    if others:
        raise Refusal(f"it is made for ReLU, and this network has {', '.join(others)}")
    if not any(isinstance(m, nn.ReLU) for m in modules):
        raise Refusal("it is made for ReLU, and this network has none")


def _layer(ask):
    """Is there a layer with a map of places?"""
    ask.subject.layer()


def _picture(ask):
    """Are the items pictures (B, C, H, W)?"""
    kind = kind_of(ask.x.shape)
    if kind is not PICTURE:
        raise Refusal(f"it is made for {PICTURE.plural}, and the items are {kind.plural}")


def _background(ask):
    """Were background items given?"""
    if ask.background is None or len(ask.background) < 2:
        raise Refusal("it needs a background set of at least two items (background=, or --background with a run)")


def _dropout(ask):
    """Does the network have dropout layers with a rate above 0?"""
    if not any(isinstance(m, DROPOUTS) and m.p > 0 for m in ask.network.modules()):
        raise Refusal("it needs dropout layers, and this network has none")


NEEDS = {  # name -> (check(ask), which raises Refusal; what is needed, in words)
    "gradient": (_gradient, "a differentiable network"),
    "graph": (_graph, "a network that torch.fx can trace"),
    "relevance": (_relevance, "layers with a relevance rule"),
    "rescale": (_rescale, "layers that DeepLift has rules for"),
    "relu": (_relu, "ReLU activations only"),
    "layer": (_layer, "a convolution"),
    "picture": (_picture, "pictures"),
    "background": (_background, "a background set"),
    "dropout": (_dropout, "dropout layers"),
}


def check_needs(method, ask):
    """Refusal if something is missing that a Method needs."""
    for name in method.needs:
        NEEDS[name][0](ask)
