"""Can the content still be recognised in the reconstructions? A classifier that never saw one is asked."""

from dataclasses import replace

import torch
from fastai.learner import Learner, Recorder
from torch import nn
from torch.nn import functional as F

from xaae import data
from xaae.callbacks import NoValidation, neighbour_means
from xaae.experiment.amounts import counted
from xaae.experiment.device import batches, device_of, exact, places_of
from xaae.experiment.settings import epochs_for
from xaae.experiment.tasks import UNKNOWN
from xaae.training.convnet import ConvNet
from xaae.training.fused_adam import FusedAdam
from xaae.training.learner import precision_callbacks
from xaae.training.signal_resnet import SignalResNet
from xaae.training.volume_resnet import VolumeResNet

JUDGE_SEEN = 14_000  # items that the judge's training shows it
FEWER = {"volume": 4}  # kind -> by how much this is divided where an item takes long
WIDTH, DROPOUT, RATE = 16, 0.0, 3e-3  # of the judge: with dropout it learns slower, and answers no better
NETWORKS = 2  # of a judge: networks that differ in their seed alone may be some hundredths apart
JUDGES = {  # kind -> classifier for so many classes, channels and places; other kinds have none
    "picture": lambda classes, channels, size: ConvNet(classes, channels, size, WIDTH, DROPOUT),
    "signal": lambda classes, channels, size: SignalResNet(classes, channels, WIDTH),
    "volume": lambda classes, channels, size: VolumeResNet(classes, channels, WIDTH // 2),
}


def judge_reconstructions(aae, judge, prepared):
    """What a judge says of the held-out items and of their reconstructions: {name in train.json: number}.

    recon_agreement: share of them on which it says the same of both. recon_judge_accuracy: its accuracy on the items
    themselves; where that is low, the agreement means little. judge: see `train_judge`. prepared: see
    `preparation.prepare_training`.
    """
    config, judge = prepared.config, judge.to(device_of(aae)).eval()
    held = prepared.table[(prepared.table.split == "valid") & (prepared.table.label != UNKNOWN)]
    target = torch.tensor([config.classes.index(label) for label in held.label])
    same = right = 0
    with torch.inference_mode(), exact():
        for part in batches(len(held), places=places_of(aae)):
            rows = held.iloc[part]
            x = data.render_items(prepared.items, rows.index, rows.value, prepared.planted, device_of(aae))
            said, again = (judge(each.float()).argmax(1).cpu() for each in (x, aae.decode(aae.encode(x))))
            same, right = same + int((said == again).sum()), right + int((said == target[part]).sum())
    return {"recon_agreement": same / len(held), "recon_judge_accuracy": right / len(held)}


class Softened(nn.Module):
    """Items x (B, C, *places) as a network sees them in training: each mixed with its own mean of 3 places, up to all.

    A network that sees sharp items alone answers by their finest grain, and of the same pictures a little softer it may
    say anything: two that differ in their seed were 0.12 apart.
    """

    def forward(self, x):
        if not self.training:
            return x
        return x.lerp(neighbour_means(x), torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device, dtype=x.dtype))


class Judge(nn.Module):
    """x (B, C, *places) -> the mean (B, K) of what its networks take for the classes' probabilities.

    In training: the logits (B, N, K) of each of the N networks.
    """

    def __init__(self, networks):
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x):
        logits = torch.stack([network(x) for network in self.networks], 1)
        return logits if self.training else logits.softmax(2).mean(1)


def new_judge(config):
    """A judge for a run with this config, of a kind in JUDGES, that has learned nothing yet."""
    shape = len(config.classes), config.input_channels, config.input_size
    return Judge([JUDGES[config.kind](*shape) for _ in range(NETWORKS)])


def train_judge(prepared):
    """The judge of a run: small networks of its own, trained on items whose factor says nothing of the class (arm
    irrelevant; arm normal where nothing is planted), sharp ones and somewhat softer ones, and on no reconstruction.

    prepared: see `preparation.prepare_training`.
    """
    config, planted = prepared.config, prepared.planted
    arm = "normal" if config.arm == "normal" else "irrelevant"
    bias, classes = replace(planted, arm=arm, contamination=1.0), list(config.classes)
    known = prepared.table[prepared.table.label != UNKNOWN]
    dls = data.dataloaders(known, prepared.items, bias, classes, seed=config.seed)
    judge = new_judge(config)
    epochs = epochs_for(JUDGE_SEEN // FEWER.get(config.kind, 1), len(dls.train_ds))
    print(f"Judge of the reconstructions: {counted(NETWORKS, 'small networks')}, {counted(epochs, 'epochs')} each")
    seen, callbacks = nn.Sequential(Softened(), judge), [NoValidation(), *precision_callbacks(config.precision)]
    learn = Learner(dls, seen, _loss_of_each, FusedAdam, cbs=callbacks)
    learn.remove_cb(Recorder)  # nobody reads it, and a loss kept of each step leaves gaps between the batches
    with learn.no_logging(), learn.no_bar():
        learn.fit_one_cycle(epochs, RATE)
    return judge


def _loss_of_each(answers, y):
    """The sum of the cross entropies of networks that answer logits (B, N, K) to a batch of classes y (B,)."""
    return sum(F.cross_entropy(own, y) for own in answers.unbind(1))
