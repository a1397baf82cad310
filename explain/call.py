"""The one call: `explain(model, x, method, target)`."""

from contextlib import nullcontext

import numpy as np
import torch

from xaae.explain.method import find_method
from xaae.explain.network import needs
from xaae.explain.network.subject import Ask, Subject, asking


def explain(
    model,
    x,
    method,
    target=None,
    *,
    classes=None,
    background=None,
    seed=0,
    batch_size=32,
    precision="fp32",
    **parameters,
):
    """Explain why `model` gives each item its score: a signed float32 array (B, C, ...), or (B, 1, ...) where the
    method has one value for each place (CAMs); never normalised.

    model: any nn.Module x -> logits (B, K), an AAE, or a Subject made of one, which saves finding out about it again;
    for the place along a latent direction, `models.position(model, vector)`. x: (B, C, T), (B, C, H, W) or
    (B, C, D, H, W). method: a name in METHODS. target: None for the class the model says, a class name (of `classes`)
    or number, or one of these for each item. background: items (N, C, ...) for the methods that need them. batch_size:
    inputs put through the network at once. precision: "bf16" is used where the method allows it. parameters: the
    method's own.
    InputError for names and numbers that do not exist, Refusal where the method does not fit the model,
    FloatingPointError where it returns something other than finite numbers.
    """
    how = find_method(method)
    how.check(parameters)
    with asking(model.network if isinstance(model, Subject) else model, seed), torch.enable_grad():
        subject = model if isinstance(model, Subject) else Subject(model, x, classes)
        x = x.detach().to(subject.device, torch.float32, copy=True)  # some networks write on their input
        background = None if background is None else background.detach().to(subject.device, torch.float32)
        needs.check_needs(how, Ask(subject, x, None, background))
        targets = subject.targets(x, target)
        half = how.autocast and precision == "bf16"
        with torch.autocast(subject.device.type, torch.bfloat16) if half else nullcontext():
            parts = zip(x.split(batch_size), targets.split(batch_size), strict=True)
            maps = [how.attribute(Ask(subject, *part, background, seed, batch_size), **parameters) for part in parts]
    return _as_array(how.name, torch.cat([m.detach() for m in maps]) if len(maps) > 1 else maps[0].detach(), x)


def class_maps(model, x, method="shap_deep", classes=None, **given):
    """Maps of x for several classes, whatever the network says: a list with an array (B, C, ...) for each class.

    model: a network or a Subject. classes: numbers, or names if a Subject knows them; None for all. given: what
    `explain` takes, such as background=. Errors are those of `explain`.
    """
    subject = model if isinstance(model, Subject) else Subject(model, x)
    classes = range(subject.outputs) if classes is None else classes
    return [explain(subject, x, method, each, **given) for each in classes]


def _as_array(name, maps, x):
    """Maps as a float32 array, checked: of the shape of x (B, C, ...) but for one channel, and finite."""
    found = maps.float().cpu().numpy()
    if found.shape[0] != len(x) or found.shape[2:] != tuple(x.shape[2:]) or found.shape[1] not in (1, x.shape[1]):
        raise ValueError(f"{name} returned the shape {found.shape} for inputs of shape {tuple(x.shape)}")
    if not np.isfinite(found).all():
        raise FloatingPointError(f"{name} returned values that are no finite numbers")
    return found
