"""What a process has asked a run's baseline ahead of its walks: kept in its memory, and handed out once.

The process that walks has nothing to do for some seconds before the AAE has learned, and these answers wait for no AAE.
Another process, or one that was not asked ahead, asks when it needs them: the answers are the same.
"""

from xaae.experiment.vocabulary import WEIGHTS

_KEPT = {}  # (file of the weights, when it was written, what was asked) -> answers


def keep_answers(trained, what, answers):
    """Keep what the baseline of a TrainedRun answers. what: a name of the question, or any other key."""
    _KEPT[_key(trained, what)] = answers


def kept_or_asked(trained, what, ask):
    """The answers that this process has kept, else those that ask() gives."""
    key = _key(trained, what)
    return _KEPT.pop(key) if key in _KEPT else ask()


def _key(trained, what):
    """By what answers are found again: other weights answer otherwise."""
    file = (trained.folder / WEIGHTS["baseline"]).absolute()
    return str(file), file.stat().st_mtime_ns, what
