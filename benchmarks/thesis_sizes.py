"""Training beside the thesis's architecture, with its losses and batches: also at 64 and 256 pixels.

The thesis's architecture makes pictures of 32, 128 and 512 pixels, and the thesis used 128. For these comparisons alone
its network of 128 pixels, with all its layers, channels and weights, makes 64 and 256: one stride of its decoder is
another one, and at 256 that of its encoder's first layer. Of the strides that could be changed these leave the least to
compute, so that no ratio is better for this project than it has to be. By the thesis's own rule, four times the
channels for each further step, 256 pixels would be made of 4,096 channels at 128 x 128 places, with some 60 times the
arithmetic.
"""

from contextlib import contextmanager
from functools import partial

from xaae.benchmarks.loop_speed import default_learner
from xaae.benchmarks.pairs import compared, seconds_of
from xaae.benchmarks.training_speed import BATCH, items_at, loaders, plain_aae, train_alone, training, weighted
from xaae.callbacks import AAELoss, SampleGrid, huber
from xaae.experiment.settings import PRESETS, VERSIONS
from xaae.training import thesis

USED = PRESETS["thesis"]  # size, batches and channels of the thesis
CHANGED = {  # pixels -> (stride, the layers of the thesis's network that have it in place of their own)
    64: (2, lambda aae: [aae.decoder[-1][0]]),  # of four: the decoder's first step, and the smallest
    256: (4, lambda aae: [aae.encoder[0], aae.decoder[-1][-1]]),  # of two: the steps next to the pixels
}

SAYS = {  # code -> in words, with what its batches hold
    "plain": f"plain code, batches of {USED['batch_size']}",
    "factored": f"factored code, batches of {BATCH // 2} items in two versions, each an image",
}


def thesis_at(size):
    """The thesis's network for pictures of a size that it makes, or one of CHANGED. InputError for others."""
    aae = thesis.ThesisAAE(USED["size"] if size in CHANGED else size, encoding_dims=USED["encoding_dims"])
    stride, layers = CHANGED.get(size, (None, lambda _: ()))
    for layer in layers(aae):
        layer.stride = (stride,) * 2
        layer.output_padding = (stride - 1 if layer.transposed else 0,) * 2
    aae.input_size = size
    return aae


@contextmanager
def thesis_learner(items, size, precision):
    """A Learner of the thesis's network in its first stage, the autoencoder's, in a folder that is removed."""
    options = {"loss": AAELoss(distance=huber), "game": thesis.thesis_game()}
    with training(loaders(items, size, USED["batch_size"]), thesis_at(size), precision, **options) as learn:
        yield weighted(learn, thesis.thesis_stages)


def beside_thesis(size, precision, repeats, items=160, more=1280):
    """Seconds an image of an epoch: of the plain code and of the factored one, each beside the thesis's network.

    All three in turns, whose order alternates. The plain code has the thesis's batches of 16, the factored one its own
    of 32 items in two versions, each of which is an image. items: of the thesis's epoch, four fifths of which it is
    trained on. more: of the epochs of the others, which take a fraction of its time; fewer where they are large.
    """
    more = items_at(more, size)
    with (
        thesis_learner(items, size, precision) as theirs,
        training(loaders(more, size, USED["batch_size"]), plain_aae(size), precision) as plain,
        default_learner(more, size, precision) as factored,
    ):
        learners = {"thesis": theirs, "plain": plain, "factored": factored}
        for learn in learners.values():
            learn.remove_cb(SampleGrid)  # once an epoch, of which the thesis's have fewer images
        turns = _turns(learners, repeats)
    whose = f"the thesis's network of {USED['size']} pixels with another stride" if size in CHANGED else "the thesis's"
    says = f"training at {size} pixels, seconds an image: {{}} / {whose}, batches of {USED['batch_size']}"
    return [
        compared(f"thesis-{size}-{code}", says.format(SAYS[code]), [(turn[code], turn["thesis"]) for turn in turns])
        for code in VERSIONS
    ]


def _turns(learners, repeats):
    """[{name: seconds an image}] of so many turns, after an epoch of each Learner; the order alternates."""
    epochs, found = {name: partial(train_alone, learn) for name, learn in learners.items()}, []
    for epoch in epochs.values():
        epoch()
    for turn in range(repeats):
        order = list(learners)[:: 1 if turn % 2 else -1]
        found.append({name: seconds_of(epochs[name]) / _images(name, learners[name]) for name in order})
    return found


def _images(name, learn):
    """How many images a Learner's epoch trains on."""
    return len(learn.dls.train) * learn.dls.train.bs * VERSIONS.get(name, 1)
