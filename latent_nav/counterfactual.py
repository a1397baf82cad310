"""What would have to change: each item's own gradient walk, and the nearest code that the model decides otherwise.

Models need `encode`, `decode` and `classify`, in evaluation mode; `head` and `discriminate` are used where they exist.
Gradients are taken with respect to codes only: no weight is touched.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch.nn import functional as F

from errors import InputError
from latent_nav.codes import batches, device_of

PUSH = 4.0  # weight of a broken condition against the pull home; any above 1 leads out, more keeps out of corners
FIRST_STEP, LONGER, SHORTER = 0.1, 1.04, 0.96  # of the expected distance; before and after a first counterfactual
BEYOND = 1.001  # of the distance at which the decision flips
NONE, FLIPPED, ACCEPTED = 0, 1, 2  # ranks of a code


def slope(function, z):
    """Values (S,) and gradients (S, D) of `function(z) -> (S,)` at codes z (S, D), inside inference mode too."""
    with torch.inference_mode(False), torch.enable_grad():
        z = z.detach().clone().requires_grad_()
        value = function(z)
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), gradient


def lead(logits, k):
    """Logit of class k (S,) less the best of the other classes, from logits (S, K): (S,), positive if k is decided."""
    k = k[:, None]
    return (logits.gather(1, k) - logits.scatter(1, k, -torch.inf).amax(1, keepdim=True)).squeeze(1)


def seen_by(model):
    """The function z (S, D) -> logits (S, K) of the decoded picture."""
    return lambda z: model.classify(model.decode(z))


def decider(model):
    """The function z (S, D) -> logits (S, K): the model's head on codes, else its classifier on decoded pictures."""
    return getattr(model, "head", None) or seen_by(model)


def judge(model):
    """The function (z (S, D), y one-hot (S, K)) -> score (S,) of the model's discriminator, None if it has none."""
    return model.discriminate if getattr(model, "discriminator", None) is not None else None


def classes(target, logits):
    """`target`, a class number or one for each of S items, as (S,). InputError for a class the model does not have."""
    k = torch.as_tensor(target, device=logits.device).long().expand(len(logits)).clone()
    if ((k < 0) | (k >= logits.shape[1])).any():
        raise InputError(f"There is no such target class: choose from 0 to {logits.shape[1] - 1}.")
    return k


# Each item's own gradient


def gradient_direction(model, z, target):
    """Unit vectors (S, D) along which the decoded picture of z (S, D) gains most for class `target` (int or (S,)).

    The gradient of f_target - f_rival of `classify(decode(z))`, rival the best other class: the item's own class as
    long as the target is not decided (latent shift, Cohen et al. 2021, arXiv 2102.09475). Zero where there is no slope.
    InputError for a class the model does not have.
    """
    logits, device = seen_by(model), device_of(model)
    target = torch.as_tensor(target).expand(len(z))

    def towards(part):
        return slope(lambda c: lead(out := logits(c), classes(target[part], out)), z[part].to(device))[1]

    return F.normalize(torch.cat([towards(part) for part in batches(len(z))]), dim=1).to(z.device)


def scale_along(direction, codes):
    """Standard deviation of training codes (N, D) along each item's direction (S, D): (S,)."""
    return (codes.to(direction) @ direction.T).std(0, correction=0)


def shift(z, direction, alpha, scale=1.0):
    """Codes z (S, D) moved by alpha (T,) steps of `scale` (float or (S,)) along own directions (S, D): (S, T, D)."""
    alpha, scale = (torch.as_tensor(a, dtype=z.dtype, device=z.device) for a in (alpha, scale))
    return z[:, None] + alpha[:, None] * (scale.reshape(-1, 1) * direction)[:, None]


@torch.no_grad()
def look_again(model, z):
    """Codes (S, D) that the model gives the decoded pictures of codes z (S, D): encode(decode(z))."""
    device = device_of(model)
    return torch.cat([model.encode(model.decode(z[part].to(device))) for part in batches(len(z))]).to(z)


def follow(model, z, target, step, frames=11):
    """Walk by the gradient, looking again after each step: z <- encode(decode(z + step g(z))): (S, T, D), first z.

    g is `gradient_direction` at the current code; step (float or (S,)) in latent units, negative to walk away from it.
    """
    codes, step = [z], torch.as_tensor(step, dtype=z.dtype, device=z.device).reshape(-1, 1)
    for _ in range(frames - 1):
        z = look_again(model, z + step * gradient_direction(model, z, target))
        codes.append(z)
    return torch.stack(codes, 1)


# The nearest code that is decided otherwise


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


@dataclass
class Goal:
    """What the counterfactuals of S items have to reach.

    decide: z -> logits (S, K). score: (z, classes (S,)) -> (S,). own (S,) decided class. aim (S,) class to go to.
    any_other: may another class than the aim be decided as well? threshold of the score. margin in logits.
    """

    decide: Callable
    score: Callable
    own: torch.Tensor
    aim: torch.Tensor
    any_other: bool
    threshold: float
    margin: float

    def flipped(self, logits):
        """Is it decided otherwise, by more than the margin? Never for an item of the target class: (S,) bool."""
        ahead = -lead(logits, self.own) if self.any_other else lead(logits, self.aim)
        return (ahead > self.margin) & (self.own != self.aim)

    @torch.no_grad()
    def rank(self, z):
        """NONE, FLIPPED or, when the discriminator takes it for one of the class decided, ACCEPTED: (S,)."""
        logits = self.decide(z)
        return self.flipped(logits) * (1 + (self.score(z, logits.argmax(1)) > self.threshold).long())

    def downhill(self, z, home):
        """Unit descent (S, D) of |z - home| + PUSH h(margin - lead) + PUSH h(threshold - score).

        h is the hinge over its own slope, the first-order distance to obeying: all terms are lengths in the latent
        space, and no scale of logits or scores has to be tuned away.
        """
        ahead, up = slope(lambda c: lead(self.decide(c), self.aim), z)
        score, real = slope(lambda c: self.score(c, self.aim), z)
        short, odd = (ahead <= self.margin)[:, None], (score <= self.threshold)[:, None]
        push = PUSH * (short * F.normalize(up, dim=1) + odd * F.normalize(real, dim=1))
        return F.normalize(push - F.normalize(z - home, dim=1), dim=1)

    def expected(self, z):
        """Distance (S,) at which the aim would be decided if its lead were linear, at most the codes' usual length."""
        ahead, up = slope(lambda c: lead(self.decide(c), self.aim), z)
        distance = (self.margin - ahead).clamp_min(0) / up.norm(dim=1).clamp_min(1e-12)
        return distance.minimum(z.norm(dim=1).mean().clamp_min(1))


def nearest_rival(decide, z, own):
    """The class (S,) whose boundary with the decided class `own` (S,) is nearest, to first order, to z (S, D).

    The choice of DeepFool (Moosavi-Dezfooli et al. 2016, arXiv 1511.04599); exact for a linear head.
    """

    def gap(k):
        value, gradient = slope(lambda c: (out := decide(c)).gather(1, own[:, None]).squeeze(1) - out[:, k], z)
        return value / gradient.norm(dim=1).clamp_min(1e-12)

    with torch.no_grad():
        gaps = torch.stack([gap(k) for k in range(decide(z).shape[1])], 1)
    return gaps.scatter(1, own[:, None], torch.inf).argmin(1)


def descend(goal, home, steps):
    """The best codes (S, D) met in `steps` steps from `home` (S, D): highest rank, then least distance."""
    z = best = home
    rank, distance = torch.zeros_like(goal.own), torch.zeros_like(home[:, 0])
    step = FIRST_STEP * goal.expected(home)
    for _ in range(steps):
        z = z + step[:, None] * goal.downhill(z, home)
        new_rank, far = goal.rank(z), (z - home).norm(dim=1)
        better = (new_rank > rank) | ((new_rank == rank) & (far < distance))
        best = torch.where(better[:, None], z, best)
        rank, distance = torch.where(better, new_rank, rank), torch.where(better, far, distance)
        step = step * torch.where(rank == ACCEPTED, SHORTER, LONGER)
    return best


def pull_home(goal, home, far, scan=32, halvings=10):
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


def verdict(model, goal, home, z):
    """The Counterfactual of codes z (S, D) found for items at `home` (S, D), with everything measured anew."""
    logits, rank = goal.decide(z), goal.rank(z)
    found = rank > NONE
    return Counterfactual(
        z,
        torch.where(found, (z - home).norm(dim=1), torch.nan).cpu().numpy(),
        found.cpu().numpy(),
        goal.flipped(goal.decide(look_again(model, z))).cpu().numpy(),
        (goal.score(z, logits.argmax(1)) > goal.threshold).cpu().numpy(),
        logits.softmax(1).cpu().numpy(),
    )


@torch.inference_mode(False)
@torch.no_grad()
def counterfactual(
    model, z, target=None, decide=None, discriminate=None, threshold=None, margin=0.0, steps=200
) -> Counterfactual:
    """The nearest code to each z (S, D) that is decided otherwise, where the discriminator still accepts it.

    target: the class to reach (int or (S,)), None for any other; items of that class already have none. decide:
    z -> logits (S, K), by default the model's head, else its classifier on the decoded picture. discriminate:
    (z, y one-hot) -> score (S,), by default the model's. threshold: the score to exceed, such as the 5th percentile of
    the training codes'; None for no condition. margin: lead in logits to exceed. steps of descent, before a search
    along the line home. InputError for a class that is not there, or a threshold without a discriminator.

    Distance and conditions as in Wachter et al. 2017 (arXiv 1711.00399), in the latent space.
    """
    decide, discriminate = decide or decider(model), discriminate or judge(model)
    if threshold is not None and discriminate is None:
        raise InputError("This model has no discriminator to compare with a threshold: leave the threshold out.")
    chosen = None if target is None else torch.as_tensor(target).expand(len(z))

    def search(part):
        home = z[part].detach().to(device_of(model))
        goal = goal_at(home, None if chosen is None else chosen[part], decide, discriminate, threshold, margin)
        return verdict(model, goal, home, pull_home(goal, home, descend(goal, home, steps)))

    found = [search(part) for part in batches(len(z))]
    codes = torch.cat([f.z for f in found]).to(z.device)
    return Counterfactual(codes, *[np.concatenate([getattr(f, k.name) for f in found]) for k in fields(found[0])[1:]])


def goal_at(home, target, decide, discriminate, threshold, margin):
    """The Goal of items at `home` (S, D); without a threshold every score is above it."""
    logits = decide(home)
    own = logits.argmax(1)
    aim = nearest_rival(decide, home, own) if target is None else classes(target, logits)

    def score(z, k):
        return z.sum(1) * 0 if threshold is None else discriminate(z, F.one_hot(k, logits.shape[1]).to(z))

    return Goal(decide, score, own, aim, target is None, -torch.inf if threshold is None else threshold, margin)
