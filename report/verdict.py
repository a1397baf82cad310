"""What the numbers of one run allow to be said, in plain words."""

from report.words import degrees, direction_name, fixed

CLEAR_SPAN, CLEAR_SPEARMAN, CLEAR_P = 45.0, 0.8, 0.01  # all three are needed to call it a turn
NO_SPAN = 10.0  # at most this is no turn
METER_ERROR = 15.0  # above this the decoder cannot show the factor, so that "no" is no answer (protocol, gate 1)

ARM_MEANING = {
    (
        "biased",
        "turns",
    ): "In this arm the angle gives the class away, and the walk shows it, as it does where a model uses rotation.",
    (
        "biased",
        "does not turn",
    ): "In this arm the angle gives the class away, and the walk does not show it: ignored, or missed by the walk.",
    ("irrelevant", "turns"): "In this arm the angle says nothing about the class, so this turn is a false alarm.",
    (
        "irrelevant",
        "does not turn",
    ): "In this arm the angle says nothing about the class, and the walk claims nothing: as it should be.",
    ("normal", "turns"): "In this arm nothing was planted: such a turn was in the data already, or is a false alarm.",
    ("normal", "does not turn"): "In this arm nothing was rotated, and the walk claims nothing: as it should be.",
}


def reading(walk: dict, meter: dict | None = None) -> str | None:
    """ "turns", "does not turn" or "undecided" from a walk's scores; None if nothing was measured."""
    span = walk.get("rotation_span_deg")
    if span is None:
        return None
    if not doubts(walk):
        return "turns"
    error = (meter or {}).get("reconstruction_error_deg")
    return "does not turn" if abs(span) <= NO_SPAN and (error is None or error <= METER_ERROR) else "undecided"


def doubts(walk: dict) -> list[str]:
    """The clauses of a clear turn that the walk does not meet, as phrases."""
    span, spearman, p = (walk.get(key) for key in ("rotation_span_deg", "rotation_spearman", "p_value"))
    checks = [
        (
            span is not None and abs(span) >= CLEAR_SPAN,
            f"the turn is {degrees(span)}, and {degrees(CLEAR_SPAN)} are asked for",
        ),
        (
            spearman is not None and abs(spearman) >= CLEAR_SPEARMAN,
            f"the angle follows the walk with Spearman {fixed(spearman, 2)}, and {CLEAR_SPEARMAN} is asked for",
        ),
        (
            p is not None and p <= CLEAR_P,
            f"p against random directions is {fixed(p, 3)}, and at most {CLEAR_P} is asked for",
        ),
    ]
    return [phrase for passed, phrase in checks if not passed]


def headline(summary: dict) -> str:
    """The first sentence: how far the walk turns the picture, beside random directions."""
    walk = summary["walk"]
    if walk["rotation_span_deg"] is None:
        return "In this run no walk has been measured yet."
    low_high = walk["rotation_span_deg_ci"] or []
    interval = f" (95\u202f% interval {fixed(low_high[0], 0)} to {fixed(low_high[1], 0)})" if len(low_high) == 2 else ""
    random = walk["random_span_deg"]
    beside = "" if random is None else f"; random directions turn it by {fixed(random, 0)}"
    return (
        f"Walking the {direction_name(walk['direction'])} direction from one end to the other turns the decoded "
        f"picture by {degrees(abs(walk['rotation_span_deg']))}{interval}{beside}."
    )


def judgement(summary: dict) -> str:
    """The second sentence: clear turn, no turn, or undecided and why."""
    walk, form = summary["walk"], summary["walk"]["reading"]
    if form == "turns":
        return (
            "This is a clear turn: the angle rises along the walk "
            f"(Spearman {fixed(walk['rotation_spearman'], 2)}), "
            f"and hardly any random direction reaches as far (p = {fixed(walk['p_value'], 3)})."
        )
    if form == "does not turn":
        return f"This is no turn: at most {degrees(NO_SPAN)} counts as none, whatever else the walk changes."
    error = summary["meter"]["reconstruction_error_deg"]
    if form == "undecided" and error is not None and error > METER_ERROR and abs(walk["rotation_span_deg"]) <= NO_SPAN:
        return (
            f"This is undecided: angles measured on reconstructions are off by {degrees(error)}, so this decoder "
            "cannot show rotation, and a walk without a turn proves nothing."
        )
    return f"This is undecided: {'; '.join(doubts(walk))}." if form else ""


def meaning(summary: dict) -> str:
    """The third sentence: what that says in this arm."""
    return ARM_MEANING.get((summary["arm"], summary["walk"]["reading"]), "")


def models(summary: dict) -> str:
    """How well the two classifiers do on held-out images."""
    aae, baseline = summary["aae"]["valid_accuracy"], summary["baseline"]["valid_accuracy"]
    known = [
        f"{name} names {fixed(100 * value, 1)}\u202f%"
        for name, value in (("the AAE's head", aae), ("the ResNet34", baseline))
        if value is not None
    ]
    return f"Of the held-out images, {' and '.join(known)} correctly." if known else ""


def spurious(summary: dict) -> str:
    """In the biased arm: how often planting the other class's angle changes each model's answer."""
    scores = summary.get("spurious_score") or {}
    known = [
        f"the {name} in {fixed(100 * scores[key], 0)}\u202f%"
        for key, name in (("aae", "AAE"), ("baseline", "ResNet34"))
        if scores.get(key) is not None
    ]
    if summary["arm"] != "biased" or not known:
        return ""
    return f"Planting the other class's angle makes {' and '.join(known)} of cases say that class."


def caveat(summary: dict) -> str:
    """What one run cannot tell, and which runs can."""
    others = [f"--arm {arm}" for arm in ("biased", "irrelevant", "normal") if arm != summary["arm"]]
    return (
        "One run cannot tell whether another arm or another seed would give the same walk. Only the control arms can: "
        f"the same command with {' and with '.join(others)}, and with another --seed."
    )


def paragraphs(summary: dict) -> dict[str, str]:
    """Lead, body and caveat of the page's opening."""
    parts = (judgement(summary), meaning(summary), spurious(summary), models(summary))
    return {"lead": headline(summary), "body": " ".join(filter(None, parts)), "caveat": caveat(summary)}
