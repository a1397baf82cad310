"""The audit's page: whole, escaped, self-contained, and not broken by what is missing."""

import copy
import json
import re

import numpy as np
import pytest
from PIL import Image

import report

EXPLANATIONS = {
    "walk:head": {"kind": "walk", "title": "walk, head", "means": "decoded frames", "paper": "thesis"},
    "sorted": {"kind": "sorted", "title": "real pictures, sorted", "means": "", "paper": ""},
    "gradcam": {"kind": "map", "title": "Grad-CAM", "means": "where <b>", "paper": "Selvaraju & others"},
    "control:oracle": {"kind": "control", "title": "control: oracle", "means": "", "paper": ""},
}


def cell(explanation, model, factor, **more):
    """A cell as audit.json has it."""
    about = {"explanation": explanation, "model": model, "factor": factor, "verdict": "REVEALS", "clause": "all <good>"}
    about |= {"status": "ok", "reason": "", "auroc": 0.93, "low": 0.85, "high": 0.99, "p": 0.001, "p_holm": 0.01}
    about |= {"false_alarms": 0.0, "named": True, "naming": "named", "scores": {"removal": 0.1, "fam": None}}
    return about | {"figure": "figures/a.jpg"} | more


def factor(name):
    """A factor as audit.json has it."""
    gate = {"spurious": {"biased": [1.0, 0.9], "irrelevant": [0.0, 0.1]}, "clause": None, "flips": 1.0}
    gate["accuracy"] = {"biased": [1.0, 1.0], "irrelevant": [0.9, 0.9]}
    answers = {"value": [0, 90, 180], "cat": [0, 0.5, 1], "dog": [0, 0.6, 1]}
    shown = {"errors": [1.0, 2.0], "limit": 15.0, "shift": 90.0, "meter": "rotation", "unit": "degrees", "clause": None}
    about = {"factor": name, "unit": "degrees", "noun": "angle", "local": False, "strength": 1.0, "contamination": 1.0}
    about |= {"ranges": {"cat": [0, 90], "dog": [90, 180]}, "gates": {"aae": gate, "baseline": gate, "shown": shown}}
    return about | {"response": {"aae": {"biased": answers, "irrelevant": answers}}, "figure": None}


@pytest.fixture
def result():
    """An audit of two factors."""
    keys = ["rotation", "tag, strength 0.5"]
    pairs = (("walk:head", "aae"), ("sorted", "aae"), ("gradcam", "baseline"), ("control:oracle", "none"))
    cells = [cell(e, m, k) for k in keys for e, m in pairs]
    head = {"kind": "audit", "dataset": "<script>alert(1)</script>", "classes": ["cat", "dog"], "size": 32}
    head |= {
        "models": {"aae": "AAE", "baseline": "ResNet34"},
        "explanations": EXPLANATIONS,
        "summary": ["One.", "Two."],
    }
    head |= {"factors": {k: factor(k) for k in keys}, "cells": cells, "thresholds": {"detection": 0.9}}
    head |= {"settings": {"seeds": 3, "training": {"size": 32}}, "seconds": {"total": 100.0}, "memory_mb": 900.0}
    return head | {"chance": {"factor": "rotation", "pairs": 10, "reveals": {"gradcam/baseline": 1}}}


@pytest.fixture
def page(tmp_path):
    """page(result) writes an audit and returns its page's text."""
    (tmp_path / "figures").mkdir()
    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(tmp_path / "figures" / "a.jpg")

    def write(result):
        (tmp_path / "audit.json").write_text(json.dumps(result))
        return report.write_audit_page(tmp_path).read_text()

    return write


def test_every_link_of_the_table_leads_to_its_evidence(page, result):
    text = page(result)
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links <= set(re.findall(r'id="([^"]+)"', text)) and len([a for a in links if a.startswith("cell-")]) == 8
    assert text.count("REVEALS") >= 16 and "Selvaraju &amp; others" in text and "1 of 10" in text


def test_the_page_is_self_contained_and_escaped(page, result):
    text = page(result)
    assert not re.search(r'(src|href)="https?:', text) and "data:image" in text
    assert "<script>alert" not in text, text[text.index("<script>alert") - 80 :][:200]
    assert "All &lt;good&gt;" in text and "Where &lt;b&gt;" in text


def test_what_is_missing_breaks_nothing(page, result):
    bare = copy.deepcopy(result)
    bare["chance"], bare["models"] = None, {"aae": "AAE"}
    none = {k: None for k in ("auroc", "low", "high", "p_holm", "false_alarms", "named", "figure")}
    bare["cells"] = [cell("gradcam", "aae", "rotation", **none, status="refused", verdict="UNDECIDED", scores={},
                          clause="refused: no convolution", reason="no convolution")]  # fmt: skip
    for each in bare["factors"].values():
        each["gates"] = {"aae": each["gates"]["aae"]}
        each["response"] = {}
    text = page(bare)
    assert "refused" in text and "no convolution" in text and "Gate 1" not in text and "ResNet34" not in text


def test_failed_gates_and_refusals_are_told(page, result):
    gates = result["factors"]["rotation"]["gates"]
    gates["aae"]["clause"], gates["shown"]["clause"] = "no bias learned", "the decoder cannot show this factor"
    text = page(result)
    assert "failed: no bias learned" in text and "failed: the decoder cannot show this factor" in text


@pytest.mark.parametrize("content", [None, "{", "[]", '{"kind": "run"}', '{"kind": "audit"}'])
def test_broken_files_are_refused_in_a_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "audit.json").write_text(content)
    with pytest.raises(ValueError, match="audit"):
        report.write_audit_page(tmp_path)
    assert not (tmp_path / "report.html").exists()
