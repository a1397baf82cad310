"""All questions to one arm, answered one after the other; what is answered already is not asked again."""

from xaae.audit.arm_answers import give_answers
from xaae.audit.arm_maps import give_maps
from xaae.audit.arm_scans import give_scan
from xaae.audit.arm_walks import give_walks
from xaae.audit.questions import AnswersQuestion, MapsQuestion, ScanQuestion, WalksQuestion

GIVE = {
    AnswersQuestion: give_answers,
    ScanQuestion: give_scan,
    WalksQuestion: give_walks,
    MapsQuestion: give_maps,
}


def interview(questions):
    """Answer every question that has no kept answer: {MapsQuestion: why its method raised}, mostly empty.

    An attribution method may raise anything: the audit goes on without it and asks it again next time. Other errors
    are raised.
    """
    failed = {}
    for question in questions:
        if question.is_answered():
            continue
        try:
            answer = GIVE[type(question)](question)
        except Exception as e:
            if not isinstance(question, MapsQuestion):
                raise
            failed[question] = f"{type(e).__name__}: {e}"
            continue
        question.write(answer)
    return failed
