"""How fast the AAE trains: beside bare arithmetic, the machine's matrix products, the thesis's network and pythae."""

import math
import tempfile
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import torch
from fastai.torch_core import default_device
from torch.utils.flop_counter import FlopCounterMode

from xaae import data
from xaae import model as models
from xaae.benchmarks.pairs import compare
from xaae.callbacks import AAELoss, Adversarial, NoValidation, huber
from xaae.experiment.device import autocast_in, lay_out
from xaae.experiment.item_sizes import usual_first_step
from xaae.experiment.kinds import PICTURE
from xaae.experiment.settings import RunSettings
from xaae.factors import bias
from xaae.sources import picture_files
from xaae.training import learner, thesis

CLASSES, LR = ["cat", "dog"], 1e-3
BATCH = RunSettings.from_options().batch_size  # that of training where no other is asked for
LEAST = 20  # matrix products, so that a whole number of them is as many operations to 3 %


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
def training(dls, aae, precision, loss=None, game=None):
    """A Learner of an AAE with the usual weights of its losses, in a folder that is removed."""
    with tempfile.TemporaryDirectory() as folder:
        learn = learner.aae_learner(dls, aae, folder, game, loss, precision)
        stage = learner.default_stages(1)[0]
        learn.loss_func.reconstruction, learn.adversarial.weight = stage.reconstruction, stage.adversarial
        yield learn


class BareSteps:
    """The arithmetic of training alone, on one batch that stays where it is: losses, gradients, both optimisers.

    No data, no log, no callbacks. aae: an AAE. x (B, C, H, W), y (B,).
    """

    def __init__(self, aae, x, y, precision):
        aae = aae.to(x.device).train()
        self.aae = lay_out(aae) if precision == "bf16" else aae  # as a training has it
        self.x, self.y, self.precision = x, y, precision
        rest = [p for name, part in aae.named_children() if name != "discriminator" for p in part.parameters()]
        kinds = {torch.optim.AdamW: rest, torch.optim.Adam: list(aae.discriminator.parameters())}
        self.steps = [kind(weights, LR, fused=True) for kind, weights in kinds.items()]
        self.loss, self.game = AAELoss(reconstruction=30.0), Adversarial()
        self.loss.model_input, self.game.learn = x, SimpleNamespace(model=aae)

    def __call__(self, number=1):
        for _ in range(number):
            with autocast_in(self.precision):
                pred = self.aae(self.x)
            self.game.code, self.game.onehot = pred[2].float(), torch.nn.functional.one_hot(self.y, 2).float()
            self.aae.discriminator.requires_grad_(False)
            lead = -self.aae.discriminate(self.game.code, self.game.onehot).mean()
            self.aae.discriminator.requires_grad_(True)
            self._move(self.steps[0], self.loss(pred, self.y).mean() + self.game.weight * lead)
            self._move(self.steps[1], self.game.discriminator_loss())

    def _move(self, optimiser, loss):
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def one_batch(dls):
    """A batch x, y of the training items as plain tensors on the device."""
    return tuple(each.as_subclass(torch.Tensor).to(default_device()) for each in dls.train.one_batch())


def loop(size, precision, repeats, items=3000):
    """The whole loop with data, an epoch of four fifths of the items, beside as many bare steps on one batch."""
    dls = loaders(items, size)
    bare = BareSteps(plain_aae(size), *one_batch(dls), precision)
    with training(dls, plain_aae(size), precision) as learn:
        epoch = partial(_train_alone, learn)
        says = f"training at {size} pixels: fastai's loop with data / bare steps on one batch"
        return [compare(f"loop-{size}", says, epoch, lambda: bare(len(dls.train)), repeats)]


def _train_alone(learn):
    """One epoch without validation."""
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, LR, cbs=NoValidation())


def products(size, precision, repeats, side=1536):
    """Bare training steps beside matrix products of as many operations: 1 over the ratio is the share reached."""
    dls = loaders(4 * BATCH, size)
    bare = BareSteps(plain_aae(size), *one_batch(dls), precision)
    with FlopCounterMode(display=False) as counter:
        bare()
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(side, side, device=default_device(), dtype=kind)
    share = counter.get_total_flops() / (2 * side**3)  # of a product, in operations
    steps = math.ceil(LEAST / share)
    times = round(steps * share)
    says = f"{steps} training steps at {size} pixels / {times} matrix products of as many operations"
    return [compare(f"products-{size}", says, lambda: bare(steps), lambda: [a @ a for _ in range(times)], repeats)]


def beside_thesis(size, precision, repeats, items=160):
    """An epoch of the thesis's network with its losses beside one of the plain code, the same pictures."""
    dls = loaders(items, size, 16)
    old = training(dls, thesis.ThesisAAE(size), precision, AAELoss(distance=huber), thesis.thesis_game())
    with old as theirs, training(dls, plain_aae(size), precision) as ours:
        says = f"an epoch at {size} pixels: plain code / thesis's network"
        return [compare(f"thesis-{size}", says, partial(_train_alone, ours), partial(_train_alone, theirs), repeats)]


def beside_pythae(size, precision, repeats, items=640):
    """An epoch of pythae's Adversarial_AE with the same encoder and decoder beside one of the loop here.

    pythae has its pictures in memory as they are, and computes in fp32 on a CPU; here each picture gets its angle
    first, and arithmetic is in fp32 and in what is fastest on this machine.
    """
    dls, found = loaders(items, size), []
    for used in dict.fromkeys(["fp32", precision]):
        folder = tempfile.TemporaryDirectory(prefix="pythae-")
        with folder as place, training(dls, plain_aae(size), used) as learn:
            epoch = _pythae_epoch(size, items, place)
            says = f"an epoch at {size} pixels: here in {used} / pythae with the same encoder and decoder, in fp32"
            found.append(compare(f"pythae-{size}-{used}", says, partial(_train_alone, learn), epoch, repeats))
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
