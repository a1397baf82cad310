"""The quiz: its page knows no answers, its key knows all, and both are scored as one would by hand."""

import base64
import json
import re
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
from helpers.html_laws import HOSTILE, check_page, words_of
from PIL import Image

from xaae import report
from xaae.benchmarks.app import BROWSERS, browser
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, PICTURE
from xaae.report.quiz.quiz_scores import score_answers

CANDIDATES = [{"id": n, "title": f"{n}: what <{n}> is"} for n in ("rotation", "tint", "blur")]


def question(number, answer, model="aae"):
    """A question as quiz.json has it."""
    arm = "irrelevant" if answer == "none" else "biased"
    about = {"title": f"map <{number}>", "kind": "map" if number % 2 else "walk", "help": "read it", "answer": answer}
    return about | {"figure": f"figures/quiz-{number}.jpg", "model": model, "arm": arm}


@pytest.fixture
def quiz(tmp_path):
    """quiz(answers) writes a quiz and gives (its page, its key)."""
    (tmp_path / "figures").mkdir()
    for number in range(1, 5):
        pixels = np.random.default_rng(number).integers(0, 255, (20, 60, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "figures" / f"quiz-{number}.jpg")

    def write(answers, model="aae"):
        questions = [question(i, a, model) for i, a in enumerate(answers, 1)]
        found = {"seed": 0, "candidates": CANDIDATES, "questions": questions, "classes": ["cat", "dog"]}
        (tmp_path / "quiz.json").write_text(json.dumps(found))
        page, key = report.write_quiz_page(tmp_path)
        return page.read_text(), json.loads(key.read_text())

    return write


ANSWERS = ["rotation", "none", "tint", "none"]


def test_the_page_is_the_same_whatever_the_answers_are(quiz):
    page, key = quiz(ANSWERS)
    other, other_key = quiz(["none", "blur", "none", "rotation"], "secret model")
    assert page == other and key["answers"] != other_key["answers"] and key["quiz"] == other_key["quiz"]


def test_the_page_holds_no_file_names_no_remarks_and_the_same_choices_everywhere(quiz, tmp_path):
    page, key = quiz(ANSWERS)
    remark = Image.Exif()
    remark[0x010E] = "the answer is rotation"
    picture = Image.open(tmp_path / "figures" / "quiz-1.jpg")
    picture.load()
    picture.save(tmp_path / "figures" / "quiz-1.jpg", exif=remark, comment=b"rotation", quality=95)
    page, _ = quiz(ANSWERS)
    for text in re.findall(r"base64,([\w+/=]+)", page):
        assert b"rotation" not in base64.b64decode(text)
    bare = re.sub(r"base64,[\w+/=]+", "", page)
    assert not re.search(r"quiz-\d+\.jpg|figures/|seed", bare)
    forms = [re.sub(r"-\d+\"", "", form) for form in re.findall(r"<fieldset.*?</fieldset>", bare, re.S)]
    assert len(set(forms)) == 2 and len(forms) == 2 * len(ANSWERS)  # what decides; how sure


def test_another_picture_or_text_is_another_quiz(quiz, tmp_path):
    _, key = quiz(ANSWERS)
    Image.new("RGB", (60, 20)).save(tmp_path / "figures" / "quiz-3.jpg")
    assert quiz(ANSWERS)[1]["quiz"] != key["quiz"]


def test_a_missing_picture_leaves_the_old_quiz_alone(quiz, tmp_path):
    page, _ = quiz(ANSWERS)
    (tmp_path / "figures" / "quiz-2.jpg").unlink()
    with pytest.raises(InputError, match="quiz-2.jpg"):
        report.write_quiz_page(tmp_path)
    assert (tmp_path / "quiz.html").read_text() == page and not list(tmp_path.glob(".*"))


def test_the_page_is_whole_escaped_and_self_contained(quiz):
    page, _ = quiz(ANSWERS)
    check_page(page)
    assert page.count("data:image") == 4 and "Map &lt;1&gt;" in page
    for number in range(1, 5):
        choices = re.findall(rf'name="choice-{number}" value="([^"]+)"', page)
        assert choices == ["rotation", "tint", "blur", "none", "cannot-tell"]


def test_texts_of_the_quiz_change_no_tag_of_the_page(quiz, tmp_path):
    usual = check_page(quiz(ANSWERS)[0])
    found = json.loads((tmp_path / "quiz.json").read_text())
    found |= {"classes": [HOSTILE, "dog"], "subject": HOSTILE}
    for each in found["questions"]:
        each |= {"title": HOSTILE, "help": HOSTILE}
    for each in found["candidates"]:
        each["title"] = f"{each['title']} {HOSTILE}"
    (tmp_path / "quiz.json").write_text(json.dumps(found))
    hostile = check_page(report.write_quiz_page(tmp_path)[0].read_text())
    assert hostile.tags == usual.tags and hostile.words.count(HOSTILE) > 4 * len(ANSWERS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_introduction_speaks_of_the_kind_of_the_items(quiz, tmp_path, kind):
    quiz(ANSWERS)
    found = json.loads((tmp_path / "quiz.json").read_text()) | {"item_kind": kind.name}
    (tmp_path / "quiz.json").write_text(json.dumps(found))
    page = report.write_quiz_page(tmp_path)[0].read_text()
    assert f"learn from {kind.plural} take" in page and f"Real {kind.plural}, sorted" in page
    assert ("cows" in page) == ("picture" in words_of(page)) == (kind is PICTURE)


def test_the_key_has_every_answer(quiz):
    _, key = quiz(ANSWERS)
    assert list(key["answers"].values()) == ANSWERS and key["about"]["1"]["arm"] == "biased"
    assert key["chance"] == pytest.approx(1 / 4)


def test_scores(quiz):
    _, key = quiz(ANSWERS)
    given = {n: {"choice": a, "confidence": "sure"} for n, a in key["answers"].items()}
    all_right = {"quiz": key["quiz"], "answers": given}
    assert score_answers(key, all_right)["all"] == {
        "right": 4,
        "answered": 4,
        "total": 4,
        "always_none": 2,
        "always_factor": 2,
    }
    two = {"quiz": key["quiz"], "answers": {"1": {"choice": "rotation"}, "2": {"choice": "cannot-tell"}}}
    found = score_answers(key, two)
    assert found["all"]["right"] == 1 and found["all"]["answered"] == 2 and found["kinds"]["map"]["right"] == 1
    with pytest.raises(InputError, match="belong to quiz other"):
        score_answers(key, {"quiz": "other", "answers": {}})


def test_tallies_add_up_and_right_never_exceeds_answered(quiz):
    _, key = quiz(ANSWERS)
    rng = np.random.default_rng(0)
    for _ in range(30):
        said = rng.choice(["rotation", "tint", "blur", "none", "cannot-tell", ""], len(ANSWERS))
        confidence = rng.choice(["guess", "sure"], len(ANSWERS))
        answers = {
            str(i): {"choice": c or None, "confidence": s}
            for i, (c, s) in enumerate(zip(said, confidence, strict=True), 1)
        }
        found = score_answers(key, {"quiz": key["quiz"], "answers": answers})
        assert found["all"]["right"] == sum(said == ANSWERS) <= found["all"]["answered"] == sum(said != "")
        for name in ("right", "answered", "total", "always_none", "always_factor"):
            assert sum(tally[name] for tally in found["kinds"].values()) == found["all"][name]
        assert sum(tally["right"] for tally in found["confidence"].values()) == found["all"]["right"]


@pytest.mark.parametrize("content", [None, "{", '{"candidates": []}'])
def test_broken_files_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "quiz.json").write_text(content)
    with pytest.raises(InputError, match="quiz.json[: ].*(run `audit`|cannot be read)"):
        report.write_quiz_page(tmp_path)
    assert not (tmp_path / "quiz.html").exists()


MISSING = [] if find_spec("playwright") else ["playwright"]
MISSING += [] if any(map(shutil.which, BROWSERS)) else ["a Chromium"]


@pytest.mark.skipif(bool(MISSING), reason=f"the page cannot be driven without {', '.join(MISSING)}")
def test_a_reader_answers_by_keyboard_comes_back_saves_and_is_scored_as_by_score_answers(quiz, tmp_path):
    _, key = quiz(ANSWERS)
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 360, "height": 740}, accept_downloads=True)
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto((tmp_path / "quiz.html").as_uri())
        page.click("#start")
        for value in ("rotation", "blur", "cannot-tell"):  # and nothing to the fourth
            page.locator(f".now .choices input[value={value}]").focus()
            page.keyboard.press("Space")
            page.keyboard.press("Enter")
        page.reload()
        assert "Question 4" in page.locator("#where").inner_text() and "3" in page.locator("#count").inner_text()
        page.click("[data-go='5']")
        assert "4" in page.locator("#left").inner_text()
        with page.expect_download() as download:
            page.click("#save")
        saved = json.loads(download.value.path().read_text())
        (tmp_path / "other.json").write_text(json.dumps(key | {"quiz": "another"}))
        page.set_input_files("#key", tmp_path / "other.json")
        page.wait_for_function("document.querySelector('#note').textContent.includes('another')")
        page.set_input_files("#key", tmp_path / "quiz-key.json")
        page.wait_for_selector("#scores")
        shown = [row.locator("th, td").all_inner_texts() for row in page.locator("#scores tbody tr").all()]
        assert page.locator(".choices input:enabled").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    found = score_answers(key, saved)
    tallies = [*found["kinds"].values(), found["all"]]
    assert [row[1] for row in shown] == [f"{t['right']} of {t['total']}" for t in tallies]
    assert [float(row[2]) for row in shown] == [round(t["total"] * found["chance"], 1) for t in tallies]
    assert [int(row[3]) for row in shown] == [t["always_none"] for t in tallies]
    assert [int(row[4]) for row in shown] == [t["always_factor"] for t in tallies]
    assert (
        found["all"] == {"right": 1, "answered": 3, "total": 4, "always_none": 2, "always_factor": 2}
        and not saved["knew_key"]
    )
    assert all(saved["answers"][number]["seconds"] >= 0 for number in "123")
    assert wrong == [] and [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
