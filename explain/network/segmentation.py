"""A segmentation network as a classifier: for each class the sum of its logits over places, which can be explained."""

import torch
import torch.nn.functional as F
from torch import fx, nn

from xaae.experiment.errors import InputError
from xaae.explain.network.graph import Places


class Segmentation(nn.Module):
    """x (B, C, *places) -> scores (B, K): what a segmentation network says of each class, over all places that count.

    network: x -> logits (B, K, *places), or a dict that holds them under `output`, as torchvision's networks give; one
    channel stands for one class against none. where: the places that count for a class.
      "all": every place.
      "own": only where this class wins, so that each place counts for one class.
      "threshold": only where the class's probability is above `threshold`.
    how: "sum" or "mean" of the logits at these places (0 if there are none). exclusive: do classes exclude each other
    (probabilities by softmax, one winner) or not (by sigmoid, a class wins where its logit is above 0)? With one
    channel they never do. region: weights of places, >= 0, that multiply all this: (*places), or one map for each
    class (K, *places); of any size, stretched over the network's places.

    Scores are differentiable; which places count is held constant in the gradient, and is found anew for each input:
    a noisy or hidden copy of an item has its own places. `held` keeps an item's own for all its copies, as captum's
    tutorial on segmentation does; then integrated gradients and DeepLift sum to the score's difference.
    InputError for settings that do not exist and for outputs of another form.
    """

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
        """What the network says of x (B, C, *places): (B, K, *places). InputError for an output of another form."""
        found = self.network(x)
        if isinstance(found, dict):
            if self.output not in found:
                raise InputError(
                    f"The network's output has no {self.output!r}: give output= one of {', '.join(found)}."
                )
            found = found[self.output]
        if not isinstance(found, torch.Tensor | fx.Proxy):
            kind = type(found).__name__
            raise InputError(f"The network returns {kind}: wrap it so that it returns logits (B, K, *places).")
        return found

    @torch.no_grad()
    def held(self, x):
        """The same question with the places that count for one item x (1, C, *places), whatever goes in later."""
        if len(x) != 1:
            raise InputError(f"The places of one item can be held, and {len(x)} were given: hold them one by one.")
        places = self.mask.places(self.logits(x))
        return Segmentation(self.network, "all", self.mask.how, region=places, output=self.output)


class Mask(nn.Module):
    """logits (B, K, *places) times constant weights of the places that count: one step in which relevance passes."""

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
        """Do the places that count change with the input? Then no rule of DeepLift covers this step."""
        return self.where != "all"

    def forward(self, logits):
        return logits * self.weights(logits)

    @torch.no_grad()
    def weights(self, logits):
        """Constant weights (B, K, *places) of logits: 1 or the region's, over their sum where the mean is asked."""
        found = self.places(logits)
        if self.how == "sum":
            return found
        tiny = torch.finfo(found.dtype).tiny
        return found / found.sum(tuple(range(2, found.ndim)), keepdim=True).clamp(min=tiny)

    @torch.no_grad()
    def places(self, logits):
        """Which places count (B, K, *places): 0, 1, or the region's weights."""
        if logits.ndim < 3:
            shape = tuple(logits.shape)
            raise InputError(f"The network returns the shape {shape}: a segmentation has logits (B, K, *places).")
        found = WHERE[self.where](logits, self.threshold, self.exclusive and logits.shape[1] > 1).to(logits.dtype)
        return found if self.region is None else found * _stretched(self.region, logits).to(logits.dtype)


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


WHERE = {"all": _everywhere, "own": _own, "threshold": _above}


def _stretched(region, logits):
    """A region (*places), (K or 1, *places) or (1, K or 1, *places) on the places of logits: (1, K or 1, *places)."""
    lacking = logits.ndim - region.ndim
    if lacking not in (0, 1, 2):
        dims = logits.ndim - 2
        raise InputError(f"The region has {region.ndim} dimensions: give one of {dims}, or one map for each class.")
    region = region[(None,) * lacking]
    if region.shape[0] != 1 or region.shape[1] not in (1, logits.shape[1]):
        kinds = tuple(region.shape[:2])
        raise InputError(f"The region begins with {kinds}: give one map for all, or one for each of the classes.")
    return F.interpolate(region, tuple(logits.shape[2:]), mode="area")
