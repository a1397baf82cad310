"""The factored code: what an item shows in one part, the factors that its acquisition can change in another.

z (B, D + P) = content u (B, D), then P coordinates of registered factors. The encoder first asks where the coordinates
are, undoes those that can be undone, and looks at the content then; the decoder draws the content as if nothing had
changed it, and plants the coordinates: x_hat = plant(D(u), p). Relatives: the transforming autoencoder (Hinton et al.
2011), spatial transformers (Jaderberg et al. 2015, arXiv 1506.02025), the spatial VAE (Bepler et al. 2019, arXiv
1909.11663), VITAE (Detlefsen and Hauberg 2019, arXiv 1906.11881).

Nobody tells a coordinate its value. In training every item comes twice, with all factors moved by random amounts in
between (see `factors.coordinates.Moves`): each version is reconstructed from the other's content and its own
coordinates, and the coordinates have to differ by as much as was moved.
"""

import math
import operator
from dataclasses import replace
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import nn

from xaae.callbacks import AAELoss, grain, half_of
from xaae.experiment.errors import InputError
from xaae.experiment.item_sizes import check_size, halvings, places_met
from xaae.factors.coordinates import Coordinate, check_coordinates, plant_coordinates, undo_coordinates
from xaae.model import AAE, LAYERS, NONLINEARITIES, Affine, Encoder, Encoding, step_down

EQUIVARIANCE, SAME_CONTENT, CALM = 3.0, 0.001, 1.0  # weights of the parts of the loss that only pairs have
BEYOND = 0.005  # share of the training items whose coordinates lie beyond each limit
CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}  # axes of places -> the function
KERNELS = {1: (3, 1), 2: (4, 1)}  # growth along an axis -> size and padding of the transposed convolution
PIXELS_REACH = 3  # places of the last step that each pixel is drawn from, along each axis


class Glance(nn.Module):
    """x (B, C, *places) in [0, 1] -> coordinates (B, P) and answers (B, K), from one body of convolutions.

    The answers are those of the AAE as a classifier: they come from the item as it is, with all that was done to it.
    `middle` is the running mean of the coordinates' layer for items as they are; coordinates count from it, so that
    means of codes and straight lines between them do not run over the edge where an angle begins again.
    """

    def __init__(self, layers, sizes, channels, act, coordinates, classes):
        super().__init__()
        steps = zip(channels[:-1], channels[1:], sizes[:-1], sizes[1:], strict=True)
        self.body = nn.Sequential(*[step_down(layers, *step, act) for step in steps])
        self.coordinates, self.widths = coordinates, [c.width for c in coordinates]
        features = channels[-1] * math.prod(sizes[-1])
        self.place = nn.Linear(features, sum(self.widths))
        self.answer = nn.Linear(features, classes)
        self.register_buffer("middle", torch.zeros(sum(self.widths)))
        self.register_buffer("began", torch.zeros((), dtype=torch.long))  # batches that the middle has followed

    def features(self, x):
        """What the body gives for x: (B, F)."""
        return self.body(2 * x - 1).flatten(1)

    def coordinates_of(self, features, own=None):
        """Coordinates (B, P) of features (B, F). own: in training, how many of them, the first, are of items as they
        are; the running middle follows these."""
        numbers = self.place(features).float().split(self.widths, 1)
        numbers = [c.point(n) for c, n in zip(self.coordinates, numbers, strict=True)]
        if own:
            self._follow(torch.cat([n[:own].detach().mean(0) for n in numbers]))
        middles = self.middle.split(self.widths)
        return torch.stack([c.read(n, m) for c, n, m in zip(self.coordinates, numbers, middles, strict=True)], 1)

    @torch.no_grad()
    def _follow(self, mean):
        """Move the running middle towards the mean of a batch.

        The n-th batch has a share of 2 / (n + 1), so that later ones weigh more and the middle comes to rest: where it
        is off by a degree, everything is drawn a degree off.
        """
        self.began += 1
        self.middle.lerp_(mean, 2 / (int(self.began) + 1))


class GrowingDecoder(nn.Module):
    """u (B, D) -> x_hat (B, C, *places) in [0, 1]: transposed convolutions that grow from each of the sizes to the one
    before it, the last of them to the pixels.

    Each value that a step gives takes a quarter of a kernel of 4 x 4, where a convolution after growing takes 3 x 3.
    """

    def __init__(self, layers, sizes, channels, encoding_dims, act):
        super().__init__()
        self.start, self.sizes = (channels[-1], *sizes[-1]), sizes[-2::-1]
        self.seed = nn.Linear(encoding_dims, math.prod(self.start))
        widths = [*channels[:0:-1], channels[0]]
        steps = list(zip(widths[:-1], widths[1:], sizes[:0:-1], sizes[-2::-1], strict=True))
        self.steps = nn.ModuleList(_grow(layers, *step) for step in steps[:-1])
        refined = [i < len(steps) - 2 for i in range(len(steps) - 1)]  # not where an item is largest
        self.after = nn.ModuleList(
            _settle(layers, step[1], act, again) for step, again in zip(steps[:-1], refined, strict=True)
        )
        self.pixels = GrowingPixels(layers, *steps[-1])

    def forward(self, u):
        x = self.seed(u).view(-1, *self.start)
        for step, after, places in zip(self.steps, self.after, self.sizes, strict=False):
            x = after(_cropped(step(x), places))
        return torch.sigmoid(_cropped(self.pixels(x), self.sizes[-1]).float())


def _grow(layers, c_in, c_out, before, after):
    """A transposed convolution from places `before` to at least `after`: each axis doubled, or kept."""
    strides = _strides(before, after)
    sizes, padding = zip(*(KERNELS[s] for s in strides), strict=True)
    return layers.grow(c_in, c_out, sizes, strides, padding, bias=False)


class GrowingPixels(nn.Module):
    """A transposed convolution that ends in pixels, from places `before` to at least `after`: x (B, I, *before) ->
    (B, O, *at least after).

    Its kernel has three times its stride along each axis. Computed as a convolution with as many channels as each place
    has pixels, which are then laid side by side: to few channels that is twice or three times as quick as the
    library's own. Where it quarters, it draws an even area of what is the same all over, whatever its weights: each
    pixel of a place has weights of its own, and would leave a lattice there.
    """

    def __init__(self, layers, c_in, c_out, before, after):
        super().__init__()
        self.strides = _strides(before, after)
        sizes = tuple(PIXELS_REACH * s for s in self.strides)
        like = layers.grow(c_in, c_out, sizes, self.strides)  # for its weights as they begin
        self.weight, self.bias, self.convolve = like.weight, like.bias, CONVOLUTIONS[len(sizes)]

    def forward(self, x):
        axes, (c_in, c_out) = len(self.strides), self.weight.shape[:2]
        # each axis of the kernel: the places that it reaches, last first, and the pixels of one place
        parts = self.weight.view(c_in, c_out, *(n for s in self.strides for n in (PIXELS_REACH, s)))
        reached, pixels = list(range(2, 2 + 2 * axes, 2)), list(range(3, 3 + 2 * axes, 2))
        if max(self.strides) > 2:
            sums = parts.sum(reached, keepdim=True)  # what each pixel of a place is drawn as, of ones all over
            parts = parts - (sums - sums.mean(pixels, keepdim=True)) / PIXELS_REACH**axes
        kernels = parts.flip(reached).permute(1, *pixels, 0, *reached).flatten(0, axes)
        drawn = self.convolve(x, kernels, self.bias.repeat_interleave(math.prod(self.strides)), padding=1)
        drawn = drawn.unflatten(1, (c_out, *self.strides))  # (B, O, *strides, *places)
        order = (n for i in range(axes) for n in (2 + axes + i, 2 + i))
        return drawn.permute(0, 1, *order).reshape(len(x), c_out, *map(operator.mul, x.shape[2:], self.strides))


def _strides(before, after):
    """By how many times each axis grows from places `before` to at least `after`."""
    return tuple(-(-new // old) for old, new in zip(before, after, strict=True))


def _settle(layers, channels, act, again):
    """Normalisation and nonlinearity after growth, and a convolution of the same with them `again`."""
    steps = [layers.norm(channels), act()]
    if again:
        steps += [layers.conv(channels, channels, 3, padding=1, bias=False), layers.norm(channels), act()]
    return nn.Sequential(*steps)


def _cropped(x, places):
    """x (B, C, *any) without what is beyond `places`: an axis of odd length is the half of an even one, rounded up."""
    return x[(slice(None), slice(None), *(slice(size) for size in places))]


class FactoredAAE(AAE):
    """An AAE whose code holds coordinates of factors beside the content, and whose decoder plants them last.

    coordinates: {name of a factor: its mean value in the training items}, in the order of planting. fill: of places
    that planting leaves empty. limits {name: (lowest, highest value that the decoder plants)}, see `keep_within`.
    rate: samples a second of signals, None where it is not known. quartered, of items whose first step quarters them:
    they are drawn in a last step that does the same backwards, and their content is looked for at half of their size.
    Others as those of AAE; encoding_dims: D, of the content alone. Codes z are (B, D + P).
    The classifier reads the item as it is; it has no head on the code. `forward(x, moved)` of items in two versions (B
    each) returns (logits (B, K), x_hat (2 B, ...), z (2 B, D + P)), each version decoded from the other's content, and
    last what was drawn before planting (2 B, ...), where that softens it; `forward(x)` as AAE. Raises InputError for
    settings that make no sense.
    """

    def __init__(self, *shape, coordinates, fill="zeros", limits=None, rate=None, quartered=False, **options):
        super().__init__(*shape, **options)
        if not coordinates:
            raise InputError("A factored code needs a coordinate at least: name a factor.")
        check_coordinates(coordinates, self.kind, self.input_channels)
        own = SimpleNamespace(**self.arguments)  # what AAE was given, with its defaults
        self.arguments |= {"coordinates": coordinates, "fill": fill, "rate": rate, "quartered": quartered}
        self.coordinates = [Coordinate(name, float(centre), rate=rate) for name, centre in coordinates.items()]
        self.keep_within(limits or {})
        self.dims, self.fill = own.encoding_dims, fill
        layers, sizes = LAYERS[own.kind], halvings(check_size(own.input_size, self.kind))
        met = places_met(sizes, self.kind, own.first_step)
        if quartered and met == sizes:
            raise InputError("A code is quartered where its first step quarters: give a first step of 4.")
        wide = [own.input_channels, *(own.step_channels * 2 ** min(i, 3) for i in range(len(met) - 1))]
        narrow = [own.input_channels, *(max(4, own.step_channels // 2) * 2 ** min(i, 2) for i in range(len(met) - 1))]
        # of models that are not quartered so, what the first step quarters grows in two steps
        drawn = wide if quartered else [wide[0], *wide[1:2] * (len(sizes) - len(met)), *wide[1:]]
        named = own.nonlinearity
        act = NONLINEARITIES[named] if isinstance(named, str) else lambda: named
        self.softens = any(c.factor.softens for c in self.coordinates)
        self.glance = Glance(layers, met, narrow, act, self.coordinates, own.classes)
        self.decoder = GrowingDecoder(layers, met if quartered else sizes, drawn, self.dims, act)
        self.quartered = quartered
        if quartered:
            self.encoder = Encoder(layers, [sizes[1], *met[1:]], wide, self.dims, act)
        self.head = None
        self.to(memory_format=layers.memory)

    answer_layer = "glance.answer"

    def keep_within(self, limits):
        """From now on the decoder plants no values beyond `limits` {factor: (low, high)}, in the factor's unit.

        They are those of the training items: what no classifier has met in its data it answers at random, so a walk
        that went on there would show what nobody goes by.
        """
        self.arguments["limits"] = limits = {name: tuple(map(float, pair)) for name, pair in limits.items()}
        self.coordinates = [replace(c, limits=limits.get(c.name)) for c in self.coordinates]

    def coordinate_limits(self, z):
        """{factor: (low, high)} that all codes z (N, D + P) but the outermost BEYOND on each side lie within."""
        values = [c.centre + c.scale * z[:, self.dims + i].double() for i, c in enumerate(self.coordinates)]
        ends = torch.tensor([BEYOND, 1 - BEYOND], dtype=torch.float64)
        return {c.name: tuple(v.quantile(ends).tolist()) for c, v in zip(self.coordinates, values, strict=True)}

    def content(self, z):
        """The content (B, D) of codes z (B, D + P)."""
        return z[:, : self.dims]

    def encode(self, x):
        """x (B, C, *places) -> z (B, D + P)."""
        return self._encode(x, self.glance.features(x))

    def _encode(self, x, features, own=None):
        """Codes of items whose `Glance.features` are known; own: see `Glance.coordinates_of`."""
        p = self.glance.coordinates_of(features, own)
        looked_at = half_of(x.float()) if self.quartered else x
        u = super().encode(undo_coordinates(looked_at, self.coordinates, p, self.fill))
        return torch.cat([u, p], 1)

    def decode(self, z):
        """z (B, D + P) -> x_hat (B, C, *places) in [0, 1]."""
        return plant_coordinates(self.drawn(z), self.coordinates, z[:, self.dims :], self.fill)

    def drawn(self, z):
        """What the decoder draws before it plants the coordinates: (B, C, *places)."""
        return self.decoder(self.content(z))

    def classify(self, x):
        """x (B, C, *places) -> logits (B, K), of the item as it is."""
        return self.glance.answer(self.glance.features(x))

    def classify_code(self, z):
        """z (B, D + P) -> logits (B, K), of the item that is decoded from it."""
        return self.classify(self.decode(z))

    def forward(self, x, moved=None):
        both = x if moved is None else torch.cat([x, moved])
        features = self.glance.features(both)
        z = self._encode(both, features, len(x) if self.training else None)
        u, p = self.content(z), z[:, self.dims :]
        u = u if moved is None else torch.cat(u.chunk(2)[::-1])
        u = u + self.noise * torch.randn_like(u) if self.training else u
        drawn = self.decoder(u)
        x_hat = plant_coordinates(drawn, self.coordinates, p, self.fill)
        found = self.glance.answer(features[: len(x)]), x_hat, z
        return found if moved is None or not self.softens else (*found, drawn)

    def discriminate(self, z, y=None):
        """Scores (B,) of the contents of codes z (B, D + P), or of contents (B, D)."""
        return super().discriminate(self.content(z), y)

    def encoding_steps(self):
        """The whole of `encode` as one module: its steps look at the item twice and make no chain."""
        return [Encoding([self])]

    def answering_steps(self):
        """What `classify` does, as a list of single modules that share its weights."""
        return [Affine(2.0, -1.0), *self.glance.body, nn.Flatten(), self.glance.answer]


class FactoredLoss(AAELoss):
    """AAELoss for a FactoredAAE, whose training batches hold every item in two versions.

    `moves` (B, P): by how much the coordinates of the second version differ from those of the first; None in
    validation. coordinates: the model's. Two parts are added: the coordinates have to differ by the moves, the contents
    not at all. Where planting softens, a third: what is drawn before that should have no grain. No item would show it,
    and a decoder that is free to draws a lattice, which a walk to the sharp end brings to light.
    """

    def __init__(self, coordinates, dims, **options):
        super().__init__(**options)
        self.coordinates, self.dims, self.moves = coordinates, dims, None

    def __call__(self, pred, y):
        loss = super().__call__(pred, y)
        if self.moves is None:
            return loss
        (u, u_moved), (p, p_moved) = (part.chunk(2) for part in pred[2].float().tensor_split([self.dims], 1))
        missed = p + self.moves - p_moved
        equivariance = sum(c.penalty(missed[:, i]) for i, c in enumerate(self.coordinates)).mean()
        content = (u - u_moved).square().sum(1).mean()
        self.parts |= {"equivariance": equivariance.detach(), "content": content.detach()}
        rough = sum(map(grain, pred[3:]))
        return loss + EQUIVARIANCE * equivariance + SAME_CONTENT * content + CALM * rough
