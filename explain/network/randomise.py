"""The sanity check of explanations: a network with new random weights, and how similar its maps are to the old ones.

A map that stays the same when the weights change does not explain the model (Adebayo et al. 2018, arXiv 1810.03292).
"""

import copy

import numpy as np
import torch
from scipy.stats import spearmanr

from xaae import model as models
from xaae.experiment.errors import InputError


def layers(network):
    """[(name, module)] of all modules with weights or running statistics, in the order in which they were defined."""
    has = lambda m: hasattr(m, "reset_parameters") or next(m.parameters(recurse=False), None) is not None  # noqa: E731
    return [(name, m) for name, m in network.named_modules() if has(m)]


def randomised(network, seed=0, fraction=1.0):
    """A copy of a network, in evaluation mode, with new random weights in the last `fraction` of its layers.

    network: any nn.Module; of an AAE, the part that leads to its logits. Weights are drawn as when a layer is made
    (`reset_parameters`, which also resets a batch norm's statistics, so that answers stay finite); weights that this
    leaves unchanged are permuted. The last layers are those defined last. With one seed, a larger fraction changes the
    layers of a smaller one to the same weights. InputError for a fraction outside 0 to 1 and for a network without
    weights.
    """
    if not 0 <= fraction <= 1:
        raise InputError(f"fraction={fraction} makes no sense: give the part of the layers to draw anew, 0 to 1.")
    copied = copy.deepcopy(models.classifier(network)).eval()
    modules = [module for _, module in layers(copied)]
    if not modules:
        raise InputError("This network has no weights that could be drawn anew.")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in modules[::-1][: round(fraction * len(modules))]:
            _redraw(module)
    return copied


@torch.no_grad()
def _redraw(module):
    """Give one module new weights, in place: by its own scheme; weights that this leaves unchanged are permuted."""
    before = {name: p.clone() for name, p in module.named_parameters(recurse=False)}
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()
    for name, p in module.named_parameters(recurse=False):
        if torch.equal(p, before[name]):
            order = torch.randperm(p.numel()).to(p.device)
            p.copy_(p.flatten()[order].view(p.shape))


def cascade(network, seed=0):
    """Yield (name of a layer, network), from the last layer to the first: this and all later ones have new weights."""
    names = [name for name, _ in layers(models.classifier(network))]
    for n in range(1, len(names) + 1):
        yield names[-n], randomised(network, seed, n / len(names))


def similarity(before, after):
    """How similar maps (B, ...) are to other maps of the same items: Spearman's rank correlation over a map's values.

    Returns {"absolute": (B,), "signed": (B,)}, of the absolute and of the signed values: 1 for the same order, 0 for
    none. Two constant maps have 1 (nothing changed), a constant map and another one 0. InputError if the shapes differ.
    """
    before, after = (np.asarray(m.detach().cpu() if torch.is_tensor(m) else m, dtype=float) for m in (before, after))
    if before.shape != after.shape:
        raise InputError(
            f"Maps of the shapes {before.shape} and {after.shape} cannot be compared: give two of one shape."
        )
    pairs = list(zip(before.reshape(len(before), -1), after.reshape(len(after), -1), strict=True))
    return {
        "absolute": np.array([_rank_correlation(abs(a), abs(b)) for a, b in pairs]),
        "signed": np.array([_rank_correlation(a, b) for a, b in pairs]),
    }


def _rank_correlation(a, b):
    """Spearman's correlation of two lists of values (N,); of constant ones 1 if both are, else 0."""
    constant = [np.ptp(v) == 0 for v in (a, b)]
    return float(all(constant)) if any(constant) else float(spearmanr(a, b).statistic)
