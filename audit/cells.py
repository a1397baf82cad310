"""What every cell of an audit's table begins with."""

from xaae.audit import questions
from xaae.audit.detection import detect


def detection_numbers(found, unbiased, rng):
    """What detection says of features, as part of a cell."""
    d = detect(found, unbiased, rng)
    about = {"auroc": d.auroc, "low": d.low, "high": d.high, "p": d.p, "false_alarms": d.false_alarms}
    return about | {"pairs": d.pairs, "null": d.null}


def cell(case, explanation, model, **more):
    """A cell of the table with its defaults."""
    about = {"explanation": explanation, "model": model, "factor": case.condition.key, "status": "ok", "reason": ""}
    return about | {"named": None, "naming": "", "scores": {}, "figure": None, "gates": [model]} | more


def _oracle_of(case, arm, i):
    """The folder of the model that is asked as oracle for walk number i of an arm: of arm irrelevant, another's own."""
    if arm == "normal":
        return None
    return str(case.folders["irrelevant"][i if arm == "biased" else (i + 1) % case.seeds])


def walks_of(case, arm, i):
    """What was kept of the walks of an arm's model number i."""
    oracle = _oracle_of(case, arm, i)
    return questions.read_walks(case.folders[arm][i], case.condition, case.n, case.specs, case.k, oracle)
