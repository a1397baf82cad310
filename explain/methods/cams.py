"""Class activation maps: where in a layer the evidence for a class lies, by captum and torchcam."""

from contextlib import contextmanager

import torch
from captum import attr

from xaae.explain.method import method
from xaae.explain.methods.gradients import guided_backprop

SELVARAJU = "Selvaraju et al. 2017, arXiv 1610.02391"
NEEDS = ("gradient", "layer")


def _layer_of(ask, name=""):
    """The layer called `name`, else the narrowest of 4 cells a side or more."""
    return ask.subject.layer(name, "narrowest")


# ---- Grad-CAM, by captum ----------------------------------------------------------------------------------------


def _weighted(ask, layer, relu):
    """Maps (B, 1, cells) of a layer: its channels weighted by their mean slopes, with a ReLU or signed."""
    found = attr.LayerGradCam(ask.network, _layer_of(ask, layer))
    return found.attribute(ask.x, ask.target, relu_attributions=relu)


@method("cam", "Grad-CAM", SELVARAJU, "where the layer speaks for the class", needs=NEEDS, autocast=True)
def gradcam(ask, *, layer=""):
    """ReLU of the layer's channels, each weighted by its mean slope (B, 1, ...).

    layer: the name of a layer with a map of places; by default the deepest with at least 4 cells a side.
    """
    return ask.spread(_weighted(ask, layer, relu=True))


@method(
    "cam", "Layer Grad-CAM", SELVARAJU, "where a layer speaks for and against the class", needs=NEEDS, autocast=True
)
def layer_gradcam(ask, *, layer=""):
    """Grad-CAM without its ReLU: also what speaks against the class, with a minus (B, 1, ...)."""
    return ask.spread(_weighted(ask, layer, relu=False))


@method(
    "cam",
    "Guided Grad-CAM",
    SELVARAJU,
    "guided slope where the layer speaks for the class",
    shows="size",
    needs=(*NEEDS, "graph", "relu"),
    flag="its fine structure hardly changes when weights are randomised (Adebayo et al. 2018)",
)
def guided_gradcam(ask, *, layer=""):
    """Grad-CAM times guided backpropagation (B, C, ...)."""
    return gradcam(ask, layer=layer) * guided_backprop(ask)


# ---- by torchcam ------------------------------------------------------------------------------------------------


@contextmanager
def _extractor(ask, kind, layer, **given):
    """torchcam's extractor called `kind` on a layer of the network; all hooks are gone afterwards.

    What comes after the layer may write in place, so it is handed a copy.
    """
    from torchcam import methods

    with getattr(methods, kind)(ask.network, layer, **given) as found:
        guard = layer.register_forward_hook(lambda module, inputs, out: out.clone())
        try:
            yield found
        finally:
            guard.remove()


def _logits(ask):
    """The network's answers to x (B, K), with gradients even if all weights are frozen or x is written over."""
    return ask.network(ask.x.detach().requires_grad_().clone())


@method(
    "cam",
    "XGrad-CAM",
    "Fu et al. 2020, arXiv 2008.02312",
    "where the layer speaks for the class: slopes averaged where the layer is active",
    needs=NEEDS,
)
def xgradcam(ask, *, layer=""):
    """ReLU of the channels, each weighted by the mean of its slopes where it is active (B, 1, ...).

    These means are divided by the sum of a channel, so of one with negative values the positive part counts.
    """
    with _extractor(ask, "XGradCAM", _layer_of(ask, layer)) as found:
        scores = _logits(ask)
        found.hook_a = [maps.relu() for maps in found.hook_a]
        return ask.spread(found(ask.target.tolist(), scores, normalized=False)[0][:, None])


@method(
    "cam",
    "LayerCAM",
    "Jiang et al. 2021, doi 10.1109/TIP.2021.3089943",
    "activation times positive slope, place by place",
    needs=NEEDS,
)
def layer_cam(ask, *, layer=""):
    """ReLU of the sum over channels of activation times positive slope, each at its own place (B, 1, ...)."""
    with _extractor(ask, "LayerCAM", _layer_of(ask, layer)) as found:
        return ask.spread(found(ask.target.tolist(), _logits(ask), normalized=False)[0][:, None])


@method(
    "cam",
    "Grad-CAM++",
    "Chattopadhay et al. 2018, arXiv 1710.11063",
    "where the layer speaks for the class, several objects as well as one",
    needs=NEEDS,
)
def gradcam_plus_plus(ask, *, layer=""):
    """The channels, each weighted by its positive slopes, and these by the paper's equation 19 (B, 1, ...).

    Channels and slopes are torchcam's; the weights are worked out here (equation 19 over the squared slope), since
    torchcam 0.5.0 leaves out the division. The equation is for maps after a ReLU, so the positive part counts.
    """
    with _extractor(ask, "GradCAM", _layer_of(ask, layer)) as found:
        found(ask.target.tolist(), _logits(ask), normalized=False)
        maps, slopes = found.hook_a[0].relu(), found.hook_g[0].relu()
    every = tuple(range(2, maps.ndim))
    weights = (slopes / (2 + maps.sum(every, keepdim=True) * slopes)).sum(every, keepdim=True)
    return ask.spread((weights * maps).sum(1, keepdim=True))


def _strongest(ask, channels):
    """Maps (B, channels, ...) -> those of the `channels` most active channels of each item; 0 keeps all.

    A signal's maps are stretched over its places here, since torchcam 0.5.0 cannot.
    """

    def pick(maps):
        best = maps.flatten(2).mean(2).topk(min(channels or maps.shape[1], maps.shape[1])).indices
        kept = torch.stack([each[which] for each, which in zip(maps, best, strict=True)])
        return ask.spread(kept) if maps.ndim == 3 else kept

    return pick


@method(
    "cam",
    "Score-CAM",
    "Wang et al. 2020, arXiv 1910.01279",
    "channels weighted by the score of the input that they let through; no gradient",
    needs=("layer",),
)
def score_cam(ask, *, layer="", channels=0):
    """ReLU of the channels, each weighted by the score of the input that it lets through, by softmax (B, 1, ...).

    It costs a pass forward for each item and channel: `channels` keeps only the most active ones, 0 all.
    """
    given = {"batch_size": ask.batch_size, "reshape_transform": _strongest(ask, channels)}
    with torch.no_grad(), _extractor(ask, "ScoreCAM", _layer_of(ask, layer), **given) as found:
        ask.network(ask.x)
        return ask.spread(found(ask.target.tolist(), normalized=False)[0][:, None])
