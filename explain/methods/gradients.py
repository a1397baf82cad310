"""Gradient methods on the input and on a layer, by captum."""

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


def _constant(ask, baseline):
    """Baselines (B, C, *places) with the value `baseline` everywhere."""
    return torch.full_like(ask.x, baseline)


# ---- on the input -----------------------------------------------------------------------------------------------


@method("gradient", "Saliency", SIMONYAN, "gradient of the score at each value", shows="size", **FAST)
def saliency(ask):
    """The gradient of the score (B, C, *places), with its sign."""
    return attr.Saliency(ask.network).attribute(ask.x, ask.target, abs=False)


@method("gradient", "Input x gradient", SHRIKUMAR, "value times its gradient: a first-order share", **FAST)
def input_x_gradient(ask):
    """Each value times its gradient (B, C, *places): the first-order share of the score."""
    return attr.InputXGradient(ask.network).attribute(ask.x, ask.target)


class _NoisyBase(attr.Attribution):
    """The method of the registry called `name`, in the form that captum's noise tunnel takes."""

    def __init__(self, ask, name):
        super().__init__(ask.network)
        self.ask, self.method = ask, find_method(name)
        needs.check_needs(self.method, ask)

    @log_usage()
    def attribute(self, inputs, target):
        """Maps of noisy inputs (N, C, *places) for targets (N,)."""
        return self.method.attribute(replace(self.ask, x=inputs.detach(), target=target))


def _noise_tunnel(ask, summary, base, samples, sigma):
    """The mean ("smoothgrad") or variance ("vargrad") of maps of the method `base` over `samples` noisy copies of x.

    The noise is Gaussian with the standard deviation `sigma` times the range of the items' values. Without noise the
    mean is the map itself and the variance 0.
    """
    deviation = sigma * float(ask.x.max() - ask.x.min())
    if deviation == 0:
        return find_method(base).attribute(ask) if summary == "smoothgrad" else torch.zeros_like(ask.x)
    at_once = max(1, ask.batch_size // len(ask.x))
    options = {"nt_type": summary, "nt_samples": samples, "nt_samples_batch_size": at_once, "stdevs": deviation}
    return attr.NoiseTunnel(_NoisyBase(ask, base)).attribute(ask.x, target=ask.target, **options)


@method("gradient", "SmoothGrad", SMILKOV, "mean map of noisy copies", shows="size", **FAST)
def smoothgrad(ask, *, samples=25, sigma=0.15, base="saliency"):
    """Mean map of the method `base` over `samples` copies with noise of `sigma` times the range of values."""
    return _noise_tunnel(ask, "smoothgrad", base, samples, sigma)


@method(
    "gradient", "VarGrad", "Adebayo et al. 2018, arXiv 1810.03307", "variance over noisy copies", shows="size", **FAST
)
def vargrad(ask, *, samples=25, sigma=0.15, base="saliency"):
    """Variance of the map of `base` over `samples` copies with noise of `sigma` times the range of values."""
    return _noise_tunnel(ask, "vargrad", base, samples, sigma)


@method(
    "gradient",
    "Integrated gradients",
    SUNDARARAJAN,
    "share in score less baseline's score",
    sums=True,
    needs=("gradient",),
)
def integrated_gradients(ask, *, steps=50, baseline=0.0):
    """Mean gradient on the straight line from `baseline` (a number) in `steps`, times the difference to it."""
    explainer = attr.IntegratedGradients(ask.network)
    at_once = max(ask.batch_size, len(ask.x))
    return explainer.attribute(ask.x, baseline, ask.target, n_steps=steps, internal_batch_size=at_once)


@method(
    "gradient",
    "Guided backpropagation",
    "Springenberg et al. 2015, arXiv 1412.6806",
    "gradient where activation and gradient are positive at each ReLU",
    shows="size",
    needs=("gradient", "graph", "relu"),
    flag="hardly changes when weights are randomised (Adebayo et al. 2018)",
)
def guided_backprop(ask):
    """The gradient; at each ReLU it passes where both the activation and the gradient are positive."""
    return attr.GuidedBackprop(ask.subject.unrolled).attribute(ask.x, ask.target)


@method(
    "gradient",
    "Deconvolution",
    "Zeiler and Fergus 2014, arXiv 1311.2901",
    "gradient where it is positive at each ReLU",
    shows="size",
    needs=("gradient", "graph", "relu"),
    flag="hardly changes when weights are randomised (Adebayo et al. 2018)",
)
def deconvolution(ask):
    """The gradient; at each ReLU it passes where it is positive, whatever the activation was."""
    return attr.Deconvolution(ask.subject.unrolled).attribute(ask.x, ask.target)


@method(
    "gradient", "DeepLift", SHRIKUMAR, "share in score less baseline's score", sums=True, needs=("gradient", "rescale")
)
def deeplift(ask, *, baseline=0.0):
    """Rescale rule: the difference in score to `baseline` (a number), distributed layer by layer down to the input."""
    return attr.DeepLift(ask.subject.rectified).attribute(ask.x, _constant(ask, baseline), ask.target)


@method(
    "gradient",
    "DeepLift SHAP",
    LUNDBERG,
    "share in score less the background's mean score",
    sums=True,
    needs=("gradient", "rescale", "background"),
)
def deeplift_shap(ask):
    """The mean of DeepLift maps against each background item: sums to the score less the background's mean score."""
    explainer, base = attr.DeepLiftShap(ask.subject.rectified), ask.background
    maps = [explainer.attribute(x, base, t) for x, t in zip(ask.x.split(1), ask.target.split(1), strict=True)]
    return torch.cat(maps)


@method(
    "gradient",
    "Gradient SHAP",
    LUNDBERG,
    "expected gradient times difference to the background",
    needs=("gradient", "background"),
)
def gradient_shap(ask, *, samples=25, sigma=0.0):
    """Mean gradient at `samples` random points between background items and the item, times their difference.

    sigma: standard deviation of noise on the item.
    """
    return attr.GradientShap(ask.network).attribute(ask.x, ask.background, samples, sigma, ask.target)


# ---- on a layer: summed over its channels, spread over the places of the input -----------------------------------

LAYER = ("gradient", "layer")


def _over_places(ask, maps):
    """A layer's attribution (B, channels, *cells) as (B, 1, *places): summed over channels, then spread over the places
    of each cell, so that the map's sum stays about the same."""
    return ask.spread(maps.sum(1, keepdim=True)) * (maps[0, 0].numel() / math.prod(ask.places))


@method(
    "layer",
    "Layer activation",
    "captum",
    "how strong the layer's output is",
    needs=("layer",),
    flag="does not depend on the class",
    autocast=True,
)
def layer_activation(ask, *, layer=""):
    """Mean over channels of the layer's output, stretched over the places of the input; layer "": the deepest."""
    activation = attr.LayerActivation(ask.network, ask.subject.layer(layer)).attribute(ask.x)
    return ask.spread(activation.mean(1, keepdim=True))


@method(
    "layer",
    "Layer gradient x activation",
    SIMONYAN,
    "activation times gradient, deepest layer",
    needs=LAYER,
    autocast=True,
)
def layer_gradient_x_activation(ask, *, layer=""):
    """The layer's output times its gradient, summed over channels; layer "": the deepest with a map of places."""
    explainer = attr.LayerGradientXActivation(ask.network, ask.subject.layer(layer))
    return _over_places(ask, explainer.attribute(ask.x, ask.target))


@method(
    "layer",
    "Linear approximation",
    "Kindermans et al. 2016, arXiv 1611.07270",
    "first-order share of the first layer's output",
    needs=LAYER,
    autocast=True,
)
def linear_approximation(ask, *, layer=""):
    """The layer's output times its gradient, summed over channels; layer "": the first convolution."""
    explainer = attr.LayerGradientXActivation(ask.network, ask.subject.layer(layer, "first"))
    return _over_places(ask, explainer.attribute(ask.x, ask.target))


@method(
    "layer",
    "Layer conductance",
    "Dhamdhere et al. 2018, arXiv 1805.12233",
    "integrated gradients that pass through a place of the layer",
    sums=True,
    needs=LAYER,
)
def layer_conductance(ask, *, layer="", steps=50, baseline=0.0):
    """Integrated gradients that pass through the layer's output, from `baseline` (a number) in `steps`."""
    explainer = attr.LayerConductance(ask.network, ask.subject.layer(layer))
    options = {"n_steps": steps, "internal_batch_size": max(ask.batch_size, len(ask.x))}
    return _over_places(ask, explainer.attribute(ask.x, baseline, ask.target, **options))


@method(
    "layer",
    "Internal influence",
    "Leino et al. 2018, arXiv 1802.03788",
    "mean gradient at a place of the layer on the way from the baseline",
    needs=LAYER,
)
def internal_influence(ask, *, layer="", steps=50, baseline=0.0):
    """Mean gradient at the layer's output on the straight line from `baseline` (a number) in `steps`."""
    explainer = attr.InternalInfluence(ask.network, ask.subject.layer(layer))
    options = {"n_steps": steps, "internal_batch_size": max(ask.batch_size, len(ask.x))}
    return _over_places(ask, explainer.attribute(ask.x, baseline, ask.target, **options))


@method(
    "layer",
    "Layer DeepLift",
    SHRIKUMAR,
    "share of a place of the layer in score less baseline's score",
    sums=True,
    needs=(*LAYER, "rescale"),
)
def layer_deeplift(ask, *, layer="", baseline=0.0):
    """DeepLift's shares at the layer's output, summed over channels."""
    network = ask.subject.rectified
    explainer = attr.LayerDeepLift(network, ask.subject.layer(layer, network=network))
    return _over_places(ask, explainer.attribute(ask.x, _constant(ask, baseline), ask.target))


@method(
    "layer",
    "Layer gradient SHAP",
    LUNDBERG,
    "expected gradient times difference, at a place of the layer",
    needs=(*LAYER, "background"),
)
def layer_gradient_shap(ask, *, layer="", samples=25, sigma=0.0):
    """Gradient SHAP at the layer's output, summed over channels."""
    explainer = attr.LayerGradientShap(ask.network, ask.subject.layer(layer))
    return _over_places(ask, explainer.attribute(ask.x, ask.background, samples, sigma, ask.target))
