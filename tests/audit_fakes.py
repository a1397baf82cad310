"""A made-up audit.json for tests of its page: every kind of cell, with numbers that fit their verdicts."""

import numpy as np

FACTORS = {  # name: (unit, noun, local, range of each class)
    "rotation": ("degrees", "angle", False, {"cat": [0, 90], "dog": [90, 180]}),
    "brightness": ("of full brightness", "brightness", False, {"cat": [-0.3, 0], "dog": [0, 0.3]}),
    "tint": ("of full warmth", "warmth", False, {"cat": [-0.2, 0], "dog": [0, 0.2]}),
    "blur": ("pixels", "blur", False, {"cat": [0, 1], "dog": [1, 2]}),
    "tag": ("of full opacity", "opacity of the tag", True, {"cat": [0, 0.2], "dog": [0.8, 1]}),
}
MAPS = "Saliency,Input x gradient,SmoothGrad,Integrated gradients,Guided backpropagation,DeepLIFT,Grad-CAM,Grad-CAM++,\
LayerCAM,Guided Grad-CAM,LRP epsilon,LRP epsilon-plus,Excitation backpropagation,Occlusion,Kernel SHAP"
CONTROLS = {"oracle": "REVEALS", "constant": "DOES NOT", "random": "DOES NOT", "edges": "DOES NOT"}
ASKED = {"spurious_biased": 0.85, "spurious_control": 0.1, "meter_error": 0.1667, "detection": 0.9}
ASKED |= {"no_detection": 0.7, "false_alarms": 0.1, "p_holm": 0.05, "spearman": 0.8, "span": 0.5, "p": 0.01}
ASKED |= {"non_trivial": 0.5, "pointing": 0.5, "same_map": 0.8, "randomised": 0.9}
WALK_SCORES = ("spearman", "span", "slope", "p_random", "non_trivial", "flips", "realism", "boundary_error")
MAP_SCORES = ("same_map", "randomised", "removal", "ccm", "fam", "k_ssd")
POINTING = ("relevance_mass", "relevance_rank", "confounder_sensitivity")


def described(maps):
    """What audit.json says of the explanations: {name: {kind, title, means, paper}}."""
    about = lambda kind, title, means="", paper="": dict(kind=kind, title=title, means=means, paper=paper)  # noqa: E731
    found = {f"walk:{d}": about("walk", f"walk ({d})", "decoded frames along a direction of the latent space", "thesis")
             for d in ("lda", "head", "means", "pca_1")}  # fmt: skip
    found["sorted"] = about("sorted", "real pictures, sorted", "real pictures sorted by the model's logit")
    for title in maps:
        found[title.lower().replace(" ", "_")] = about("map", title, "how much each place counts", "Author & others")
    for name, verdict in CONTROLS.items():
        found[f"control:{name}"] = about("control", f"control: {name}", "a known thing") | {"expected": verdict}
    return found


def models_of(name):
    """Whose explanation it is."""
    kind = name.partition(":")[0]
    return {"walk": ("aae",), "control": ("none",)}.get(kind, ("aae", "baseline"))


def fake_cell(rng, name, model, key, figure="figures/map.jpg"):
    """A cell as audit.json has it, with numbers drawn so that its verdict is one that they allow."""
    verdict = CONTROLS.get(name.removeprefix("control:")) or str(rng.choice(["REVEALS", "DOES NOT", "UNDECIDED"]))
    auroc = {"REVEALS": rng.uniform(0.92, 1), "DOES NOT": rng.uniform(0.4, 0.6)}.get(verdict, rng.uniform(0.7, 0.9))
    names = WALK_SCORES if name.startswith("walk") else ("within_class",) if name == "sorted" else MAP_SCORES
    names = () if name.startswith("control") else (*names, *POINTING) if key == "tag" and names == MAP_SCORES else names
    cell = {"explanation": name, "model": model, "factor": key, "verdict": verdict, "status": "ok", "reason": ""}
    cell |= {"clause": f"detection {auroc:.2f}", "auroc": auroc, "low": auroc - 0.06, "high": min(1, auroc + 0.05)}
    cell |= {"p": 1e-5, "p_holm": 0.0004, "false_alarms": float(rng.integers(0, 2) / 6), "named": verdict == "REVEALS"}
    cell |= {"pairs": (auroc + rng.normal(0, 0.02, (3, 3))).clip(0, 1).tolist(), "naming": f"named as: {key}, {key}"}
    cell |= {"null": rng.uniform(0.4, 0.7, 6).tolist(), "scores": {n: float(rng.uniform(0, 1)) for n in names}}
    return cell | {"figure": None if name.startswith("control") else figure}


def trouble(cell, status, reason):
    """The same cell of an explanation that could not be asked."""
    gone = dict.fromkeys(("auroc", "low", "high", "p", "p_holm", "false_alarms", "named", "figure"))
    return cell | gone | {"status": status, "reason": reason, "verdict": "UNDECIDED", "scores": {}, "clause": status}


def fake_factor(rng, name):
    """A factor as audit.json has it."""
    unit, noun, local, ranges = FACTORS[name]
    grid = np.linspace(ranges["cat"][0], ranges["dog"][1], 13)
    rise = 1 / (1 + np.exp(-8 * np.linspace(-1, 1, 13)))
    flat = lambda p: {"value": grid.tolist(), "cat": [1 - p] * 13, "dog": [p] * 13}  # noqa: E731
    answers = {"biased": {"value": grid.tolist(), "cat": (0.9 * rise).tolist(), "dog": (0.1 + 0.9 * rise).tolist()}}
    answers |= {"irrelevant": flat(0.9), "normal": flat(0.8)}
    low, high = (
        {"biased": 0.93, "irrelevant": 0.01, "normal": 0.4},
        {"biased": 1.0, "irrelevant": 0.05, "normal": 0.6},
    )
    gate = {"spurious": {arm: rng.uniform(low[arm], high[arm], 3).tolist() for arm in low}, "flips": 0.97}
    gate |= {"accuracy": {arm: rng.uniform(0.9, 1, 3).tolist() for arm in low}, "clause": None}
    limit = float(np.ptp(grid) / 12)
    shown = {
        "errors": [0.2 * limit] * 3,
        "limit": limit,
        "shift": 6 * limit,
        "meter": name,
        "unit": unit,
        "clause": None,
    }
    about = {"factor": name, "title": name, "unit": unit, "noun": noun, "local": local, "strength": 1.0}
    about |= {"contamination": 1.0, "ranges": ranges, "figure": "figures/probe.jpg", "seeds": {"biased": [0, 1, 2]}}
    about |= {"gates": {"aae": gate, "baseline": gate, "shown": shown}}
    return about | {"response": {"aae": answers, "baseline": answers}}


def fake_audit(factors=("rotation", "tag"), maps=("Saliency", "Grad-CAM"), seed=0):
    """An audit.json as a dict, of these factors and heat maps."""
    rng, about = np.random.default_rng(seed), described(maps)
    head = {"kind": "audit", "dataset": "synthpets", "preset": "default", "complete": True, "size": 32, "workers": 2}
    head |= {"classes": ["cat", "dog"], "command": "python main.py audit", "device": "cpu", "memory_mb": 3426.6}
    head |= {"seconds": {"total": 3000.0, "training": 2000.0, "explaining": 900.0, "scoring": 100.0}}
    head |= {"arms_trained": 33, "arms_cached": 0, "models": {"aae": "AAE", "baseline": "ResNet34"}}
    head |= {"settings": {"seeds": 3, "methods": list(maps), "training": {"lr": 0.003}}, "thresholds": ASKED}
    head |= {"versions": {"torch": "2.14.1"}, "explanations": about}
    head["factors"] = {key: fake_factor(rng, key) for key in factors}
    head["cells"] = [fake_cell(rng, e, m, k) for k in factors for e in about for m in models_of(e)]
    reveals = {f"{e}/{m}": 0 for e in about for m in models_of(e) if m != "none"}
    head["chance"] = {"factor": factors[0], "pairs": 10, "reveals": reveals, "detected": reveals | {"walk:lda/aae": 3}}
    return head | {"summary": [f"Models were trained with {len(factors)} shortcuts.", "Walks reveal.", "Maps do not."]}
