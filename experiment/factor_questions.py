"""Three questions of each factor: is it in the data, does a model go by it, does the walk show it? From files alone."""

from xaae.experiment.vocabulary import SCAN_VERDICTS
from xaae.experiment.walk_words import in_one_jump

ANSWERS = {  # (the classes differ in it, the strongest verdict of the models) -> in words, the most telling first
    (True, "used"): "likely shortcut",
    (False, "used"): "used but balanced",
    (None, "used"): "used; whether the classes differ in it cannot be read",
    (True, "not used"): "there but not used",
    (True, "cannot tell"): "in the data; whether it is used cannot be told",
    (False, "cannot tell"): "balanced; whether it is used cannot be told",
    (None, "cannot tell"): "cannot be told",
    (False, "not used"): "nothing",
    (None, "not used"): "not used; whether the classes differ in it cannot be read",
}


def question_rows(scan, naming=()):
    """One dict for each factor of a scan: factor, noun, data, models, walk, answer; the most telling ones first.

    scan: what scan.json holds. naming: rows of the naming table of the main walk, from navigate.json or unknown.json.
    data: the separation of the classes by the factor's meter, None where it cannot be read. models {title: verdict}.
    walk {"shown", "words", "p"}: does the walk change its meter beyond chance; None where no walk was measured.
    """
    models = scan.get("models") or {}
    first = next(iter(models.values()), {"factors": []})
    walked = {row["meter"]: row for row in naming}
    rows = [_question_row(scan, models, i, walked) for i in range(len(first["factors"]))]
    order = list(ANSWERS.values())
    return sorted(rows, key=lambda row: order.index(row["answer"]))


def _question_row(scan, models, i, walked):
    """The row of one factor."""
    about = next(iter(models.values()))["factors"][i]
    data = (scan.get("data") or {}).get(about["factor"])
    verdicts = {model["title"]: model["factors"][i]["used"] for model in models.values()}
    strongest = min(verdicts.values(), key=SCAN_VERDICTS.index)
    walk = walked.get(about["meter"]) or {}
    return {
        "factor": about["factor"],
        "noun": about["noun"],
        "meter": about["meter"],
        "data": data,
        "models": verdicts,
        "walk": _walk_shows(walk),
        "answer": ANSWERS[data and bool(data["differs"]), strongest],
    }


def _walk_shows(row):
    """{"shown", "words", "p"} of a row of the naming table; None if it is none, or lacks a number."""
    if any(row.get(name) is None for name in ("named", "words", "p_any")):
        return None
    return {"shown": bool(row["named"]), "words": row["words"] + in_one_jump(row), "p": row["p_any"]}


def questions_in_words(rows):
    """Lines for the terminal: every factor that is used or that the classes differ in."""
    telling = [row for row in rows if row["answer"] not in ("nothing", ANSWERS[None, "not used"])]
    lines = [f"{row['noun']}: {row['answer']} ({_evidence(row)})" for row in telling]
    return lines or ["No factor of the list is in the data or used by a model."]


def _evidence(row):
    """What stands behind an answer, in a phrase."""
    data, walk = row["data"], row["walk"]
    said = [f"AUROC {data['auroc']:.2f} between the classes"] if data else []
    said += [f"{title}: {verdict}" for title, verdict in row["models"].items()]
    return ", ".join(said + ([f"the walk {walk['words']}"] if walk and walk["shown"] else []))
