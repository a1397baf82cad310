"""Feature visualisation: images that excite a class, a channel or a layer most.

All are found by gradient ascent on the image with fixed weights. Its values stay between `low` and `high`, by default
the range of the items. Internally values are u in [0, 1], so that step sizes do not depend on the range. Signals and
volumes work like pictures.
"""

import torch

from xaae.experiment.errors import InputError
from xaae.experiment.light_adam import LightAdam
from xaae.explain.method import Refusal, method
from xaae.explain.methods import transforms
from xaae.explain.network.subject import stretch

SIMONYAN = "Simonyan et al. 2014, arXiv 1312.6034"
OLAH = "Olah et al. 2017, doi 10.23915/distill.00007"
MORDVINTSEV = "Mordvintsev et al. 2015, Inceptionism"
MAHENDRAN = "Mahendran and Vedaldi 2015, arXiv 1412.0035"
OF_CLASS = {"shows": "picture", "needs": ("gradient",)}
OF_LAYER = {"shows": "picture", "needs": ("gradient", "layer")}
BLIND = "does not depend on the class"
TINY = 1e-12


# ---- values, gradients, layers ----------------------------------------------------------------------------------


class Range:
    """The range of values from low to high, by default that of the items. InputError if it is empty."""

    def __init__(self, ask, low, high):
        self.low = float(ask.x.min() if low is None else low)
        self.high = float(ask.x.max() if high is None else high)
        if not self.low < self.high:
            raise InputError(
                f"There are no values between low={self.low:g} and high={self.high:g}: give low= and high=."
            )

    def into(self, x):
        """Values x as u in [0, 1]; beyond the range they are cut off."""
        return ((x - self.low) / (self.high - self.low)).clamp(0, 1)

    def out(self, u):
        """Values u in [0, 1] as x in [low, high]."""
        return (self.low + (self.high - self.low) * u).clamp(self.low, self.high)


def _ascend(u, value, steps, rate, correct=lambda u, step: u):
    """u (B, C, *places) after `steps` steps of gradient ascent on value(u) (B,).

    rate: root mean square of a step. correct(u, step) is applied after each step.
    """
    for step in range(steps):
        u = u.detach().requires_grad_()
        gradient = torch.autograd.grad(value(u).sum(), u)[0]
        size = gradient.square().flatten(1).mean(1).sqrt().view(-1, *[1] * (u.ndim - 1))
        u = correct(u.detach() + rate * gradient / (size + TINY), step).clamp(0, 1)
    return u.detach()


def _minimise(parameter, loss, steps, rate):
    """Change the tensor `parameter` by Adam so that loss() (B,) falls, for `steps` steps; weights get no gradient."""
    adam = LightAdam([parameter.requires_grad_()], rate)
    for _ in range(steps):
        (parameter.grad,) = torch.autograd.grad(loss().sum(), parameter)
        adam.step()


class _LayerReached(Exception):  # noqa: N818  (it is no error)
    """Ends a forward pass at a layer whose output is known: the rest of the network need not run."""


def layer_output(network, layer, x):
    """The output (B, channels, ...) of a layer for x (B, C, *places). Refusal if it is no such tensor."""
    outputs = []

    def stop(_, __, out):
        outputs.append(out)
        raise _LayerReached

    hook = layer.register_forward_hook(stop)
    try:
        network(x)
    except _LayerReached:
        pass
    finally:
        hook.remove()
    if not outputs or not torch.is_tensor(outputs[0]) or outputs[0].ndim < 2:
        raise Refusal("the network does not pass this layer, or it has no channels: choose another layer=")
    return outputs[0]


def channel_activity(network, layer, x):
    """Mean of each channel of a layer's output for x (B, C, *places): (B, channels)."""
    output = layer_output(network, layer, x)
    return output if output.ndim == 2 else output.flatten(2).mean(2)


def _start_of(ask, within, start, generator):
    """The first image u (1, C, *places): "mean" for the items' mean colour with a little noise, or "random".

    InputError for any other start.
    """
    noise = torch.rand(1, *ask.x.shape[1:], generator=generator).to(ask.x)
    if start == "random":
        return noise
    if start != "mean":
        raise InputError(f'start={start!r} is not known: give "mean" or "random".')
    return (_mean_colour(ask, within) + 0.02 * (noise - 0.5)).clamp(0, 1)


def _mean_colour(ask, within):
    """The mean of each channel over all items and places, as u: (1, C, 1, ...)."""
    return within.into(ask.x).mean([0, *range(2, ask.x.ndim)], keepdim=True)


def _generator_of(ask):
    """A generator from the question's seed, so that the image of a class does not depend on the batch."""
    return torch.Generator().manual_seed(ask.seed)


def _check(**given):
    """InputError for a parameter that is smaller than its least value: _check(steps=(value, least))."""
    for name, (value, least) in given.items():
        if value < least:
            raise InputError(f"{name}={value} is too small: give {least} or more.")


# ---- of a class -------------------------------------------------------------------------------------------------


@method("visualisation", "Class-model visualisation", SIMONYAN, "a picture that raises the score most", **OF_CLASS)
def class_model(ask, *, steps=64, rate=0.05, decay=0.02, every=5, sigma=0.7, start="mean", low=None, high=None):
    """Gradient ascent on the logit, one image for each class of the targets.

    steps, rate: number of steps, and their size in parts of the range. decay: the part by which each step moves the
    image back to the items' mean colour (the paper's L2 norm). every, sigma: every so many steps, but not in the last
    ones, a Gaussian of `sigma` places smooths the image; sigma 0: never. start: "mean" or "random".
    """
    _check(steps=(steps, 1), every=(every, 1), sigma=(sigma, 0))
    within = Range(ask, low, high)
    classes, image_of = ask.target.unique(return_inverse=True)
    middle, u = _mean_colour(ask, within), _start_of(ask, within, start, _generator_of(ask))

    def regularise(u, step):
        u = middle + (1 - decay) * (u - middle)
        return transforms.gaussian_blur(u, sigma) if sigma and (step + 1) % every == 0 and step + every < steps else u

    u = u.repeat(len(classes), *[1] * (u.ndim - 1))
    return within.out(_ascend(u, lambda u: ask.score(within.out(u), classes), steps, rate, regularise))[image_of]


@method("visualisation", "Feature rendering", OLAH, "a picture that raises the score even if it is moved", **OF_CLASS)
def feature_rendering(
    ask, *, steps=64, rate=0.08, shift=0.06, degrees=10.0, scale=0.1, decorrelate=True, low=None, high=None
):
    """Ascent on the logit; the image is given by its spectrum and moved at random in each step, as in Lucid.

    One image for each class of the targets. Parameters: see `_render`.
    """
    classes, image_of = ask.target.unique(return_inverse=True)
    moves = {"shift": shift, "degrees": degrees, "scale": scale}
    value = lambda x: ask.score(x, classes)  # noqa: E731
    return _render(ask, value, len(classes), Range(ask, low, high), steps, rate, decorrelate, moves)[image_of]


def _render(ask, value, count, within, steps, rate, decorrelate, moves):
    """`count` images (count, C, *places) within a range that raise value(x) (count,), given by their spectra.

    steps, rate: of Adam. moves: {"shift": part of a side, "degrees": angle, "scale": part}, how far the image is moved
    at most in each step (only pictures are rotated and scaled). decorrelate: give channels the correlations that the
    items' channels have.
    """
    _check(steps=(steps, 1), **{name: (size, 0) for name, size in moves.items()})
    generator, channels = _generator_of(ask), ask.x.shape[1]
    spectrum = transforms.random_spectrum(ask.x.shape[1:], generator).to(ask.x)
    spectrum = spectrum.repeat(count, *[1] * (spectrum.ndim - 1))
    mix = transforms.mixture(ask.x) if decorrelate and channels > 1 else torch.eye(channels).to(ask.x)
    middle = _mean_colour(ask, within).clamp(0.05, 0.95).logit()

    def images():
        waves = transforms.from_spectrum(spectrum, ask.places)
        return within.out(torch.sigmoid(middle + torch.einsum("dc,bc...->bd...", mix, waves)))

    def moved(x):
        x = transforms.jitter(x, moves["shift"], generator)
        return transforms.turn(x, moves["degrees"], moves["scale"], generator)

    _minimise(spectrum, lambda: -value(moved(images())), steps, rate)
    return images().detach()


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
    """As feature rendering, but for the mean of a channel: one image for each channel.

    layer: "" for the deepest with a map of places. channel: its number; None for the item's most active one. InputError
    for a channel that does not exist.
    """
    module = ask.subject.layer(layer, vectors=True)
    with torch.no_grad():
        activity = channel_activity(ask.network, module, ask.x)
    if channel is not None and not 0 <= channel < activity.shape[1]:
        raise InputError(f"There is no channel {channel}: the layer has 0 to {activity.shape[1] - 1}.")
    chosen = activity.argmax(1) if channel is None else torch.full_like(ask.target, channel)
    channels, image_of = chosen.unique(return_inverse=True)
    value = lambda x: channel_activity(ask.network, module, x).gather(1, channels[:, None])[:, 0]  # noqa: E731
    moves = {"shift": shift, "degrees": degrees, "scale": scale}
    return _render(ask, value, len(channels), Range(ask, low, high), steps, rate, decorrelate, moves)[image_of]


@method(
    "visualisation",
    "Deep Dream",
    MORDVINTSEV,
    "the item, changed so that a layer responds more strongly",
    flag=BLIND,
    **OF_LAYER,
)
def deep_dream(ask, *, layer="", octaves=3, ratio=1.4, steps=10, rate=0.02, shift=0.06, low=None, high=None):
    """Ascent on the norm of a layer's output, from the item itself, at `octaves` sizes, each `ratio` times the last.

    steps, rate: number of steps at each size, and their size in parts of the range. shift: in each step the item is
    rolled around its edges by up to this part of a side. Sizes that the network cannot take are left out.
    """
    _check(octaves=(octaves, 1), ratio=(ratio, 1), steps=(steps, 0))
    module, within, generator = ask.subject.layer(layer, vectors=True), Range(ask, low, high), _generator_of(ask)
    output = lambda u: layer_output(ask.network, module, within.out(u))  # noqa: E731
    item = within.into(ask.x)
    change = torch.zeros_like(item)
    for places in _sizes(ask, module, octaves, ratio):
        base = _resize(item, places)
        u = (base + _resize(change, places)).clamp(0, 1)
        change = _dream(u, output, steps, rate, shift, generator) - base
    return within.out(item + change)


def _dream(u, layer, steps, rate, shift, generator):
    """u (B, C, *places) after ascent on the squared norm of layer(u), rolled around its edges in each step."""
    dims = list(range(2, u.ndim))
    for _ in range(steps):
        by = [round(transforms.uniform_number(generator, -shift, shift) * side) for side in u.shape[2:]]
        rolled = _ascend(u.roll(by, dims), lambda u: layer(u).square().flatten(1).mean(1), 1, rate)
        u = rolled.roll([-b for b in by], dims)
    return u


def _resize(x, places):
    """x (B, C, ...) at another size (B, C, *places); unchanged if it has that size."""
    return x if tuple(x.shape[2:]) == tuple(places) else stretch(x, places)


def _sizes(ask, layer, octaves, ratio):
    """Yield sizes from the smallest octave up to that of the items, without those that the network cannot take."""
    for octave in reversed(range(octaves)):
        places = tuple(max(1, round(side / ratio**octave)) for side in ask.places)
        if octave == 0 or _takes(ask, layer, places):
            yield places


def _takes(ask, layer, places):
    """Can items of another size pass through the network up to `layer`?"""
    try:
        with torch.no_grad():
            return layer_output(ask.network, layer, _resize(ask.x[:1], places)).numel() > 0
    except RuntimeError:  # a linear layer, a skip connection of another size, a kernel larger than the item
        return False


@method("visualisation", "Inverted representation", MAHENDRAN, "what a layer keeps of the item", flag=BLIND, **OF_LAYER)
def inverted_representation(ask, *, layer="", steps=100, rate=0.1, smooth=0.05, start="mean", low=None, high=None):
    """An image for each item for which the layer's output is like its output for the item.

    steps, rate: of Adam. smooth: weight of the total variation (in parts of the range) against the squared distance of
    the outputs, divided by the squared output for the item. start: "mean" or "random".
    """
    _check(steps=(steps, 1), smooth=(smooth, 0))
    module, within = ask.subject.layer(layer, vectors=True), Range(ask, low, high)
    with torch.no_grad():
        wanted = layer_output(ask.network, module, ask.x).flatten(1)
    first = _start_of(ask, within, start, _generator_of(ask))
    u = first.repeat(len(ask.x), *[1] * (ask.x.ndim - 1)).clamp(0.02, 0.98).logit()

    def loss():
        x = torch.sigmoid(u)
        gap = layer_output(ask.network, module, within.out(x)).flatten(1) - wanted
        return gap.square().sum(1) / (wanted.square().sum(1) + TINY) + smooth * transforms.variation(x)

    _minimise(u, loss, steps, rate)
    return within.out(torch.sigmoid(u)).detach()
