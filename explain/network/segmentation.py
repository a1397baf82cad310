"""A segmentation network as a classifier: for each class the sum of its logits over places, which can be explained."""

import torch
import torch.nn.functional as F
from torch import fx, nn

from xaae.experiment.errors import InputError
from xaae.explain.network.graph import Places


class Segmentation(nn.Module):
    """x (B, C, *places) -> scores (B, K): of each class the sum, or the mean, of its logits at the places that count.

    network: x -> logits (B, K, *places), or a dict that holds them under `output`, as torchvision's networks return;
    one channel stands for one class against the background. where: which places count for a class:
      "all": every place.
      "own": only places where this class wins, so that each place counts for one class.
      "threshold": only places where the class's probability is above `threshold`.
    how: "sum" or "mean" of the logits at these places (0 if there are none). exclusive: True if a place has one class
    (probabilities by softmax, the largest logit wins), False if it may have several (by sigmoid, a class wins where its
    logit is above 0; always so with one channel). region: weights of places, >= 0, that multiply the weights above:
    (*places), or one map for each class (K, *places), of any size; it is stretched over the network's places.

    Scores are differentiable; which places count is a constant in the gradient. It is worked out anew for each input,
    so a noisy or partly hidden copy of an item has places of its own. `held` fixes the places of one item for all its
    copies, as captum's tutorial on segmentation does; then integrated gradients and DeepLift sum to the difference in
    score. Raises InputError for settings that do not exist and for outputs of another form.
    """

    one_score = True  # a sum over places, not a binary head

    def __init__(self, network, where="all", how="sum", *, threshold=0.5, exclusive=True, region=None, output="out"):
        super().__init__()
        if how not in ("sum", "mean"):
            raise InputError(f"how={how!r} makes no sense: choose sum or mean.")
        self.network, self.output = network, output
        self.mask = Mask(where, how, threshold, exclusive, region)
        self.total = Places("sum", 2, False)

    def forward(self, x):
        return self.total(torch.flatten(self.mask(self.logits(x)), 2))

    def logits(self, x):
        """The network's logits (B, K, *places) of x (B, C, *places). InputError for an output of another form."""
        output = self.network(x)
        if isinstance(output, dict):
            if self.output not in output:
                known = ", ".join(output)
                raise InputError(f"The network's output has no {self.output!r}: give output= one of {known}.")
            output = output[self.output]
        if not isinstance(output, torch.Tensor | fx.Proxy):
            returned = type(output).__name__
            raise InputError(f"The network returns {returned}: wrap it so that it returns logits (B, K, *places).")
        return output

    @torch.no_grad()
    def held(self, x):
        """A Segmentation in which the places that count for one item x (1, C, *places) count for every input."""
        if len(x) != 1:
            raise InputError(f"The places of one item can be held, and {len(x)} were given: hold them one by one.")
        places = self.mask.places(self.logits(x))
        return Segmentation(self.network, "all", self.mask.how, region=places, output=self.output)


class Mask(nn.Module):
    """logits (B, K, *places) times constant weights of the places: a step through which relevance passes unchanged."""

    relevance_rule = "pass"

    def __init__(self, where, how, threshold=0.5, exclusive=True, region=None):
        super().__init__()
        if where not in WHERE:
            raise InputError(f"where={where!r} makes no sense: choose from {', '.join(WHERE)}.")
        if not 0 <= threshold < 1:
            raise InputError(f"threshold={threshold} makes no sense: give a probability from 0 on and below 1.")
        self.where, self.how, self.threshold, self.exclusive = where, how, threshold, exclusive
        region = None if region is None else torch.as_tensor(region).detach().float()
        if region is not None and (not torch.isfinite(region).all() or (region < 0).any()):
            raise InputError("The region's weights must be finite and not negative: give 1 inside and 0 outside.")
        self.register_buffer("region", region)

    @property
    def moves(self):
        """Do the places that count depend on the input? Then DeepLift has no rule for this step."""
        return self.where != "all"

    def forward(self, logits):
        return logits * self.weights(logits)

    @torch.no_grad()
    def weights(self, logits):
        """Constant weights (B, K, *places) of logits: `places`, divided by their sum if `how` is "mean"."""
        weights = self.places(logits)
        if self.how == "sum":
            return weights
        tiny = torch.finfo(weights.dtype).tiny
        return weights / weights.sum(tuple(range(2, weights.ndim)), keepdim=True).clamp(min=tiny)

    @torch.no_grad()
    def places(self, logits):
        """Which places count (B, K, *places): 0 for those that do not, 1 or the region's weight for those that do."""
        if logits.ndim < 3:
            shape = tuple(logits.shape)
            raise InputError(f"The network returns the shape {shape}: a segmentation has logits (B, K, *places).")
        places = WHERE[self.where](logits, self.threshold, self.exclusive and logits.shape[1] > 1).to(logits.dtype)
        return places if self.region is None else places * _stretch_region(self.region, logits).to(logits.dtype)


def _everywhere(logits, threshold, exclusive):
    """1 at every place of logits (B, K, *places)."""
    return torch.ones_like(logits)


def _own(logits, threshold, exclusive):
    """1 where a class of logits (B, K, *places) wins: its logit is the largest, or above 0 if classes may overlap."""
    if not exclusive:
        return logits > 0
    return torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1)


def _above(logits, threshold, exclusive):
    """1 where a class's probability is above `threshold`: by softmax over the classes, or by sigmoid."""
    return (logits.softmax(1) if exclusive else logits.sigmoid()) > threshold


# name -> function of (logits, threshold, exclusive)
WHERE = {"all": _everywhere, "own": _own, "threshold": _above}


def _stretch_region(region, logits):
    """A region (*places), (K or 1, *places) or (1, K or 1, *places) stretched over the places of logits, as (1, K or 1,
    *places). InputError if its dimensions do not fit.
    """
    lacking = logits.ndim - region.ndim
    if lacking not in (0, 1, 2):
        dims = logits.ndim - 2
        raise InputError(f"The region has {region.ndim} dimensions: give one of {dims}, or one map for each class.")
    region = region[(None,) * lacking]
    if region.shape[0] != 1 or region.shape[1] not in (1, logits.shape[1]):
        begins = tuple(region.shape[:2])
        raise InputError(f"The region begins with {begins}: give one map for all, or one for each of the classes.")
    return F.interpolate(region, tuple(logits.shape[2:]), mode="area")
