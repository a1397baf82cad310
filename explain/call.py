"""The one call: `explain(model, x, method, target)`."""

from contextlib import nullcontext

import numpy as np
import torch

from xaae.explain.completeness import check_sums
from xaae.explain.method import find_method
from xaae.explain.network import needs
from xaae.explain.network.subject import Ask, Subject, asking


def explain(model, x, method, target=None, *, classes=None, background=None, seed=0, **parameters):
    """Explain why `model` gives each item its score.

    Returns a signed float32 array of the shape of x, (B, C, *places), or (B, 1, *places) where the method has one value
    for each place (CAMs). It is never normalised.

    model: any nn.Module x -> logits (B, K), an AAE, or a Subject (a network with what was found out about it: reuse it
    for several methods). To explain the position along a latent direction: `xaae.model.position(aae, vector)`.
    x: items (B, C, T), (B, C, H, W) or (B, C, D, H, W). method: a name in METHODS. target: None for the class that the
    model predicts, a class name (one of `classes`), a class number, or one of these for each item. background: items
    (N, C, *places) for the methods that compare with typical items. seed: of everything that is drawn. parameters: the
    method's own (see `python main.py explain --describe METHOD`), and for any method batch_size (32: how many inputs go
    through the network at once) and precision ("fp32", or "bf16", which the methods use that allow it).
    A network with one output is a binary head: class 1 has its output as score, class 0 minus that. Raises InputError
    for names and numbers that do not exist, Refusal where the method does not fit the model or the input, or where its
    shares do not add up as it promises (see completeness), FloatingPointError where the method returns values that are
    not finite.
    """
    given = {"classes": classes, "background": background, "seed": seed}
    return explain_with_sums(model, x, method, target, **given, **parameters)[0]


def explain_with_sums(model, x, method, target=None, *, classes=None, background=None, seed=0, **parameters):
    """(what `explain` returns, completeness.Sums: how its shares add up, empty for a method that promises nothing)."""
    chosen, batch_size, precision = (
        find_method(method),
        parameters.pop("batch_size", 32),
        parameters.pop("precision", "fp32"),
    )
    chosen.check(parameters)
    with asking(model.network if isinstance(model, Subject) else model, seed), torch.enable_grad():
        subject = model if isinstance(model, Subject) else Subject(model, x, classes)
        x = x.detach().to(subject.device, torch.float32, copy=True)  # some networks write on their input
        background = None if background is None else background.detach().to(subject.device, torch.float32)
        needs.check_needs(chosen, Ask(subject, x, None, background))
        targets = subject.targets(x, target)
        with _precision(chosen, precision, subject.device):
            parts = zip(x.split(batch_size), targets.split(batch_size), strict=True)
            asks = [Ask(subject, *part, background, seed, batch_size) for part in parts]
            maps = [chosen.attribute(ask, **parameters).detach() for ask in asks]
        maps = torch.cat(maps) if len(maps) > 1 else maps[0]
        array = _as_array(chosen.name, maps, x)
        return array, check_sums(chosen, Ask(subject, x, targets, background, seed, batch_size), maps, parameters)


def class_maps(model, x, method="shap_deep", classes=None, **options):
    """Maps of items x for several classes, whichever class the network predicts: a list, an array (B, C, *places) each.

    model: a network or a Subject. classes: class numbers, or names if a Subject knows them; None for all. options: what
    `explain` takes, such as background=. Raises what `explain` raises.
    """
    subject = model if isinstance(model, Subject) else Subject(model, x)
    classes = range(subject.outputs) if classes is None else classes
    return [explain(subject, x, method, each, **options) for each in classes]


def _precision(method, precision, device):
    """The context in which a method computes: bf16 if that is wanted and the method allows it, else nothing changed."""
    if method.autocast and precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def _as_array(name, maps, x):
    """Maps as a float32 array. ValueError unless they have the shape of items x, or one channel instead of C;
    FloatingPointError unless all values are finite."""
    array = maps.float().cpu().numpy()
    if array.shape[0] != len(x) or array.shape[2:] != tuple(x.shape[2:]) or array.shape[1] not in (1, x.shape[1]):
        raise ValueError(f"{name} returned the shape {array.shape} for inputs of shape {tuple(x.shape)}")
    if not np.isfinite(array).all():
        raise FloatingPointError(f"{name} returned values that are no finite numbers")
    return array
