"""What an audit says in words follows its gates, its settings and its thresholds."""

import pytest

from xaae.audit.audit_sentences import audit_in_words, factor_sentence, settings_cautions, summary_sentences
from xaae.audit.explanations import describe_explanation, explanation_names, quiz_title
from xaae.audit.quiz_questions import is_known
from xaae.audit.verdict import Thresholds
from xaae.experiment.vocabulary import MODELS

ASKED = Thresholds().as_dict()


def result_of(verdicts, local=True, gate=None, shown=None, seeds=3, **settings):
    """As much of audit.json as the summary reads: {(explanation, model): verdict} of one factor."""
    cells = [
        {"explanation": e, "model": m, "factor": "tag", "status": "ok", "verdict": v, "auroc": 0.9}
        for (e, m), v in verdicts.items()
    ]
    gates = {"aae": {"clause": None}, "baseline": {"clause": gate}, "shown": {"clause": shown}}
    return {
        "dataset": "synthpets",
        "cells": cells,
        "factors": {"tag": {"gates": gates, "local": local}},
        "models": MODELS,
        "explanations": {e: {"title": describe_explanation(e)["title"]} for e, _ in verdicts},
        "settings": {"seeds": seeds, "random_directions": 100, "preset": "default"} | settings,
        "thresholds": ASKED,
    }


UNDECIDED = {("walk:lda", "aae"): "UNDECIDED", ("gradcam", "baseline"): "UNDECIDED"}
ORACLE = {("control:oracle", "none"): "UNDECIDED"}
EDGES = {("control:edges", "none"): "UNDECIDED"}


def test_the_summary_tells_every_gate_that_failed():
    sentence = factor_sentence(result_of(UNDECIDED, gate="no bias learned", shown="off by 3"), "tag")
    assert "the ResNet34 cannot be asked (no bias learned)" in sentence
    assert "walks cannot be judged (off by 3)" in sentence
    assert "nothing that could be asked" in sentence and "no place" not in sentence


def test_the_summary_counts_verdicts_and_names_what_reveals():
    verdicts = {("walk:lda", "aae"): "REVEALS", ("gradcam", "baseline"): "DOES NOT", ("sorted", "aae"): "UNDECIDED"}
    sentence = factor_sentence(result_of(verdicts), "tag")
    assert sentence.startswith("Tag: revealed by walk (lda). ")
    assert "1 explanation does not reveal it, 1 is undecided" in sentence


def test_the_summary_says_whose_scan_reveals():
    verdicts = {("scan", "aae"): "REVEALS", ("scan", "baseline"): "REVEALS", ("walk:lda", "aae"): "UNDECIDED"}
    sentence = factor_sentence(result_of(verdicts), "tag")
    assert sentence.startswith("Tag: revealed by factor scan of the AAE; factor scan of the ResNet34. ")


def test_no_heat_map_can_name_a_factor_without_a_place():
    assert "no heat map can name it" in factor_sentence(result_of(UNDECIDED, local=False), "tag")


def test_controls_that_fail_are_blamed():
    assert any("controls failed: oracle (tag)" in each for each in summary_sentences(result_of(ORACLE)))
    fine = {("control:oracle", "none"): "REVEALS", ("control:edges", "none"): "DOES NOT"}
    assert "The controls came out as they must: oracle REVEALS; edges DOES NOT." in summary_sentences(result_of(fine))


def test_with_two_seeds_no_control_is_blamed_that_cannot_pass():
    two = summary_sentences(result_of(ORACLE, seeds=2))
    assert any(each.startswith("Caution: Two seeds") for each in two) and "controls failed" not in " ".join(two)
    assert any("controls failed: edges" in each for each in summary_sentences(result_of(ORACLE | EDGES, seeds=2)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seeds": 2}, "Two seeds"),
        ({"random_directions": 98}, "no walk can get REVEALS"),
        ({"preset": "smoke"}, "gates fail"),
    ],
)
def test_what_the_settings_make_impossible_is_told(settings, words):
    possible = {"seeds": 3, "random_directions": 99, "preset": "default"}
    assert settings_cautions(possible, ASKED) == []
    (caution,) = settings_cautions(possible | settings, ASKED)
    assert words in caution


def test_the_table_has_a_line_for_each_explanation_and_a_column_for_each_factor():
    result = result_of(UNDECIDED) | {"summary": ["All told."], "seconds": {"total": 90.0}, "memory_mb": 2048.0}
    result["cells"][0] |= {"status": "refused", "auroc": None}
    result["factors"]["blur"] = result["factors"]["tag"]
    lines = audit_in_words(result | {"arms_cached": 3}).splitlines()
    assert lines[0].split() == ["tag", "blur"] and lines[1].split() == ["walk", "(lda)", "refused"]
    assert lines[2].split() == ["Grad-CAM", "of", "the", "ResNet34", "UNDECIDED", "0.90"]
    assert lines[-2:] == ["All told.", "2 minutes (3 models were there already), 2.0 GiB at most."]


def test_models_whose_gate_failed_are_not_asked_about_in_the_quiz():
    gates = {"aae": {"clause": None}, "baseline": {"clause": "no bias learned"}, "shown": {"clause": "off by 3"}}
    assert not is_known(gates, "gradcam", "baseline") and not is_known(gates, "walk:lda", "aae")
    assert is_known(gates, "sorted", "aae")


def test_every_explanation_is_described():
    names = explanation_names(["head", "pca_1"], ["saliency"])
    about = {name: describe_explanation(name) for name in names}
    assert [each["kind"] for each in about.values()] == ["walk", "walk", "scan", "sorted", "map", *["control"] * 4]
    assert all(each["title"] and each["means"] for each in about.values())
    assert "A control" in about["walk:pca_1"]["means"] and "A control" not in about["walk:head"]["means"]


def test_the_quiz_says_whose_explanation_it_shows():
    assert quiz_title("walk:lda", "aae", "picture") == "walk in the latent space, of an AAE"
    assert quiz_title("gradcam", "baseline", "picture") == "Grad-CAM, of a ResNet34"
    assert quiz_title("gradcam", "baseline", "signal") == "Grad-CAM, of a 1-D ResNet"
