"""What an audit says in words follows its gates, its settings and its thresholds."""

from types import SimpleNamespace

import numpy as np
import pytest

from xaae.audit import audit_run, evidence, judging, plan, sentences
from xaae.audit.judging_walks import what_is_named
from xaae.audit.verdict import (
    DOES_NOT,
    REVEALS,
    UNDECIDED,
    Thresholds,
    gate_shown,
    gate_use,
    number_beside_limit,
    verdict,
)
from xaae.experiment.errors import InputError

ASKED = Thresholds()
FOUND = {"auroc": 0.99, "low": 0.95, "high": 1.0, "false_alarms": 0.0, "p_holm": 0.001}


def result_of(verdicts, local=True, gate=None, shown=None, seeds=3, **settings):
    """As much of audit.json as the summary reads: {(explanation, model): verdict} of one factor."""
    cells = [{"explanation": e, "model": m, "factor": "tag", "status": "ok", "verdict": v, "auroc": 0.9}
             for (e, m), v in verdicts.items()]  # fmt: skip
    gates = {"aae": {"clause": None}, "baseline": {"clause": gate}, "shown": {"clause": shown}}
    titles = {e: {"title": judging.describe_explanation(e)["title"]} for e, _ in verdicts}
    return {
        "dataset": "synthpets",
        "cells": cells,
        "factors": {"tag": {"gates": gates, "local": local}},
        "models": {"aae": "AAE", "baseline": "ResNet34"},
        "explanations": titles,
        "settings": {"seeds": seeds, "random_directions": 100, "preset": "default"} | settings,
        "thresholds": ASKED.about(),
    }


@pytest.mark.parametrize(("share", "value"), [(0.7, REVEALS), (0.4, UNDECIDED), (0.2, DOES_NOT)])
def test_a_map_between_pointing_and_not_pointing_is_undecided_and_told_what_was_asked(share, value):
    case = SimpleNamespace(place=np.eye(4, dtype=bool), asked=ASKED, condition=SimpleNamespace(factor="tag"))
    named, naming = judging.map_name(case, {"relevance_rank": share})
    assert verdict(None, FOUND | {"named": named, "naming": naming}, ASKED).value == value
    assert f"{share:.2f} of its strongest places" in naming and "asked for 0.50" in naming


def test_a_number_that_just_missed_its_limit_is_told_with_enough_digits():
    assert number_beside_limit(0.1017, 0.1) == "0.102, at most 0.100"
    assert number_beside_limit(0.8, 0.9, "asked for") == "0.80, asked for 0.90"
    assert "0.102, at most 0.100" in gate_use({"biased": 1.0, "irrelevant": 0.1017}, ASKED)
    assert gate_shown(0.3, 0.2, "octaves").endswith("0.3, at most 0.2 octaves") and gate_shown(0.1, 0.2) is None


def test_the_summary_tells_every_gate_that_failed():
    cells = {("walk:lda", "aae"): "UNDECIDED", ("gradcam", "baseline"): "UNDECIDED"}
    told = sentences.of_factor(result_of(cells, gate="no bias learned", shown="off by 3"), "tag")
    assert "the ResNet34 cannot be asked (no bias learned)" in told and "walks cannot be judged (off by 3)" in told
    assert "nothing that could be asked" in told and "no place" not in told
    assert "no heat map can name it" in sentences.of_factor(result_of(cells, local=False), "tag")


def test_what_the_settings_make_impossible_is_told_and_blamed_on_no_control():
    cells = {("control:oracle", "none"): "UNDECIDED"}
    assert any("controls failed" in each for each in sentences.summary(result_of(cells)))
    edges = {("control:edges", "none"): "UNDECIDED"}
    assert any("controls failed: edges" in each for each in sentences.summary(result_of(cells | edges, seeds=2)))
    two = sentences.summary(result_of(cells, seeds=2))
    assert any(each.startswith("Caution: Two seeds") for each in two)  # so that the page blames no control either
    assert any("Two seeds" in each for each in two) and not any("controls failed" in each for each in two)
    few = sentences.impossible({"seeds": 3, "random_directions": 98, "preset": "default"}, ASKED.about())
    assert len(few) == 1 and "no walk can get REVEALS" in few[0]
    assert sentences.impossible({"seeds": 3, "random_directions": 99, "preset": "default"}, ASKED.about()) == []
    assert (
        "gates fail" in sentences.impossible({"seeds": 3, "random_directions": 99, "preset": "smoke"}, ASKED.about())[0]
    )


def test_walks_are_named_by_how_many_models_name_what():
    assert what_is_named(["tag", "tag", "tag"]) == "its meters name tag in 3 of 3 models"
    assert what_is_named(["tint", "tag", "tag"]) == "its meters name tag in 2 of 3 models, tint in 1"
    assert what_is_named(["", ""]) == "its meters name nothing in 2 of 2 models"


def test_models_whose_gate_failed_are_not_asked_about_in_the_quiz():
    gates = {"aae": {"clause": None}, "baseline": {"clause": "no bias learned"}, "shown": {"clause": "off by 3"}}
    assert not evidence.known(gates, "gradcam", "baseline") and not evidence.known(gates, "walk:lda", "aae")
    assert evidence.known(gates, "sorted", "aae")


def test_more_seeds_of_arm_irrelevant_are_trained_for_the_first_factor_alone():
    first, second = plan.arms(plan.conditions(["tag", "rotation"]), 3, 6).values()
    assert [len(first[a]) for a in ("biased", "irrelevant", "normal")] == [3, 6, 3]
    assert [len(second[a]) for a in ("biased", "irrelevant", "normal")] == [3, 3, 3]
    assert first["normal"][0].words() == "normal, seed 0" and first["biased"][2].words() == "tag, biased, seed 2"


def test_a_folder_of_drawn_pictures_is_no_audit_and_a_file_holds_no_arms(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "settings.json").write_text("{}")
    with pytest.raises(InputError, match="something other than an audit"):
        audit_run.check_folders(tmp_path / "pictures", tmp_path / "arms")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="give --arms a folder"):
        audit_run.check_folders(tmp_path / "new", tmp_path / "file")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / audit_run.SETTINGS).write_text("{}")
    audit_run.check_folders(tmp_path / "begun", tmp_path / "arms")
