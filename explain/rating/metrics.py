"""The metrics of an explanation: faithfulness, robustness, localisation, complexity, randomisation.

They are those of quantus (Hedstroem et al. 2023, arXiv 2202.06861). Each rates one value for each place: the sum over
channels, or the sum of absolute values where only their size counts. A place is removed in all channels at once and
shows the item's mean colour, so that CAMs and gradients are rated alike.

Errors of quantus 0.6, most of them with numpy 2.4, and what is done here:
- Areas under curves use np.trapz, which numpy has removed, so `PixelFlipping(return_auc_per_sample=True)` fails: the
  mean of the curve is taken.
- ROAD and IROF fail on colour pictures (indices out of bounds), NonSensitivity in steps, Focus and the relative
  stabilities when called like the others: they are not used.
- MPRT's mean over layers includes the unchanged network: its last step is taken.
- Pointing Game counts an empty mask as a hit: only items with a mask are rated.
- Localisation, robustness and MPRT fail for maps with other numbers of channels: all maps are (B, 1, *places).
- Sparseness and Complexity write into the maps: they get copies. They scale maps over a whole batch: here each map is
  scaled by itself.
- A batch of constant or negative maps is rejected: `evaluate_batch` is called where the method is not run again.
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


# ---- what is rated ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effort:
    """How much is computed for a metric.

    subsets: number of random sets of places that are removed, each an eighth of all places. steps: number of steps in
    which all places are removed in turn. copies: noisy copies of each item. noise: their largest change, as a part of
    the range of the items. baseline: what a removed place shows, a number or "mean" for the item's mean colour.
    InputError for numbers that are too small.
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
    """An explanation that is rated: maps (B, 1, *places) of items x (B, C, *places) for targets (B,), all arrays.

    masks (B, 1, *places) bool: where the object is, None if unknown. again(network, x, target) -> maps: runs the method
    once more; None for maps that were made elsewhere.
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
        """The same for a slice of its items."""
        masks = None if self.masks is None else self.masks[rows]
        return replace(self, x=self.x[rows], target=self.target[rows], maps=self.maps[rows], masks=masks)

    def explain(self, model, inputs, targets):
        """The maps, as quantus asks for them: the known ones for the unchanged items and network, else new ones."""
        if model is self.subject.network and np.array_equal(inputs, self.x) and np.array_equal(targets, self.target):
            return self.maps
        return self.again(model, inputs, targets)


class _KeptPlaces(nn.Module):
    """Which places are kept (B, 1, *places) -> the network's logits (B, K); a removed place shows the baseline.

    The network is no submodule, since quantus would look for a softmax in it.
    """

    def __init__(self, case):
        super().__init__()
        x = torch.from_numpy(case.x).to(case.subject.device)
        hidden = covered(Ask(case.subject, x, None), case.effort.baseline)
        self.answer = lambda kept: case.subject.network(torch.lerp(hidden, x, kept.to(x)))

    def forward(self, kept):
        return self.answer(kept)


# ---- the metrics ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """One metric. score(case) -> (B,), NaN where it is undefined. better: "higher" or "lower". means: what it says."""

    name: str
    group: str
    title: str
    better: str
    paper: str
    means: str
    score: Callable


METRICS = {}  # name -> Metric, in the order of the table's columns


def _metric(group, title, better, paper):
    """A decorator that enters a function into METRICS under its name; its docstring says what the metric means."""

    def enter(score):
        name = score.__name__.lstrip("_")
        METRICS[name] = Metric(name, group, title, better, paper, " ".join(score.__doc__.split()), score)
        return score

    return enter


def quantus_metric(name, **settings):
    """A metric of quantus that prints nothing and leaves maps as they are. InputError if quantus is missing."""
    try:
        import quantus
    except ImportError as e:
        raise InputError('Explanations are judged by quantus, which is missing: pip install -e ".[quality]".') from e
    return getattr(quantus, name)(normalise=False, disable_warnings=True, display_progressbar=False, **settings)


def _by_removal(case, name, **settings):
    """A faithfulness metric of quantus. Its "input" says which places are kept, so that it removes whole places."""
    from quantus.helpers.model.pytorch_model import PyTorchModel

    metric = quantus_metric(name, perturb_baseline=0.0, **settings)
    kept = np.ones(case.maps.shape, np.float32)
    return metric.evaluate_batch(PyTorchModel(_KeptPlaces(case).eval()), kept, case.target, case.maps.copy())


def _repeated(case, name, **settings):
    """A metric of quantus that runs the method again. Refusal if that is impossible."""
    if case.again is None:
        raise Refusal("this map was made elsewhere and cannot be asked for again")
    batch = {"x_batch": case.x, "y_batch": case.target, "a_batch": case.maps.copy(), "channel_first": True}
    batch |= {"explain_func": case.explain, "batch_size": len(case.x)}
    return quantus_metric(name, **settings)(case.subject.network, **batch)


def _located(case, name, maps):
    """A localisation metric of quantus; NaN for items without a mask. Refusal if there are no masks."""
    if case.masks is None:
        raise Refusal("no mask says where the object is")
    masked = case.masks.reshape(len(case.x), -1).any(1)
    values = np.full(len(case.x), np.nan)
    if masked.any():
        values[masked] = quantus_metric(name).evaluate_batch(a_batch=maps[masked], s_batch=case.masks[masked])
    return values


def _rank_correlation_of(kind):
    """Spearman's correlation of "absolute" or "signed" values, in the form that quantus takes."""
    return lambda a, b, batched=True: similarity(a, b)[kind]


@_metric("faithfulness", "Faithfulness correlation", "higher", BHATT)
def _faithfulness_correlation(case):
    """Correlation of the relevance of random sets of places with how far the score falls without them; -1 to 1."""
    size = max(1, case.maps[0].size // 8)
    options = {"nr_runs": case.effort.subsets, "subset_size": size, "return_aggregate": False}
    return _by_removal(case, "FaithfulnessCorrelation", **options)


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
    return quantus_metric("Sparseness").evaluate_batch(x_batch=case.x, a_batch=abs(case.maps))


@_metric("complexity", "Complexity", "lower", BHATT)
def _complexity(case):
    """Entropy of the absolute relevance in nats; 0: one place, flat: logarithm of the number of places."""
    return quantus_metric("Complexity").evaluate_batch(x_batch=case.x, a_batch=abs(case.maps))


@_metric("randomisation", "Parameter randomisation", "lower", "Adebayo et al. 2018, arXiv 1810.03292")
def _parameter_randomisation(case):
    """Rank correlation of the absolute relevance with that of the network with all layers drawn anew; near 1: the map
    does not explain the model."""
    options = {
        "similarity_func": _rank_correlation_of("absolute"),
        "skip_layers": True,
        "return_last_correlation": True,
        "abs": False,
    }
    return _repeated(case, "MPRT", seed=case.seed, **options)


@_metric("randomisation", "Random logit", "lower", "Sixt et al. 2020, arXiv 1912.09818")
def _random_logit(case):
    """Rank correlation of the relevance with that of another class; of two classes, sizes are often the same for both
    and signed values opposite."""
    if case.subject.outputs < 2:
        raise Refusal("the network has one output, so there is no other class")
    options = {
        "similarity_func": _rank_correlation_of("signed"),
        "num_classes": case.subject.outputs,
        "seed": case.seed,
    }
    return _repeated(case, "RandomLogit", **options)
