"""The quiz for people: which planted factor does one explanation of one model show (protocol, section 8)?

The page does not hold the answers: they are in a key file of their own, which the reader's browser opens at the end.
"""

import hashlib
import json
from pathlib import Path

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import kind_in
from xaae.experiment.run_folder import read_json
from xaae.report.shared.sprites import embed_picture
from xaae.report.shared.templates import render_template

NOTHING, UNSURE = "none", "cannot-tell"  # choices beside the candidates; only the first can be an answer
SHOWN, SECRET = ("title", "help"), ("answer", "model", "arm")
KEY_FIELDS = ("answer", "title", "kind", "model", "arm")
EXAMPLES = {  # kind -> a shortcut that everybody understands
    "signal": "If all recordings of the ill come from a device that hums, they may learn to recognise the hum.",
    "picture": "If all the cows they see stand on grass, they may learn to recognise the grass.",
    "volume": "If all scans of the ill come from one scanner, they may learn to recognise the scanner.",
}
WIDE = 1.5  # width / height from which the choices stand below a picture, not beside it
LARGEST = {True: (940, 440), False: (520, 680)}  # pixels across and down on the page, of a wide picture and another
LEAST = 640  # pixels across below which a wide picture is scrolled rather than shrunk
LEAST_HEIGHT = 240  # pixels down that a wide picture need not fall below for its width


def render_quiz(folder) -> tuple[str, dict]:
    """`folder`/quiz.json and its pictures -> (the page as HTML, its key).

    The page is self-contained and is the same whatever the answers, models and arms are; the key holds those.
    InputError when quiz.json or a picture is missing or broken.
    """
    folder = Path(folder)
    quiz = _read_quiz(folder)
    pictures = [_picture(folder / each["figure"]) for each in quiz["questions"]]
    name = _quiz_name(quiz, pictures)
    return _page(quiz, pictures, name), _key(quiz, name)


def _read_quiz(folder: Path) -> dict:
    """quiz.json, checked. InputError with the cause."""
    path = folder / "quiz.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no quiz.json: run `audit` to write it.")
    quiz = read_json(path)
    try:
        fault = _fault(quiz)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"{type(error).__name__}: {error}"
    if fault:
        raise InputError(f"{path} is broken ({fault}): run `audit` again.")
    return quiz


def _fault(quiz: dict) -> str | None:
    """What is wrong with the quiz, or None. KeyError for a missing entry."""
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


def _picture(path: Path) -> dict:
    """A picture file -> its data URI, without the file's name and remarks, and its size on the page."""
    picture = embed_picture(path)
    ratio = picture["width"] / picture["height"]
    wide = ratio >= WIDE
    across, down = LARGEST[wide]
    least = min(LEAST, LEAST_HEIGHT * ratio) if wide else 0
    return {**picture, "wide": wide, "span": round(min(across, down * ratio)), "least": round(least)}


def _quiz_name(quiz: dict, pictures: list[dict]) -> str:
    """The quiz's id: a hash of what a reader sees, and of nothing else (or one could find the answers by trying)."""
    shown = [[each[name] for name in SHOWN] for each in quiz["questions"]]
    seen = [quiz["candidates"], quiz["classes"], quiz.get("subject"), shown, [each["uri"] for each in pictures]]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:12]


def _page(quiz: dict, pictures: list[dict], name: str) -> str:
    """The page; only what may be shown is handed to the template."""
    shown = [{field: question[field] for field in SHOWN} for question in quiz["questions"]]
    return render_template(
        "quiz.html.j2",
        name=name,
        kind=kind_in(quiz),
        example=EXAMPLES[kind_in(quiz).name],
        subject=quiz.get("subject", "animal"),
        caution=quiz.get("caution", ""),
        classes=[str(each) for each in quiz["classes"]],
        candidates=[_candidate(each["id"], each["title"]) for each in quiz["candidates"]],
        nothing=NOTHING,
        unsure=UNSURE,
        questions=[{**question, **picture} for question, picture in zip(shown, pictures, strict=True)],
    )


def _candidate(identity: str, title: str) -> dict:
    """ "rotation: how the animal is turned" -> its name and what it means."""
    name, _, means = title.partition(":")
    return {"id": identity, "name": name.strip(), "means": means.strip()}


def _key(quiz: dict, name: str) -> dict:
    """What the page must not hold, by question number."""
    questions = {str(number): each for number, each in enumerate(quiz["questions"], 1)}
    return {
        "quiz": name,
        "chance": 1 / (len(quiz["candidates"]) + 1),
        "answers": {number: each["answer"] for number, each in questions.items()},
        "about": {number: {field: each[field] for field in KEY_FIELDS} for number, each in questions.items()},
    }
