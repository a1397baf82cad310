"""The measures of an explanation: faithfulness, robustness, localisation, complexity, randomisation.

They are those of quantus (Hedstroem et al. 2023, arXiv 2202.06861). Each judges one value for each place: the sum over
channels, of absolute values where only their size counts. A place is removed in all its channels at once, by the item's
mean colour, so that a CAM and a gradient are asked the same.

What quantus 0.6 does wrong, most of it with numpy 2.4, and what is done instead:
- areas under curves (np.trapz is no more), so `PixelFlipping(return_auc_per_sample=True)`: the mean of the curve;
- ROAD and IROF on colour pictures (indices out of bounds), NonSensitivity in steps, Focus and the relative stabilities
  by the common call: not used;
- MPRT's mean over layers counts the untouched network in: the last step is taken;
- Pointing Game calls an empty mask a hit: only items with a mask are asked;
- localisation, robustness and MPRT fail for maps whose channels are not those they expect: all get (B, 1, ...);
- Sparseness and Complexity write into the maps: they get copies; maps are scaled over a whole batch: here by item;
- a batch of flat or of negative maps is rejected: `evaluate_batch` is called where no method is asked again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from xaae.experiment.errors import InputError
from xaae.explain.method import Refusal
from xaae.explain.methods.perturbation import covered
from xaae.explain.network.randomise import similarity
from xaae.explain.network.subject import Ask, Subject

BHATT, ARRAS = "Bhatt et al. 2020, arXiv 2005.00631", "Arras et al. 2022, arXiv 2003.07258"


# ---- what is judged ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effort:
    """How much is spent on a measure. subsets: random sets of places that are removed, each an eighth of all. steps:
    of removing all places in turn. copies: noisy ones of each item. noise: their largest change, in the items' range.
    baseline: what a removed place shows, a number or "mean" for the item's mean colour. InputError for what makes no
    sense.
    """

    subsets: int = 64
    steps: int = 32
    copies: int = 5
    noise: float = 0.02
    baseline: float | str = "mean"

    def __post_init__(self):
        for name, least in (("subsets", 3), ("steps", 1), ("copies", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)} is too few: give {least} or more.")
        if not self.noise > 0:
            raise InputError(f"noise={self.noise} makes no sense: give a part of the items' range, such as 0.02.")


@dataclass(frozen=True)
class RatedCase:
    """An explanation before its judges: maps (B, 1, ...) of items x (B, C, ...) for targets (B,), all arrays.

    masks (B, 1, ...) bool: where the object is, None if unknown. again(network, x, target) -> maps: asks the method
    once more, None if that is impossible.
    """

    subject: Subject
    x: np.ndarray
    target: np.ndarray
    maps: np.ndarray
    masks: np.ndarray | None
    again: Callable | None
    effort: Effort
    seed: int = 0

    def part(self, rows):
        """The same for some of its items, a slice."""
        masks = None if self.masks is None else self.masks[rows]
        return replace(self, x=self.x[rows], target=self.target[rows], maps=self.maps[rows], masks=masks)

    def asks(self, model, inputs, targets):
        """The maps in the form in which quantus asks for them: the known ones for the items as they are."""
        if model is self.subject.network and np.array_equal(inputs, self.x) and np.array_equal(targets, self.target):
            return self.maps
        return self.again(model, inputs, targets)


class Kept(nn.Module):
    """Which places are kept (B, 1, ...) -> the network's logits (B, K); a removed place shows the baseline.

    The network is no submodule: quantus would look for a softmax in it.
    """

    def __init__(self, case):
        super().__init__()
        x = torch.from_numpy(case.x).to(case.subject.device)
        hidden = covered(Ask(case.subject, x, None), case.effort.baseline)
        self.answer = lambda kept: case.subject.network(torch.lerp(hidden, x, kept.to(x)))

    def forward(self, kept):
        return self.answer(kept)


# ---- the measures -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """One measure: score(case) -> (B,), NaN where it is undefined. better: "higher" or "lower"."""

    name: str
    group: str
    title: str
    better: str
    paper: str
    means: str
    score: Callable


METRICS = {}  # name -> Metric, in the order of the table's columns


def _metric(group, title, better, paper):
    """Enter the decorated function into METRICS under its own name; its docstring says what it means."""

    def enter(score):
        name = score.__name__
        METRICS[name] = Metric(name, group, title, better, paper, " ".join(score.__doc__.split()), score)
        return score

    return enter


def rate_case(name, **settings):
    """A metric of quantus that is quiet and leaves maps as they are. InputError if quantus is missing."""
    try:
        import quantus
    except ImportError as e:
        raise InputError('Explanations are judged by quantus, which is missing: pip install -e ".[quality]".') from e
    return getattr(quantus, name)(normalise=False, disable_warnings=True, display_progressbar=False, **settings)


def _by_removal(case, name, **settings):
    """A faithfulness metric of quantus on places instead of values: its "input" says which are kept."""
    from quantus.helpers.model.pytorch_model import PyTorchModel

    found = rate_case(name, perturb_baseline=0.0, **settings)
    kept = np.ones(case.maps.shape, np.float32)
    return found.evaluate_batch(PyTorchModel(Kept(case).eval()), kept, case.target, case.maps.copy())


def _repeated(case, name, **settings):
    """A metric of quantus that asks the method again. Refusal where that is impossible."""
    if case.again is None:
        raise Refusal("this map was made elsewhere and cannot be asked for again")
    given = {"x_batch": case.x, "y_batch": case.target, "a_batch": case.maps.copy(), "channel_first": True}
    return rate_case(name, **settings)(case.subject.network, explain_func=case.asks, batch_size=len(case.x), **given)


def _located(case, name, maps):
    """A localisation metric of quantus for the items that have a mask."""
    if case.masks is None:
        raise Refusal("no mask says where the object is")
    has = case.masks.reshape(len(case.x), -1).any(1)
    found = np.full(len(case.x), np.nan)
    if has.any():
        found[has] = rate_case(name).evaluate_batch(a_batch=maps[has], s_batch=case.masks[has])
    return found


def _alike(kind):
    """Spearman's correlation in the form in which quantus takes it."""
    return lambda a, b, batched=True: similarity(a, b)[kind]


@_metric("faithfulness", "Faithfulness correlation", "higher", BHATT)
def _faithfulness_correlation(case):
    """Correlation of the relevance of random sets of places with how far the score falls without them; -1 to 1."""
    size = max(1, case.maps[0].size // 8)
    given = {"nr_runs": case.effort.subsets, "subset_size": size, "return_aggregate": False}
    return _by_removal(case, "FaithfulnessCorrelation", **given)


@_metric("faithfulness", "Pixel flipping", "higher", "Bach et al. 2015, PLoS ONE 10(7) e0130140")
def _pixel_flipping(case):
    """Mean fall of the score (logits) while all places are removed in turn, the most relevant first."""
    step = -(-case.maps[0].size // case.effort.steps)
    left = np.array(_by_removal(case, "PixelFlipping", features_in_step=step))  # a probability would be flat near 1
    with torch.no_grad():
        whole = case.subject.network(torch.from_numpy(case.x).to(case.subject.device)).cpu().numpy()
    return whole[np.arange(len(left)), case.target] - left.mean(1)


@_metric("robustness", "Max sensitivity", "lower", "Yeh et al. 2019, arXiv 1901.09392")
def _max_sensitivity(case):
    """Largest relative change of the map, scaled to a maximum of 1, under little uniform noise; 0: none."""
    width = case.effort.noise * float(np.ptp(case.x))
    return _repeated(case, "MaxSensitivity", nr_samples=case.effort.copies, lower_bound=width)


@_metric("localisation", "Relevance mass", "higher", ARRAS)
def _relevance_mass(case):
    """Share of the positive relevance that lies on the object; 0 to 1."""
    return _located(case, "RelevanceMassAccuracy", case.maps.clip(0))


@_metric("localisation", "Relevance rank", "higher", ARRAS)
def _relevance_rank(case):
    """Share of the most relevant places, as many as the object has, that lie on it; 0 to 1."""
    return _located(case, "RelevanceRankAccuracy", case.maps)


@_metric("localisation", "Pointing game", "higher", "Zhang et al. 2018, arXiv 1608.00507")
def _pointing_game(case):
    """Share of items whose most relevant place lies on the object."""
    return _located(case, "PointingGame", case.maps)


@_metric("complexity", "Sparseness", "higher", "Chalasani et al. 2020, arXiv 1810.06583")
def _sparseness(case):
    """Gini index of the absolute relevance; 0: flat, 1: one place."""
    return rate_case("Sparseness").evaluate_batch(x_batch=case.x, a_batch=abs(case.maps))


@_metric("complexity", "Complexity", "lower", BHATT)
def _complexity(case):
    """Entropy of the absolute relevance in nats; 0: one place, flat: logarithm of the number of places."""
    return rate_case("Complexity").evaluate_batch(x_batch=case.x, a_batch=abs(case.maps))


@_metric("randomisation", "Parameter randomisation", "lower", "Adebayo et al. 2018, arXiv 1810.03292")
def _parameter_randomisation(case):
    """Rank correlation of the absolute relevance with that of the network with all layers drawn anew; near 1: the map
    does not explain the model."""
    given = {"similarity_func": _alike("absolute"), "skip_layers": True, "return_last_correlation": True, "abs": False}
    return _repeated(case, "MPRT", seed=case.seed, **given)


@_metric("randomisation", "Random logit", "lower", "Sixt et al. 2020, arXiv 1912.09818")
def _random_logit(case):
    """Rank correlation of the relevance with that of another class; of two classes, sizes are often the same for both
    and signed values opposite."""
    if case.subject.outputs < 2:
        raise Refusal("the network has one output, so there is no other class")
    given = {"similarity_func": _alike("signed"), "num_classes": case.subject.outputs, "seed": case.seed}
    return _repeated(case, "RandomLogit", **given)
