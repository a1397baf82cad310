"""The check of chance: seeds of arm irrelevant against each other, one group taken for biased models.

Nothing was planted that could be revealed, so that every REVEALS is a false one. The gates are not asked: gate 0 would
refuse such models. What a map names by its place, by sorted pictures or by a walk is read from the group that is taken
for biased; how alike its maps are to those of random weights is not asked, which can only raise more alarms.
"""

from itertools import combinations

import numpy as np

from xaae.audit import judging, judging_walks, questions
from xaae.audit.cells import cell, detection_numbers, walks_of
from xaae.audit.detection import of_planes, planes
from xaae.audit.map_scores import pointing
from xaae.audit.signature import signatures
from xaae.audit.verdict import REVEALS
from xaae.experiment.statistics import holm

FEWEST = 6  # seeds; with fewer, a group is too small for the detection's own null


def seed_halves(n):
    """Every way to part n seeds into two equal groups, each once."""
    for first in combinations(range(n), n // 2):
        if 0 in first:
            yield first, tuple(i for i in range(n) if i not in first)


def chance(case, failed):
    """The cells of every pair of groups, {(first, second): [cell]}; None with fewer than six seeds.

    failed {(method, model)}: left out.
    """
    n = len(case.folders["irrelevant"]) // 2 * 2
    if n < FEWEST:
        return None
    asked = [*_of_maps(case, n, failed), *_of_sorted(case, n), *_of_walks(case, n)]
    found = {}
    for first, second in seed_halves(n):
        cells = []
        for explanation, model, features, names in asked:
            seen = [[features[i] for i in group] for group in (first, second)]
            about = detection_numbers(*seen, case.rng(explanation, model))
            cells.append(cell(case, explanation, model, **about, **names(first)))
        for c, p in zip(cells, holm([c["p"] for c in cells]), strict=True):
            c["p_holm"] = float(p)
        found[first, second] = cells
    return found


def told(case, found, asked):
    """What audit.json says: of each explanation, how often it got REVEALS, how often detection alone passed, and its
    highest AUROC; {"explanation/model": number}."""
    about = {"factor": case.condition.key, "pairs": len(found), "reveals": {}, "detected": {}, "highest": {}}
    for cells in found.values():
        for c in cells:
            key = f"{c['explanation']}/{c['model']}"
            passed = c["auroc"] >= asked.detection and c["false_alarms"] <= asked.false_alarms
            about["reveals"][key] = about["reveals"].get(key, 0) + (judging.of_cell(c, None, asked).value == REVEALS)
            about["detected"][key] = about["detected"].get(key, 0) + bool(passed)
            about["highest"][key] = max(about["highest"].get(key, 0.0), c["auroc"])
    return about


# ---- what is asked: (explanation, model, features of each seed, names(group)) -----------------------------------


def _of_maps(case, n, failed):
    """Every attribution method that has maps."""
    for model in case.models:
        rows = case.flip_set(model)
        for method in case.methods[model]:
            if (method, model) in failed:
                continue
            arrays = judging.read_maps(case, method, model, "irrelevant", case.folders["irrelevant"][:n])
            if "reason" not in arrays[0]:
                features = [of_planes(a["with"][rows]) for a in arrays]
                yield method, model, features, lambda group, a=arrays, r=rows: pointed(case, [a[i] for i in group], r)


def pointed(case, arrays, rows):
    """named, naming and scores of maps; a factor without a place cannot be named by a map."""
    if case.place is None:
        return {"named": None, "naming": "the factor has no place"}
    seen = judging.marked(case, rows)
    share = np.mean([pointing(a["with"][seen], case.place)["relevance_rank"] for a in arrays])
    named, naming = judging.map_name(case, {"relevance_rank": float(share)})
    return {"named": named, "naming": naming}


def _of_sorted(case, n):
    """Real pictures, sorted."""
    for model in case.models:
        folders = case.folders["irrelevant"][:n]
        answers = [questions.read_answer(f, case.condition, case.n, f"answers-{model}.npz") for f in folders]
        features = judging.sorted_features(case, model, answers)
        yield "sorted", model, features, lambda group, a=answers: judging.sorted_name(case, [a[i] for i in group])


def _of_walks(case, n):
    """Every direction."""
    found, rows = signatures(case.probe.x_0, case.meters, case.fill), case.flip_set("aae")
    kept = [walks_of(case, "irrelevant", i)[1] for i in range(n)]
    shift = walks_of(case, "biased", 0)[0]["shift"]
    for name in kept[0]:
        features = [of_planes(planes(w[name]["difference"][rows])) for w in kept]
        scored = [judging_walks.walk_scores(case, "irrelevant", i, name, found, shift) for i in range(n)]
        yield f"walk:{name}", "aae", features, lambda g, s=scored: judging_walks.summed(case, [s[i] for i in g])
