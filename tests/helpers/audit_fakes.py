"""A made-up audit.json for tests of its page: every kind of cell, with numbers that fit their verdicts.

Names, titles, thresholds and defaults come from the code that writes a real one; `test_audit_command` compares the
keys of both.
"""

import numpy as np

from xaae.audit.arms import Condition
from xaae.audit.cells import make_cell
from xaae.audit.controls import EXPECTED
from xaae.audit.explanations import describe_explanation
from xaae.audit.verdict import DOES_NOT, REVEALS, UNDECIDED, VERDICTS, Thresholds
from xaae.audit.walk_scores import SUMMED
from xaae.experiment import vocabulary
from xaae.experiment.kinds import PICTURE
from xaae.experiment.vocabulary import ARMS, MODELS
from xaae.factors.bias import even_ranges
from xaae.factors.registry import FACTORS

CLASSES = ("cat", "dog")
MAPS = "Saliency,Input x gradient,SmoothGrad,Integrated gradients,Guided backpropagation,DeepLIFT,Grad-CAM,Grad-CAM++,\
LayerCAM,Guided Grad-CAM,LRP epsilon,LRP epsilon-plus,Excitation backpropagation,Occlusion,Kernel SHAP"
DIRECTIONS = ("lda", "head", "means", "pca_1")
SCORES = {  # by the kind of explanation
    "walk": (*SUMMED, "boundary_error", "walk_alarms"),
    "scan": ("swing", "swing_irrelevant", "others_used"),
    "sorted": ("within_class",),
    "map": ("same_map", "randomised", "removal", "ccm", "fam", "k_ssd"),
    "control": (),
}
POINTING = ("relevance_mass", "relevance_rank", "confounder_sensitivity")  # of maps of a local factor
AUROCS = {REVEALS: (0.92, 1.0), DOES_NOT: (0.4, 0.6), UNDECIDED: (0.7, 0.9)}


def described(maps, items=PICTURE):
    """What audit.json says of the explanations: {name: {kind, title, means, paper}}."""
    names = [*(f"walk:{name}" for name in DIRECTIONS), "scan", "sorted"]
    about = {name: describe_explanation(name, items) for name in names}
    source = {"kind": "map", "means": "how much each place counts", "paper": "Author & others"}
    about |= {title.lower().replace(" ", "_"): source | {"title": title} for title in maps}
    return about | {f"control:{name}": describe_explanation(f"control:{name}", items) for name in EXPECTED}


def models_of(kind):
    """Whose explanation it is, by its kind."""
    return {"walk": ("aae",), "control": ("none",)}.get(kind, tuple(MODELS))


def fake_cell(rng, name, kind, model, key, figure="figures/map.jpg"):
    """A cell as audit.json has it, with numbers drawn so that its verdict is one that they allow."""
    verdict = EXPECTED.get(name.removeprefix("control:")) or str(rng.choice(VERDICTS))
    auroc = rng.uniform(*AUROCS[verdict])
    scores = SCORES[kind] + POINTING * (kind == "map" and FACTORS[key].is_local)
    numbers = {"auroc": auroc, "low": auroc - 0.06, "high": min(1, auroc + 0.05), "p": 1e-5, "p_holm": 0.0004}
    numbers |= {"false_alarms": float(rng.integers(0, 2) / 6), "null": rng.uniform(0.4, 0.7, 6).tolist()}
    numbers |= {"pairs": (auroc + rng.normal(0, 0.02, (3, 3))).clip(0, 1).tolist()}
    numbers |= {"scores": {score: float(rng.uniform(0, 1)) for score in scores}}
    about = {"named": verdict == REVEALS, "naming": f"named as: {key}, {key}"}
    about |= {"verdict": verdict, "clause": f"detection {auroc:.2f}", "figure": None if kind == "control" else figure}
    return make_cell(Condition(key), name, model, **numbers, **about)


def trouble(cell, status, reason):
    """The same cell of an explanation that could not be asked."""
    about = {"verdict": UNDECIDED, "clause": f"{status}: {reason}"}
    return (
        make_cell(Condition(cell["factor"]), cell["explanation"], cell["model"], status=status, reason=reason) | about
    )


def fake_factor(rng, name):
    """A factor as audit.json has it."""
    factor = FACTORS[name]
    ranges = {label: list(ends) for label, ends in even_ranges(CLASSES, factor.whole, factor.gap).items()}
    grid = np.linspace(*factor.whole, 13)
    about = {"factor": name, "title": name, "unit": factor.unit, "noun": factor.noun, "local": factor.is_local}
    about |= {"strength": 1.0, "contamination": 1.0, "ranges": ranges, "figure": "figures/probe.jpg"}
    about |= {
        "seeds": {arm: [0, 1, 2] for arm in ARMS},
        "arms": {arm: [f"{arm}-s{i}" for i in range(3)] for arm in ARMS},
    }
    gates = {model: _fake_gate(rng) for model in MODELS} | {"shown": _fake_gate_1(factor)}
    return about | {"gates": gates, "response": {model: _fake_response(grid.tolist()) for model in MODELS}}


def _fake_gate(rng):
    """Gate 0 of a model, passed."""
    low = {"biased": 0.93, "irrelevant": 0.01, "normal": 0.4}
    high = {"biased": 1.0, "irrelevant": 0.05, "normal": 0.6}
    gate = {"spurious": {arm: rng.uniform(low[arm], high[arm], 3).tolist() for arm in ARMS}, "flips": 0.97}
    gate |= {name: {arm: rng.uniform(0.9, 1, 3).tolist() for arm in ARMS} for name in ("accuracy", "balanced_accuracy")}
    return gate | {"majority_share": {arm: [0.5] * 3 for arm in ARMS}, "clause": None}


def _fake_gate_1(factor):
    """Gate 1, passed."""
    limit = float(np.ptp(factor.whole) / 12)
    numbers = {"errors": [0.2 * limit] * 3, "limit": limit, "shift": 6 * limit}
    return numbers | {"meter": factor.meter, "unit": factor.unit, "clause": None}


def _fake_response(grid):
    """The response of one model's arms: that of arm biased rises over the grid, the others are flat."""
    rise = 1 / (1 + np.exp(-8 * np.linspace(-1, 1, len(grid))))
    flat = lambda p: {"value": grid, "cat": [1 - p] * len(grid), "dog": [p] * len(grid)}  # noqa: E731
    biased = {"value": grid, "cat": (0.9 * rise).tolist(), "dog": (0.1 + 0.9 * rise).tolist()}
    return {"biased": biased, "normal": flat(0.8), "irrelevant": flat(0.9)}


def fake_audit(factors=("rotation", "tag"), maps=("Saliency", "Grad-CAM"), seed=0, items=PICTURE):
    """An audit.json as a dict, of these factors and heat maps, for items of a Kind."""
    rng, about = np.random.default_rng(seed), described(maps, items)
    audit = {"kind": "audit", "dataset": "synthpets", "preset": "default", "complete": True, "size": 32, "workers": 2}
    audit |= {"classes": list(CLASSES), "command": "python main.py audit", "memory_mb": 3426.6}
    audit |= {"device": "cpu", "precision": "fp32", "versions": {"torch": "2.14.1"}}
    audit |= {"seconds": {"total": 3000.0, "training": 2000.0, "explaining": 900.0, "scoring": 100.0}}
    audit |= {"arms_trained": 33, "arms_cached": 0, "explanations": about}
    audit |= {"item_kind": items.name, "models": vocabulary.models_of(items)}
    audit |= {"settings": {"seeds": 3, "methods": list(maps), "training": {"lr": 0.003}}}
    audit |= {"thresholds": Thresholds().as_dict(), "factors": {key: fake_factor(rng, key) for key in factors}}
    pairs = [(name, each["kind"], model) for name, each in about.items() for model in models_of(each["kind"])]
    audit["cells"] = [fake_cell(rng, *pair, key) for key in factors for pair in pairs]
    numbers = {f"{name}/{model}": 0 for name, _, model in pairs if model != "none"}
    chance = {"factor": factors[0], "pairs": 10, "reveals": numbers, "detected": numbers | {"walk:lda/aae": 3}}
    audit["chance"] = chance | {"highest": dict.fromkeys(numbers, 0.8)}
    return audit | {"summary": [f"Models were trained with {len(factors)} shortcuts.", "Walks reveal.", "Maps do not."]}
