"""The gates of a condition and the response of its models: can the models be asked at all, and what do they say?"""

import numpy as np

from xaae.audit.verdict import gate_shown, gate_use
from xaae.experiment.vocabulary import ARMS


def judge_gates(judged):
    """Gate 0 of every model and gate 1 ("shown"), with their numbers and the clause that fails, None if none does."""
    return {model: _gate_0(judged, model) for model in judged.models} | {"shown": _gate_1(judged)}


def _gate_0(judged, model):
    """Do the biased models use the factor, and the irrelevant ones not?"""
    answers = {arm: judged.answers(model, arm) for arm in ARMS}
    numbers = {
        name: {arm: [float(answer[name]) for answer in answers[arm]] for arm in ARMS}
        for name in ("spurious", "accuracy", "balanced_accuracy", "majority_share")
    }
    spurious = {arm: float(np.mean(scores)) for arm, scores in numbers["spurious"].items()}
    flips = float(np.mean([answer["flips"].mean() for answer in answers["biased"]]))
    return numbers | {"flips": flips, "clause": gate_use(spurious, judged.thresholds)}


def _gate_1(judged):
    """Does the decoder of the biased AAEs show the factor?"""
    walks = [judged.walks("biased", number) for number in range(judged.seeds)]
    shift, errors = float(np.mean([w.shift for w in walks])), [w.error for w in walks]
    limit, unit = judged.thresholds.meter_error * abs(shift), judged.meter.unit
    clause = gate_shown(float(np.mean(errors)), limit, unit)
    numbers = {"errors": errors, "limit": limit, "shift": shift}
    return numbers | {"meter": judged.factor.meter, "unit": unit, "clause": clause}


def mean_responses(judged):
    """Mean probability of the target class at each value of the factor: {model: {arm: {"value", each true class}}}."""
    return {model: {arm: _mean_response(judged, judged.answers(model, arm)) for arm in ARMS} for model in judged.models}


def _mean_response(judged, answers):
    """Of the models of one arm together: {"value": (VALUES,), class: (VALUES,)}."""
    mean = np.mean([answer["response"] for answer in answers], 0)
    return {"value": answers[0]["grid"]} | dict(zip(judged.arm.sides.both, mean, strict=True))
