"""Class activation maps: where in a layer the evidence for a class lies, by captum and torchcam.

The maps are (B, 1, *places): one value for each place. layer: the name of a layer with a map of places; "" for the
narrowest with at least 4 cells a side.
"""

from contextlib import contextmanager

import torch
from captum import attr

from xaae.experiment.kinds import SIGNAL
from xaae.explain.method import method
from xaae.explain.methods.gradients import guided_backprop

SELVARAJU = "Selvaraju et al. 2017, arXiv 1610.02391"
NEEDS = ("gradient", "layer")


def _layer_of(ask, name=""):
    """The layer called `name`; for "" the narrowest with at least 4 cells a side."""
    return ask.subject.layer(name, "narrowest")


# ---- Grad-CAM, by captum ----------------------------------------------------------------------------------------


def _weighted(ask, layer, relu):
    """Maps (B, 1, *cells) of a layer: its channels weighted by their mean gradients, then a ReLU if `relu`."""
    explainer = attr.LayerGradCam(ask.network, _layer_of(ask, layer))
    return explainer.attribute(ask.x, ask.target, relu_attributions=relu)


@method("cam", "Grad-CAM", SELVARAJU, "where the layer speaks for the class", needs=NEEDS, autocast=True)
def gradcam(ask, *, layer=""):
    """ReLU of the sum of the layer's channels, each weighted by its mean gradient."""
    return ask.spread(_weighted(ask, layer, relu=True))


@method(
    "cam", "Layer Grad-CAM", SELVARAJU, "where a layer speaks for and against the class", needs=NEEDS, autocast=True
)
def layer_gradcam(ask, *, layer=""):
    """Grad-CAM without its ReLU: what speaks against the class is negative."""
    return ask.spread(_weighted(ask, layer, relu=False))


@method(
    "cam",
    "Guided Grad-CAM",
    SELVARAJU,
    "guided gradient where the layer speaks for the class",
    shows="size",
    needs=(*NEEDS, "graph", "relu"),
    flag="its fine structure hardly changes when weights are randomised (Adebayo et al. 2018)",
)
def guided_gradcam(ask, *, layer=""):
    """Grad-CAM times guided backpropagation: (B, C, *places)."""
    return gradcam(ask, layer=layer) * guided_backprop(ask)


# ---- by torchcam ------------------------------------------------------------------------------------------------


@contextmanager
def _torchcam(ask, name, layer, **options):
    """torchcam's extractor of this name on a layer of the network; afterwards all hooks are removed.

    The step after the layer gets a copy of its output, since it may write in place.
    """
    from torchcam import methods

    with getattr(methods, name)(ask.network, layer, **options) as extractor:
        copying = layer.register_forward_hook(lambda module, inputs, out: out.clone())
        try:
            yield extractor
        finally:
            copying.remove()


def _logits(ask):
    """The network's logits (B, K), with gradients even if all weights are frozen or the network writes on x."""
    return ask.network(ask.x.detach().requires_grad_().clone())


@method(
    "cam",
    "XGrad-CAM",
    "Fu et al. 2020, arXiv 2008.02312",
    "where the layer speaks for the class, by gradients averaged where the layer is active",
    needs=NEEDS,
)
def xgradcam(ask, *, layer=""):
    """ReLU of the sum of the channels, each weighted by its gradients, averaged with its activations as weights.

    This mean divides by the sum of the channel's activations. Only positive ones count: a sum of both signs may be
    near 0.
    """
    with _torchcam(ask, "XGradCAM", _layer_of(ask, layer)) as extractor:
        scores = _logits(ask)
        extractor.hook_a = [maps.relu() for maps in extractor.hook_a]
        return ask.spread(extractor(ask.target.tolist(), scores, normalized=False)[0][:, None])


@method(
    "cam",
    "LayerCAM",
    "Jiang et al. 2021, doi 10.1109/TIP.2021.3089943",
    "activation times positive gradient, place by place",
    needs=NEEDS,
)
def layer_cam(ask, *, layer=""):
    """ReLU of the sum over channels of activation times positive gradient, each at its own place."""
    with _torchcam(ask, "LayerCAM", _layer_of(ask, layer)) as extractor:
        return ask.spread(extractor(ask.target.tolist(), _logits(ask), normalized=False)[0][:, None])


@method(
    "cam",
    "Grad-CAM++",
    "Chattopadhay et al. 2018, arXiv 1710.11063",
    "where the layer speaks for the class, several objects as well as one",
    needs=NEEDS,
)
def gradcam_plus_plus(ask, *, layer=""):
    """The sum of the channels, each weighted by its positive gradients as in equation 19 of the paper.

    torchcam gives channels and gradients. The weights are worked out here, since torchcam 0.5.0 leaves out a division:
    equation 19, numerator and denominator divided by the squared gradient. The equation holds for activations after a
    ReLU, so negative ones count as 0.
    """
    with _torchcam(ask, "GradCAM", _layer_of(ask, layer)) as extractor:
        extractor(ask.target.tolist(), _logits(ask), normalized=False)
        maps, slopes = extractor.hook_a[0].relu(), extractor.hook_g[0].relu()
    cells = tuple(range(2, maps.ndim))
    weights = (slopes / (2 + maps.sum(cells, keepdim=True) * slopes)).sum(cells, keepdim=True)
    return ask.spread((weights * maps).sum(1, keepdim=True))


def _most_active(ask, channels):
    """A function that keeps, of maps (B, channels, *cells), the `channels` most active channels of each item; 0: all.

    It stretches a signal's maps over the signal's places, which torchcam 0.5.0 cannot do.
    """

    def choose(maps):
        best = maps.flatten(2).mean(2).topk(min(channels or maps.shape[1], maps.shape[1])).indices
        kept = torch.stack([each[indices] for each, indices in zip(maps, best, strict=True)])
        return ask.spread(kept) if ask.kind is SIGNAL else kept

    return choose


@method(
    "cam",
    "Score-CAM",
    "Wang et al. 2020, arXiv 1910.01279",
    "channels weighted by the score of the input that they let through, without a gradient",
    needs=("layer",),
)
def score_cam(ask, *, layer="", channels=0):
    """ReLU of the sum of the channels, weighted by the softmax of the scores of the inputs that they let through.

    It needs a forward pass for each item and channel. channels: use only so many, the most active ones; 0 for all.
    """
    options = {"batch_size": ask.batch_size, "reshape_transform": _most_active(ask, channels)}
    with torch.no_grad(), _torchcam(ask, "ScoreCAM", _layer_of(ask, layer), **options) as extractor:
        ask.network(ask.x)
        return ask.spread(extractor(ask.target.tolist(), normalized=False)[0][:, None])
