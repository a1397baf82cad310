"""What an audit trains: conditions, arms and their settings, each with a key that names its folder."""

import hashlib
import json
from dataclasses import dataclass, fields, replace
from itertools import product

from xaae.experiment.audit_settings import USUAL_CODE
from xaae.experiment.settings import RunSettings
from xaae.experiment.vocabulary import ARMS
from xaae.factors.registry import check_factors

PLACES = ("dataset", "data_root", "dataset_note", "out")  # settings that say where data are, not what they are
RECIPE = 3  # raise it when training or asking changes what is found: older results are then not used


@dataclass(frozen=True)
class Condition:
    """One way to plant a factor.

    strength: share of the factor's range that is used, see `bias.even_ranges`. contamination: share of the biased
    arm's items that obey the bias.
    """

    factor: str
    strength: float = 1.0
    contamination: float = 1.0

    @property
    def key(self):
        """Its name in results: the factor, and what differs from the usual: "tag, strength 0.5"."""
        amounts = {"strength": self.strength, "contamination": self.contamination}
        return ", ".join([self.factor, *(f"{name} {value:g}" for name, value in amounts.items() if value != 1)])

    @property
    def file_name(self):
        """The key as a part of file names: "tag-strength0.5"."""
        return self.key.replace(", ", "-").replace(" ", "")


@dataclass(frozen=True)
class Arm:
    """One training: a condition, an arm of ARMS, a seed. In `normal` nothing is planted, whatever the condition.

    Labels are noisy in `biased` only: there the factor has to be the better cue than the content, while the models of
    the other arms have to judge the content well.
    """

    condition: Condition
    arm: str
    seed: int

    def settings(self, base):
        """What it is trained with, a dict, from what all arms share."""
        condition = self.trained_condition()
        own = {name: getattr(condition, name) for name in ("factor", "strength", "contamination")}
        noise = base.get("label_noise", 0.0) if self.arm == "biased" else 0.0
        return dict(base) | own | {"arm": self.arm, "seed": self.seed, "label_noise": noise}

    def run_settings(self, base):
        """The same as RunSettings."""
        known = {f.name for f in fields(RunSettings)}
        given = {name: value for name, value in self.settings(base).items() if name in known}
        return RunSettings(**({"code": USUAL_CODE} | given))

    def trained_condition(self):
        """The condition as far as it matters to this arm: only in `biased` are there items that do not obey."""
        if self.arm == "normal":
            return Condition("rotation")
        return self.condition if self.arm == "biased" else replace(self.condition, contamination=1.0)

    def title(self):
        """Its name in sentences: "tag, biased, seed 0", "normal, seed 0"."""
        name = self.arm if self.arm == "normal" else f"{self.trained_condition().key}, {self.arm}"
        return f"{name}, seed {self.seed}"

    def key(self, base):
        """The name of its folder; arms with the same settings and data share one, wherever the data are.

        base["data"]: what the data are, see `audit_plan`.
        """
        condition = self.trained_condition()
        settings = {name: value for name, value in self.settings(base).items() if name not in PLACES}
        return f"{condition.file_name}-{self.arm}-s{self.seed}-{digest(settings)}"


def digest(value):
    """Twelve hexadecimal digits of a JSON value and of RECIPE."""
    text = json.dumps([RECIPE, value], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def make_conditions(factors, strengths=(1.0,), contaminations=(1.0,)):
    """Every factor with every strength and contamination. InputError for a factor that does not exist."""
    check_factors(factors)
    return [Condition(*each) for each in product(dict.fromkeys(factors), strengths, contaminations)]


def make_arms(conditions, seeds, irrelevant_seeds=None):
    """{condition: {arm: [Arm of each seed]}}.

    irrelevant_seeds: models of arm irrelevant of the first condition, where the check of chance needs more.
    """
    arms = {c: {name: [Arm(c, name, seed) for seed in range(seeds)] for name in ARMS} for c in conditions}
    first = conditions[0]
    arms[first]["irrelevant"] += [Arm(first, "irrelevant", seed) for seed in range(seeds, irrelevant_seeds or 0)]
    return arms
