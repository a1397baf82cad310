"""The results of an audit: every cell judged, its figure drawn, everything written into the audit's folder."""

import resource
import time

from xaae.audit.audit_sentences import summary_sentences
from xaae.audit.cell_figures import draw_figures
from xaae.audit.cells import correct_p_values, judge_cells
from xaae.audit.chance import chance_cells, chance_numbers
from xaae.audit.controls import CONTROLS
from xaae.audit.explanations import describe_explanation, explanation_names
from xaae.audit.gates import judge_gates, mean_responses
from xaae.audit.judged_condition import JudgedCondition
from xaae.audit.map_cells import map_cell
from xaae.audit.quiz_questions import write_quiz_questions
from xaae.audit.reference_cells import control_cell, sorted_cell
from xaae.audit.scan_cells import scan_cell
from xaae.audit.walk_cells import walk_cells
from xaae.experiment import run_folder
from xaae.experiment.device import machine_facts
from xaae.experiment.vocabulary import models_of


def write_results(audit, failed, seconds, began, trained):
    """Judge, draw and write; what audit.json holds.

    audit: an Audit whose questions are answered. failed {MapsQuestion: why its method raised}. seconds {part of the
    work: number}; began: `time.perf_counter()` of the audit's start. trained: number of arms that it trained.
    """
    start = time.perf_counter()
    conditions = [
        JudgedCondition(condition, questions, audit.settings.seeds, audit.thresholds)
        for condition, questions in audit.questions.items()
    ]
    cells = [cell for judged in conditions for cell in condition_cells(judged, _failed_in(judged, failed))]
    factors = {judged.condition.key: _about_condition(judged) for judged in conditions}
    correct_p_values(cells)
    cells = judge_cells(cells, {key: about["gates"] for key, about in factors.items()}, audit.thresholds)
    draw_figures(audit.folder, conditions, cells, factors)
    write_quiz_questions(audit.folder, conditions, factors)
    now = time.perf_counter()
    seconds = seconds | {"scoring": now - start, "total": now - began}
    result = _about_audit(audit, conditions[0]) | {"factors": factors, "cells": cells, "seconds": seconds}
    result |= {"memory_mb": _peak_memory(), "arms_trained": trained, "arms_cached": len(audit.arms_by_folder) - trained}
    result["chance"] = _check_chance(conditions, failed)
    result["summary"] = summary_sentences(result)
    run_folder.write_json(audit.folder / "audit.json", result)
    return result


def _failed_in(judged, failed):
    """{(method, model): reason} of the maps that raised under a condition."""
    mine = {question: reason for question, reason in failed.items() if question.condition == judged.condition}
    return {(question.method, question.model): reason for question, reason in mine.items()}


def condition_cells(judged, failed):
    """All cells of a JudgedCondition, without their verdicts. failed {(method, model): reason} of maps that raised."""
    cells = walk_cells(judged)
    cells += [make(judged, model) for make in (scan_cell, sorted_cell) for model in judged.models]
    maps = [(method, model) for model in reversed(judged.models) for method in judged.methods(model)]
    cells += [map_cell(judged, *pair, failed) for pair in maps]
    return cells + [control_cell(judged, name) for name in CONTROLS]


def _about_condition(judged):
    """What audit.json says of one condition."""
    factor, condition, questions = judged.factor, judged.condition, judged.questions
    about = {"factor": factor.name, "title": condition.key, "unit": factor.unit, "noun": factor.noun}
    about |= {"local": factor.is_local, "strength": condition.strength, "contamination": condition.contamination}
    about |= {"ranges": judged.bias.ranges, "seeds": {arm: list(range(len(each))) for arm, each in questions.items()}}
    about |= {"gates": judge_gates(judged), "response": mean_responses(judged), "figure": None}
    return about | {"arms": {arm: [each.walks.folder for each in models] for arm, models in questions.items()}}


def _check_chance(conditions, failed):
    """The check of chance of the first condition that has seeds enough; None if none has."""
    for judged in conditions:
        if cells := chance_cells(judged, _failed_in(judged, failed)):
            return chance_numbers(judged.condition, cells, judged.thresholds)
    return None


def _about_audit(audit, judged):
    """What audit.json says of the audit itself; judged: any of its conditions."""
    settings = audit.settings
    about = {"kind": "audit", "complete": True, "dataset": audit.base["dataset"], "preset": settings.preset}
    about |= {"item_kind": audit.kind.name, "models": models_of(audit.kind)}
    about |= {"command": settings.command, "classes": settings.classes, "size": settings.size}
    about |= {"workers": settings.workers} | machine_facts("fp32")
    about |= {"settings": settings.as_dict() | {"training": audit.base}, "thresholds": audit.thresholds.as_dict()}
    names = explanation_names(judged.directions(), audit.plan.methods["aae"])
    return about | {"explanations": {name: describe_explanation(name, audit.kind) for name in names}}


def _peak_memory():
    """MB that this process and its largest worker held at once, at most."""
    own, theirs = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + theirs) / 1024
