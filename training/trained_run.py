"""A trained run, opened: its table, its items, its models and its bias. Every command after `train` begins here."""

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
from fastai.torch_core import default_device

from xaae import data
from xaae import model as models
from xaae.experiment import run_folder
from xaae.experiment.device import lay_out
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS
from xaae.experiment.settings import RunConfig
from xaae.experiment.tasks import SEVERITY, UNKNOWN, target_of
from xaae.experiment.vocabulary import WEIGHTS, models_of
from xaae.factors.bias import Bias
from xaae.factors.registry import FACTORS
from xaae.sources.items import Items, lazy_items, open_items, reading_options
from xaae.training import two_sides
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
    def target(self):
        """The Target: what is predicted."""
        return target_of(self.config)

    @property
    def kind(self):
        """The Kind of the items."""
        return KINDS[self.config.kind]

    @property
    def bias(self):
        """The Bias of this run's arm."""
        c = self.config
        return Bias(c.class_ranges, c.arm, c.fill, c.factor, c.contamination, c.rate)

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
        """Row numbers of a split: (N,); without those of which it is not known on which side they are."""
        return np.flatnonzero((self.table.split == split) & (self.table.label != UNKNOWN))

    def numbers(self, rows):
        """The severities (B,) of table rows in their unit; None for another task."""
        if self.config.task != SEVERITY.name:
            return None
        return self.table[self.target.columns[0]].to_numpy(float)[rows]

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

    def error(self, name="aae"):
        """Root mean square error of a model's severities on held-out items, in their unit; None where it is unknown."""
        path = self.folder / "train.json"
        numbers = run_folder.read_json(path).get(name) if path.is_file() else None
        return (numbers or {}).get("valid_rmse")

    def sides(self, name="aae", label=None):
        """What makes two sides of the answers of the model of this name, see `two_sides`; () for classes.

        label: whose sides, of several; None for the first.
        """
        return two_sides.answers_to_sides(self.target, self.error(name), label)

    def labelled(self, label):
        """On which side of one of several labels all items are, as the column label says it of the first: (N,)."""
        target = self.target
        known = self.table[target.columns[target.names.index(label)]].to_numpy(float)
        absent, present = target.sides_of(label)
        return np.select([known == 1, known == 0], [present, absent], UNKNOWN).astype(object)

    def severities(self, logits, name="aae"):
        """The severities (...) in their unit of logits (..., 2), NumPy, that the model of this name gave."""
        return two_sides.severity_of(self.target, logits, self.error(name))

    def model(self, name="aae", label=None):
        """The model of this name in MODELS as a classifier, ready on this machine's device: of the run's classes, or of
        the two sides of its severity or of a label, the first one if none is named. InputError if the run has none."""
        network, sides = self.own_model(name), self.sides(name, label)
        return models.answering_sides(network, *sides) if sides else network

    def own_model(self, name="aae"):
        """The model of this name in MODELS as it was trained, with its answers as they are. InputError if there is
        none."""
        if name == "baseline" and not self.has_baseline():
            title = models_of(self.kind)["baseline"]
            raise InputError(
                f"{self.folder} holds no {title} (it was trained with --baseline-epochs 0): choose aae, or train again"
                " with a baseline."
            )
        network = models.load(self.folder / WEIGHTS[name]).to(default_device())
        return lay_out(network) if self.config.precision == "bf16" else network


def open_trained_run(run, decoded=True, data_root=None, needs=WEIGHTS["aae"]):
    """The TrainedRun of a folder. InputError if it is none or its items cannot be read.

    decoded: read all items now, else each when it is asked for, which suits commands that need a few or none.
    data_root: the folder that the items were moved to after training. needs: the file that says that it is trained.
    """
    folder, content = run_folder.open_run(run, needs)
    config = RunConfig.from_dict(content)
    table = run_folder.read_items(folder)
    table = table.assign(path=locate_items(table.path, folder, data_root))
    kind, size, channels = KINDS[config.kind], config.input_size, config.input_channels
    options = reading_options(kind, config) | {"cache": data.kept_root(config.data_root)}
    if not decoded:
        return TrainedRun(folder, config, table, lazy_items(kind, list(table.path), size, channels, **options))
    check_items_exist(table.path, folder, kind.plural)
    table, items, _ = open_items(kind, table, size, channels, most_bad=0.0, quiet=True, **options)
    return TrainedRun(folder, config, table, items)
