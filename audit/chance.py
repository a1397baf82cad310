"""The check of chance: seeds of arm irrelevant against each other, one group taken for biased models.

Nothing was planted that could be revealed, so that every REVEALS is a false one. The gates are not asked: gate 0 would
refuse such models. What a map (by its place), a factor scan, sorted items or a walk name is read from the group that
is taken for biased; how alike its maps are to those of random weights is not asked, which can only raise more alarms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from xaae.audit.cells import cell_verdict, correct_p_values, detection_numbers, make_cell
from xaae.audit.detection import plane_features
from xaae.audit.map_cells import name_by_map, refusal
from xaae.audit.map_scores import pointing_scores
from xaae.audit.reference_cells import name_by_order, sorted_features
from xaae.audit.scan_cells import name_by_scan
from xaae.audit.verdict import REVEALS
from xaae.audit.walk_cells import condition_signatures, explained_model, score_walk_of, walk_features
from xaae.audit.walk_scores import sum_up_walks

FEWEST_SEEDS = 6  # with fewer, a group is too small for the detection's own null


@dataclass(frozen=True)
class ChanceExplanation:
    """An explanation of every seed: features, a list of (P, F); name(group of seeds) -> named, naming and scores."""

    explanation: str
    model: str
    features: list
    name: Callable


def seed_halves(n):
    """Every way to part n seeds into two equal groups, each once."""
    for first in combinations(range(n), n // 2):
        if 0 in first:
            yield first, tuple(i for i in range(n) if i not in first)


def chance_cells(judged, failed):
    """The cells of every pair of groups of seeds, {(first, second): [cell]}; None with fewer than six seeds.

    failed: (method, model) of attribution methods that raised; they are left out.
    """
    n = len(judged.questions["irrelevant"]) // 2 * 2
    if n < FEWEST_SEEDS:
        return None
    asked = [*_explained_by_maps(judged, n, failed), *_explained_by_order(judged, n), *_explained_by_walks(judged, n)]
    asked += _explained_by_scans(judged, n)
    return {groups: _cells_of_pair(judged, asked, *groups) for groups in seed_halves(n)}


def _cells_of_pair(judged, asked, first, second):
    """The cells of one pair of groups; the first is taken for biased."""
    cells = []
    for each in asked:
        features = [[each.features[i] for i in group] for group in (first, second)]
        numbers = detection_numbers(*features, judged.rng(each.explanation, each.model))
        cells.append(make_cell(judged.condition, each.explanation, each.model, **numbers, **each.name(first)))
    correct_p_values(cells)
    return cells


def chance_numbers(condition, cells, thresholds):
    """What audit.json says of the cells of `chance_cells`.

    reveals, detected, highest {"explanation/model": number}: how often it got REVEALS, how often detection alone
    passed, and its highest AUROC.
    """
    numbers = {"factor": condition.key, "pairs": len(cells), "reveals": {}, "detected": {}, "highest": {}}
    reveals, detected, highest = (numbers[name] for name in ("reveals", "detected", "highest"))
    for cell in (cell for pair in cells.values() for cell in pair):
        key = f"{cell['explanation']}/{cell['model']}"
        passed = cell["auroc"] >= thresholds.detection and cell["false_alarms"] <= thresholds.false_alarms
        reveals[key] = reveals.get(key, 0) + (cell_verdict(cell, None, thresholds).value == REVEALS)
        detected[key] = detected.get(key, 0) + bool(passed)
        highest[key] = max(highest.get(key, 0.0), cell["auroc"])
    return numbers


# ---- what is asked ----------------------------------------------------------------------------------------------


def _explained_by_maps(judged, n, failed):
    """The ChanceExplanation of every attribution method that has maps."""
    for model in judged.models:
        rows = judged.flip_set(model)
        for method in judged.methods(model):
            if (method, model) in failed:
                continue
            maps = judged.maps(method, model, "irrelevant", n)
            if not refusal(maps):
                features = [plane_features(each["with"][rows]) for each in maps]
                name = lambda group, maps=maps, rows=rows: name_by_pointing(judged, [maps[i] for i in group], rows)  # noqa: E731
                yield ChanceExplanation(method, model, features, name)


def name_by_pointing(judged, maps, rows):
    """named and naming of the maps of a group; a factor without a place cannot be named by a map."""
    if judged.place is None:
        return {"named": None, "naming": "the factor has no place"}
    seen = judged.visible(rows)
    share = np.mean([pointing_scores(each["with"][seen], judged.place)["relevance_rank"] for each in maps])
    named, naming = name_by_map(judged, {"relevance_rank": float(share)})
    return {"named": named, "naming": naming}


def _explained_by_order(judged, n):
    """The ChanceExplanation of real items sorted by each model's logit."""
    for model in judged.models:
        answers = judged.answers(model, "irrelevant", n)
        name = lambda group, answers=answers: name_by_order(judged, [answers[i] for i in group])  # noqa: E731
        yield ChanceExplanation("sorted", model, sorted_features(judged, answers), name)


def _explained_by_scans(judged, n):
    """The ChanceExplanation of each model's factor scan."""
    for model in judged.models:
        scans = judged.scans(model, "irrelevant", n)
        name = lambda group, scans=scans: name_by_scan(judged, [scans[i] for i in group])  # noqa: E731
        yield ChanceExplanation("scan", model, [scan["item_swing"] for scan in scans], name)


def _explained_by_walks(judged, n):
    """The ChanceExplanation of every direction."""
    signatures, factor = condition_signatures(judged), judged.condition.factor
    for direction in judged.directions():
        features = [walk_features(judged, "irrelevant", i, direction) for i in range(n)]
        scored = [score_walk_of(judged, "irrelevant", i, direction, signatures) for i in range(n)]
        name = lambda group, scored=scored: sum_up_walks([scored[i] for i in group], factor)  # noqa: E731
        yield ChanceExplanation(f"walk:{direction}", explained_model(direction), features, name)
