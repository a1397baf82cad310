"""The gradient family and its layer forms, by captum."""

import math
from dataclasses import replace

import torch
from captum import attr
from captum.log import log_usage

from xaae.explain.method import find_method, method
from xaae.explain.network import needs

SMILKOV = "Smilkov et al. 2017, arXiv 1706.03825"
SIMONYAN = "Simonyan et al. 2014, arXiv 1312.6034"
SUNDARARAJAN = "Sundararajan et al. 2017, arXiv 1703.01365"
SHRIKUMAR = "Shrikumar et al. 2017, arXiv 1704.02685"
LUNDBERG = "Lundberg and Lee 2017, arXiv 1705.07874"
FAST = {"needs": ("gradient",), "autocast": True}


def _rest(ask, baseline):
    """Baselines (B, C, ...) of one value everywhere."""
    return torch.full_like(ask.x, baseline)


# ---- on the input -----------------------------------------------------------------------------------------------


@method("gradient", "Saliency", SIMONYAN, "slope of the score at each value", shows="size", **FAST)
def saliency(ask):
    """Slope of the score at each value (B, C, ...), with its sign."""
    return attr.Saliency(ask.network).attribute(ask.x, ask.target, abs=False)


@method("gradient", "Input x gradient", SHRIKUMAR, "value times its slope: a first-order share", **FAST)
def input_x_gradient(ask):
    """Each value times its slope (B, C, ...): the first-order share of the score."""
    return attr.InputXGradient(ask.network).attribute(ask.x, ask.target)


class Base(attr.Attribution):
    """Any method of the registry in the form that captum's noise tunnel takes."""

    def __init__(self, ask, name):
        super().__init__(ask.network)
        self.ask, self.method = ask, find_method(name)
        needs.check_needs(self.method, ask)

    @log_usage()
    def attribute(self, inputs, target):
        """Maps of noisy inputs (N, C, ...) for targets (N,)."""
        return self.method.attribute(replace(self.ask, x=inputs.detach(), target=target))


def _noisy(ask, how, base, samples, sigma):
    """Maps of the method `base` for `samples` noisy copies of each item, gathered `how`.

    The noise is Gaussian, `sigma` times the range of the items' values. Without noise one copy is enough.
    """
    width = sigma * float(ask.x.max() - ask.x.min())
    if width == 0:
        return find_method(base).attribute(ask) if how == "smoothgrad" else torch.zeros_like(ask.x)
    at_once = max(1, ask.batch_size // len(ask.x))
    given = {"nt_type": how, "nt_samples": samples, "nt_samples_batch_size": at_once, "stdevs": width}
    return attr.NoiseTunnel(Base(ask, base)).attribute(ask.x, target=ask.target, **given)


@method("gradient", "SmoothGrad", SMILKOV, "mean map of noisy copies", shows="size", **FAST)
def smoothgrad(ask, *, samples=25, sigma=0.15, base="saliency"):
    """Mean map of `base` over `samples` copies with noise of `sigma` times the range of values."""
    return _noisy(ask, "smoothgrad", base, samples, sigma)


@method(
    "gradient", "VarGrad", "Adebayo et al. 2018, arXiv 1810.03307", "variance over noisy copies", shows="size", **FAST
)
def vargrad(ask, *, samples=25, sigma=0.15, base="saliency"):
    """Variance of the map of `base` over `samples` copies with noise of `sigma` times the range of values."""
    return _noisy(ask, "vargrad", base, samples, sigma)


@method(
    "gradient",
    "Integrated gradients",
    SUNDARARAJAN,
    "share in score less baseline's score",
    sums=True,
    needs=("gradient",),
)
def integrated_gradients(ask, *, steps=50, baseline=0.0):
    """Mean slope on the straight way from `baseline` (a number), in `steps`, times the difference to it."""
    found = attr.IntegratedGradients(ask.network)
    at_once = max(ask.batch_size, len(ask.x))
    return found.attribute(ask.x, baseline, ask.target, n_steps=steps, internal_batch_size=at_once)


@method(
    "gradient",
    "Guided backpropagation",
    "Springenberg et al. 2015, arXiv 1412.6806",
    "slope along paths that are positive both ways",
    shows="size",
    needs=("gradient", "graph", "relu"),
    flag="hardly changes when weights are randomised (Adebayo et al. 2018)",
)
def guided_backprop(ask):
    """The gradient without what is negative on the way back, at every ReLU that let the value through."""
    return attr.GuidedBackprop(ask.subject.unrolled).attribute(ask.x, ask.target)


@method(
    "gradient",
    "Deconvolution",
    "Zeiler and Fergus 2014, arXiv 1311.2901",
    "what the positive backward signal rebuilds",
    shows="size",
    needs=("gradient", "graph", "relu"),
    flag="hardly changes when weights are randomised (Adebayo et al. 2018)",
)
def deconvolution(ask):
    """The signal sent back through every ReLU as if it were an input: what is negative is dropped."""
    return attr.Deconvolution(ask.subject.unrolled).attribute(ask.x, ask.target)


@method(
    "gradient", "DeepLift", SHRIKUMAR, "share in score less baseline's score", sums=True, needs=("gradient", "rescale")
)
def deeplift(ask, *, baseline=0.0):
    """Rescale rule: differences to `baseline` (a number) shared out layer by layer; sums to the score's difference."""
    return attr.DeepLift(ask.subject.rectified).attribute(ask.x, _rest(ask, baseline), ask.target)


@method(
    "gradient",
    "DeepLift SHAP",
    LUNDBERG,
    "share in score less the background's mean score",
    sums=True,
    needs=("gradient", "rescale", "background"),
)
def deeplift_shap(ask):
    """DeepLift against each background item, averaged: sums to the score less the background's mean score."""
    found, base = attr.DeepLiftShap(ask.subject.rectified), ask.background
    maps = [found.attribute(x, base, t) for x, t in zip(ask.x.split(1), ask.target.split(1), strict=True)]
    return torch.cat(maps)


@method(
    "gradient",
    "Gradient SHAP",
    LUNDBERG,
    "expected gradient times difference to the background",
    needs=("gradient", "background"),
)
def gradient_shap(ask, *, samples=25, sigma=0.0):
    """Gradients at `samples` random points between background items and the item, with noise `sigma`."""
    return attr.GradientShap(ask.network).attribute(ask.x, ask.background, samples, sigma, ask.target)


# ---- on a layer: summed over its channels, spread over the places of the input -----------------------------------

LAYER = ("gradient", "layer")


def _over_places(ask, maps):
    """A layer's attribution (B, channels, ...) as (B, 1, *places): channels summed, each cell's share spread out."""
    return ask.spread(maps.sum(1, keepdim=True)) * (maps[0, 0].numel() / math.prod(ask.places))


@method(
    "layer",
    "Layer activation",
    "captum",
    "how strongly the layer answers, whatever the class",
    needs=("layer",),
    flag="knows nothing of the class",
    autocast=True,
)
def layer_activation(ask, *, layer=""):
    """Mean over channels of the layer's answer (B, 1, ...), stretched over the places of the input."""
    found = attr.LayerActivation(ask.network, ask.subject.layer(layer)).attribute(ask.x)
    return ask.spread(found.mean(1, keepdim=True))


@method(
    "layer",
    "Layer gradient x activation",
    SIMONYAN,
    "activation times slope, deepest layer",
    needs=LAYER,
    autocast=True,
)
def layer_gradient_x_activation(ask, *, layer=""):
    """The layer's answer times its slope, summed over channels (B, 1, ...); layer "": the deepest with a map."""
    found = attr.LayerGradientXActivation(ask.network, ask.subject.layer(layer))
    return _over_places(ask, found.attribute(ask.x, ask.target))


@method(
    "layer",
    "Linear approximation",
    "Kindermans et al. 2016, arXiv 1611.07270",
    "first-order share of the first layer's answer",
    needs=LAYER,
    autocast=True,
)
def linear_approximation(ask, *, layer=""):
    """The same at the first convolution: the first-order share of each place's answer."""
    found = attr.LayerGradientXActivation(ask.network, ask.subject.layer(layer, "first"))
    return _over_places(ask, found.attribute(ask.x, ask.target))


@method(
    "layer",
    "Layer conductance",
    "Dhamdhere et al. 2018, arXiv 1805.12233",
    "integrated gradients that pass a place",
    sums=True,
    needs=LAYER,
)
def layer_conductance(ask, *, layer="", steps=50, baseline=0.0):
    """Integrated gradients that pass each place of the layer, from `baseline` (a number) in `steps`."""
    found = attr.LayerConductance(ask.network, ask.subject.layer(layer))
    given = {"n_steps": steps, "internal_batch_size": max(ask.batch_size, len(ask.x))}
    return _over_places(ask, found.attribute(ask.x, baseline, ask.target, **given))


@method(
    "layer",
    "Internal influence",
    "Leino et al. 2018, arXiv 1802.03788",
    "mean slope of a place on the way from the baseline",
    needs=LAYER,
)
def internal_influence(ask, *, layer="", steps=50, baseline=0.0):
    """Mean slope of each place of the layer on the way from `baseline` (a number) in `steps`."""
    found = attr.InternalInfluence(ask.network, ask.subject.layer(layer))
    given = {"n_steps": steps, "internal_batch_size": max(ask.batch_size, len(ask.x))}
    return _over_places(ask, found.attribute(ask.x, baseline, ask.target, **given))


@method(
    "layer",
    "Layer DeepLift",
    SHRIKUMAR,
    "share of a place in score less baseline's score",
    sums=True,
    needs=(*LAYER, "rescale"),
)
def layer_deeplift(ask, *, layer="", baseline=0.0):
    """DeepLift's shares at the places of the layer, summed over channels (B, 1, ...)."""
    network = ask.subject.rectified
    found = attr.LayerDeepLift(network, ask.subject.layer(layer, network=network))
    return _over_places(ask, found.attribute(ask.x, _rest(ask, baseline), ask.target))


@method(
    "layer",
    "Layer gradient SHAP",
    LUNDBERG,
    "expected gradient times difference, at a place",
    needs=(*LAYER, "background"),
)
def layer_gradient_shap(ask, *, layer="", samples=25, sigma=0.0):
    """Gradient SHAP at the places of the layer, summed over channels (B, 1, ...)."""
    found = attr.LayerGradientShap(ask.network, ask.subject.layer(layer))
    return _over_places(ask, found.attribute(ask.x, ask.background, samples, sigma, ask.target))
