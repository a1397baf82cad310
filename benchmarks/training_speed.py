"""How fast the AAE trains: its bare arithmetic on one batch, and its loop beside pythae's trainer."""

import tempfile
from contextlib import contextmanager
from functools import partial

import torch
from fastai.data.core import DataLoaders
from fastai.torch_core import default_device

from xaae import data
from xaae import model as models
from xaae.benchmarks.pairs import compare
from xaae.callbacks import Adversarial, NoValidation, Perceptual
from xaae.experiment.device import autocast_in, lay_out
from xaae.experiment.item_sizes import usual_first_step
from xaae.experiment.kinds import PICTURE
from xaae.experiment.settings import RunSettings
from xaae.factors import bias
from xaae.sources import picture_files
from xaae.training import learner

CLASSES, LR = ["cat", "dog"], 1e-3
BATCH = RunSettings.from_options().batch_size  # that of training where no other is asked for
ALIKE = 64  # pixels; of larger items as many fewer are taken as their sides are longer, but no less than FEWEST
FEWEST = 5 * BATCH  # of which four batches are trained on


def items_at(items, size):
    """How many items of this size are taken where at ALIKE pixels it is so many, so that no size takes for ever."""
    return max(min(items, FEWEST), items * ALIKE // max(size, ALIKE))


def drawn(items, size):
    """(items of synthpets in memory, their planted table, the bias)."""
    table = data.load_table("synthpets", tempfile.gettempdir(), items=items, size=size)
    table, found, _ = picture_files.open_pictures(table, size, 3)
    planted = bias.make_bias(CLASSES)
    return found, data.plant(table, planted), planted


def plain_aae(size, encoding_dims=16):
    """An AAE with the plain code, as it is made unasked for coloured pictures of this size."""
    return models.AAE(size, encoding_dims=encoding_dims, first_step=usual_first_step(PICTURE, (size, size)))


def loaders(items, size, batch=BATCH):
    """DataLoaders of planted synthpets."""
    found, table, planted = drawn(items, size)
    return data.dataloaders(table, found, planted, CLASSES, bs=batch)


@contextmanager
def training(dls, aae, precision, **options):
    """A Learner of an AAE with the usual weights of its losses, in a folder that is removed.

    options: others of `aae_learner`.
    """
    with tempfile.TemporaryDirectory() as folder:
        yield weighted(learner.aae_learner(dls, aae, folder, precision=precision, **options))


def weighted(learn, stages=learner.default_stages):
    """A Learner with the weights of its losses that the first of its `stages` has."""
    stage, *_ = stages(1)
    learn.loss_func.reconstruction, learn.loss_func.classification = stage.reconstruction, stage.classification
    learn.adversarial.weight = stage.adversarial
    return learn


class LearnerSteps:
    """What a Learner computes of a training batch, on one that stays where it is: losses, gradients, all optimisers.

    The functions are the Learner's own, those of its model, its loss, the classifier and the discriminator that learn
    beside it, and its optimiser, called in the order of a fit: its weights move as in a fit on this batch, bit by bit.
    Of fastai's loop there is nothing: no data, no other callback, no log, and gradients are dropped, not set to 0.
    learn: of an AAE, not to be fitted any more. batch: plain tensors as its training loader gives them: (x, y), or of
    items in two versions (x (2 B, ...), y, moves).
    """

    def __init__(self, learn, batch, precision):
        x, y, *moves = batch
        model = learn.model.to(x.device).train()
        learn.model = lay_out(model) if precision == "bf16" else model  # as a training has it
        learn.training, learn.yb, learn.loss_func.model_input = True, (y,), x
        if moves:
            (learn.loss_func.moves,) = moves
        self.learn, self.x, self.precision = learn, x.chunk(2) if moves else (x,), precision
        self.beside = learn.cbs.filter(lambda each: isinstance(each, Perceptual | Adversarial)).sorted("order")
        for each in self.beside:
            each.before_fit()
        learn.create_opt()
        learn.opt.set_hypers(lr=LR)

    def __call__(self, number=1):
        for _ in range(number):
            self._step(self.learn)

    def _step(self, learn):
        with autocast_in(self.precision):
            learn.pred = learn.model(*self.x)
            learn.loss_grad = learn.loss_func(learn.pred, *learn.yb)
            for each in self.beside:
                each.after_loss()
        learn.loss_grad.backward()
        learn.opt.step()
        for weight in learn.model.parameters():
            weight.grad = None
        learn.adversarial.after_batch()  # the discriminator's step


class BareSteps(LearnerSteps):
    """The same of an AAE with the plain code alone. aae: an AAE. x (B, C, *places), y (B,)."""

    def __init__(self, aae, x, y, precision):
        learn = learner.aae_learner(DataLoaders([], []), aae, tempfile.gettempdir(), precision=precision)
        super().__init__(weighted(learn), (x, y), precision)


def one_batch(dls):
    """A training batch as plain tensors on the device: x, y and, of items in two versions, the moves."""
    return tuple(each.as_subclass(torch.Tensor).to(default_device()) for each in dls.train.one_batch())


def train_alone(learn):
    """One epoch without validation."""
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, LR, cbs=NoValidation())


def beside_pythae(size, precision, repeats, items=640):
    """An epoch of pythae's Adversarial_AE with the same encoder and decoder beside one of the loop here.

    pythae has its pictures in memory as they are, and computes in fp32 on a CPU; here each picture gets its angle
    first, and arithmetic is in fp32 and in what is fastest on this machine.
    """
    items, found = items_at(items, size), []
    dls = loaders(items, size)
    for used in dict.fromkeys(["fp32", precision]):
        folder = tempfile.TemporaryDirectory(prefix="pythae-")
        with folder as place, training(dls, plain_aae(size), used) as learn:
            epoch = _pythae_epoch(size, items, place)
            says = f"an epoch at {size} pixels: here in {used} / pythae with the same encoder and decoder, in fp32"
            found.append(compare(f"pythae-{size}-{used}", says, partial(train_alone, learn), epoch, repeats))
    return found


def _pythae_epoch(size, items, folder):
    """What trains pythae's Adversarial_AE for one epoch, at the batch size of this file; it writes to `folder`."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import Adversarial_AE, Adversarial_AE_Config
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import AdversarialTrainer, AdversarialTrainerConfig

    aae = plain_aae(size)

    class Encode(BaseEncoder):
        def __init__(self):
            BaseEncoder.__init__(self)
            self.net = aae.encoder

        def forward(self, x):
            z = self.net(x)
            return ModelOutput(embedding=z, log_covariance=torch.zeros_like(z))

    class Decode(BaseDecoder):
        def __init__(self):
            BaseDecoder.__init__(self)
            self.net = aae.decoder

        def forward(self, z):
            return ModelOutput(reconstruction=self.net(z))

    found, table, _ = drawn(items, size)
    rows = table.index[table.split == "train"]
    pictures = BaseDataset(found[rows], torch.zeros(len(rows)))
    shape = Adversarial_AE_Config(input_dim=(3, size, size), latent_dim=16, deterministic_posterior=True)
    told = AdversarialTrainerConfig(output_dir=folder, num_epochs=1, per_device_train_batch_size=BATCH)
    trainer = AdversarialTrainer(Adversarial_AE(shape, Encode(), Decode()), pictures, None, told)
    trainer.prepare_training()
    return lambda: trainer.train_step(1)
