"""Pictures that a network wishes for: what a class, a channel or a layer is most excited by.

All are found by gradient ascent on the picture, the weights held still, between `low` and `high`: the range of the
items if None. Inside, pictures have values u in [0, 1], so that steps mean the same whatever the range.
"""

import torch

from xaae.experiment.errors import InputError
from xaae.explain.method import Refusal, method
from xaae.explain.methods import transforms
from xaae.explain.network.subject import MODES

SIMONYAN = "Simonyan et al. 2014, arXiv 1312.6034"
OLAH = "Olah et al. 2017, doi 10.23915/distill.00007"
MORDVINTSEV = "Mordvintsev et al. 2015, Inceptionism"
MAHENDRAN = "Mahendran and Vedaldi 2015, arXiv 1412.0035"
OF_CLASS = {"shows": "picture", "needs": ("gradient",)}
OF_LAYER = {"shows": "picture", "needs": ("gradient", "layer")}
BLIND = "knows nothing of the class"
TINY = 1e-12


# ---- values, slopes, layers -------------------------------------------------------------------------------------


class Range:
    """Values from low to high, by default those of the items of `ask`, as u in [0, 1]. InputError if there are none."""

    def __init__(self, ask, low, high):
        self.low = float(ask.x.min() if low is None else low)
        self.high = float(ask.x.max() if high is None else high)
        if not self.low < self.high:
            raise InputError(
                f"There are no values between low={self.low:g} and high={self.high:g}: give low= and high=."
            )

    def into(self, x):
        """x as u in [0, 1], cut off at the range."""
        return ((x - self.low) / (self.high - self.low)).clamp(0, 1)

    def out(self, u):
        """u in [0, 1] as x in [low, high]."""
        return (self.low + (self.high - self.low) * u).clamp(self.low, self.high)


def _ascend(u, value, steps, rate, after=lambda u, step: u):
    """u (B, C, ...) after `steps` steps of root mean square `rate` up value(u) (B,); after(u, step) puts each right."""
    for step in range(steps):
        u = u.detach().requires_grad_()
        slope = torch.autograd.grad(value(u).sum(), u)[0]
        size = slope.square().flatten(1).mean(1).sqrt().view(-1, *[1] * (u.ndim - 1))
        u = after(u.detach() + rate * slope / (size + TINY), step).clamp(0, 1)
    return u.detach()


def _descend(leaf, loss, steps, rate):
    """Let Adam move the tensor `leaf` down loss() (B,) for `steps` steps; no other gradient is kept."""
    adam = torch.optim.Adam([leaf.requires_grad_()], rate)
    for _ in range(steps):
        (leaf.grad,) = torch.autograd.grad(loss().sum(), leaf)
        adam.step()


class Reached(Exception):  # noqa: N818  (no error)
    """The layer has answered: the rest of the network need not run."""


def layer_output(network, layer, x):
    """What `layer` of a network gives for x (B, C, ...): (B, channels, ...). Refusal unless it is such a tensor."""
    found = []

    def stop(_, __, out):
        found.append(out)
        raise Reached

    hook = layer.register_forward_hook(stop)
    try:
        network(x)
    except Reached:
        pass
    finally:
        hook.remove()
    if not found or not torch.is_tensor(found[0]) or found[0].ndim < 2:
        raise Refusal("the network does not pass this layer, or it has no channels: choose another layer=")
    return found[0]


def excitement(network, layer, x):
    """Mean of each channel of what `layer` gives for x (B, C, ...): (B, channels)."""
    found = layer_output(network, layer, x)
    return found if found.ndim == 2 else found.flatten(2).mean(2)


def _start_of(ask, within, start, generator):
    """u (1, C, ...) to begin with: "mean", the items' mean colour and a little noise, or "random". InputError else."""
    noise = torch.rand(1, *ask.x.shape[1:], generator=generator).to(ask.x)
    if start == "random":
        return noise
    if start != "mean":
        raise InputError(f'start={start!r} is not known: give "mean" or "random".')
    return (_mean_colour(ask, within) + 0.02 * (noise - 0.5)).clamp(0, 1)


def _mean_colour(ask, within):
    """(1, C, 1, ...): the mean of the items, channel by channel, as u."""
    return within.into(ask.x).mean([0, *range(2, ask.x.ndim)], keepdim=True)


def _seeded(ask):
    """The generator of what is drawn: pictures of one class are the same whatever batch they are asked with."""
    return torch.Generator().manual_seed(ask.seed)


def _check(**given):
    """InputError for a number of steps, octaves or the like that is below its least: check(steps=(value, least))."""
    for name, (value, least) in given.items():
        if value < least:
            raise InputError(f"{name}={value} is too small: give {least} or more.")


# ---- of a class -------------------------------------------------------------------------------------------------


@method("visualisation", "Class-model visualisation", SIMONYAN, "a picture that raises the score most", **OF_CLASS)
def class_model(ask, *, steps=64, rate=0.05, decay=0.02, every=5, sigma=0.7, start="mean", low=None, high=None):
    """Gradient ascent on the logit, once for each class asked for.

    steps, rate: number and size of the steps, in shares of the range. decay: by how much each draws the picture back
    to the items' mean colour (the paper's L2 norm). every, sigma: a Gaussian of `sigma` places smooths each `every`
    steps, not in the last of them; sigma 0: never. start: "mean" or "random".
    """
    _check(steps=(steps, 1), every=(every, 1), sigma=(sigma, 0))
    within = Range(ask, low, high)
    classes, which = ask.target.unique(return_inverse=True)
    middle, u = _mean_colour(ask, within), _start_of(ask, within, start, _seeded(ask))

    def regular(u, step):
        u = middle + (1 - decay) * (u - middle)
        return transforms.gaussian_blur(u, sigma) if sigma and (step + 1) % every == 0 and step + every < steps else u

    u = u.repeat(len(classes), *[1] * (u.ndim - 1))
    return within.out(_ascend(u, lambda u: ask.score(within.out(u), classes), steps, rate, regular))[which]


@method("visualisation", "Feature rendering", OLAH, "a picture that raises the score however it is moved", **OF_CLASS)
def feature_rendering(
    ask, *, steps=64, rate=0.08, shift=0.06, degrees=10.0, scale=0.1, decorrelate=True, low=None, high=None
):
    """Ascent on the logit of a picture written by its spectrum and moved at random in each step (after Lucid), once
    for each class asked for. The parameters: see `render`.
    """
    classes, which = ask.target.unique(return_inverse=True)
    moves = {"shift": shift, "degrees": degrees, "scale": scale}
    value = lambda x: ask.score(x, classes)  # noqa: E731
    return _render(ask, value, len(classes), Range(ask, low, high), steps, rate, decorrelate, moves)[which]


def _render(ask, value, count, within, steps, rate, decorrelate, moves):
    """`count` pictures (count, C, ...) within a range that raise value(x) (count,), written by their spectra.

    steps, rate: of Adam. moves: shift (share of a side), degrees and scale (share; both for pictures only), how far
    the picture is moved at most in each step; 0: not at all. decorrelate: channels go together as those of the items.
    """
    _check(steps=(steps, 1), **{name: (size, 0) for name, size in moves.items()})
    generator, channels = _seeded(ask), ask.x.shape[1]
    parts = transforms.random_spectrum(ask.x.shape[1:], generator).to(ask.x)
    parts = parts.repeat(count, *[1] * (parts.ndim - 1))
    mix = transforms.mixture(ask.x) if decorrelate and channels > 1 else torch.eye(channels).to(ask.x)
    middle = _mean_colour(ask, within).clamp(0.05, 0.95).logit()

    def shown():
        waves = transforms.from_spectrum(parts, ask.places)
        return within.out(torch.sigmoid(middle + torch.einsum("dc,bc...->bd...", mix, waves)))

    def moved(x):
        x = transforms.jitter(x, moves["shift"], generator)
        return transforms.turn(x, moves["degrees"], moves["scale"], generator)

    _descend(parts, lambda: -value(moved(shown())), steps, rate)
    return shown().detach()


# ---- of a layer -------------------------------------------------------------------------------------------------


@method(
    "visualisation",
    "Layer visualisation",
    OLAH,
    "a picture that excites one channel of a layer",
    flag=BLIND,
    **OF_LAYER,
)
def layer_visualisation(
    ask,
    *,
    layer="",
    channel=None,
    steps=64,
    rate=0.08,
    shift=0.06,
    degrees=10.0,
    scale=0.1,
    decorrelate=True,
    low=None,
    high=None,
):
    """Rendered like a class, once for each channel. layer: "" for the deepest with a map of places. channel: its
    number; None: the item's most active one. InputError for a channel that there is not.
    """
    part = ask.subject.layer(layer, vectors=True)
    with torch.no_grad():
        active = excitement(ask.network, part, ask.x)
    if channel is not None and not 0 <= channel < active.shape[1]:
        raise InputError(f"There is no channel {channel}: the layer has 0 to {active.shape[1] - 1}.")
    chosen = active.argmax(1) if channel is None else torch.full_like(ask.target, channel)
    channels, which = chosen.unique(return_inverse=True)
    value = lambda x: excitement(ask.network, part, x).gather(1, channels[:, None])[:, 0]  # noqa: E731
    moves = {"shift": shift, "degrees": degrees, "scale": scale}
    return _render(ask, value, len(channels), Range(ask, low, high), steps, rate, decorrelate, moves)[which]


@method("visualisation", "Deep Dream", MORDVINTSEV, "the item, with what a layer sees in it", flag=BLIND, **OF_LAYER)
def deep_dream(ask, *, layer="", octaves=3, ratio=1.4, steps=10, rate=0.02, shift=0.06, low=None, high=None):
    """Ascent on the norm of a layer's answer from the item itself, at `octaves` sizes, each `ratio` times the last.

    steps, rate: for each size, in shares of the range. shift: the item is moved by up to this share of a side, round
    the edge, in each step. Sizes that the network cannot take before the layer are left out.
    """
    _check(octaves=(octaves, 1), ratio=(ratio, 1), steps=(steps, 0))
    part, within, generator = ask.subject.layer(layer, vectors=True), Range(ask, low, high), _seeded(ask)
    item = within.into(ask.x)
    seen = torch.zeros_like(item)
    for places in _sizes(ask, part, octaves, ratio):
        base = _resized(item, places)
        u = (base + _resized(seen, places)).clamp(0, 1)
        seen = _dream(u, lambda u: layer_output(ask.network, part, within.out(u)), steps, rate, shift, generator) - base
    return within.out(item + seen)


def _dream(u, layer, steps, rate, shift, generator):
    """u (B, C, ...) after ascent on the squared norm of layer(u), rolled round at random in each step."""
    dims = list(range(2, u.ndim))
    for _ in range(steps):
        by = [round(transforms.uniform_number(generator, -shift, shift) * side) for side in u.shape[2:]]
        rolled = _ascend(u.roll(by, dims), lambda u: layer(u).square().flatten(1).mean(1), 1, rate)
        u = rolled.roll([-b for b in by], dims)
    return u


def _resized(x, places):
    """x (B, C, ...) at another size."""
    if tuple(x.shape[2:]) == tuple(places):
        return x
    return torch.nn.functional.interpolate(x, places, mode=MODES[len(places)], align_corners=False)


def _sizes(ask, layer, octaves, ratio):
    """Sizes of items from the smallest octave up to their own, those left out that the network cannot take."""
    for octave in reversed(range(octaves)):
        places = tuple(max(1, round(side / ratio**octave)) for side in ask.places)
        if octave == 0 or _takes(ask, layer, places):
            yield places


def _takes(ask, layer, places):
    """Can items of another size be put through the network up to `layer`?"""
    try:
        with torch.no_grad():
            return layer_output(ask.network, layer, _resized(ask.x[:1], places)).numel() > 0
    except RuntimeError:  # a linear layer, a skip that no longer meets its other end, a kernel larger than the item
        return False


@method("visualisation", "Inverted representation", MAHENDRAN, "what a layer keeps of the item", flag=BLIND, **OF_LAYER)
def inverted_representation(ask, *, layer="", steps=100, rate=0.1, smooth=0.05, start="mean", low=None, high=None):
    """A picture for each item that the layer answers as it answers the item.

    steps, rate: of Adam. smooth: weight of the total variation (in shares of the range a place) against the squared
    distance of the answers by the squared answer.
    """
    _check(steps=(steps, 1), smooth=(smooth, 0))
    part, within = ask.subject.layer(layer, vectors=True), Range(ask, low, high)
    with torch.no_grad():
        wanted = layer_output(ask.network, part, ask.x).flatten(1)
    u = (
        _start_of(ask, within, start, _seeded(ask))
        .repeat(len(ask.x), *[1] * (ask.x.ndim - 1))
        .clamp(0.02, 0.98)
        .logit()
    )

    def loss():
        x = torch.sigmoid(u)
        gap = layer_output(ask.network, part, within.out(x)).flatten(1) - wanted
        return gap.square().sum(1) / (wanted.square().sum(1) + TINY) + smooth * transforms.variation(x)

    _descend(u, loss, steps, rate)
    return within.out(torch.sigmoid(u)).detach()
