"""What would have to change: the nearest code that the model decides otherwise.

Models need `encode`, `decode` and `classify`, in evaluation mode; `head` and `discriminate` are used where they exist.
Gradients are taken with respect to codes only: no weight is touched.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch.nn import functional as F

from xaae.experiment.device import batches, device_of, exact, places_of
from xaae.experiment.errors import InputError
from xaae.latent_nav.gradient import classes, lead, look_again, seen_by, slope

PUSH = 4.0  # weight of a broken condition against the pull home; any above 1 leads out, more keeps out of corners
FIRST_STEP = 0.1  # of the expected distance
PACE = 4.0  # steps get longer up to a first counterfactual, and shorter after it, by e to this in the whole descent
BEYOND = 1.001  # of the distance at which the decision flips
SURELY = (1.1, 1.25, 1.5)  # of the distance at which it flips in the precision of the descent
NONE, FLIPPED, ACCEPTED = 0, 1, 2  # ranks of a code


def _decider(model):
    """The function z (S, D) -> logits (S, K): the model's head on codes, else its classifier on decoded pictures."""
    return getattr(model, "head", None) or seen_by(model)


def _judge(model):
    """The function (z (S, D), y one-hot (S, K)) -> score (S,) of the model's discriminator, None if it has none."""
    return model.discriminate if getattr(model, "discriminator", None) is not None else None


@dataclass
class Counterfactual:
    """The nearest codes that the model decides otherwise, for S items: z (S, D), a tensor; the rest are NumPy arrays.

    distance (S,) from the item's code, Euclid, NaN where none was found and z is the item's own code; flipped (S,) is
    the code decided otherwise; flipped_when_seen (S,) is encode(decode(z)) so too; accepted (S,) is the discriminator's
    score above the threshold, True without one; probability (S, K) of the classes at z.
    """

    z: torch.Tensor
    distance: np.ndarray
    flipped: np.ndarray
    flipped_when_seen: np.ndarray
    accepted: np.ndarray
    probability: np.ndarray

    def improved(self, rows, others):
        """The same with `others`, of as many items as there are rows (M,), in the place of these where that is nearer.

        Nothing that the discriminator accepts gives way to what it does not.
        """
        nearer = others.flipped & ~(others.distance >= self.distance[rows])  # also where none was found
        take = nearer & (others.accepted | ~(self.flipped & self.accepted)[rows])
        rows, places = np.asarray(rows)[take], torch.from_numpy(np.flatnonzero(take)).to(others.z.device)
        at = torch.from_numpy(rows).to(self.z.device)
        found = replace(self, z=self.z.index_copy(0, at, others.z[places].to(self.z)))
        for name in (each.name for each in fields(found)[1:]):
            column = getattr(self, name).copy()
            column[rows] = getattr(others, name)[take]
            setattr(found, name, column)
        return found


@dataclass
class Goal:
    """What the counterfactuals of S items have to reach.

    decide: z -> logits (S, K). score: (z, classes (S,)) -> (S,). own (S,) decided class. aim (S,) class to go to.
    reach (S, K) bool: classes that may be decided in the end. threshold of the score. margin in logits.
    """

    decide: Callable
    score: Callable
    own: torch.Tensor
    aim: torch.Tensor
    reach: torch.Tensor
    threshold: float
    margin: float

    def flipped(self, logits):
        """Is a class within reach decided, by more than the margin? Never for an item of such a class: (S,) bool."""
        within, beyond = (logits.masked_fill(out, -torch.inf).amax(1) for out in (~self.reach, self.reach))
        return (within - beyond > self.margin) & ~self.reach.gather(1, self.own[:, None]).squeeze(1)

    @torch.no_grad()
    def rank(self, z):
        """NONE, FLIPPED or, when the discriminator takes it for one of the class decided, ACCEPTED: (S,)."""
        return self._rank(z, self.decide(z))

    def _rank(self, z, logits):
        return self.flipped(logits) * (1 + (self.score(z, logits.argmax(1)) > self.threshold).long())

    def look(self, z, home):
        """The rank (S,) of z (S, D), and the unit descent (S, D) there of |z - home| + PUSH h(margin - lead) + PUSH
        h(threshold - score).

        h is the hinge over its own slope, the first-order distance to obeying: all terms are lengths in the latent
        space, and no scale of logits or scores has to be tuned away.
        """
        seen = []

        def lead_at(c):
            seen.append(self.decide(c))
            return lead(seen[0], self.aim)

        ahead, up = slope(lead_at, z)
        score, real = slope(lambda c: self.score(c, self.aim), z)
        short, odd = (ahead <= self.margin)[:, None], (score <= self.threshold)[:, None]
        push = PUSH * (short * F.normalize(up, dim=1) + odd * F.normalize(real, dim=1))
        return self._rank(z, seen[0].detach()), F.normalize(push - F.normalize(z - home, dim=1), dim=1)

    def expected(self, z):
        """Distance (S,) at which the aim would be decided if its lead were linear, at most the codes' usual length."""
        ahead, up = slope(lambda c: lead(self.decide(c), self.aim), z)
        distance = (self.margin - ahead).clamp_min(0) / up.norm(dim=1).clamp_min(1e-12)
        return distance.minimum(z.norm(dim=1).mean().clamp_min(1))


def _nearest_rival(decide, z, own, reach):
    """The class (S,) within reach (S, K) whose boundary with the decided class `own` (S,) is nearest to z (S, D).

    To first order.

    The choice of DeepFool (Moosavi-Dezfooli et al. 2016, arXiv 1511.04599); exact for a linear head.
    """

    def gap(k):
        value, gradient = slope(lambda c: (out := decide(c)).gather(1, own[:, None]).squeeze(1) - out[:, k], z)
        return value / gradient.norm(dim=1).clamp_min(1e-12)

    with torch.no_grad():
        gaps = torch.stack([gap(k) for k in range(decide(z).shape[1])], 1)
    return gaps.masked_fill(~reach, torch.inf).scatter(1, own[:, None], torch.inf).argmin(1)


def _within_reach(target, own, logits):
    """The classes (S, K) bool that a target allows items decided for `own` (S,), see `counterfactual`."""
    if target is None:
        return ~F.one_hot(own, logits.shape[1]).bool()
    target = torch.as_tensor(target, device=logits.device)
    return target[own].bool() if target.ndim == 2 else F.one_hot(classes(target, logits), logits.shape[1]).bool()


def _descend(goal, home, steps):
    """The best codes (S, D) met in `steps` steps from `home` (S, D): highest rank, then least distance."""
    z = best = home
    rank, distance = torch.zeros_like(goal.own), torch.zeros_like(home[:, 0])
    longer, (_, way) = math.exp(PACE / steps), goal.look(home, home)
    step = FIRST_STEP * goal.expected(home)
    for _ in range(steps):
        z = z + step[:, None] * way
        (new_rank, way), far = goal.look(z, home), (z - home).norm(dim=1)
        better = (new_rank > rank) | ((new_rank == rank) & (far < distance))
        best = torch.where(better[:, None], z, best)
        rank, distance = torch.where(better, new_rank, rank), torch.where(better, far, distance)
        step = step * torch.where(rank == ACCEPTED, 1 / longer, longer)
    return best


def _surely(goal, home, far):
    """`far` (S, D), or a code a little beyond it on the same line where that ranks higher.

    A descent in half precision ends at a border that lies elsewhere in full precision.
    """
    best, rank = far, goal.rank(far)
    for reach in SURELY:
        beyond = torch.lerp(home, far, reach)
        higher = (found := goal.rank(beyond)) > rank
        best, rank = torch.where(higher[:, None], beyond, best), torch.where(higher, found, rank)
    return best


def _pull_home(goal, home, far, scan=16, halvings=8):
    """The codes nearest to `home` (S, D) on the way from there to `far` (S, D) that rank no lower than far: (S, D).

    A scan finds the first such stretch, halving its beginning, and a thousandth more keeps the decision from hanging
    on rounding where that is still allowed; what is returned has been checked.
    """
    rank = goal.rank(far)
    holds = lambda t: goal.rank(torch.lerp(home, far, t[:, None])) >= rank  # noqa: E731
    high = torch.ones_like(home[:, 0])
    for i in range(scan, 0, -1):
        t = torch.full_like(high, i / scan)
        high = torch.where(holds(t), t, high)
    low = high - 1 / scan
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = torch.where(holds(middle), low, middle), torch.where(holds(middle), middle, high)
    past = high * BEYOND
    return torch.lerp(home, far, torch.where(holds(past), past, high)[:, None])


def _verdict(model, goal, home, z):
    """The Counterfactual of codes z (S, D) found for items at `home` (S, D), with everything measured anew."""
    logits, rank = goal.decide(z), goal.rank(z)
    found = rank > NONE
    return Counterfactual(
        z,
        torch.where(found, (z - home).norm(dim=1), torch.nan).cpu().numpy(),
        found.cpu().numpy(),
        goal.flipped(goal.decide(look_again(model, z))).cpu().numpy(),
        (goal.score(z, logits.argmax(1)) > goal.threshold).cpu().numpy(),
        logits.float().softmax(1).cpu().numpy(),
    )


@torch.inference_mode(False)
@torch.no_grad()
def counterfactual(model, z, target=None, decide=None, threshold=None, margin=0.0, steps=200) -> Counterfactual:
    """The nearest code to each z (S, D) that is decided otherwise, where the discriminator still accepts it.

    target: the class to reach (int or (S,)), None for any other, or a matrix (K, K) bool whose row k says which classes
    to reach from class k, see `Contrast.opposite`; items of a target class already have none. decide: z -> logits
    (S, K), by default the model's head, else its classifier on the decoded picture. threshold: the score of the model's
    discriminator to exceed, such as the 5th percentile of the training codes'; None for no condition. margin: lead in
    logits to exceed. steps: of descent, before a search along the line home. InputError for a class that is not there,
    or a threshold without a discriminator.

    Distance and conditions as in Wachter et al. 2017 (arXiv 1711.00399), in the latent space.
    """
    decide, discriminate = decide or _decider(model), _judge(model)
    if threshold is not None and discriminate is None:
        raise InputError("This model has no discriminator to compare with a threshold: leave the threshold out.")
    each = None if target is None or np.ndim(target) == 2 else torch.as_tensor(target).expand(len(z))

    def search(part):
        home = z[part].detach().to(device_of(model))
        with exact():
            goal = _goal_at(home, target if each is None else each[part], decide, discriminate, threshold, margin)
        far = _descend(goal, home, steps)  # only where it leads counts, so that it may be in a caller's bf16
        with exact():
            return _verdict(model, goal, home, _pull_home(goal, home, _surely(goal, home, far)))

    return _joined([search(part) for part in batches(len(z), places=places_of(model))], z.device)


@torch.inference_mode(False)
@torch.no_grad()
def in_sight(model, z, near, discriminate=None, threshold=None, reaches=(4.0, 8.0), target=None) -> Counterfactual:
    """The nearest codes on the lines from z (S, D) through `near` (S, D) whose decoded picture is decided otherwise.

    A code beyond the head's boundary is often still drawn as the old class: this goes on, up to reaches[0] times as far
    and, for items without success, up to the next, until encode(decode(code)) is decided otherwise than z. Descent by
    `counterfactual` with decide=seen_by(model) finds somewhat nearer ones at a hundred times the cost. Items whose near
    is their own code have none. Arguments otherwise as for `counterfactual`; target: None or a matrix.
    """
    discriminate, device = discriminate or _judge(model), device_of(model)

    def search(part):
        home, beyond = z[part].detach().to(device), near[part].to(device)
        goal, best = _sighted(model, home, beyond, discriminate, threshold, target), home
        for reach in reaches:
            far = home + reach * (beyond - home)
            missing = (goal.rank(best) == NONE)[:, None]
            best = torch.where(missing, _go_out(goal, home, far), best) if missing.any() else best
        return _verdict(model, goal, home, torch.where((goal.rank(best) == NONE)[:, None], home, best))

    return _joined([search(part) for part in batches(len(z), places=places_of(model))], z.device)


def _sighted(model, home, beyond, discriminate, threshold, target):
    """The Goal of decoded pictures that are decided otherwise than the head decides `home` (S, D).

    The aim is the best class within reach at `beyond`: rounding may still give home's own at the boundary itself.
    """
    goal, head = _goal_at(home, target, seen_by(model), discriminate, threshold, 0.0), _decider(model)
    logits = head(home)
    own = logits.argmax(1)
    reach = _within_reach(target, own, logits)
    return replace(goal, own=own, reach=reach, aim=head(beyond).masked_fill(~reach, -torch.inf).argmax(1))


def _go_out(goal, home, far):
    """`pull_home` with fewer looks: every one decodes and encodes."""
    return _pull_home(goal, home, far, scan=8, halvings=6)


def _joined(found, device):
    """Counterfactuals of several batches as one."""
    codes = torch.cat([f.z for f in found]).to(device)
    return Counterfactual(codes, *[np.concatenate([getattr(f, k.name) for f in found]) for k in fields(found[0])[1:]])


def _goal_at(home, target, decide, discriminate, threshold, margin):
    """The Goal of items at `home` (S, D); without a threshold every score is above it."""
    logits = decide(home)
    own = logits.argmax(1)
    reach = _within_reach(target, own, logits)
    one = target is not None and np.ndim(target) < 2
    aim = classes(target, logits) if one else _nearest_rival(decide, home, own, reach)

    def score(z, k):
        return z.sum(1) * 0 if threshold is None else discriminate(z, F.one_hot(k, logits.shape[1]).to(z))

    return Goal(decide, score, own, aim, reach, -torch.inf if threshold is None else threshold, margin)
