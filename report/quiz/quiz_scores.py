"""How many questions of the quiz a reader answered rightly, beside what guessing would get.

The page's script counts in the same way (quiz.js).
"""

from collections.abc import Callable

from xaae.experiment.errors import InputError
from xaae.report.quiz.quiz_page import NOTHING

EARLIER_CHANCE = 1 / 9  # keys of earlier quizzes do not hold it: they all had nine answers


def score_answers(key: dict, answers: dict) -> dict:
    """The key and what a reader saved -> {"quiz", "chance", "all", "kinds": {kind: tally}, "confidence": {...}}.

    A tally is {"right", "answered", "total", "always_none", "always_factor"}. "always_none" counts the questions
    whose answer is "nothing", "always_factor" the others: what a reader would get right who always says "nothing", or
    always names the factor of the question. "I cannot tell" and no choice are not right. "chance" is the share that a
    guess among all answers gets right. InputError when the answers belong to another quiz.
    """
    if answers.get("quiz") != key["quiz"]:
        raise InputError(
            f"The answers belong to quiz {answers.get('quiz')}, the key to quiz {key['quiz']}: take the key that came"
            " with the answers' quiz."
        )
    rows = [_answered(about, answers["answers"].get(number) or {}) for number, about in key["about"].items()]
    return {
        "quiz": key["quiz"],
        "chance": key.get("chance", EARLIER_CHANCE),
        "all": _tally(rows),
        "kinds": _tallies(rows, lambda row: row["kind"]),
        "confidence": _tallies([row for row in rows if row["choice"]], lambda row: row["confidence"] or "not said"),
    }


def _answered(about: dict, given: dict) -> dict:
    """One question of the key beside what the reader answered."""
    return {**about, "choice": given.get("choice"), "confidence": given.get("confidence")}


def _tallies(rows: list[dict], group: Callable) -> dict[str, dict]:
    """The tally of every group, in the order in which the groups appear."""
    return {name: _tally([row for row in rows if group(row) == name]) for name in dict.fromkeys(map(group, rows))}


def _tally(rows: list[dict]) -> dict[str, int]:
    """How many of these questions were answered, and how many rightly."""
    return {
        "right": sum(row["choice"] == row["answer"] for row in rows),
        "answered": sum(bool(row["choice"]) for row in rows),
        "total": len(rows),
        "always_none": sum(row["answer"] == NOTHING for row in rows),
        "always_factor": sum(row["answer"] != NOTHING for row in rows),
    }
