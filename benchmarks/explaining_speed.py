"""How fast walks are decoded and items explained, beside the libraries called directly."""

import torch

from xaae import model as models
from xaae.benchmarks.networks import build
from xaae.benchmarks.overhead import pairs
from xaae.benchmarks.pairs import compare
from xaae.explain.network.subject import Subject
from xaae.latent_nav.walks import decode_codes

STARTS, FRAMES = 16, 21


def decoding(size, precision, repeats):
    """Frames of walks as `navigate` decodes them beside the decoder called on all codes at once."""
    del precision  # walks are decoded in full precision
    aae = models.AAE(size).eval()
    z = torch.randn(STARTS, FRAMES, 16)

    def directly():
        with torch.inference_mode():
            aae.decode(z.flatten(0, 1)).clamp(0, 1).numpy()

    says = f"{STARTS * FRAMES} frames of walks at {size} pixels / the decoder called directly"
    return [compare(f"decoding-{size}", says, lambda: decode_codes(aae, z), directly, repeats)]


def methods(size, precision, repeats, batch=8):
    """Each explanation of a batch by a ResNet34 beside captum called directly; `size` is the network's own."""
    del size, precision
    network, x, _ = build("ResNet34", batch)
    both = pairs(network, Subject(network, x), x, torch.zeros(len(x), dtype=torch.long))
    return [
        compare(f"method-{name}", f"{name} of {batch} items, ResNet34: here / captum directly", ours, theirs, repeats)
        for name, (ours, theirs) in both.items()
    ]
