"""What the training loop adds to its arithmetic, and how near that comes to the machine's matrix products.

Of the plain code, and of the factored one as `train` makes it unasked: with its pyramid, the classifier whose features
reconstructions are compared by, and Muon. The judge and the ResNet34 are trained by themselves and are no part of it.
"""

import math
import tempfile
from contextlib import contextmanager, redirect_stdout
from functools import partial
from io import StringIO

import torch
from fastai.torch_core import default_device
from torch.utils.flop_counter import FlopCounterMode

from xaae.benchmarks.pairs import compare
from xaae.benchmarks.thesis import as_train_makes
from xaae.benchmarks.training_speed import (
    BATCH,
    LearnerSteps,
    items_at,
    loaders,
    one_batch,
    plain_aae,
    train_alone,
    training,
)
from xaae.experiment.settings import VERSIONS

LEAST = 50  # matrix products, so that a whole number of them is as many operations to 1 %
IN_PLACE = {  # what torch's counter leaves out, Muon's last products: shapes -> operations
    torch.ops.aten.addmm_: lambda own, a, b, **_: 2 * math.prod(a) * b[1]
}


def plain_learner(items, size, precision):
    """A Learner of the plain code on planted synthpets, in a folder that is removed."""
    return training(loaders(items, size), plain_aae(size), precision)


@contextmanager
def default_learner(items, size, precision):
    """A Learner of the factored code on the same, as `train` makes it unasked, in a folder that is removed."""
    asked = {"dataset": "synthpets", "data_root": tempfile.gettempdir(), "items": items, "size": size}
    with tempfile.TemporaryDirectory() as folder:
        with redirect_stdout(StringIO()):  # what `train` says of its data
            learn, _ = as_train_makes(folder, **asked, precision=precision)
        yield learn


LEARNERS = {"plain": plain_learner, "factored": default_learner}  # code -> what makes its Learner


def bare_steps(code, size, precision):
    """The LearnerSteps of a code, on a batch of its own size."""
    with LEARNERS[code](4 * BATCH, size, precision) as learn:
        return LearnerSteps(learn, one_batch(learn.dls), precision)


def loop(size, precision, repeats, items=3000):
    """The whole loop with data, an epoch of four fifths of the items, beside as many bare steps on one batch.

    1 over the ratio is the share of the loop that is arithmetic. Of large items there are fewer, and of those that come
    in two versions half as many; what an epoch does once, such as its grid of samples, then weighs a little more.
    """
    seen = items_at(items, size)
    return [_loop_of(code, size, precision, repeats, seen // versions) for code, versions in VERSIONS.items()]


def _loop_of(code, size, precision, repeats, items):
    """The Comparison of one code."""
    bare = bare_steps(code, size, precision)
    says = f"training at {size} pixels, {code} code: fastai's loop with data / bare steps on one batch"
    with LEARNERS[code](items, size, precision) as learn:
        steps = len(learn.dls.train)
        return compare(f"loop-{size}-{code}", says, partial(train_alone, learn), lambda: bare(steps), repeats)


def products(size, precision, repeats, side=1536):
    """Bare training steps beside matrix products of as many operations: 1 over the ratio is the share reached.

    Counted are convolutions and matrix products, with those of gradients and of Muon, and nothing else that a step
    does: neither distances, turning, normalisation nor what Adam computes. Those of a step that are in full precision
    are set beside products in the precision of training all the same, so that the share is rather too small.
    """
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(side, side, device=default_device(), dtype=kind)
    return [_products_of(code, size, precision, repeats, a) for code in LEARNERS]


def operations_of(do):
    """How many operations do() takes in convolutions and matrix products: two for each product of two numbers."""
    with FlopCounterMode(display=False, custom_mapping=IN_PLACE) as counter:
        do()
    return counter.get_total_flops()


def _products_of(code, size, precision, repeats, a):
    """The Comparison of one code with products of a square matrix `a`."""
    bare = bare_steps(code, size, precision)
    share = operations_of(bare) / (2 * len(a) ** 3)  # of a product, in operations
    steps = math.ceil(LEAST / share)
    times = round(steps * share)
    says = f"{steps} training steps at {size} pixels, {code} code / {times} matrix products of as many operations"
    return compare(f"products-{size}-{code}", says, lambda: bare(steps), lambda: [a @ a for _ in range(times)], repeats)
