"""An audit from settings to results: trains the arms, asks them, judges every explanation, writes audit.json."""

import os
import shutil
import time
from contextlib import contextmanager

import click

from xaae.audit import arm_training, jobs
from xaae.audit.audit_plan import SETTINGS_FILE, plan_audit
from xaae.audit.audit_results import write_results
from xaae.audit.audit_sentences import settings_cautions
from xaae.audit.interview import interview
from xaae.audit.workers import check_scheduler
from xaae.experiment import run_folder
from xaae.experiment.amounts import counted

TRAINING = 1.0  # what the training of an arm takes: the unit of a question's cost
HIDDEN = ("command", "classes")  # settings that are not printed


def run_audit(settings, out=None):
    """Run the audit that the AuditSettings ask for, into the folder `out`; (the folder, what audit.json holds).

    What is finished already is kept and not done again. InputError, before anything is trained, for settings that make
    no sense.
    """
    began, seconds = time.perf_counter(), {}
    if settings.scheduler:
        check_scheduler(settings.scheduler)
    audit = plan_audit(settings, out)
    if not out:
        audit.folder = run_folder.claim_folder(audit.folder)
    missing = {folder: arm for folder, arm in audit.arms_by_folder.items() if not arm_training.is_trained(folder)}
    for folder in audit.arms_by_folder.keys() - missing.keys():
        arm_training.point_to_items(folder, audit.paths)
    _show(audit, len(missing))
    open_costs = [question.cost for questions in _open_questions(audit).values() for question in questions]
    cost = TRAINING * len(missing) + sum(open_costs)
    choice, work = (audit.settings.workers, audit.settings.scheduler), (interview.__module__, arm_training.__name__)
    workers = jobs.choose_workers(*choice, audit.kept, click.echo, preload=work)
    pool = jobs.Jobs(workers, click.echo, cost)
    try:
        with _timed(seconds, "training"):
            _train_arms(audit, missing, pool)
        with _timed(seconds, "explaining"):
            failed = _ask_arms(_open_questions(audit), pool)
    except BaseException:
        pool.close(at_once=True)
        if not out and not set(os.listdir(audit.folder)) - {SETTINGS_FILE}:  # the next audit has a number of its own
            shutil.rmtree(audit.folder, ignore_errors=True)
        raise
    pool.close()
    return audit.folder, write_results(audit, failed, seconds, began, len(missing))


@contextmanager
def _timed(seconds, name):
    """Enter the seconds that the block takes."""
    began = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - began


def _show(audit, missing):
    """Print settings, thresholds and what has to be done; missing: number of arms that are not trained yet."""
    settings, thresholds = audit.settings.as_dict(), audit.thresholds.as_dict()
    lines = [
        f"  {name}: {', '.join(map(str, value)) if isinstance(value, (list, tuple)) else value}"
        for name, value in settings.items()
        if name not in HIDDEN
    ]
    numbers = ", ".join(f"{name} {value:.3g}" for name, value in thresholds.items())
    click.echo("\n".join(["Settings:", *lines, f"Thresholds of the verdicts: {numbers}"]))
    for caution in settings_cautions(settings, thresholds, audit.kind):
        click.echo(f"Caution: {caution}")
    n = len(audit.arms_by_folder)
    click.echo(f"{n} arms, {n - missing} of them trained already (in {audit.kept}); writes {audit.folder}")
    workers = settings.get("workers")
    at_once = f"{counted(workers, 'pieces')} of work" if workers else f"What {settings['scheduler']} has workers for"
    click.echo(f"{at_once} at a time; the first takes a minute or more ...")


def _train_arms(audit, missing, pool):
    """Train the arms {folder: Arm} that are not there yet."""
    audit.folder.mkdir(parents=True, exist_ok=True)
    arm_training.forget_dead(audit.kept)
    run_folder.write_json(audit.folder / SETTINGS_FILE, audit.settings.as_dict())
    for folder, arm in missing.items():
        about = arm.run_settings(audit.base), audit.base["dataset_note"], str(folder)
        pool.add(TRAINING, f"trained {arm.title()}", arm_training.train_arm, *about)
    pool.run()
    arm_training.forget_dead(audit.kept)


def _open_questions(audit):
    """The questions that have no kept answer: {title of an arm under a condition: [question]}."""
    asked = {
        f"{condition.key}, {arm}, seed {seed}": [question for question in questions if not question.is_answered()]
        for condition, by_arm in audit.questions.items()
        for arm, models in by_arm.items()
        for seed, questions in enumerate(models)
    }
    return {title: questions for title, questions in asked.items() if questions}


def _ask_arms(asked, pool):
    """Ask the questions of each arm in one process; {MapsQuestion: why its method raised}."""
    for title, questions in asked.items():
        pool.add(sum(question.cost for question in questions), f"asked {title}", interview, questions)
    failed = {}
    for each in pool.run().values():
        failed |= each
    return failed
