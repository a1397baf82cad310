"""The three-valued verdict on one explanation and one planted factor, with the clause that decided."""

from dataclasses import dataclass, fields

REVEALS, DOES_NOT, UNDECIDED = "REVEALS", "DOES NOT", "UNDECIDED"


@dataclass(frozen=True)
class Thresholds:
    """What a verdict asks for; fixed before a run, printed and saved with it (protocol, sections 2, 3 and 7)."""

    spurious_biased: float = 0.85
    spurious_control: float = 0.10
    meter_error: float = 15.0
    detection: float = 0.90
    no_detection: float = 0.70
    false_alarms: float = 0.10
    spearman: float = 0.80
    span: float = 0.5
    p: float = 0.01
    non_trivial: float = 0.5

    def about(self):
        """{name: number}."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Verdict:
    """value: REVEALS, DOES NOT or UNDECIDED. clause: the sentence that decided."""

    value: str
    clause: str


def gate_use(spurious, asked):
    """Gate 0: why the models of an audit cannot be asked, None if they can. spurious {arm: score}."""
    if spurious["biased"] < asked.spurious_biased:
        return f"no bias learned: spurious score {spurious['biased']:.2f}, asked for {asked.spurious_biased:.2f}"
    for arm in ("normal", "irrelevant"):
        if spurious.get(arm, 0) > asked.spurious_control:
            most = asked.spurious_control
            return f"arm {arm} uses the factor too: spurious score {spurious[arm]:.2f}, at most {most:.2f}"
    return None


def gate_shown(error, most):
    """Gate 1: why the decoder cannot be asked, None if it can. error and most: of the meter, in the factor's unit."""
    if not error <= most:
        return f"the decoder cannot show this factor: its meter is off by {error:.3g}, at most {most:.3g}"
    return None


def first(*clauses):
    """The first clause (holds, sentence) that does not hold, as a sentence; None if all hold."""
    return next((sentence for holds, sentence in clauses if not holds), None)


def verdict(gate, found, asked, walk=None):
    """The Verdict on one explanation.

    gate: why it cannot be judged, or None. found: dict with auroc, low, high, false_alarms, named (did it name the
    factor, None where it cannot name). walk: for walks, a dict with spearman, span (share of the planted shift), p,
    non_trivial. asked: Thresholds.
    """
    if gate:
        return Verdict(UNDECIDED, gate)
    if found["high"] < asked.no_detection:
        return Verdict(DOES_NOT, f"detection {found['auroc']:.2f}, its interval ends at {found['high']:.2f}")
    if found.get("named") is False:
        return Verdict(DOES_NOT, "the factor is not named")
    missing = first(
        (found["auroc"] >= asked.detection, f"detection {found['auroc']:.2f}, asked for {asked.detection:.2f}"),
        (found["false_alarms"] <= asked.false_alarms, f"false alarms {found['false_alarms']:.2f}"),
    ) or (walk and short_of(walk, asked))
    return Verdict(UNDECIDED, missing) if missing else Verdict(REVEALS, f"detection {found['auroc']:.2f}")


def short_of(walk, asked):
    """What a walk falls short of, None if nothing."""
    return first(
        (abs(walk["spearman"]) >= asked.spearman, f"Spearman {walk['spearman']:.2f}"),
        (walk["span"] >= asked.span, f"span {walk['span']:.2f} of the planted shift"),
        (walk["p"] <= asked.p, f"p {walk['p']:.3f}"),
        (walk["non_trivial"] >= asked.non_trivial, f"non-trivial in {walk['non_trivial']:.2f} of the starts"),
    )
