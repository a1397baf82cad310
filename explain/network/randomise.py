"""The sanity check of explanations: a network whose weights are drawn anew, and how alike its maps are to the old ones.

A map that stays the same when the weights go does not explain the model (Adebayo et al. 2018, arXiv 1810.03292).
"""

import copy

import numpy as np
import torch
from scipy.stats import spearmanr

from xaae import model as models
from xaae.experiment.errors import InputError


def layers(network):
    """[(name, module)] of all that have weights or running statistics, in the order in which they were defined."""
    has = lambda m: hasattr(m, "reset_parameters") or next(m.parameters(recurse=False), None) is not None  # noqa: E731
    return [(name, m) for name, m in network.named_modules() if has(m)]


def randomised(network, seed=0, fraction=1.0):
    """A copy of a network, in evaluation mode, with the weights of its last `fraction` of layers drawn anew.

    network: any nn.Module, of an AAE what leads to its logits. Each layer is drawn as when it was made
    (`reset_parameters`, which also forgets a batch norm's statistics, so that answers stay finite); weights that this
    leaves as they were are permuted. The last layers are those defined last; the larger fraction of one seed holds the
    smaller one's. InputError for a fraction outside 0 to 1 and for a network without weights.
    """
    if not 0 <= fraction <= 1:
        raise InputError(f"fraction={fraction} makes no sense: give the part of the layers to draw anew, 0 to 1.")
    made = copy.deepcopy(models.classifier(network)).eval()
    found = layers(made)
    if not found:
        raise InputError("This network has no weights that could be drawn anew.")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for _, module in found[::-1][: round(fraction * len(found))]:
            _redraw(module)
    return made


@torch.no_grad()
def _redraw(module):
    """New weights for one module, in place: by its own scheme; what that leaves as it was is permuted."""
    before = {name: p.clone() for name, p in module.named_parameters(recurse=False)}
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()
    for name, p in module.named_parameters(recurse=False):
        if torch.equal(p, before[name]):
            order = torch.randperm(p.numel()).to(p.device)
            p.copy_(p.flatten()[order].view(p.shape))


def cascade(network, seed=0):
    """Yield (name of the layer drawn last, network): one layer more is drawn anew each time, from the last one up."""
    names = [name for name, _ in layers(models.classifier(network))]
    for n in range(1, len(names) + 1):
        yield names[-n], randomised(network, seed, n / len(names))


def similarity(before, after):
    """How alike maps (B, ...) are to others of the same items, by Spearman's rank correlation over all values of one.

    {"absolute": (B,) of their sizes, "signed": (B,)}: 1 is the same order, 0 none. Two flat maps are alike (1): nothing
    changed; a flat one and another are not (0). InputError if the shapes differ.
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
    """Spearman's correlation of two lists (N,), where flat ones are alike only among themselves."""
    flat = [np.ptp(v) == 0 for v in (a, b)]
    return float(all(flat)) if any(flat) else float(spearmanr(a, b).statistic)
