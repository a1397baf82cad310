"""The SHAP tutorial on CIFAR-10: its plain ConvNet, and how that is trained."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import AvgLoss, Learner
from torch import nn
from torch.nn import functional as F

from xaae.callbacks import EpochLine
from xaae.experiment.errors import InputError
from xaae.experiment.item_sizes import check_size
from xaae.training.learner import class_metrics

LINE = ["train_mean_loss", "valid_loss", "train_accuracy", "valid_accuracy", "valid_precision", "valid_recall"]


class ConvNet(nn.Module):
    """x (B, C, S, S) in [0, 1] -> logits (B, K): three blocks of convolution, ReLU, max pool, dropout; dense head.

    classes: K. input_size: pixels a side, 16 to 512. width: channels of the first block, doubled in each. dropout: of
    the blocks' maps, twice that before the last layer. Every step is a module of its own, so that attribution methods
    can follow it. InputError for settings that make no sense.
    """

    def __init__(self, classes=10, input_channels=3, input_size=32, width=32, dropout=0.2):
        super().__init__()
        check_size(input_size)
        if classes < 2 or min(input_channels, width) < 1 or not 0 <= dropout < 0.5:
            raise InputError(
                "Classes start at 2, channels at 1, dropout is from 0 to below 0.5: correct these settings."
            )
        self.arguments = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        widths = [input_channels, width, 2 * width, 4 * width]
        self.blocks = nn.Sequential(*(_block(i, o, dropout) for i, o in zip(widths, widths[1:], strict=False)))
        dense = [nn.Linear(4 * width * (input_size // 8) ** 2, 8 * width), nn.ReLU(), nn.Dropout(2 * dropout)]
        self.head = nn.Sequential(nn.Flatten(), *dense, nn.Linear(8 * width, classes))

    def forward(self, x):
        return self.head(self.blocks(x))


def _block(c_in, c_out, dropout):
    """Convolution, ReLU, and a max pool that halves height and width."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(dropout))


# ---- training ---------------------------------------------------------------------------------------------------


def convnet_dataloaders(pictures, train, valid, targets, bs=64, device=None):
    """fastai DataLoaders of `pictures`, a whole batch cut out at once: (x (B, C, S, S), y (B,)).

    train, valid: row numbers. targets (N,): class number of every row.
    """
    targets = torch.tensor(np.asarray(targets))
    batch = lambda rows: (pictures[rows], targets[rows])  # noqa: E731
    shared = {"do_batch": batch, "num_workers": 0, "device": device}
    bs = min(bs, len(train))
    return DataLoaders(
        DataLoader([int(r) for r in train], bs=bs, shuffle=True, drop_last=True, **shared),
        DataLoader([int(r) for r in valid], bs=2 * bs, **shared),
        device=device,
    )


class MeanLoss(AvgLoss):
    """Mean loss of an epoch's items; the log's own train_loss is a running mean, which lags behind."""

    @property
    def name(self):
        return "mean_loss"


def learner(dls, network, classes, folder):
    """The Learner of a ConvNet: cross entropy; accuracy, precision and recall of training and validation in its log."""
    metrics = [MeanLoss(), *class_metrics(classes)]
    learn = Learner(dls, network, F.cross_entropy, metrics=metrics, cbs=EpochLine(LINE), path=Path(folder))
    learn.recorder.train_metrics = True
    return learn


def fit_convnet(learn, epochs, lr=2e-3):
    """Train; returns the history, one row an epoch, and writes it to `history.csv`.

    Training's own numbers are those of the batches as they were learned from, with dropout.
    """
    learn.fit_one_cycle(epochs, lr)
    log = pd.DataFrame([list(row) for row in learn.recorder.values], columns=learn.recorder.metric_names[1:-1])
    log = log.drop(columns=["train_loss", "valid_mean_loss"]).rename(columns={"train_mean_loss": "train_loss"})
    history = pd.concat([pd.Series(range(1, len(log) + 1), name="epoch"), log], axis=1)
    history.to_csv(learn.path / "history.csv", index=False)
    return history
