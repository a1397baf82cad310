"""Where the time of a training step goes: shares of its kinds of arithmetic, by torch's profiler."""

from collections import Counter

from torch.profiler import ProfilerActivity, profile

from xaae.benchmarks.pairs import compared
from xaae.benchmarks.training_speed import BATCH, BareSteps, loaders, one_batch, plain_aae

STEPS = 10  # that are profiled at once
KINDS = {  # kind of arithmetic -> parts of the names of torch's operations; the first that fits counts
    "convolutions": ("conv",),
    "matrix products": ("mm", "linear", "matmul"),
    "batch normalisation": ("norm",),
    "activations": ("relu", "sigmoid", "tanh"),
    "optimisers": ("Optimizer", "_foreach", "adam", "addcdiv", "addcmul"),
    "copies, casts and new memory": ("copy", "_to_", "empty", "fill", "zero", "clone", "cat", "contiguous"),
    "resizing": ("upsample", "pool", "grid_sampler"),
}
REST = "all other operations"


def kind_of(operation):
    """The kind of arithmetic of an operation of torch, by its name."""
    return next((kind for kind, parts in KINDS.items() if any(part in operation for part in parts)), REST)


def where(size, precision, repeats):
    """For each kind of arithmetic its seconds beside those of all: the ratio is its share of bare training steps."""
    dls = loaders(4 * BATCH, size)
    bare = BareSteps(plain_aae(size), *one_batch(dls), precision)
    bare(STEPS)
    rounds = [_seconds_by_kind(bare) for _ in range(repeats)]
    kinds = sorted({kind for found in rounds for kind in found}, key=lambda kind: -rounds[0][kind])
    says = f"of {STEPS} training steps at {size} pixels, {precision}: {{}} / all"
    return [
        compared(f"where-{size}-{kind}", says.format(kind), [(found[kind], found.total()) for found in rounds])
        for kind in kinds
    ]


def _seconds_by_kind(bare):
    """Seconds of each kind of arithmetic in STEPS bare steps: a Counter."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        bare(STEPS)
    seconds = Counter()
    for event in found.key_averages():
        seconds[kind_of(event.key)] += event.self_cpu_time_total / 1e6
    return seconds
