"""Do the shares of a map add up to what its method promises: a difference in score, or the score itself?

A method with `sums` promises the score less that of the baseline, or less the background's mean score; one with `keeps`
the score, where the network has no biases. A map that is further off than EXACT or NUMERICAL
allows is refused, with the figure: a step of the network had no rule, or a function was taken for another one.
"""

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from xaae.explain.method import Refusal
from xaae.explain.methods.perturbation import covered
from xaae.explain.network.answer_form import RANDOM
from xaae.explain.network.segmentation import Mask

EXACT, NUMERICAL = (0.01, 1e-4), (0.1, 0.02)  # how far off: parts of the difference, of the sum of all sizes
MOVING = "the places that count move with the input, so that shares add up to no difference in score"
NEGATIVE = "by this rule places whose logits are below 0 may lose their relevance, so that it adds up to no score"
LARGEST_EPSILON = 1e-3  # a relevance rule with more absorbs shares, as its user wants


class Incomplete(Refusal):
    """The shares of a map do not add up. sums: the Sums, in figures."""

    def __init__(self, sums, message):
        super().__init__(message)
        self.sums = sums


@dataclass(frozen=True)
class Sums:
    """How the shares of the item that is off most add up. gap: their distance, as a part of the difference in score."""

    shares: float | None = None
    difference: float | None = None
    gap: float | None = None
    remark: str = ""


def check_sums(method, ask, maps, parameters):
    """The Sums of maps (B, C or 1, *places), empty for a method that promises nothing.

    Refusal if they are off by more than is allowed: for exact methods 1 % of the difference (and 0.01 % of the sum of
    all sizes, for rounding), for those that take steps, stretch the map of a layer, or propagate relevance 10 %, or 2 %
    of the sum of all sizes.
    """
    if method.sums and any(getattr(m, "moves", False) for m in ask.network.modules()):
        return Sums(remark=MOVING)
    if method.sums:
        return _demand(method, ask, maps, _difference(method, ask, parameters))
    if method.keeps and parameters.get("epsilon", 0) <= LARGEST_EPSILON:
        if method.keeps == "positive" and any(isinstance(m, Mask) for m in ask.network.modules()):
            return Sums(remark=NEGATIVE)
        return _demand_relevance(method, ask, maps, parameters)
    return Sums()


@torch.no_grad()
def _in_parts(ask, x, target):
    """Scores (N,) of inputs x (N, C, *places) for target (N,), in portions that fit."""
    parts = zip(x.split(ask.batch_size), target.split(ask.batch_size), strict=True)
    return torch.cat([ask.score(*part) for part in parts])


@torch.no_grad()
def _difference(method, ask, parameters):
    """The score less the score of what the method compares with: (B,)."""
    score = _in_parts(ask, ask.x, ask.target)
    if "background" in method.needs:
        typical = torch.cat([ask.network(part) for part in ask.background.split(ask.batch_size)]).mean(0)
        return score - typical[ask.target]
    baseline = parameters.get("baseline", method.parameters.get("baseline", 0.0))
    return score - _in_parts(ask, covered(ask, baseline), ask.target)


def _tolerance(method):
    """(part of the difference, part of the sum of all sizes) by which shares may be off."""
    stepped = "steps" in method.parameters or method.kind == "layer" or method.keeps
    return NUMERICAL if stepped else EXACT


def _measure(maps, difference):
    """(shares, difference, sum of sizes) of each item as float64 arrays (B,)."""
    flat = maps.detach().flatten(1).double().cpu().numpy()
    return flat.sum(1), difference.double().cpu().numpy(), np.abs(flat).sum(1)


def _demand(method, ask, maps, difference):
    """The Sums of maps; Refusal if they are not as promised."""
    part, rounding = _tolerance(method)
    shares, difference, sizes = _measure(maps, difference)
    gap = np.abs(shares - difference)
    allowed = np.maximum(part * np.abs(difference), rounding * sizes) + 1e-7
    worst = int(np.argmax(gap / allowed))
    sums = _sums(shares[worst], difference[worst])
    if ask.subject.random or not gap[worst] <= allowed[worst]:
        figure = f"its shares add up to {sums.shares:.4g}, and the score differs by {sums.difference:.4g}"
        off = f"{sums.gap:.0%} off, where {part:.0%} is allowed"
        raise Incomplete(sums, f"{figure}: {off}{_cause(method, ask)}")
    if sums.gap > part:
        cure = "; more steps= come nearer" if "steps" in method.parameters else ""
        return replace(sums, remark=f"the sum is {sums.gap:.0%} off, {gap[worst] / sizes[worst]:.1%} of what the map "
                                    f"distributes{cure}")  # fmt: skip
    return sums


def _sums(shares, difference):
    """The Sums of one item; where there is no difference, the gap is 0 or infinite."""
    gap = abs(shares - difference)
    return Sums(float(shares), float(difference), float(gap / abs(difference)) if difference else math.inf * bool(gap))


def _cause(method, ask):
    """Why the shares may be off, and the cure."""
    if ask.subject.random:
        return f" ({RANDOM})"
    return " (give more steps=)" if "steps" in method.parameters else " (a step of this network has no rule)"


# ---- relevance --------------------------------------------------------------------------------------------------


def _demand_relevance(method, ask, maps, parameters):
    """The Sums of relevance maps, with a remark on what biases keep; Refusal if some is lost without biases too."""
    score = _in_parts(ask, ask.x, ask.target)
    if ask.subject.unbiased is None:
        return _demand(method, ask, maps, score)
    subject, bare = copy.copy(ask.subject), ask.subject.unbiased
    subject.network = subject.__dict__["merged"] = bare
    asked = replace(ask, subject=subject)
    parts = zip(ask.x.split(ask.batch_size), ask.target.split(ask.batch_size), strict=True)
    there = torch.cat([method.attribute(replace(asked, x=x, target=t), **parameters).detach() for x, t in parts])
    _demand(method, asked, there, _in_parts(asked, ask.x, ask.target))
    shares, difference, _ = _measure(maps, score)
    worst = int(np.argmax(np.abs(shares - difference)))
    sums = _sums(shares[worst], difference[worst])
    return replace(sums, remark=f"biases keep {difference[worst] - shares[worst]:.3g} of the score "
                                f"{difference[worst]:.3g}")  # fmt: skip
