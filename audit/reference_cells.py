"""Cells that the others are compared with: real items sorted by the logit, and controls whose verdict is known."""

import numpy as np

from xaae.audit.cells import COMPARED, detection_numbers, make_cell
from xaae.audit.class_differences import ordering_meters
from xaae.audit.controls import CONTROLS, control_maps
from xaae.audit.detection import map_planes, plane_features
from xaae.audit.sorted_items import correlation_within_classes, draw_subsets, end_differences
from xaae.factors.measuring import measure_all

FOLLOWED = 0.5  # Spearman within classes from which an order follows a meter


def sorted_cell(judged, model):
    """The cell of real items sorted by a model's logit."""
    answers = {arm: judged.answers(model, arm) for arm in COMPARED}
    features = [sorted_features(judged, each) for each in answers.values()]
    numbers = detection_numbers(*features, judged.rng("sorted", model))
    return make_cell(judged.condition, "sorted", model, **name_by_order(judged, answers["biased"]), **numbers)


def sorted_features(judged, answers):
    """What the two ends of the sorted items differ in, as features (R, F) of each model's answers."""
    x = judged.sorted_items.x.numpy()
    subsets = draw_subsets(len(x), judged.rng("sorted"))
    return [plane_features(map_planes(end_differences(x, answer["logit"], subsets))) for answer in answers]


def name_by_order(judged, answers):
    """named, naming and scores of the sorted items: which reading does the order follow within a class?"""
    items, meter, factor = judged.sorted_items, judged.factor.meter, judged.factor.name
    readings = {
        n: r[:, 0] for n, r in measure_all(items.x.numpy()[:, None], ordering_meters(judged.arm.meters)).items()
    }
    readings[meter] = items.values  # known: these items were made with it
    mean = {
        name: float(np.mean([correlation_within_classes(a["logit"], reading, items.labels) for a in answers]))
        for name, reading in readings.items()
    }
    best, own = max(mean, key=mean.get), mean[meter]
    named = bool(best == meter and own >= FOLLOWED)
    naming = f"within a class the order follows {factor} most (Spearman {own:.2f})"
    if not named:
        naming = f"within a class the order follows {best} ({mean[best]:.2f}), {factor} {own:.2f}"
    return {"named": named, "naming": naming, "scores": {"within_class": own}}


def control_cell(judged, name):
    """The cell of an explanation whose verdict is known beforehand."""
    features = [[_control_features(judged, name, arm, number) for number in range(judged.seeds)] for arm in COMPARED]
    about = {"named": True if name == "oracle" else None, "naming": CONTROLS[name], "gates": []}
    numbers = detection_numbers(*features, judged.rng(name))
    return make_cell(judged.condition, f"control:{name}", "none", **about, **numbers)


def _control_features(judged, name, arm, number):
    """Features (P, F) of a control for model `number` of an arm."""
    rng = judged.rng(name, arm, number)
    maps = control_maps(name, judged.probe.x, judged.probe.values, arm == "biased", rng)
    return plane_features(map_planes(maps))
