"""Augmentations by name: training items changed at random each time they are met, before anything is planted."""

import torch

from xaae.experiment.errors import InputError

SHIFT = 0.1  # of each axis, at most
GAIN = 0.1  # of the distance of every value from the middle of the range, at most


def flip(x):
    """Half of the items x (B, C, *places), mirrored along their last axis."""
    turned = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) < 0.5
    return torch.where(turned, x.flip(-1), x)


def shift_places(x):
    """Items x (B, C, *places), moved along every axis by up to SHIFT of it; their edges are drawn out."""
    for axis, size in enumerate(x.shape[2:], 2):
        most = int(SHIFT * size)
        if most:
            steps = torch.randint(-most, most + 1, (len(x),), device=x.device)
            wanted = (torch.arange(size, device=x.device) - steps[:, None]).clamp(0, size - 1)
            shape = [len(x), *[1] * (x.ndim - 1)]
            shape[axis] = size
            x = x.gather(axis, wanted.view(shape).expand(x.shape))
    return x


def gain(x):
    """Items x (B, C, *places) of more or less contrast, each by a factor of 1 - GAIN to 1 + GAIN, within [0, 1]."""
    factor = 1 + GAIN * (2 * torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) - 1)
    return (0.5 + factor * (x - 0.5)).clamp(0, 1)


WAYS = {"flip": flip, "shift": shift_places, "gain": gain}  # a function for each of AUGMENTATIONS
UNSUITABLE = {"signal": ("flip",)}  # kind -> what makes other items of it: time runs one way


def check_augmentations(names, kind):
    """InputError for a name that there is not, and for an augmentation that the items of a Kind cannot have."""
    for name in names:
        if name not in WAYS:
            raise InputError(f"There is no augmentation {name!r}: choose from {', '.join(WAYS)}.")
        if name in UNSUITABLE.get(kind.name, ()):
            others = ", ".join(n for n in WAYS if n not in UNSUITABLE[kind.name])
            raise InputError(f"A {name} makes no sense for {kind.plural}, whose time runs one way: use {others}.")


def augment(x, names):
    """Items x (B, C, *places) in [0, 1] with each of the augmentations, in this order."""
    for name in names:
        x = WAYS[name](x)
    return x
