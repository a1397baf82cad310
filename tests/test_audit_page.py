"""The audit's page: whole, escaped, self-contained, and not broken by what is missing."""

import json
import re
from dataclasses import fields

import numpy as np
import pytest
from helpers.audit_fakes import SCORES as FAKE_SCORES
from helpers.audit_fakes import fake_audit, trouble
from helpers.html_laws import HOSTILE, check_page, words_of
from PIL import Image

from xaae import report
from xaae.audit.verdict import VERDICTS, Thresholds
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE, SIGNAL, VOLUME
from xaae.experiment.vocabulary import ARMS
from xaae.report.audit import audit_names
from xaae.report.audit.audit_charts import ARM_STROKES
from xaae.report.audit.factor_sections import MEANING


@pytest.fixture
def folder(tmp_path):
    """A folder with the figures that `fake_audit` names."""
    (tmp_path / "figures").mkdir()
    for name, size in {"map": (64, 24), "probe": (64, 16)}.items():
        Image.fromarray(np.full((*size[::-1], 3), 90, np.uint8)).save(tmp_path / "figures" / f"{name}.jpg")
    return tmp_path


@pytest.fixture
def page(folder):
    """page(result) writes an audit and returns the text of its page, which keeps the laws of all pages."""

    def write(result):
        (folder / "audit.json").write_text(json.dumps(result))
        path = report.write_audit_page(folder)
        assert path == folder / "report.html" and not list(folder.glob(".*"))
        text = path.read_text(encoding="utf-8")
        check_page(text)
        return text

    return write


def section(text, name):
    """The part of the page with this id."""
    return re.search(rf'<section id="{name}".*?</section>', text, re.S).group(0)


def details(text, number):
    """The evidence under cell `number` (from 1)."""
    return re.search(rf'<details class="evidence" id="cell-{number}">.*?</details>', text, re.S).group(0)


def test_the_page_has_a_word_for_all_that_an_audit_says():
    assert set(audit_names.VERDICT_TONES) == set(VERDICTS)
    assert set(ARM_STROKES) == set(MEANING) == set(ARMS)
    assert set(audit_names.THRESHOLDS) == {field.name for field in fields(Thresholds)}
    assert set(audit_names.GROUP_TITLES) == set(audit_names.CAPTIONS) == set(FAKE_SCORES)
    assert {name for names in FAKE_SCORES.values() for name in names} <= set(audit_names.SCORES)
    limits = {threshold for _, _, threshold, _ in audit_names.SCORES.values() if threshold}
    assert limits <= set(audit_names.THRESHOLDS)


def test_every_cell_of_the_table_leads_to_its_evidence(page):
    result = fake_audit()
    text = page(result)
    table = re.findall(r'href="#(cell-\d+)"', section(text, "verdicts"))
    assert sorted(table) == sorted(f"cell-{i}" for i in range(1, len(result["cells"]) + 1))
    assert all(details(text, i) for i in range(1, len(result["cells"]) + 1)) and text.count("<img") >= 12


@pytest.mark.parametrize("kind", [SIGNAL, VOLUME], ids=lambda kind: kind.name)
def test_the_page_calls_items_and_models_by_the_names_of_their_kind(page, kind):
    text = words_of(page(fake_audit(items=kind)))
    assert not re.search(f"{PICTURE.name}|resnet34|pixel", text.lower()) and f"Real {kind.plural}, sorted" in text
    assert f"-D ResNet: a common classifier. A heat map shows where in a {kind.name}" in text
    earlier = fake_audit()
    del earlier["item_kind"]
    assert "Real pictures, sorted" in page(earlier) and "ResNet34" in page(earlier)


def test_each_cell_of_the_table_says_its_verdict_in_words_and_its_auroc(page):
    result = fake_audit()
    table = section(page(result), "verdicts")
    for i, cell in enumerate(result["cells"], 1):
        shown = re.search(rf'<a href="#cell-{i}".*?</a>', table, re.S).group(0)
        assert f">{cell['verdict']}</span>" in shown and f"{cell['auroc']:.2f}" in shown


def test_groups_come_in_order_whatever_the_order_of_the_cells(page):
    result = fake_audit()
    result["cells"].reverse()
    found = re.findall(r'scope="rowgroup">([^<]+)', page(result))
    assert [name.split()[0] for name in found] == ["Walks", "The", "Real", "Heat", "Heat", "Controls:"]
    assert "ResNet34" in found[3] and "AAE" in found[4]


def test_texts_of_the_file_change_no_tag_of_the_page(page):
    tame = fake_audit(("rotation",), ("Saliency",))
    hostile = json.loads(json.dumps(tame))
    for name in ("dataset", "preset", "command", "device"):
        hostile[name] = HOSTILE
    hostile["summary"] = [HOSTILE] * len(tame["summary"])
    hostile["versions"] = {HOSTILE: HOSTILE}
    hostile["models"] = dict.fromkeys(tame["models"], HOSTILE)
    for about in hostile["explanations"].values():
        about |= dict.fromkeys(("title", "means", "paper"), HOSTILE)
    for cell in hostile["cells"]:
        cell |= dict.fromkeys(("clause", "naming"), HOSTILE)
    hostile["factors"]["rotation"] |= {"unit": HOSTILE, "noun": HOSTILE}
    found, usual = check_page(page(hostile)), check_page(page(tame))
    assert found.tags == usual.tags and found.words.count(HOSTILE) > 80


def test_names_of_classes_and_factors_are_escaped(page):
    text = json.dumps(fake_audit(("rotation",), ("Saliency",)))
    swap = {name: json.dumps(name + HOSTILE) for name in ("cat", "dog", "rotation")}
    for name, hostile in swap.items():
        text = text.replace(json.dumps(name), hostile)
    found = check_page(page(json.loads(text)))
    assert all(found.words.count(name + HOSTILE) > 5 for name in ("cat", "dog"))
    assert found.words.count("otation" + HOSTILE) > 20


def test_scores_stand_with_plain_names_and_what_they_want(page):
    result = fake_audit(("tag",))
    at = next(i for i, c in enumerate(result["cells"], 1) if c["explanation"] == "grad-cam")
    result["cells"][at - 1]["scores"] = {"relevance_rank": 0.42, "ccm": 0.11, "fam": None, "same_map": 0.95}
    shown = " ".join(re.sub(r"<[^>]+>", " ", details(page(result), at)).split())
    assert "lie on the factor 0.42 high, at least 0.5 not met" in shown and "(CCM) 0.11 low" in shown
    assert "(FAM)" not in shown and "at most 0.8" not in shown  # none; not asked of a local factor
    assert "below 0.001" in shown and "Named" in shown


def test_gates_pass_or_fail_in_words(page):
    result = fake_audit(("rotation", "tag"))
    gates = result["factors"]["rotation"]["gates"]
    gates["aae"] = gates["aae"] | {"clause": "no bias learned", "spurious": {"biased": [0.5, None, 0.7]}}
    gates["shown"]["clause"] = "the decoder cannot show this factor"
    text = page(result)
    failed, well = (re.sub(r"<[^>]+>", "", section(text, f"factor-{i}")) for i in (1, 2))
    assert "Failed: No bias learned." in failed and "Failed: The decoder cannot show this factor." in failed
    assert "0.50, –, 0.70" in failed and "0.60 failat least 0.85" in failed and "passat most 0.10" in failed
    assert (
        "Failed:" not in well
        and well.count("Passed.") == 3
        and "failat" not in well
        and well.count("reported only") == 2
    )


def test_refused_and_failed_cells_say_why(page):
    result = fake_audit(("rotation",), ("Saliency",))
    result["cells"][0] = trouble(result["cells"][0], "refused", "it has no <convolution>")
    result["cells"][1] = trouble(result["cells"][1], "error", "out of memory")
    text = page(result)
    assert "refused: it has no &lt;convolution&gt;" in details(text, 1) and "<table" not in details(text, 1)
    assert "failed: out of memory" in details(text, 2) and "UNDECIDED" in details(text, 2)


def test_controls_that_come_out_wrong_are_told_first(page):
    result = fake_audit(("rotation",))
    assert "Do not trust" not in page(result)
    next(c for c in result["cells"] if c["explanation"] == "control:edges")["verdict"] = "REVEALS"
    text = page(result)
    assert "Do not trust" in section(text, "summary") and section(text, "verdicts").count(">wrong<") == 1
    text = page(result | {"summary": ["One.", "Caution: controls failed."]})  # said by the file: not said twice
    assert text.count("ontrols failed.") == 1 and "Do not trust" not in text
    assert "not finished" in page(result | {"complete": False})


OPTIONAL = "preset command complete size device workers seconds memory_mb arms_trained arms_cached settings versions \
thresholds chance summary".split()


@pytest.mark.parametrize("nothing", ["absent", None])
def test_what_is_missing_breaks_nothing(page, nothing):
    result = fake_audit(("rotation",))
    drop = lambda d, *names: [d.pop(n) if nothing else d.update({n: None}) for n in names]  # noqa: E731
    drop(result, *OPTIONAL)
    for i, cell in enumerate(result["cells"]):
        drop(cell, *("pairs null figure naming named p p_holm false_alarms clause reason".split()[i % 3 :]))
        drop(cell, *(("auroc", "low", "high", "scores") if i % 2 else ()))
    about = result["factors"]["rotation"]
    drop(about, "figure", "unit", "noun", "strength", "contamination", "seeds")
    drop(about["gates"]["aae"], "accuracy", "flips")
    drop(about["gates"], "shown")
    drop(about["response"], "baseline")
    text = page(result)
    assert "<img" not in text and "Gate 1" not in text and 'id="chance"' not in text and "None" not in text


def test_one_model_no_normal_arm_no_walk(page):
    result = fake_audit(("rotation",))
    del result["models"]["aae"], result["factors"]["rotation"]["gates"]["aae"]
    result["cells"] = [c for c in result["cells"] if c["model"] == "baseline"]
    gate, answers = (result["factors"]["rotation"][k]["baseline"] for k in ("gates", "response"))
    for each in (gate["spurious"], gate["accuracy"], answers):
        del each["normal"]
    text = page(result)
    assert "AAE" not in text.partition("<main>")[2].partition('id="made"')[0] and "factor is not there" not in text
    assert page(result | {"factors": {}, "cells": []}).count("<section") == 4


def test_figures_that_are_gone_or_elsewhere_are_not_shown(page, folder):
    result = fake_audit(("rotation",), ())
    (folder / "figures" / "broken.jpg").write_text("no picture")
    outside = folder.parent / "outside.jpg"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(outside)
    for cell, name in zip(result["cells"], ("figures/gone.jpg", "figures/broken.jpg", "../outside.jpg"), strict=False):
        cell["figure"] = name
    text = page(result)
    assert all(
        "figure of this cell is missing" in details(text, i) and "<img" not in details(text, i) for i in (1, 2, 3)
    )
    assert "<img" in details(text, 4)


def test_chance_names_who_raised_an_alarm(page):
    result = fake_audit(("rotation",))
    assert "No explanation got REVEALS." in section(page(result), "chance")
    result["chance"]["reveals"]["grad-cam/baseline"] = 2
    told = section(page(result), "chance")
    assert "REVEALS was given all the same, 2 times" in told and re.search(
        r"<tbody><tr><th[^>]*>Grad-CAM, ResNet34</th><td>2 of 10", told
    )


def with_parts(**more):
    """The text of an audit.json with other parts."""
    return json.dumps(fake_audit(("rotation",)) | more)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"kind": "run"}', '{"kind": "audit"}', with_parts(factors={}),
                                     with_parts(cells=[{"explanation": "saliency"}]), with_parts(classes=[]),
                                     with_parts(explanations=3), with_parts(models=None),
                                     with_parts().replace('"DOES NOT"', '"MAYBE"')])  # fmt: skip
def test_broken_files_are_refused_in_a_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "audit.json").write_text(content)
    with pytest.raises(InputError, match="audit.json .*again|run `audit` first"):
        report.write_audit_page(tmp_path)
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize("low", [0.0, 0.4, 0.9])
def test_labels_of_the_detection_do_not_overlap(page, low):
    result = fake_audit(("rotation",), ())
    result["cells"][0] |= {"auroc": 0.95, "low": low, "high": 1.0}
    text = details(page(result), 1)
    chance, wanted = (re.search(rf"<text([^>]*)>{name}", text).group(1) for name in ("chance", "wanted"))
    assert 'text-anchor="end"' in chance and 'text-anchor="end"' in wanted
    gap = float(re.search(r'x="([^"]+)', wanted).group(1)) - float(re.search(r'x="([^"]+)', chance).group(1))
    assert gap > 70  # units: as wide as the longer label at its size
