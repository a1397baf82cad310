"""A cell of the audit's table, one explanation of one model under one condition: its defaults and its verdict."""

from dataclasses import asdict

from xaae.audit.detection import detect
from xaae.audit.verdict import UNDECIDED, decide_verdict
from xaae.experiment.statistics import holm

IN_WALK = ("spearman", "span", "non_trivial", "largest_step", "ends_explain")  # scores that its verdict asks for
COMPARED = ("biased", "irrelevant")  # arms whose explanations detection tells apart, and figures show


def make_cell(condition, explanation, model, **more):
    """A cell of the table as a dict, with its defaults.

    gates: names of the gates that it depends on. named, naming: does it name the factor, and a sentence on that.
    """
    cell = {"explanation": explanation, "model": model, "factor": condition.key, "status": "ok", "reason": ""}
    return cell | {"named": None, "naming": "", "scores": {}, "figure": None, "gates": [model]} | more


def detection_numbers(biased, unbiased, rng):
    """What a cell says of detection, from the features (P, F) of each model of both arms."""
    return asdict(detect(biased, unbiased, rng))


def correct_p_values(cells):
    """Enter p_holm, Holm's correction of the detection's p over all cells that have one, in place."""
    tested = [cell for cell in cells if "p" in cell]
    for cell, p in zip(tested, holm([cell["p"] for cell in tested]), strict=True):
        cell["p_holm"] = float(p)


def judge_cells(cells, gates, thresholds):
    """The cells with verdict and clause. gates {condition's key: its gates}, see `gates.judge_gates`."""
    return [cell | _judged(cell, gates[cell["factor"]], thresholds) for cell in cells]


def _judged(cell, gates, thresholds):
    """Verdict and clause of one cell."""
    if cell["status"] != "ok":
        return {"verdict": UNDECIDED, "clause": f"{cell['status']}: {cell['reason']}"}
    closed = next((gates[name]["clause"] for name in cell["gates"] if gates[name]["clause"]), None)
    verdict = cell_verdict(cell, closed, thresholds)
    return {"verdict": verdict.value, "clause": verdict.clause}


def cell_verdict(cell, gate, thresholds):
    """The Verdict on a cell's scores. gate: why it cannot be judged, or None."""
    scores, walk = cell["scores"], None
    if cell["explanation"].startswith("walk:"):
        walk = {name: scores.get(name) for name in IN_WALK} | {"p": scores["p_random"]}
    return decide_verdict(gate, cell | {"randomised": scores.get("randomised")}, thresholds, walk)
