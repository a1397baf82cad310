"""The three-valued verdict on one explanation and one planted factor, with the clause that decided."""

from dataclasses import dataclass, fields

REVEALS, DOES_NOT, UNDECIDED = "REVEALS", "DOES NOT", "UNDECIDED"


@dataclass(frozen=True)
class Thresholds:
    """What a verdict asks for; fixed before a run, printed and saved with it.

    meter_error and span: shares of the planted shift. p_holm: of detection, corrected for the number of cells.
    pointing and no_pointing: share of a local factor's place that the map's strongest places cover, from which it names
    the factor, and up to which it does not; between them it cannot be told. same_map: correlation from which a
    map of a global factor counts as the same with and without it. randomised: correlation with the maps of a network
    of random weights from which a map counts as one that does not explain the model.
    """

    spurious_biased: float = 0.85
    spurious_control: float = 0.10
    meter_error: float = 1 / 6
    detection: float = 0.90
    no_detection: float = 0.70
    false_alarms: float = 0.10
    p_holm: float = 0.05
    spearman: float = 0.80
    span: float = 0.5
    p: float = 0.01
    non_trivial: float = 0.5
    pointing: float = 0.5
    no_pointing: float = 0.25
    same_map: float = 0.8
    randomised: float = 0.9

    def about(self):
        """{name: number}."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Verdict:
    """value: REVEALS, DOES NOT or UNDECIDED. clause: the sentence that decided."""

    value: str
    clause: str


def gate_use(spurious, asked):
    """Gate 0: why the models of an audit cannot be asked, None if they can. spurious {arm: score}.

    Arm normal is reported, not asked: its models never met the factor, so that what they say of planted pictures is
    arbitrary (rotation: 48 to 69 % of them right) and tells nothing of use.
    """
    if not spurious["biased"] >= asked.spurious_biased:
        return f"no bias learned: spurious score {number_beside_limit(spurious['biased'], asked.spurious_biased, 'asked for')}"
    control, most = spurious.get("irrelevant", 0), asked.spurious_control
    if control > most:
        return f"arm irrelevant follows the factor too: spurious score {number_beside_limit(control, most)}"
    return None


def gate_shown(error, most, unit=""):
    """Gate 1: why the decoder cannot be asked, None if it can. error and most: of the meter, in its unit."""
    if not error <= most:
        told = f"its meter is off by {error:.3g}, at most {most:.3g} {unit}".rstrip()
        return f"the decoder does not show this factor faithfully enough: {told}"
    return None


def number_beside_limit(value, limit, words="at most"):
    """A number and the limit that it missed, with as many digits as tell them apart."""
    digits = next((d for d in (2, 3) if f"{value:.{d}f}" != f"{limit:.{d}f}"), 4)
    return f"{value:.{digits}f}, {words} {limit:.{digits}f}"


def _first(*clauses):
    """The first clause (holds, sentence) that does not hold, as a sentence; None if all hold."""
    return next((sentence for holds, sentence in clauses if not holds), None)


def verdict(gate, found, asked, walk=None):
    """The Verdict on one explanation.

    gate: why it cannot be judged, or None. found: dict with auroc, low, high, false_alarms, p_holm, named (did it name
    the factor, None where that cannot be told), naming (a sentence), and, for maps, randomised. walk: for walks, a dict
    with spearman, span (share of the planted shift), p, non_trivial. asked: Thresholds.
    """
    if gate:
        return Verdict(UNDECIDED, gate)
    if found["high"] < asked.no_detection:
        return Verdict(DOES_NOT, f"detection {found['auroc']:.2f}, its interval ends at {found['high']:.2f}")
    if found.get("named") is False:
        return Verdict(DOES_NOT, found.get("naming") or "the factor is not named")
    missing = _short_of_detection(found, asked) or (walk and _short_of(walk, asked))
    return Verdict(UNDECIDED, missing) if missing else Verdict(REVEALS, f"detection {found['auroc']:.2f}, factor named")


def _short_of_detection(found, asked):
    """What an explanation of any kind falls short of, None if nothing."""
    same, alarms = found.get("randomised"), found["false_alarms"]
    told = (
        f"false alarms {number_beside_limit(alarms, asked.false_alarms)}"
        if alarms == alarms
        else "false alarms: three seeds or more can tell them"
    )
    return _first(
        (
            found["auroc"] >= asked.detection,
            f"detection {number_beside_limit(found['auroc'], asked.detection, 'asked for')}",
        ),
        (alarms <= asked.false_alarms, told),
        (found.get("p_holm", 0) <= asked.p_holm, f"p {found.get('p_holm', 0):.3f} after Holm's correction"),
        (same is None or same < asked.randomised, f"{same or 0:.2f} alike to maps of random weights: no evidence"),
        (found.get("named") is True, found.get("naming") or "nothing in it names the factor"),
    )


def _short_of(walk, asked):
    """What a walk falls short of, None if nothing."""
    return _first(
        (abs(walk["spearman"]) >= asked.spearman, f"Spearman {walk['spearman']:.2f}"),
        (walk["span"] >= asked.span, f"span {walk['span']:.2f} of the planted shift"),
        (walk["p"] <= asked.p, f"p {walk['p']:.3f} beside random directions"),
        (walk["non_trivial"] >= asked.non_trivial, f"non-trivial in {walk['non_trivial']:.2f} of the starts"),
    )
