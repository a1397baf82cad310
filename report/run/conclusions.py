"""What the numbers of one run allow to be said, in plain words."""

from xaae.report.shared.quantity import Quantity, meter_quantity, planted_quantity
from xaae.report.shared.words import and_list, as_sentence, direction_name, fixed

CLEAR_SPEARMAN, CLEAR_P = 0.8, 0.01  # with the limit "clear" of the change, all are needed to call it one
USED = 0.85  # least spurious score of a model that is said to use the factor (protocol, gate 0)

ARM_MEANING = {
    ("biased", "changes"): "In this arm the {noun} gives the class away, and the walk shows it, as it does where a "
    "model uses {factor}.",
    ("biased", "unused"): "In this arm the {noun} gives the class away, and the walk shows it. But planted alone it "
    "brings the AAE over in too few cases to call it used (85\u202f% are asked for): the walk shows what goes with the "
    "class in these pictures, not what alone decides.",
    ("biased", "does not change"): "In this arm the {noun} gives the class away, and the walk does not show it: "
    "ignored, or missed by the walk.",
    ("irrelevant", "changes"): "In this arm the {noun} says nothing about the class, so this {change} is a false "
    "alarm.",
    ("irrelevant", "does not change"): "In this arm the {noun} says nothing about the class, and the walk claims "
    "nothing: as it should be.",
    ("normal", "changes"): "In this arm nothing was planted: such a {change} was in the data already, or is a false "
    "alarm.",
    ("normal", "does not change"): "In this arm nothing was planted, and the walk claims no {change}: as it should be.",
}

ASKED = (
    "This walk was asked for with --directions or --away, not chosen for telling the classes apart: it says nothing of "
    "what the models use."
)
SHARES = ("flipped", "flipped_when_seen", "already", "accepted", "shorter")
COUNTERFACTUAL = (
    ("flipped", "for {flipped} of {items} held-out items a code was found that the head decides otherwise"),
    ("flipped_when_seen", "{flipped_when_seen} are also decided otherwise when decoded and encoded again"),
    ("already", "for {already} the plain reconstruction already is"),
    ("accepted", "the discriminator accepts {accepted} of these codes"),
    ("distance", "their median distance is {distance}"),
    ("nearest_other", "the nearest real item of another class lies at {nearest_other}"),
    ("shorter", "the counterfactual is the nearer one for {shorter}"),
)


def quantities(summary: dict) -> tuple[Quantity, Quantity]:
    """What is planted, and what its meter reads."""
    about = summary["factor_about"] or {}
    return planted_quantity(about), meter_quantity(about.get("meter"), summary["planted"]["unit"])


def reading(walk: dict, planted: dict, meter: dict | None = None) -> str | None:
    """ "changes", "does not change" or "undecided" from a walk's scores and the planted limits, in the meter's unit.

    None if nothing was measured, or if there are no limits to compare with.
    """
    change, limits = walk.get("change"), planted.get("limits") or {}
    if change is None or limits.get("clear") is None:
        return None
    if not _doubts(walk, limits, meter_quantity(planted.get("meter"), planted.get("unit"))):
        return "changes"
    return "does not change" if _small(change, limits) and not _blind(limits, meter) else "undecided"


def _small(change: float, limits: dict) -> bool:
    """Is a change at most what counts as none?"""
    return limits.get("none") is not None and abs(change) <= limits["none"]


def _blind(limits: dict, meter: dict | None) -> bool:
    """Are readings of reconstructions so far off that the decoder cannot show the factor (protocol, gate 1)?"""
    error, most = (meter or {}).get("reconstruction_error"), limits.get("meter_error")
    return error is not None and most is not None and error > most


def _doubts(walk: dict, limits: dict, told: Quantity) -> list[str]:
    """The clauses of a clear change that the walk does not meet, as phrases."""
    change, spearman, p = (walk.get(key) for key in ("change", "spearman", "p_value"))
    clear = limits["clear"]
    checks = [
        (
            change is not None and abs(change) >= clear,
            f"the {told.change} is {told.said(abs(change or 0))}, and at least {told.said(clear)} is asked for",
        ),
        (
            spearman is not None and abs(spearman) >= CLEAR_SPEARMAN,
            f"the {told.noun} follows the walk with Spearman {fixed(spearman, 2)}, and {CLEAR_SPEARMAN} is asked for",
        ),
        (
            p is not None and p <= CLEAR_P,
            f"p against random directions is {fixed(p, 3)}, and at most {CLEAR_P} is asked for",
        ),
    ]
    return [phrase for passed, phrase in checks if not passed]


def _named(summary: dict) -> list[dict]:
    """The meters that the naming table of the main direction calls changed, strongest first."""
    found = (summary["naming"] or {}).get(summary["walk"]["direction"]) or {}
    return [row for row in found.get("meters") or [] if row.get("named") and row.get("words")]


def _measured(summary: dict) -> str:
    """By how much the decoded picture changes, with its interval and beside random directions: a clause."""
    walk, told = summary["walk"], quantities(summary)[1]
    change, random = walk["change"], walk["random_change"]
    words = walk["change_words"] or f"has a {told.change} of {told.said(abs(change))}"
    ends = sorted(end if change >= 0 else -end for end in walk["change_ci"] or [] if end is not None)
    interval = (
        f" (95\u202f% interval {fixed(ends[0], told.digits)} to {fixed(ends[1], told.digits)})"
        if len(ends) == 2
        else ""
    )
    verb = "turn" if told.change == "turn" else "change"
    beside = "" if random is None else f"; random directions {verb} it by {fixed(random, told.digits)}"
    return f"{words}{interval}{beside}"


def _headline(summary: dict) -> str:
    """The first sentence: what the walk does to the decoded picture.

    The planted factor where one was planted; in arm normal whatever the naming table names.
    """
    walk = summary["walk"]
    if walk["change"] is None:
        return "In this run no walk has been measured yet."
    told = _measured(summary)
    if summary["arm"] == "normal" and walk["direction"] in (summary["naming"] or {}):
        told = (
            and_list(row["words"] for row in _named(summary)) or "changes no factor that the meters know beyond chance"
        )
    return (
        f"From one end of the {direction_name(walk['direction'])} direction to the other, the decoded picture {told}."
    )


def _checked(summary: dict) -> str:
    """In arm normal: the factor that the run is checked for, after what it does in general."""
    if summary["arm"] != "normal" or summary["walk"]["change"] is None:
        return ""
    return f"Checked for {summary['factor'] or 'rotation'}: the picture {_measured(summary)}."


def _reached(walk: dict) -> str:
    """How many random directions reach as far, in words."""
    number, p = walk.get("random_directions"), walk["p_value"]
    none = number and p is not None and p * (number + 1) < 1.5
    return (
        f"none of {number} random directions reaches as far" if none else "hardly any random direction reaches as far"
    )


def _judgement(summary: dict) -> str:
    """The second sentence: clear change, none, or undecided and why."""
    walk, told, limits = summary["walk"], quantities(summary)[1], summary["planted"]["limits"] or {}
    if walk["reading"] == "changes":
        return (
            f"This is a clear {told.change}: the {told.noun} follows the walk "
            f"(Spearman {fixed(walk['spearman'], 2)}), "
            f"and {_reached(walk)} (p = {fixed(walk['p_value'], 3)})."
        )
    if walk["reading"] == "does not change":
        return f"This is no {told.change}: at most {told.said(limits['none'])} counts as none, whatever else changes."
    if walk["reading"] and _small(walk["change"], limits) and _blind(limits, summary["meter"]):
        return (
            f"This is undecided: the {told.noun} measured on reconstructions is off by "
            f"{told.said(summary['meter']['reconstruction_error'])}, so this decoder cannot show "
            f"{summary['factor'] or 'rotation'}, and a walk without a {told.change} proves nothing."
        )
    return f"This is undecided: {'; '.join(_doubts(walk, limits, told))}." if walk["reading"] else ""


def _besides(summary: dict) -> str:
    """What else the naming table names, where the lead speaks of the planted factor alone."""
    if summary["arm"] == "normal":
        return ""
    own = summary["planted"]["meter"] or summary["walk"]["meter"] or "rotation"
    others = [row["words"] for row in _named(summary) if not str(row.get("meter")).startswith(own)]
    return f"Beyond chance it also {and_list(others)}." if others else ""


def _meaning(summary: dict) -> str:
    """What the reading says in this arm."""
    planted, told = quantities(summary)
    form = ASKED if _asked(summary) else ARM_MEANING.get((summary["arm"], understood(summary)), "")
    return form.format(noun=planted.noun, factor=summary["factor"] or "rotation", change=told.change)


def _asked(summary: dict) -> bool:
    """Was this walk asked to leave something out, or to go where no classes are told apart?"""
    about = (summary.get("directions") or {}).get(summary["walk"]["direction"]) or {}
    kept_away = (summary.get("options") or {}).get("away")
    return bool(kept_away) or about.get("kind") in ("pca", "dims", "target")


def understood(summary: dict) -> str | None:
    """The reading, or "unused" for a change in arm biased of a factor that the AAE does not go by (gate 0)."""
    score, found = (summary.get("spurious_score") or {}).get("aae"), summary["walk"]["reading"]
    return (
        "unused" if (summary["arm"], found) == ("biased", "changes") and score is not None and score < USED else found
    )


def _models(summary: dict) -> str:
    """How well the two classifiers do on held-out images."""
    aae, baseline = summary["aae"]["valid_accuracy"], summary["baseline"]["valid_accuracy"]
    known = [
        f"{name} names {fixed(100 * value, 1)}\u202f%"
        for name, value in (("the AAE's head", aae), ("the ResNet34", baseline))
        if value is not None
    ]
    return f"Of the held-out images, {' and '.join(known)} correctly." if known else ""


def _spurious(summary: dict) -> str:
    """In the biased arm: how often planting the other class's value changes each model's answer."""
    scores = summary.get("spurious_score") or {}
    known = [
        f"the {name} in {fixed(100 * scores[key], 0)}\u202f%"
        for key, name in (("aae", "AAE"), ("baseline", "ResNet34"))
        if scores.get(key) is not None
    ]
    if summary["arm"] != "biased" or not known:
        return ""
    noun = quantities(summary)[0].noun
    return f"Planting the other class's {noun} makes {' and '.join(known)} of cases say that class."


def _caveat(summary: dict) -> str:
    """What one run cannot tell, and which runs can."""
    others = [f"--arm {arm}" for arm in ("biased", "irrelevant", "normal") if arm != summary["arm"]]
    return (
        "One run cannot tell whether another arm or another seed would give the same walk. Only the control arms can: "
        f"the same command with {' and with '.join(others)}, and with another --seed."
    )


def counterfactual_sentences(summary: dict) -> str:
    """The numbers of the counterfactuals in one sentence; "" if there are none."""
    found = {"items": None, **summary["counterfactual"]}
    told = {key: fixed(value, 2) for key, value in found.items()}
    told |= {key: f"{fixed(100 * found[key], 0)}\u202f%" for key in SHARES if found.get(key) is not None}
    told["items"] = "the" if found["items"] is None else str(found["items"])
    return as_sentence("; ".join(form.format(**told) for key, form in COUNTERFACTUAL if found.get(key) is not None))


def paragraphs(summary: dict) -> dict[str, str]:
    """Lead, body and caveat of the page's opening."""
    parts = (_checked, _judgement, _meaning, _besides, _spurious, _models)
    body = " ".join(filter(None, (part(summary) for part in parts)))
    return {"lead": _headline(summary), "body": body, "caveat": _caveat(summary)}
