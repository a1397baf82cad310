"""A trained run, opened: its table, its items, its models and its bias. Every command after `train` begins here."""

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.torch_core import default_device

from xaae import data
from xaae import model as models
from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS
from xaae.experiment.settings import RunConfig
from xaae.experiment.vocabulary import WEIGHTS
from xaae.factors.bias import Bias
from xaae.factors.registry import FACTORS
from xaae.sources.items import Items, lazy_items, open_items
from xaae.training.item_paths import check_items_exist, locate_items


@dataclass
class TrainedRun:
    """A trained run: its folder, config, table, and its items by table row."""

    folder: Path
    config: RunConfig
    table: pd.DataFrame
    items: Items

    @property
    def classes(self):
        """Class names in the order of the logits."""
        return list(self.config.classes)

    @property
    def kind(self):
        """The Kind of the items."""
        return KINDS[self.config.kind]

    @property
    def bias(self):
        """The Bias of this run's arm."""
        c = self.config
        return Bias(c.class_ranges, c.arm, c.fill, c.factor, c.contamination)

    @property
    def factor(self):
        """The planted Factor, which arm `normal` has too, at its neutral value."""
        return FACTORS[self.config.factor]

    def upright(self, rows):
        """Items (B, C, *places) of table rows, nothing planted."""
        return self.items[rows]

    def planted(self, rows):
        """Items (B, C, *places) of table rows with the table's own values planted."""
        return data.render_items(self.items, rows, self.table.value.to_numpy()[rows], self.bias)

    def plant(self, x, values):
        """Items x (B, C, *places) given `values` (B,) of the factor as this run plants it."""
        return self.bias.plant(x, values)

    def rows(self, split):
        """Row numbers of a split: (N,)."""
        return np.flatnonzero(self.table.split == split)

    def starts(self, n, rng):
        """n held-out rows, the classes in turn for as long as each lasts: (n,), fewer only if fewer are held out."""
        rows = self.rows("valid")
        labels = self.table.label.to_numpy()[rows]
        by_class = [rng.permutation(rows[labels == name]) for name in self.classes]
        dealt = [row for turn in zip_longest(*by_class) for row in turn if row is not None]
        return np.array(dealt[:n])

    def has_baseline(self):
        """Was a baseline trained in this run?"""
        return (self.folder / WEIGHTS["baseline"]).exists()

    def model_names(self):
        """Names of the models that the run has, as in MODELS."""
        return [name for name in WEIGHTS if name == "aae" or self.has_baseline()]

    def model(self, name="aae"):
        """The model of this name in MODELS, ready on this machine's device. InputError if the run has none."""
        if name == "baseline" and not self.has_baseline():
            raise InputError(
                f"{self.folder} holds no ResNet34 (it was trained with --baseline-epochs 0): use --model aae, or train"
                " again with a baseline."
            )
        network = models.load(self.folder / WEIGHTS[name]).to(default_device())
        return network.to(memory_format=torch.channels_last) if self.config.precision == "bf16" else network


def open_trained_run(run, decoded=True, data_root=None):
    """The TrainedRun of a folder. InputError if it is none or its items cannot be read.

    decoded: read all items now, else each when it is asked for, which suits commands that need a few or none.
    data_root: the folder that the items were moved to after training.
    """
    folder, content = run_folder.open_run(run)
    config = RunConfig.from_dict(content)
    table = run_folder.read_items(folder)
    table = table.assign(path=locate_items(table.path, folder, data_root))
    kind, size, channels = KINDS[config.kind], config.input_size, config.input_channels
    if not decoded:
        return TrainedRun(folder, config, table, lazy_items(kind, list(table.path), size, channels))
    check_items_exist(table.path, folder, kind.plural)
    table, items, _ = open_items(kind, table, size, channels, most_bad=0.0, quiet=True)
    return TrainedRun(folder, config, table, items)
