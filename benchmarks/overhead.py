"""How much longer `explain` takes than captum called directly on the same batch.

The two are timed in pairs, one after the other; the ratio is the median of the pairs' ratios, not the ratio of the two
medians that are printed beside it.

python -m benchmarks.overhead [--turns 15] [--batch 32]
"""

import argparse
import statistics
import sys
import warnings

import torch
from captum import attr

from xaae.benchmarks.networks import build
from xaae.benchmarks.pairs import seconds_of
from xaae.explain.call import explain
from xaae.explain.network.subject import Subject

BOUND = 1.05  # largest ratio that is allowed


def pairs(network, subject, x, target):
    """{method: (ours, captum's own)}, both functions without arguments that explain the same batch."""
    layer, window = subject.layer(), (x.shape[1], 16, 16)
    occlude = {"sliding_window_shapes": window, "strides": (x.shape[1], 16, 16), "perturbations_per_eval": 1}
    direct = {
        "saliency": lambda: attr.Saliency(network).attribute(x, target, abs=False),
        "input_x_gradient": lambda: attr.InputXGradient(network).attribute(x, target),
        "integrated_gradients": lambda: attr.IntegratedGradients(network).attribute(
            x, 0.0, target, n_steps=10, internal_batch_size=32
        ),
        "gradcam": lambda: attr.LayerAttribution.interpolate(
            attr.LayerGradCam(network, layer).attribute(x, target, relu_attributions=True), x.shape[2:], "bilinear"
        ),
        "occlusion": lambda: attr.Occlusion(network).attribute(x, target=target, baselines=0.0, **occlude),
    }
    parameters = {"integrated_gradients": {"steps": 10}, "occlusion": {"window": 16, "stride": 16}}
    ours = lambda name: lambda: explain(subject, x, name, target, **parameters.get(name, {}))  # noqa: E731
    return {name: (ours(name), call) for name, call in direct.items()}


def ratio(ours, theirs, turns):
    """(median seconds of ours, of theirs, median ratio of a pair). Which comes first changes with each turn."""
    ours(), theirs()
    measured = []
    for turn in range(turns):
        times = {call: seconds_of(call) for call in ((ours, theirs) if turn % 2 else (theirs, ours))}
        measured.append((times[ours], times[theirs]))
    our_seconds, their_seconds = (statistics.median(column) for column in zip(*measured, strict=True))
    return our_seconds, their_seconds, statistics.median(a / b for a, b in measured)


def main():
    """Print a line for each method and network; exit status 1 if a ratio is above the bound."""
    warnings.filterwarnings("ignore", module="captum")
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--turns", type=int, default=15)
    ask.add_argument("--batch", type=int, default=32)
    options = ask.parse_args()
    print("| network | method | ours, ms | captum, ms | ratio |\n|---|---|---|---|---|")
    worst = 0.0
    for name in ("ResNet34", "CIFAR ConvNet"):
        network, x, _ = build(name, options.batch)
        target = torch.zeros(len(x), dtype=torch.long)
        for method, (ours, theirs) in pairs(network, Subject(network, x), x, target).items():
            our_seconds, their_seconds, times = ratio(ours, theirs, options.turns)
            worst = max(worst, times)
            print(
                f"| {name} | {method} | {1000 * our_seconds:.1f} | {1000 * their_seconds:.1f} | {times:.3f} |",
                flush=True,
            )
    print(f"largest ratio {worst:.3f}, bound {BOUND}")
    return int(worst > BOUND)


if __name__ == "__main__":
    sys.exit(main())
