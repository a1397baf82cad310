"""The three-valued verdict on one explanation and one planted factor, with the clause that decided."""

from dataclasses import asdict, dataclass

from xaae.experiment.walk_words import FADE, GLIDE

REVEALS, DOES_NOT, UNDECIDED = VERDICTS = ("REVEALS", "DOES NOT", "UNDECIDED")


@dataclass(frozen=True)
class Thresholds:
    """What a verdict requires; fixed before a run, printed and saved with it.

    meter_error and span: shares of the planted shift. p_holm: of detection, corrected for the number of cells.
    largest_step: share of the whole change of its reading that a walk that glides makes between two frames, at most.
    fade: R2 of a walk's frames on its two ends, above which it is a cross-fade.
    pointing and no_pointing: share of a local factor's place that the map's strongest places cover: from `pointing` on
    the map names the factor, up to `no_pointing` it does not; between them it cannot be told. same_map: correlation
    from which a map of a global factor counts as the same with and without it. randomised: correlation with the maps
    of a network of random weights from which a map counts as one that does not explain the model.
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
    largest_step: float = GLIDE
    fade: float = FADE
    pointing: float = 0.5
    no_pointing: float = 0.25
    same_map: float = 0.8
    randomised: float = 0.9

    def as_dict(self):
        """{name: number}, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """value: REVEALS, DOES NOT or UNDECIDED. clause: the sentence that decided."""

    value: str
    clause: str


# ---- gates: can the models be asked at all? ---------------------------------------------------------------------


def gate_use(spurious, thresholds):
    """Gate 0: why the models of an audit cannot be asked, None if they can. spurious {arm: score}.

    Arm normal is reported and not judged: its models never met the factor, so that what they say of planted items is
    arbitrary (rotation: 48 to 69 % of them right) and tells nothing of use.
    """
    biased, control = spurious["biased"], spurious.get("irrelevant", 0)
    if not biased >= thresholds.spurious_biased:
        score = number_beside_limit(biased, thresholds.spurious_biased, "asked for")
        return f"no bias learned: spurious score {score}"
    if control > thresholds.spurious_control:
        score = number_beside_limit(control, thresholds.spurious_control)
        return f"arm irrelevant follows the factor too: spurious score {score}"
    return None


def gate_shown(error, limit, unit=""):
    """Gate 1: why the decoder cannot be asked, None if it can. error and limit: of the meter, in its unit."""
    if not error <= limit:
        numbers = f"its meter is off by {error:.3g}, at most {limit:.3g} {unit}".rstrip()
        return f"the decoder does not show this factor faithfully enough: {numbers}"
    return None


def number_beside_limit(value, limit, words="at most"):
    """A number and the limit that it missed, with as many digits as tell them apart: "0.102, at most 0.100"."""
    digits = next((d for d in (2, 3) if f"{value:.{d}f}" != f"{limit:.{d}f}"), 4)
    return f"{value:.{digits}f}, {words} {limit:.{digits}f}"


# ---- the verdict ------------------------------------------------------------------------------------------------


def decide_verdict(gate, numbers, thresholds, walk=None):
    """The Verdict on one explanation.

    gate: why it cannot be judged, or None. numbers: dict with auroc, low, high, false_alarms, p_holm, named (did it
    name the factor, None where that cannot be told), naming (a sentence), and, for maps, randomised. walk: for walks,
    a dict with spearman, span (share of the planted shift), p, non_trivial, and largest_step and ends_explain, None
    where they say nothing.
    """
    if gate:
        return Verdict(UNDECIDED, gate)
    if numbers["high"] < thresholds.no_detection:
        return Verdict(DOES_NOT, f"detection {numbers['auroc']:.2f}, its interval ends at {numbers['high']:.2f}")
    if numbers.get("named") is False:
        return Verdict(DOES_NOT, numbers.get("naming") or "the factor is not named")
    missing = _missing(numbers, thresholds) or (walk and _missing_in_walk(walk, thresholds))
    if missing:
        return Verdict(UNDECIDED, missing)
    return Verdict(REVEALS, f"detection {numbers['auroc']:.2f}, factor named")


def _missing(numbers, thresholds):
    """What an explanation of any kind lacks for REVEALS, as a sentence; None if nothing."""
    alike, p = numbers.get("randomised"), numbers.get("p_holm", 0)
    detection = number_beside_limit(numbers["auroc"], thresholds.detection, "asked for")
    return _first_failed(
        (numbers["auroc"] >= thresholds.detection, f"detection {detection}"),
        (numbers["false_alarms"] <= thresholds.false_alarms, _alarms_in_words(numbers["false_alarms"], thresholds)),
        (p <= thresholds.p_holm, f"p {p:.3f} after Holm's correction"),
        (
            alike is None or alike < thresholds.randomised,
            f"{alike or 0:.2f} alike to maps of random weights: no evidence",
        ),
        (numbers.get("named") is True, numbers.get("naming") or "nothing in it names the factor"),
    )


def _alarms_in_words(share, thresholds):
    """Why the share of false alarms is too high; NaN with fewer than three seeds."""
    if share != share:
        return "false alarms: three seeds or more can tell them"
    return f"false alarms {number_beside_limit(share, thresholds.false_alarms)}"


def _missing_in_walk(walk, thresholds):
    """What a walk lacks for REVEALS, as a sentence; None if nothing."""
    step, mixed = walk.get("largest_step"), walk.get("ends_explain")
    return _first_failed(
        (abs(walk["spearman"]) >= thresholds.spearman, f"Spearman {walk['spearman']:.2f}"),
        (walk["span"] >= thresholds.span, f"span {walk['span']:.2f} of the planted shift"),
        (walk["p"] <= thresholds.p, f"p {walk['p']:.3f} beside random directions"),
        (
            mixed is None or mixed <= thresholds.fade,
            _no_glide("a cross-fade: R2 of its frames on its two ends", mixed, thresholds.fade),
        ),
        (
            step is None or step <= thresholds.largest_step,
            _no_glide("it jumps: largest step, as a share of the whole change,", step, thresholds.largest_step),
        ),
        (walk["non_trivial"] >= thresholds.non_trivial, f"non-trivial in {walk['non_trivial']:.2f} of the starts"),
    )


def _no_glide(words, value, limit):
    """Why a walk does not glide: what was measured and by how much it is too large; "" where it was not measured."""
    return "" if value is None else f"{words} {number_beside_limit(value, limit)}"


def _first_failed(*clauses):
    """The sentence of the first clause (holds, sentence) that does not hold; None if all hold."""
    return next((sentence for holds, sentence in clauses if not holds), None)
