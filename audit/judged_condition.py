"""One condition with the kept answers of its trained arms: what every cell of its part of the table is judged on."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from xaae.audit.arm_answers import SORTED
from xaae.audit.opened_arm import OpenedArm, open_arm
from xaae.audit.verdict import Thresholds

FEWEST = 8  # items of the flip set; with fewer, all probe items are judged


@dataclass
class JudgedCondition:
    """A condition and what its arms were asked: {arm: [ArmQuestions of each seed]}.

    seeds: models of each arm that are judged; further ones serve the check of chance alone.
    """

    condition: object
    questions: dict
    seeds: int = 3
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self):
        self._kept = {}

    # ---- the items and the factor --------------------------------------------------------------------------------

    @cached_property
    def arm(self) -> OpenedArm:
        """The first biased model's arm, opened."""
        return open_arm(self.questions["biased"][0].walks.folder, self.condition)

    @property
    def factor(self):
        """The Factor of the condition."""
        return self.arm.factor

    @cached_property
    def bias(self):
        """The Bias of the biased arm."""
        return self.arm.bias

    @cached_property
    def probe(self):
        """The ProbeItems that were explained."""
        return self.arm.probe_items(self.questions["biased"][0].walks.probe)

    @cached_property
    def sorted_items(self):
        """The ProbeItems that are sorted by a model's logit."""
        return self.arm.probe_items(SORTED)

    @property
    def meter(self):
        """The Meter that reads the planted factor."""
        return self.arm.meters[self.factor.meter]

    @cached_property
    def place(self):
        """Where a local factor is, a mask (*places); None for a global one."""
        trained = self.arm.trained
        return self.factor.place(trained.config.input_size, trained.kind).numpy() if self.factor.is_local else None

    # ---- the answers ----------------------------------------------------------------------------------------------

    @property
    def models(self):
        """Names of the models that were asked."""
        return list(self.questions["biased"][0].answers)

    def methods(self, model):
        """Names of the attribution methods that a model was asked about."""
        return [method for method, of in self.questions["biased"][0].maps if of == model]

    def directions(self):
        """Names of the directions that were walked."""
        return list(self.walks("biased", 0).arrays)

    def answers(self, model, arm, models=None):
        """What a model of an arm answered, a dict of each of the arm's first `models` seeds (those judged, if None)."""
        return [self._read(each.answers[model]) for each in self.questions[arm][: models or self.seeds]]

    def scans(self, model, arm, models=None):
        """What the factor scan of a model of an arm gave, a dict of each of its first `models` seeds, as `answers`."""
        return [self._read(each.scans[model]) for each in self.questions[arm][: models or self.seeds]]

    def walks(self, arm, number):
        """The WalksAnswer of an arm's model `number`."""
        return self._read(self.questions[arm][number].walks)

    def maps(self, method, model, arm, models=None):
        """The kept maps of each of an arm's first `models` seeds (those judged, if None): a list of dicts."""
        return [each.maps[method, model].read() for each in self.questions[arm][: models or self.seeds]]

    def _read(self, question):
        """A kept answer, read once."""
        if question not in self._kept:
            self._kept[question] = question.read()
        return self._kept[question]

    # ---- what follows from them ---------------------------------------------------------------------------------

    def rng(self, *key):
        """A generator for one purpose, the same each time."""
        return np.random.default_rng([9, *(sum(str(part).encode()) for part in key)])

    def flip_set(self, model):
        """Probe items (P,) bool that most biased models decide by the factor; all of them if these are too few."""
        share = np.mean([a["flips"] for a in self.answers(model, "biased")], 0)
        rows = share > 0.5
        return rows if rows.sum() >= FEWEST else np.ones(len(self.probe.values), bool)

    def visible(self, rows):
        """Those of the probe items `rows` (P,) bool in which a local factor can be seen; all of them if none."""
        seen = rows & (self.probe.values >= np.mean(self.bias.whole()))
        return seen if seen.any() else rows
