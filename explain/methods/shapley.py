"""SHAP by its authors' library, as in its CIFAR tutorial: two explainers against a background set, and their plot."""

import copy
import warnings

import numpy as np
import torch
from torch import nn

from xaae.experiment.errors import InputError
from xaae.explain.method import Refusal, method
from xaae.explain.network import graph as graphs
from xaae.explain.network import maxima
from xaae.explain.network.needs import LINEAR_FUNCTIONS

LUNDBERG = "Lundberg and Lee 2017, arXiv 1705.07874"
SHARE, SLACK = 1e-2, 1e-4  # how far sums may be off: of the difference, and of all values' sizes (rounding)


@method(
    "shap",
    "SHAP DeepExplainer",
    LUNDBERG,
    "share in score less the background's mean score",
    sums=True,
    needs=("gradient", "graph", "background"),
)
def shap_deep(ask):
    """One map (B, C, ...), the mean over all background items. Refusal for modules that shap has no rule for."""
    network = ask.subject.rectified
    _check_modules(network)
    network = copy.deepcopy(network).requires_grad_(False)  # shap leaves tensors on the modules and clears gradients
    maps = torch.zeros_like(ask.x)
    for target in ask.target.unique():
        chosen = ask.target == target
        maps[chosen] = _deep(nn.Sequential(network, _logit(ask, target)), ask.x[chosen], ask.background, ask.batch_size)
    _check_sums(ask, maps)
    return maps


def _logit(ask, target):
    """The choice of one logit as a layer that shap has a rule for: (B, K) -> (B, 1)."""
    layer = nn.Linear(ask.subject.outputs, 1, bias=False, device=ask.x.device).requires_grad_(False)
    layer.weight.zero_()[0, target] = 1
    return layer


def _deep(network, x, background, batch_size):
    """shap's values (B, C, ...) of `network` (B, C, ...) -> (B, 1), in portions of the background that fit a batch."""
    import shap

    found = 0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unrecognized nn.Module")  # all of them linear: see check_modules
        for part in background.split(max(1, batch_size // 2)):  # each goes through beside as many copies of the item
            values = shap.DeepExplainer(network, part).shap_values(x, check_additivity=False)
            found = found + values[..., 0] * (len(part) / len(background))
    return torch.as_tensor(found).to(x)


def _check_modules(network):
    """Refusal that names the steps of a traced network that shap has no rule for.

    shap lets the gradient pass unchanged through modules that it does not know: right for linear ones, so ours may
    stay; through any other its values would be wrong with no more than a warning.
    """
    from shap.explainers._deep.deep_pytorch import op_handler

    known = [getattr(nn, name) for name in op_handler if hasattr(nn, name)]
    if odd := graphs.unsupported(network, (*known, *graphs.LINEAR, maxima.ReluMax), LINEAR_FUNCTIONS):
        raise Refusal(f"shap's DeepExplainer has no rule for {', '.join(odd)}")


def _check_sums(ask, maps):
    """Refusal where maps (B, C, ...) do not sum to the score less the background's mean score."""
    with torch.no_grad():
        rest = torch.cat([ask.network(part) for part in ask.background.split(ask.batch_size)]).mean(0)
        wanted = ask.score(ask.x) - rest[ask.target]
    flat = maps.flatten(1)
    gap = (flat.sum(1) - wanted).abs()
    if (gap > SHARE * wanted.abs() + SLACK * flat.abs().sum(1)).any():
        raise Refusal(f"shap's values do not add up on this network (off by {gap.max():.2g}): a step has no rule")


class Score(nn.Module):
    """x -> (B, 1), one logit. The network is kept out of shap's reach, which clears gradients of what it is given."""

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
    """One map (B, C, ...). samples: points between the item and background items, the same draw for each item, so that
    an item's map does not depend on the others. sigma: standard deviation of noise on the item.
    """
    import shap

    if samples < 1:
        raise InputError(f"samples={samples} is too few: give 1 or more.")
    maps = []
    for x, target in zip(ask.x.split(1), ask.target, strict=True):
        with torch.no_grad():  # it puts the whole background through once, only to count the outputs
            explainer = shap.GradientExplainer(Score(ask.network, target), ask.background, None, ask.batch_size, sigma)
        maps.append(explainer.shap_values(x, nsamples=samples, rseed=ask.seed % 2**32)[..., 0])
    return torch.as_tensor(np.concatenate(maps)).to(ask.x)


# ---- the plot ---------------------------------------------------------------------------------------------------


def shap_figure(maps, x, class_names, item_labels=None):
    """shap's picture plot as a Figure: a row for each item, the picture and then its map for each class.

    maps: one array (B, C or 1, H, W) for each class, as of `class_maps`; red raises the class's score, blue lowers it.
    x: pictures (B, C, H, W), in [0, 1] or any other range. class_names: headings of the columns. item_labels: of the
    rows. InputError if x are no pictures or the numbers of names do not fit.
    """
    import shap
    from matplotlib import pyplot as plt

    if x.ndim != 4 or len(class_names) != len(maps) or len(item_labels or x) != len(x):
        raise InputError("shap's plot takes pictures (B, C, H, W), a name for each map and a label for each picture.")
    values = [np.moveaxis(np.asarray(each), 1, -1) for each in maps]
    names = np.array([[str(name) for name in class_names]])
    labels = None if item_labels is None else [str(label) for label in item_labels]
    shap.image_plot(values, _visible(x), labels=names, true_labels=labels, show=False)
    figure = plt.gcf()
    plt.close(figure)  # out of pyplot's list: it is the caller's now
    return figure


def _visible(x):
    """Pictures (B, C, H, W) as (B, H, W, 1 or 3) in [0, 1]; other numbers of channels as their mean."""
    x = x.detach().float().cpu()
    x = x if x.shape[1] in (1, 3) else x.mean(1, keepdim=True)
    if x.min() < 0 or x.max() > 1:
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        x = (x - low) / (high - low).clamp_min(1e-12)
    return x.movedim(1, -1).numpy()
