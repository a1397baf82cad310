"""The parts of a training that need nothing of the AAE, done in a second process while the first one trains it.

What they learn is kept in the run folder, where the first process finds it, and where a training that was stopped goes
on from.
"""

from pathlib import Path

from xaae.experiment.run_folder import SIDE_CHECKPOINT
from xaae.experiment.second_process import cores_for_two
from xaae.experiment.settings import VERSIONS
from xaae.training.fitting import side_parts
from xaae.training.preparation import prepare_stopped
from xaae.training.progress import Progress

WORTH = 10_000  # items that the AAE sees: fewer are seen before a second process has begun


def pays(prepared):
    """Is a training sooner done by two processes here?"""
    return cores_for_two() and _seen(prepared.config, int((prepared.table.split == "train").sum())) > WORTH


def may_pay(settings):
    """The same as far as it can be told before the items are known."""
    known = settings.epochs and settings.items
    return cores_for_two() and (not known or _seen(settings, settings.items) > WORTH)


def _seen(settings, items):
    """How many items the AAE sees that is trained on so many."""
    return settings.epochs * items * VERSIONS[settings.code]


def train_side(folder, judged=True):
    """Train what needs nothing of the AAE of a run whose training has begun elsewhere, or go on with it."""
    prepared, kept = prepare_stopped(folder, SIDE_CHECKPOINT)
    progress = Progress(folder, prepared, kept, SIDE_CHECKPOINT)
    for part, do in side_parts(prepared, Path(folder), progress, judged, quiet=True).items():
        progress.do(part, do)
