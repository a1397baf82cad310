"""The results of an audit: all cells judged, drawn and written once everything has been asked."""

import resource
import time

from xaae.audit import chance, controls, evidence, judging, judging_walks
from xaae.audit.sentences import summary
from xaae.experiment import run_folder
from xaae.experiment.statistics import holm
from xaae.factors.registry import FACTORS
from xaae.training import fitting as training


def finish(found, failed, seconds, began, trained):
    """Judge, draw and write; what audit.json holds."""
    start = time.perf_counter()
    cases = [_case_of(found, condition) for condition in found.arms]
    cells, factors = [], {}
    for case in cases:
        mine = {(m, k): why for (key, m, k), why in failed.items() if key == case.condition.key}
        cells += _cells_of(case, mine)
        factors[case.condition.key] = _about_factor(case)
    _correct(cells)
    cells = judging.judge_cells(cells, {k: f["gates"] for k, f in factors.items()}, found.asked)
    evidence.draw_all(found.folder, cases, cells, factors)
    evidence.write_quiz_questions(found.folder, cases, factors, _audit_title)
    seconds |= {"scoring": time.perf_counter() - start, "total": time.perf_counter() - began}
    result = _about(found) | {"factors": factors, "cells": cells, "seconds": seconds}
    result |= {"memory_mb": _peak_memory(), "arms_trained": trained, "arms_cached": len(found.every()) - trained}
    result["chance"] = _chance_of(cases, failed, found.asked)
    result["summary"] = summary(result)
    run_folder.write_json(found.folder / "audit.json", result)
    return result


def _case_of(found, condition):
    """The Case of one condition."""
    s = found.settings
    folders = {arm: [str(found.home(a)) for a in some] for arm, some in found.arms[condition].items()}
    return judging.JudgedCondition(condition, folders, found.models, s["probe"], s["directions"], s["random_directions"],
                        found.methods, found.base["fill"], found.asked, s["seeds"])  # fmt: skip


def _cells_of(case, failed):
    """All cells of one condition, not yet judged."""
    cells = judging_walks.all_walks(case) + [judging.sorted_cell(case, m) for m in case.models]
    cells += [judging.map_cell(case, method, m, failed) for m in reversed(case.models) for method in case.methods[m]]
    return cells + [judging.control_cell(case, name) for name in controls.MEANS]


def _correct(cells):
    """Holm's correction of the detection's p over all cells, in place."""
    some = [c for c in cells if "p" in c]
    for c, p in zip(some, holm([c["p"] for c in some]), strict=True):
        c["p_holm"] = float(p)


def _about_factor(case):
    """What audit.json says of one condition."""
    f, c = FACTORS[case.condition.factor], case.condition
    about = {"factor": f.name, "title": c.key, "unit": f.unit, "noun": f.noun, "local": f.is_local}
    about |= {"strength": c.strength, "contamination": c.contamination, "ranges": case.bias.ranges}
    about |= {"seeds": {arm: list(range(len(some))) for arm, some in case.folders.items()}}
    about |= {"gates": judging.gates(case), "response": judging.mean_responses(case), "figure": None}
    return about | {"arms": case.folders}


def _chance_of(cases, failed, asked):
    """The check of chance of the first condition that has seeds enough; None if none has."""
    for case in cases:
        mine = {(m, k) for (key, m, k) in failed if key == case.condition.key}
        if found := chance.chance(case, mine):
            return chance.told(case, found, asked)
    return None


def _about(found):
    """What audit.json says of the audit itself."""
    s = found.settings
    head = {"kind": "audit", "complete": True, "dataset": found.base["dataset"], "preset": s["preset"]}
    head |= {"command": s.get("command"), "classes": s["classes"], "size": s["size"], "workers": s["workers"]}
    head |= training.machine("fp32") | {"settings": s | {"training": found.base}, "thresholds": found.asked.about()}
    names = [f"walk:{d}" for d in (*s["directions"], "pca_1")] + ["sorted", *found.methods["aae"]]
    names += [f"control:{name}" for name in controls.MEANS]
    return head | {
        "models": judging.MODELS,
        "explanations": {name: judging.describe_explanation(name) for name in names},
    }


def _audit_title(explanation, model):
    """What an explanation is called in the quiz, and whose it is."""
    own = (
        "walk in the latent space"
        if explanation.startswith("walk:")
        else judging.describe_explanation(explanation)["title"]
    )
    return f"{own}, of {'an AAE' if model == 'aae' else 'a ResNet34'}"


def _peak_memory():
    """MB that this process and its largest worker held at once, at most."""
    own, theirs = (resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + theirs) / 1024
