"""Each item's own gradient: the way in which its decoded picture gains most for a class, and the walk along it.

Models need `encode`, `decode` and `classify`, in evaluation mode. Gradients are taken with respect to codes only: no
weight is touched.
"""

import torch
from torch.nn import functional as F

from xaae.experiment.device import batches, device_of, places_of
from xaae.experiment.errors import InputError


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


def seen_by(model, classify=None):
    """The function z (S, D) -> logits (S, K) that a classifier x -> (S, K) gives the decoded picture of z.

    classify: whose answer it is; by default the model's own.
    """
    classify = classify or model.classify
    return lambda z: classify(model.decode(z))


def classes(target, logits):
    """`target`, a class number or one for each of S items, as (S,). InputError for a class the model does not have."""
    k = torch.as_tensor(target, device=logits.device).long().expand(len(logits)).clone()
    if ((k < 0) | (k >= logits.shape[1])).any():
        raise InputError(f"There is no such target class: choose from 0 to {logits.shape[1] - 1}.")
    return k


def gradient_direction(model, z, target, classify=None):
    """Unit vectors (S, D) along which the decoded picture of z (S, D) gains most for class `target` (int or (S,)).

    The gradient of f_target - f_rival of `classify(decode(z))`, rival the best other class: the item's own class as
    long as the target is not decided (latent shift, Cohen et al. 2021, arXiv 2102.09475). f is the model's own
    classifier, or any `classify(x)`. Zero where there is no slope. InputError for a class that f does not have.
    """
    logits, device = seen_by(model, classify), device_of(model)
    target = torch.as_tensor(target).expand(len(z))

    def towards(part):
        return slope(lambda c: lead(out := logits(c), classes(target[part], out)), z[part].to(device))[1]

    return F.normalize(torch.cat([towards(part) for part in batches(len(z), places=places_of(model))]), dim=1).to(
        z.device
    )


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
    device, parts = device_of(model), batches(len(z), places=places_of(model))
    return torch.cat([model.encode(model.decode(z[part].to(device))) for part in parts]).to(z)


def follow(model, z, target, step, frames=11, classify=None):
    """Walk by the gradient, looking again before each step: z <- z + step g(encode(decode(z))): (S, T, D), first z.

    g is `gradient_direction` (of `classify`) at the code that the model gives its own frame; step (float or (S,)) in
    latent units, negative to walk away from the target. The walk keeps its own place: to go on from the re-encoded
    code instead would undo each step near the boundary, where the decoder still shows the old class.
    """
    codes, step = [z], torch.as_tensor(step, dtype=z.dtype, device=z.device).reshape(-1, 1)
    for _ in range(frames - 1):
        z = z + step * gradient_direction(model, look_again(model, z), target, classify)
        codes.append(z)
    return torch.stack(codes, 1)
