"""What a method needs of a model, an input or its caller, and the sentence that refuses it where that is missing."""

import operator

import torch
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR
from torch import nn

from xaae.explain.method import Refusal
from xaae.explain.network import graph as graphs
from xaae.explain.network import maxima

RESCALED = (*SUPPORTED_NON_LINEAR, *graphs.LINEAR, maxima.ReluMax)
LINEAR_FUNCTIONS = graphs.SHAPES | graphs.ADDS | {torch.sub, operator.sub}
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
SQUASHES = (nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh, nn.Sigmoid, nn.ReLU6)


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
    """Has DeepLift a rule for every step? captum gives any other its plain gradient, and the sums come out wrong."""
    odd = graphs.unsupported(ask.subject.rectified, RESCALED, LINEAR_FUNCTIONS)
    if any(getattr(m, "moves", False) for m in ask.network.modules()):
        odd.append("a mask that moves with the input")
    if odd:
        raise Refusal(f"DeepLift has no rule for {', '.join(odd)}")


def _relu(ask):
    """Are all activations ReLU? A hook on ReLU leaves any other as it is and would draw a plain gradient."""
    found = list(ask.subject.unrolled.modules())
    odd = sorted({type(m).__name__ for m in found if isinstance(m, SQUASHES)})
    if odd:
        raise Refusal(f"it is made for ReLU, and this network has {', '.join(odd)}")
    if not any(isinstance(m, nn.ReLU) for m in found):
        raise Refusal("it is made for ReLU, and this network has none")


def _layer(ask):
    """Is there a layer with a map of places?"""
    ask.subject.layer()


def _picture(ask):
    """Is the input a picture (B, C, H, W)?"""
    if len(ask.places) != 2:
        kind = {1: "a signal", 3: "a volume"}.get(len(ask.places), "no picture")
        raise Refusal(f"it is made for pictures, and the input is {kind}")


def _background(ask):
    """Were background items given?"""
    if ask.background is None or len(ask.background) < 2:
        raise Refusal("it needs a background set of at least two items (background=, or --background with a run)")


def _dropout(ask):
    """Has the network dropout that is at work in training?"""
    if not any(isinstance(m, DROPOUTS) and m.p > 0 for m in ask.network.modules()):
        raise Refusal("it needs dropout layers, and this network has none")


NEEDS = {
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
    """Refusal if anything is missing that `method` needs."""
    for name in method.needs:
        NEEDS[name][0](ask)
