"""The quiz: its page knows no answers, its key knows all, and both are scored as one would by hand."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import report
from report.quiz import score_answers

CANDIDATES = [{"id": n, "title": f"{n}: what <{n}> is"} for n in ("rotation", "tint", "blur")]


def question(number, answer):
    """A question as quiz.json has it."""
    arm = "irrelevant" if answer == "none" else "biased"
    about = {"title": f"map <{number}>", "kind": "map" if number % 2 else "walk", "help": "read it", "answer": answer}
    return about | {"figure": f"figures/quiz-{number}.jpg", "model": "aae", "arm": arm}


@pytest.fixture
def quiz(tmp_path):
    """quiz(answers) writes a quiz and gives (its page, its key)."""
    (tmp_path / "figures").mkdir()
    for number in range(1, 5):
        pixels = np.random.default_rng(number).integers(0, 255, (20, 60, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "figures" / f"quiz-{number}.jpg")

    def write(answers):
        questions = [question(i, a) for i, a in enumerate(answers, 1)]
        found = {"seed": 0, "candidates": CANDIDATES, "questions": questions, "classes": ["cat", "dog"]}
        (tmp_path / "quiz.json").write_text(json.dumps(found))
        page, key = report.write_quiz(tmp_path)
        return page.read_text(), json.loads(key.read_text())

    return write


ANSWERS = ["rotation", "none", "tint", "none"]


def test_the_page_is_the_same_whatever_the_answers_are(quiz):
    page, key = quiz(ANSWERS)
    other, other_key = quiz(["none", "blur", "none", "rotation"])
    assert page == other and key["answers"] != other_key["answers"] and key["quiz"] == other_key["quiz"]


def test_the_page_is_whole_escaped_and_self_contained(quiz):
    page, _ = quiz(ANSWERS)
    assert page.count("data:image") == 4 and "Map &lt;1&gt;" in page and not re.search(r'(src|href)="https?:', page)
    for number in range(1, 5):
        choices = re.findall(rf'name="choice-{number}" value="([^"]+)"', page)
        assert choices == ["rotation", "tint", "blur", "none", "cannot-tell"]


def test_the_key_has_every_answer(quiz):
    _, key = quiz(ANSWERS)
    assert list(key["answers"].values()) == ANSWERS and key["about"]["1"]["arm"] == "biased"
    assert key["chance"] == pytest.approx(1 / 4)


def test_scores(quiz):
    _, key = quiz(ANSWERS)
    given = {n: {"choice": a, "confidence": "sure"} for n, a in key["answers"].items()}
    all_right = {"quiz": key["quiz"], "answers": given}
    assert score_answers(key, all_right)["all"] == {"right": 4, "answered": 4, "total": 4, "always_none": 2}
    some = {"quiz": key["quiz"], "answers": {"1": {"choice": "rotation"}, "2": {"choice": "cannot-tell"}}}
    found = score_answers(key, some)
    assert found["all"]["right"] == 1 and found["all"]["answered"] == 2 and found["kinds"]["map"]["right"] == 1
    with pytest.raises(ValueError, match="another|belong"):
        score_answers(key, {"quiz": "other", "answers": {}})


@pytest.mark.parametrize("content", [None, "{", '{"candidates": []}'])
def test_broken_files_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "quiz.json").write_text(content)
    with pytest.raises(ValueError, match="quiz.json"):
        report.write_quiz(tmp_path)
    assert not (tmp_path / "quiz.html").exists()
