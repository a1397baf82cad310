"""What every command after `train` needs of a run: its items as pictures, its models, its bias."""

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
from xaae.factors.bias import Bias
from xaae.factors.registry import FACTORS
from xaae.sources import picture_files
from xaae.training import thesis  # noqa: F401  (so that its models can be loaded)


@dataclass
class TrainedRun:
    """A trained run, opened: folder, config, table, and pictures by table row."""

    folder: Path
    config: dict
    table: pd.DataFrame
    pictures: picture_files.Pictures

    @property
    def classes(self):
        """Class names in the order of the logits."""
        return self.config["classes"]

    def upright(self, rows):
        """Pictures (B, C, H, W) of table rows, nothing planted."""
        return self.pictures[rows]

    @property
    def bias(self):
        """What this run planted, and in which arm."""
        about = (self.config[k] for k in ("class_ranges", "arm", "fill", "factor"))
        return Bias(*about, self.config.get("contamination", 1.0))

    @property
    def factor(self):
        """What the planted factor is: see bias.Factor."""
        return FACTORS[self.config["factor"]]

    def planted(self, rows):
        """Pictures (B, C, H, W) of table rows with the table's own values planted."""
        return data.render_items(self.pictures, rows, self.table.value.to_numpy()[rows], self.bias)

    def plant(self, x, values):
        """Pictures x (B, C, H, W) given `values` (B,) of the factor as this run plants it."""
        return self.bias.plant(x, values)

    def rows(self, split):
        """Row numbers of a split: (N,)."""
        return np.flatnonzero(self.table.split == split)

    def model(self, name="model"):
        """The AAE ("model") or the ResNet34 ("baseline"), ready on this machine's device."""
        found = models.load(self.folder / f"{name}.safetensors").to(default_device())
        return found.to(memory_format=torch.channels_last) if self.config["precision"] == "bf16" else found

    def has_baseline(self):
        """Was a baseline trained in this run?"""
        return (self.folder / "baseline.safetensors").exists()

    def starts(self, n, rng):
        """n held-out rows, the classes in turn for as long as each lasts: (n,), fewer only if fewer are held out."""
        rows = self.rows("valid")
        labels = self.table.label.to_numpy()[rows]
        each = [rng.permutation(rows[labels == c]) for c in self.classes]
        dealt = [r for turn in zip_longest(*each) for r in turn if r is not None]
        return np.array(dealt[:n])


def open_trained_run(run):
    """Open a trained run. InputError if it is none or its pictures are gone."""
    folder, config = run_folder.open_run(run)
    table = run_folder.read_items(folder)
    table, found, _ = picture_files.sift(
        table, config["input_size"], config["input_channels"], most_bad=0.0, quiet=True
    )
    return TrainedRun(folder, config, table, found)


def generator(config, step):
    """A NumPy generator for one step of a run, the same each time."""
    return np.random.default_rng([config["seed"], step])


def exact():
    """No autocast: where a decision hangs on small differences."""
    return torch.autocast(default_device().type, enabled=False)


def fast(config):
    """Autocast in the run's precision on this machine's device."""
    return torch.autocast(default_device().type, torch.bfloat16, enabled=config["precision"] == "bf16")
