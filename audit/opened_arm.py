"""A trained arm, opened, with the condition under which it is asked: its bias, its items, its models."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from xaae import model as models
from xaae.audit.arms import Condition
from xaae.audit.probe_items import make_probe_items
from xaae.data import render_items
from xaae.experiment.device import device_of
from xaae.factors.bias import make_bias
from xaae.factors.meters import meters_for
from xaae.factors.registry import FACTORS
from xaae.latent_nav.contrasts import contrast
from xaae.training.trained_run import TrainedRun, open_trained_run

ANSWERED, BACKGROUND = 128, 16  # held-out items that are asked for scores; after them, those of the background


@lru_cache(maxsize=4)
def _open_folder(folder):
    """The TrainedRun of an arm, kept for its next question."""
    return open_trained_run(folder)


@lru_cache(maxsize=4)
def _load_network(folder, model):
    """One model of an arm, kept for its next question."""
    return _open_folder(folder).model(model).float()


@dataclass(frozen=True)
class OpenedArm:
    """A trained arm and the condition under which it is asked.

    Everything here that names classes goes through `sides`, and the items that are asked about are of these classes:
    directions, scores and readings of an audit speak of the same two.
    """

    trained: TrainedRun
    condition: Condition

    @property
    def factor(self):
        """The Factor of the condition."""
        return FACTORS[self.condition.factor]

    @property
    def meters(self):
        """The meters that read its items and frames, that of the factor among them: {name: Meter}."""
        config = self.trained.config
        return meters_for(config.input_channels, self.trained.kind, self.factor.meter, config.rate)

    @property
    def bias(self):
        """The Bias that the condition's biased arm has for these classes, whatever this arm is."""
        fill, factor, strength = self.trained.config.fill, self.condition.factor, self.condition.strength
        bias = make_bias(self.trained.classes, None, "biased", fill, factor, strength)
        return replace(bias, rate=self.trained.config.rate)

    @property
    def sides(self):
        """The Contrast between whose sides it is asked: from the first class to the last."""
        return contrast("", self.trained.classes)

    @property
    def target(self):
        """The number of the class whose probability, logit and maps are asked for."""
        return self.sides.target

    @property
    def ends(self):
        """(value, value) of the factor in the middle of the range of each side's class."""
        middles = self.bias.middles()
        return middles[self.sides.first[0]], middles[self.sides.last[-1]]

    def held_out(self, n):
        """(x (n, C, *places), labels (n,)) of held-out items of both sides, nothing planted: the same for every arm."""
        rows = self.held_out_rows(n)
        return self.trained.upright(rows), self.trained.table.label.to_numpy()[rows].astype(str)

    def held_out_rows(self, n):
        """Table rows of n held-out items of both sides, the classes in turn: the same for every arm."""
        rows = self.trained.starts(len(self.trained.table), np.random.default_rng(0))
        return rows[self.sides.holds(self.trained.table.label.to_numpy()[rows].astype(str))][:n]

    def probe_items(self, n):
        """The ProbeItems of n held-out items."""
        return make_probe_items(*self.held_out(n), self.bias)

    def background(self):
        """Held-out items at any value of the factor, the same for all arms: (BACKGROUND, C, *places)."""
        rows = self.held_out_rows(ANSWERED + BACKGROUND)[-BACKGROUND:]
        values = np.random.default_rng(5).uniform(*self.bias.whole(), len(rows))
        return render_items(self.trained.items, rows, values, self.bias)

    def network(self, model):
        """One model of the arm (a name in MODELS), in single precision, ready."""
        return _load_network(str(self.trained.folder), model)

    def classifier(self, model):
        """x -> logits on the CPU, by one model of the arm."""
        network = self.network(model)
        device = device_of(network)
        return lambda x: models.classify(network, x.to(device)).float().cpu()

    def two_sided(self, model):
        """x -> logits of the classes of both sides alone, those of the first side first, by one model of the arm."""
        classifier, columns = self.classifier(model), sum(self.sides.columns, [])
        return lambda x: classifier(x)[:, columns]


def open_arm(folder, condition):
    """The OpenedArm of a folder. InputError if it holds no trained run."""
    return OpenedArm(_open_folder(str(folder)), condition)
