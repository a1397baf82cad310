"""The quiz for people: which planted factor does one explanation of one model give away (protocol, section 8).

The page knows nothing of the answers: they lie in a file of their own, and the reader's browser brings both together.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from xaae.report.run.run_page import environment
from xaae.report.shared.sprites import picture_file

NOTHING, UNSURE = "none", "cannot-tell"  # choices beside the candidates; only the first can be an answer
SHOWN, SECRET = ("title", "help"), ("answer", "model", "arm")
WIDE = 1.5  # width / height from which the choices stand below a picture, not beside it
LARGEST = {True: (940, 440), False: (520, 680)}  # pixels across and down on the page, of a wide picture and another
LEAST = 640  # pixels below which a wide picture is scrolled rather than shrunk


def render_quiz(folder) -> tuple[str, str]:
    """`folder`/quiz.json and its pictures -> (the page as HTML, its key as JSON).

    The page is self-contained and is the same whatever the answers, models and arms are; the key holds those.
    ValueError when quiz.json or a picture is missing or broken.
    """
    folder = Path(folder)
    quiz = _read(folder)
    pictures = [_picture(folder / each["figure"]) for each in quiz["questions"]]
    name = _name(quiz, pictures)
    return _page(quiz, pictures, name), json.dumps(_key(quiz, name), indent=2, ensure_ascii=False) + "\n"


def score_answers(key: dict, answers: dict) -> dict:
    """The key and what a reader saved -> {"quiz", "chance", "all", "kinds": {kind: tally}, "confidence": {...}}.

    A tally is {"right", "answered", "total", "always_none", "always_factor"}; "always_none" counts the
    questions that "nothing" answers, "always_factor" the others: what always naming the factor in sight gets right.
    "I cannot tell" and no choice are not right. "chance" is the share that a guess among the 9 answers gets right.
    ValueError when the answers belong to another quiz.
    """
    if answers.get("quiz") != key["quiz"]:
        raise ValueError(
            f"The answers belong to quiz {answers.get('quiz')}, the key to {key['quiz']}: take its own key."
        )
    rows = [_row(about, answers["answers"].get(number) or {}) for number, about in key["about"].items()]
    return {
        "quiz": key["quiz"],
        "chance": key.get("chance", 1 / 9),
        "all": _tally(rows),
        "kinds": _by(rows, lambda row: row["kind"]),
        "confidence": _by([row for row in rows if row["choice"]], lambda row: row["confidence"] or "not said"),
    }


def _row(about: dict, given: dict) -> dict:
    """One question of the key beside what the reader said to it."""
    return {**about, "choice": given.get("choice"), "confidence": given.get("confidence")}


def _by(rows: list[dict], of: Callable) -> dict[str, dict]:
    """The tally of every group, in the order in which the groups appear."""
    return {name: _tally([row for row in rows if of(row) == name]) for name in dict.fromkeys(map(of, rows))}


def _tally(rows: list[dict]) -> dict[str, int]:
    """How many of these questions were answered, and how many rightly."""
    return {
        "right": sum(row["choice"] == row["answer"] for row in rows),
        "answered": sum(bool(row["choice"]) for row in rows),
        "total": len(rows),
        "always_none": sum(row["answer"] == NOTHING for row in rows),
        "always_factor": sum(row["answer"] != NOTHING for row in rows),
    }


def _read(folder: Path) -> dict:
    """quiz.json, checked. ValueError with the cause."""
    path = folder / "quiz.json"
    try:
        quiz = json.loads(path.read_text(encoding="utf-8"))
        fault = _fault(quiz)
    except OSError as error:
        raise ValueError(f"{folder} holds no quiz.json. Run `audit` to write it.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"{type(error).__name__}: {error}"
    if fault:
        raise ValueError(f"{path} is broken ({fault}). Run `audit` again.")
    return quiz


def _fault(quiz: dict) -> str | None:
    """What is wrong with the quiz, or None; a missing entry raises KeyError."""
    ids = [each["id"] for each in quiz["candidates"] if isinstance(each["title"], str)]
    if not ids or len(set(ids)) < len(quiz["candidates"]) or {NOTHING, UNSURE} & set(ids):
        return f"candidates need different ids other than {NOTHING} and {UNSURE}, and titles"
    if not quiz["questions"] or len(quiz["classes"]) < 2:
        return "a quiz needs a question and two classes"
    for number, each in enumerate(quiz["questions"], 1):
        texts = [each[name] for name in (*SHOWN, *SECRET, "kind", "figure")]
        if not all(isinstance(text, str) for text in texts) or each["answer"] not in (*ids, NOTHING):
            return f"question {number} holds something other than text, or an answer that is no candidate"
    return None


def _name(quiz: dict, pictures: list[dict]) -> str:
    """The quiz's id: a hash of what a reader sees and of nothing else, or the answers could be found by trying."""
    shown = [[each[name] for name in SHOWN] for each in quiz["questions"]]
    seen = [quiz["candidates"], quiz["classes"], quiz.get("subject"), shown, [each["uri"] for each in pictures]]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:12]


def _key(quiz: dict, name: str) -> dict:
    """What the page must not hold, by question number."""
    numbered = {str(number): each for number, each in enumerate(quiz["questions"], 1)}
    about = ("answer", "title", "kind", "model", "arm")
    return {
        "quiz": name,
        "chance": 1 / (len(quiz["candidates"]) + 1),
        "answers": {number: each["answer"] for number, each in numbered.items()},
        "about": {number: {field: each[field] for field in about} for number, each in numbered.items()},
    }


def _page(quiz: dict, pictures: list[dict], name: str) -> str:
    """The page; only what may be shown is handed to the template."""
    shown = [{each: question[each] for each in SHOWN} for question in quiz["questions"]]
    return (
        environment()
        .get_template("quiz.html.j2")
        .render(
            name=name,
            subject=quiz.get("subject", "animal"),
            caution=quiz.get("caution", ""),
            classes=[str(each) for each in quiz["classes"]],
            candidates=[_split(each["id"], each["title"]) for each in quiz["candidates"]],
            nothing=NOTHING,
            unsure=UNSURE,
            questions=[{**question, **picture} for question, picture in zip(shown, pictures, strict=True)],
        )
    )


def _split(identity: str, title: str) -> dict:
    """`rotation: how the animal is turned` -> its name and what it means."""
    name, _, means = title.partition(":")
    return {"id": identity, "name": name.strip(), "means": means.strip()}


def _picture(path: Path) -> dict:
    """A picture file -> its data URI, without the file's name and remarks, and its shape."""
    found = picture_file(path)
    ratio = found["width"] / found["height"]
    wide = ratio >= WIDE
    across, down = LARGEST[wide]
    least = min(LEAST, 240 * ratio) if wide else 0
    return {**found, "wide": wide, "span": round(min(across, down * ratio)), "least": round(least)}
