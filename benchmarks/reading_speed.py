"""How fast items are encoded and walks are read by meters, beside the same arithmetic called directly."""

from functools import partial

import numpy as np
import torch

from xaae import model as models
from xaae.benchmarks.pairs import compare
from xaae.factors.geometry import disc_weight, plane
from xaae.factors.measuring import measure_all
from xaae.factors.meters import METERS
from xaae.factors.photometry import LUMA
from xaae.latent_nav.codes import encode_items
from xaae.training.factored_code import FactoredAAE

ITEMS, BATCH, WALKS, FRAMES = 512, 64, 16, 21
CODES_MADE = {  # code -> what makes an AAE with it for pictures of a size
    "plain": models.AAE,
    "factored": lambda size: FactoredAAE(size, encoding_dims=64, coordinates={"rotation": 0.0}),
}


@torch.inference_mode()
def encoded_directly(aae, x):
    """(z (N, D), logits (N, K)) of items x (N, C, H, W) by the methods of an AAE, batch by batch, NumPy."""
    codes, answers = [], []
    for part in x.split(BATCH):
        z = aae.encode(part)
        codes.append(z)
        answers.append(aae.head(z) if aae.head else aae.classify(part))
    return torch.cat(codes).numpy(), torch.cat(answers).numpy()


def encoding_rivals(size):
    """{code: (what encodes items in memory as `navigate` does, what calls the model directly)}, with one result."""
    x, rows = torch.rand(ITEMS, 3, size, size), np.arange(ITEMS)
    made = {name: make(size).eval() for name, make in CODES_MADE.items()}
    return {
        name: (partial(encode_items, aae, x.__getitem__, rows), partial(encoded_directly, aae, x))
        for name, aae in made.items()
    }


def latents(size, precision, repeats):
    """Items as `navigate` encodes them beside the model called directly on batches of as many, for each code."""
    del precision  # items are encoded in full precision
    says = "codes and answers of {} items at {} pixels, {} code / the model called directly"
    return [
        compare(f"latents-{size}-{name}", says.format(ITEMS, size, name), *pair, repeats)
        for name, pair in encoding_rivals(size).items()
    ]


def weighted_sums(size):
    """{meter: weights (3, size, size)} of the meters whose reading is one weighted sum of a frame's values."""
    disc = disc_weight(plane(size), size)
    outside = (disc == 0).float()
    inside, light = disc / disc.sum(), LUMA[:, None, None]
    return {
        "luminance": light * inside,
        "edge_darkness": light * (inside - outside / outside.sum()),
        "warmth": torch.tensor([1.0, 0.0, -1.0])[:, None, None] * inside,
    }


def read_one_by_one(frames):
    """Readings {meter: (S, T)} of frames (S, T, C, H, H), each meter by itself."""
    return {name: meter.measure(frames) for name, meter in METERS.items()}


def metering_rivals(size):
    """{meter, or "all": (what reads the frames of walks, what gives the same otherwise, in words)}.

    Of a meter: one weighted sum by torch, the least that gives its reading. No library has a call that gives the same
    turn, size, place or sharpness: these are in "all" alone, which reads what meters have in common once.
    """
    frames = np.random.default_rng(0).random((WALKS, FRAMES, 3, size, size), dtype=np.float32)
    x, sums = torch.from_numpy(frames), weighted_sums(size)
    directly = {name: lambda weights=weights: torch.tensordot(x, weights, 3).numpy() for name, weights in sums.items()}
    words = "one weighted sum by torch.tensordot"
    found = {name: (partial(METERS[name].measure, frames), call, words) for name, call in directly.items()}
    found["all"] = partial(measure_all, frames, METERS), partial(read_one_by_one, frames), "one after the other"
    return found


def meters(size, precision, repeats):
    """Meters of walks beside the library where one call does it, and all at once beside one after the other."""
    del precision  # meters read in full precision
    count = WALKS * FRAMES
    told = {"all": f"all {len(METERS)} meters, at once,"}
    return [
        compare(
            f"meters-{size}-{name}",
            f"{told.get(name, name)} of {count} frames at {size} pixels / {words}",
            *pair,
            repeats,
        )
        for name, (*pair, words) in metering_rivals(size).items()
    ]
