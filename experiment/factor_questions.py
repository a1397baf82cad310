"""Three questions of each factor: is it in the data, does a model go by it, does the walk show it? From files alone.

And how a row of a scan is told, wherever it is.
"""

from xaae.experiment.vocabulary import SCAN_VERDICTS
from xaae.experiment.walk_words import in_one_jump

YES, NO, UNCLEAR, UNREAD = "yes", "no", "cannot tell", "not read"  # do the classes differ in it?
CLOSE = (0.4, 0.6)  # of an AUROC that tells no class: the whole interval lies between them where the answer is no
SAME = "same in all items"  # in place of a verdict on a factor of which the items hold as good as one value
TOLD = (*SCAN_VERDICTS, SAME)  # what is told of a factor, the strongest first
ANSWERS = {  # (the classes differ in it, the strongest verdict of the models) -> in words, the most telling first
    (YES, "used"): "likely shortcut",
    (NO, "used"): "used but balanced",
    (UNCLEAR, "used"): "used; whether the classes differ in it cannot be told",
    (UNREAD, "used"): "used; whether the classes differ in it cannot be read",
    (YES, "cannot tell"): "in the data; whether it is used cannot be told",
    (YES, "not used"): "there but not used",
    (YES, SAME): "there, but too little of it to ask about",
    (NO, "cannot tell"): "balanced; whether it is used cannot be told",
    (UNCLEAR, "cannot tell"): "cannot be told",
    (UNREAD, "cannot tell"): "cannot be told",
    (UNCLEAR, "not used"): "not used; whether the classes differ in it cannot be told",
    (NO, "not used"): "nothing",
    (UNREAD, "not used"): "not used; whether the classes differ in it cannot be read",
    **{(says, SAME): SAME for says in (NO, UNCLEAR, UNREAD)},
}
WALK_ALONE = "the walk alone shows it"  # in place of NONE
NONE = ("nothing", SAME)  # answers that say that a factor is neither in the data nor used
UNNAMED = "too little, or not steadily"  # why a walk that changes a meter beyond chance is not said to
KEEPS = "keeps its"  # how the words of a change begin that rounds to none
QUIET = {*NONE, ANSWERS[UNCLEAR, "not used"], ANSWERS[UNREAD, "not used"]}  # answers that need not be told


def question_rows(scan, naming=()):
    """One dict for each factor of a scan: factor, noun, data, models, walk, answer; the most telling ones first.

    scan: what scan.json holds. naming: rows of the naming table of the main walk, from navigate.json or unknown.json.
    data: the separation of the classes by the factor's meter and `says`, one of YES, NO, UNCLEAR; None where it cannot
    be read. models {title: see `verdict_of`}. walk {"shown", "words", "p", "why"}: does the walk change its meter
    beyond chance, and if its p alone is small, why it is not shown; None where no walk was measured.
    """
    models = scan.get("models") or {}
    first = next(iter(models.values()), {"factors": []})
    walked = {row["meter"]: row for row in naming}
    rows = [_question_row(scan, models, i, walked) for i in range(len(first["factors"]))]
    order = list(ANSWERS.values())
    order.insert(order.index("nothing"), WALK_ALONE)
    return sorted(rows, key=lambda row: order.index(row["answer"]))


def _question_row(scan, models, i, walked):
    """The row of one factor."""
    about = next(iter(models.values()))["factors"][i]
    data = (scan.get("data") or {}).get(about["factor"])
    verdicts = {model["title"]: verdict_of(model["factors"][i]) for model in models.values()}
    strongest = min(verdicts.values(), key=TOLD.index)
    walk = _walk_shows(walked.get(about["meter"]) or {})
    answer = ANSWERS[_says(data), strongest]
    return {
        "factor": about["factor"],
        "noun": about["noun"],
        "meter": about["meter"],
        "data": data and data | {"says": _says(data)},
        "models": verdicts,
        "walk": walk,
        "answer": WALK_ALONE if answer in NONE and walk and walk["shown"] else answer,
    }


def verdict_of(row):
    """What is told of a factor by a row of a scan: its verdict, or SAME. Scans of before did not look for that."""
    return SAME if row.get("one_value") else row["used"]


def unit_beside(place, unit):
    """What a unit adds beside a place that may end with its sign: "" after "22\u00b0", "of the size" after "5 %"."""
    if place.endswith("\u00b0"):
        return ""
    return unit.removeprefix("% ") if place.endswith("%") else unit


def _says(data):
    """Do the classes differ: YES, NO where the interval leaves no room for it, UNCLEAR; UNREAD without a reading."""
    if not data:
        return UNREAD
    if data["differs"]:
        return YES
    return NO if CLOSE[0] <= data["low"] and data["high"] <= CLOSE[1] else UNCLEAR


def _walk_shows(row):
    """{"shown", "words", "p", "why"} of a row of the naming table; None if it is none, or lacks a number."""
    if any(row.get(name) is None for name in ("named", "words", "p_any")):
        return None
    shown = bool(row["named"]) and not row["words"].startswith(KEEPS)  # as far as its rounded words go
    about = {"shown": shown, "words": row["words"] + in_one_jump(row), "p": row["p_any"]}
    return about | {"why": "" if shown else _why_unnamed(row)}


def _why_unnamed(row):
    """Which clause of the naming rule a row of the naming table fails, as far as the row alone tells."""
    ends = row.get("change_ci") or [None]
    if None not in ends and min(ends) <= 0 <= max(ends):
        return "its interval holds 0"
    if row.get("accounts") is not None:
        return f"undoing that takes away {100 * row['accounts']:.0f} % of what is unlike in its ends"
    return UNNAMED


def questions_in_words(rows):
    """Lines for the terminal: every factor that is used or that the classes differ in."""
    telling = [row for row in rows if row["answer"] not in QUIET]
    lines = [f"{row['noun']}: {row['answer']} ({_evidence(row)})" for row in telling]
    return lines or ["No factor of the list is in the data or used by a model."]


def _evidence(row):
    """What stands behind an answer, in a phrase."""
    data, walk = row["data"], row["walk"]
    said = [f"AUROC {data['auroc']:.2f} between the classes"] if data else []
    said += [f"{title}: {verdict}" for title, verdict in row["models"].items()]
    return ", ".join(said + ([f"the walk {walk['words']}"] if walk and walk["shown"] else []))
