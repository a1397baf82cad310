"""Cells of the factor scan, the baseline that a walk has to match: it changes real items and needs no decoder."""

from collections import Counter

import numpy as np

from xaae.audit.cells import COMPARED, detection_numbers, make_cell
from xaae.factors.registry import FACTORS
from xaae.scan.verdicts import USED


def scan_cell(judged, model):
    """The cell of the factor scan of a model: named by the biased models, false alarms by all others."""
    scans = {arm: judged.scans(model, arm) for arm in judged.questions}
    features = [[scan["item_swing"] for scan in scans[arm]] for arm in COMPARED]
    numbers = detection_numbers(*features, judged.rng("scan", model))
    alarms = float(np.mean([bool(used_factors(scan)) for scan in scans["irrelevant"] + scans["normal"]]))
    numbers["false_alarms"] = max(numbers["false_alarms"], alarms)
    named = name_by_scan(judged, scans["biased"])
    named["scores"]["swing_irrelevant"] = _median_swing(scans["irrelevant"], judged.condition.factor)
    return make_cell(judged.condition, "scan", model, **named, **numbers)


def used_factors(scan):
    """Names of the factors that a model goes by, from the answer to one ScanQuestion."""
    return [str(name) for name in scan["factor"][scan["used"] == USED]]


def name_by_scan(judged, scans):
    """named, naming and scores of the scans of several models that are biased, or taken for it.

    The planted factor is named if more than half of the models go by it and none by a factor with another meter: blur
    and sharpening are both read as sharpness, so that either stands for the other.
    """
    factor, meter = judged.condition.factor, judged.factor.meter
    used = [used_factors(scan) for scan in scans]
    own, n = sum(factor in names for names in used), len(scans)
    others = [{name for name in names if name != factor} for names in used]
    astray = [[name for name in names if FACTORS[name].meter != meter] for names in others]
    named = own > n / 2 and not any(astray)
    scores = {"swing": _median_swing(scans, factor), "others_used": sum(map(bool, others))}
    return {"named": named, "naming": _naming(factor, own, n, others), "scores": scores}


def _naming(factor, own, n, others):
    """Which factors scans name, as a sentence: "the scan names tag in 3 of 3 biased models, nothing else in any"."""
    counts = Counter(name for names in others for name in sorted(names))
    beside = ", ".join(f"{name} in {count}" for name, count in counts.most_common()) or "nothing else in any"
    return f"the scan names {factor} in {own} of {n} biased models, {beside}"


def _median_swing(scans, factor):
    """The median over models of the swing that one factor gives their answers."""
    return float(np.median([scan["swing"][scan["factor"] == factor] for scan in scans]))
