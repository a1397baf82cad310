"""What an audit trains and asks: conditions, arms and their settings, each with a key that names its result on disk."""

import hashlib
import json
from dataclasses import dataclass, replace
from itertools import product

from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import ARMS
from xaae.factors.registry import FACTORS

RECIPE = 1  # goes up when training or asking changes what is found, so that older results are not taken for new ones
PARAMETERS = {  # cheaper than usual: an audit asks some sixty models
    "smoothgrad": {"samples": 6},
    "integrated_gradients": {"steps": 10},
    "gradient_shap": {"samples": 6},
    "occlusion": {"window": 8, "stride": 4},
    "kernel_shap": {"segments": 16, "samples": 48},
    "lime": {"segments": 16, "samples": 48},
    "shapley_value_sampling": {"segments": 16},
    "rise": {"samples": 100},
}


CAM_STAGE = "0.7"  # stage 3 of the ResNet34: of small pictures it has 2 x 2 cells, but points where stage 2 does not
SMALL = 64  # pixels; from here on the usual choice, the deepest stage of 4 x 4 cells, is stage 3 or a deeper one


def method_parameters(method, model, size):
    """Parameters of an attribution method (of METHODS) in an audit, for a model and pictures of `size` pixels.

    Measured at 32 pixels, corner tag, three models: Grad-CAM at stage 2 has 0.00 to 0.35 of its strongest places on the
    tag, at stage 3 0.45 to 0.70; at stage 4, one cell, 0.03.
    """
    found = PARAMETERS.get(method.name, {})
    small = model == "baseline" and method.kind == "cam" and method.name != "layer_gradcam" and size < SMALL
    return found | ({"layer": CAM_STAGE} if small else {})


@dataclass(frozen=True)
class Condition:
    """One way to plant: a factor, how far (strength, see bias.even_ranges), in what share of items (contamination)."""

    factor: str
    strength: float = 1.0
    contamination: float = 1.0

    @property
    def key(self):
        """Its name in results: the factor, and what is not as usual."""
        odd = [f"{name} {v:g}" for name, v in (("strength", self.strength), ("contamination", self.contamination))
               if v != 1]  # fmt: skip
        return ", ".join([self.factor, *odd])

    def file(self):
        """The same for names of files."""
        return self.key.replace(", ", "-").replace(" ", "")


@dataclass(frozen=True)
class Arm:
    """One training: a condition, an arm of ARMS, a seed. In `normal` nothing is planted, whatever the condition.

    Labels are only noisy in `biased`: there the factor has to be the better cue than content, while the other arms'
    models have to be good judges of content.
    """

    condition: Condition
    arm: str
    seed: int

    def settings(self, base):
        """Flat settings for `train`, from those that all arms share."""
        c = self.trained_as()
        own = {"factor": c.factor, "strength": c.strength, "contamination": c.contamination}
        noise = base.get("label_noise", 0.0) if self.arm == "biased" else 0.0
        return dict(base) | own | {"arm": self.arm, "seed": self.seed, "label_noise": noise}

    def trained_as(self):
        """The condition as far as it matters to this arm: only `biased` knows of items that do not obey."""
        if self.arm == "normal":
            return Condition("rotation")
        return self.condition if self.arm == "biased" else replace(self.condition, contamination=1.0)

    def words(self):
        """What it is called where people read: "tag, biased, seed 0", "normal, seed 0"."""
        about = self.arm if self.arm == "normal" else f"{self.trained_as().key}, {self.arm}"
        return f"{about}, seed {self.seed}"

    def key(self, base):
        """The name of its folder: arms with the same settings have the same."""
        return f"{self.trained_as().file()}-{self.arm}-s{self.seed}-{digest(self.settings(base))}"


def digest(value):
    """Twelve hex digits of any JSON value, other for another recipe."""
    text = json.dumps([RECIPE, value], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def conditions(factors, strengths=(1.0,), contaminations=(1.0,)):
    """Every factor with every strength and contamination. InputError for a factor that there is not."""
    for factor in factors:
        if factor not in FACTORS:
            raise InputError(f"There is no factor {factor!r}: choose from {', '.join(FACTORS)}.")
    return [Condition(*each) for each in product(dict.fromkeys(factors), strengths, contaminations)]


def arms(conditions, seeds, irrelevant_seeds=None):
    """{condition: {arm: [Arm of each seed]}}; `irrelevant_seeds`: more of that arm, of the first condition alone, for
    the check of chance."""
    found = {c: {a: [Arm(c, a, s) for s in range(seeds)] for a in ARMS} for c in conditions}
    more = [Arm(conditions[0], "irrelevant", s) for s in range(seeds, irrelevant_seeds or 0)]
    found[conditions[0]]["irrelevant"] += more
    return found
