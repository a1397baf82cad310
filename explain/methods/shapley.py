"""SHAP by its authors' library, as in its CIFAR-10 tutorial: two explainers with a background set, and their plot."""

import copy
import warnings

import numpy as np
import torch
from torch import nn

from xaae.experiment.errors import InputError
from xaae.experiment.figure_style import literal
from xaae.experiment.kinds import PICTURE, kind_of
from xaae.experiment.vocabulary import short_name
from xaae.explain.method import Refusal, method
from xaae.explain.network import graph as graphs
from xaae.explain.network import maxima
from xaae.explain.network.needs import LINEAR_FUNCTIONS

LUNDBERG = "Lundberg and Lee 2017, arXiv 1705.07874"
RELATIVE, ROUNDING = 1e-2, 1e-4  # how far sums may be off: parts of the difference in score, of the sum of all sizes


@method(
    "shap",
    "SHAP DeepExplainer",
    LUNDBERG,
    "share in score less the background's mean score",
    sums=True,
    needs=("gradient", "graph", "background"),
)
def shap_deep(ask):
    """DeepExplainer: the mean over all background items. Refusal for steps that shap has no rule for."""
    network = ask.subject.rectified
    _check_modules(network)
    network = copy.deepcopy(network).requires_grad_(False)  # shap stores tensors on modules and clears gradients
    maps = torch.zeros_like(ask.x)
    for target in ask.target.unique():
        chosen = ask.target == target
        one_logit = nn.Sequential(network, _logit_layer(ask, target))
        maps[chosen] = _deep_values(one_logit, ask.x[chosen], ask.background, ask.batch_size)
    _check_sums(ask, maps)
    return maps


def _logit_layer(ask, target):
    """A linear layer, for which shap has a rule, that takes one logit out of all: (B, K) -> (B, 1)."""
    layer = nn.Linear(ask.subject.outputs, 1, bias=False, device=ask.x.device).requires_grad_(False)
    layer.weight.zero_()[0, target] = 1
    return layer


def _deep_values(network, x, background, batch_size):
    """shap's values (B, C, *places) of a network x -> (B, 1), in portions of the background that fit a batch."""
    import shap

    total = 0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unrecognized nn.Module")  # all of them are linear: see _check_modules
        for part in background.split(max(1, batch_size // 2)):  # shap adds as many copies of the item to a portion
            values = shap.DeepExplainer(network, part).shap_values(x, check_additivity=False)
            total = total + values[..., 0] * (len(part) / len(background))
    return torch.as_tensor(total).to(x)


def _check_modules(network):
    """Refusal that names the steps of a traced network that shap has no rule for.

    shap only warns of a module that it does not know and takes its gradient. That is right for linear modules, such as
    ours; for any other the values would be wrong.
    """
    from shap.explainers._deep.deep_pytorch import op_handler

    known = [getattr(nn, name) for name in op_handler if hasattr(nn, name)]
    if unknown := graphs.unsupported(network, (*known, *graphs.LINEAR, maxima.ReluMax), LINEAR_FUNCTIONS):
        raise Refusal(f"shap's DeepExplainer has no rule for {', '.join(unknown)}")


def _check_sums(ask, maps):
    """Refusal if maps (B, C, *places) do not sum to the score less the background's mean score."""
    with torch.no_grad():
        typical = torch.cat([ask.network(part) for part in ask.background.split(ask.batch_size)]).mean(0)
        difference = ask.score(ask.x) - typical[ask.target]
    flat = maps.flatten(1)
    gap = (flat.sum(1) - difference).abs()
    if (gap > RELATIVE * difference.abs() + ROUNDING * flat.abs().sum(1)).any():
        raise Refusal(f"shap's values do not add up on this network (off by {gap.max():.2g}): a step has no rule")


class _OneLogit(nn.Module):
    """x -> (B, 1), one logit of a network, which is no submodule: shap clears the gradients of its model."""

    def __init__(self, network, target):
        super().__init__()
        self.network, self.target = [network], int(target)

    def forward(self, x):
        return self.network[0](x)[:, self.target, None]


@method(
    "shap",
    "SHAP GradientExplainer",
    "Erion et al. 2021, arXiv 1906.10670",
    "expected gradient times difference to the background",
    needs=("gradient", "background"),
)
def shap_gradient(ask, *, samples=100, sigma=0.0):
    """GradientExplainer: mean gradient at points between the item and background items, times their difference.

    samples: how many points; each item has the same draw, so that its map does not depend on the other items. sigma:
    standard deviation of noise on the item.
    """
    import shap

    if samples < 1:
        raise InputError(f"samples={samples} is too few: give 1 or more.")
    maps = []
    for x, target in zip(ask.x.split(1), ask.target, strict=True):
        with torch.no_grad():  # shap runs the network on the whole background only to count its outputs
            explainer = shap.GradientExplainer(
                _OneLogit(ask.network, target), ask.background, None, ask.batch_size, sigma
            )
        maps.append(explainer.shap_values(x, nsamples=samples, rseed=ask.seed % 2**32)[..., 0])
    return torch.as_tensor(np.concatenate(maps)).to(ask.x)


# ---- the plot ---------------------------------------------------------------------------------------------------


@literal
def shap_figure(maps, x, class_names, item_labels=None):
    """shap's plot of pictures as a Figure: a row for each item, with the picture and its map for each class.

    maps: an array (B, C or 1, H, W) for each class, as `class_maps` returns them; red raises the class's score, blue
    lowers it. x: pictures (B, C, H, W), in [0, 1] or any other range. class_names: titles of the columns. item_labels:
    titles of the rows. InputError if x are no pictures or the numbers of names do not fit.
    """
    import shap
    from matplotlib import pyplot as plt

    if kind_of(x.shape) is not PICTURE or len(class_names) != len(maps) or len(item_labels or x) != len(x):
        raise InputError("shap's plot takes pictures (B, C, H, W), a name for each map and a label for each picture.")
    values = [np.moveaxis(np.asarray(each), 1, -1) for each in maps]
    names = np.array([[short_name(name) for name in class_names]])
    labels = None if item_labels is None else [str(label) for label in item_labels]
    shap.image_plot(values, _visible(x), labels=names, true_labels=labels, show=False)
    figure = plt.gcf()
    plt.close(figure)  # pyplot forgets the figure, so that it belongs to the caller
    return figure


def _visible(x):
    """Pictures (B, C, H, W) as (B, H, W, 1 or 3) in [0, 1]; other numbers of channels as their mean."""
    x = x.detach().float().cpu()
    x = x if x.shape[1] in (1, 3) else x.mean(1, keepdim=True)
    if x.min() < 0 or x.max() > 1:
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        x = (x - low) / (high - low).clamp_min(1e-12)
    return x.movedim(1, -1).numpy()
