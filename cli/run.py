"""`run`, which `python main.py` stands for: train, scan, navigate, explain, report; side by side what can be."""

import time
from functools import partial
from pathlib import Path

import click

from xaae.cli.door import going_on_by, refuse_other_options, timed, times_in_words
from xaae.cli.explain import ask_both_models, explain_by_methods
from xaae.cli.report import write_run_page
from xaae.cli.scan import scan_as_told
from xaae.cli.train import train_as_told, training_options
from xaae.experiment.errors import InputError
from xaae.experiment.machine import command_line
from xaae.experiment.second_process import SecondProcess, cores_for_two

WALKING, MEASURING = "Walking the latent space", "Measuring the health of the codes"


@click.command("run")
@training_options
def run_command(**given):
    """Everything: train, scan, navigate, explain, report. This is what `python main.py` does."""
    began, beside, ahead = time.perf_counter(), given["beside"], []
    with SecondProcess() as second:
        begin = partial(_begin_beside, second, beside, ahead)
        folder = _trained_already(given["resume"]) or train_as_told(given, second, begin)
        if folder:
            going_on_by(f"{folder} is trained, this does what follows", command_line(["run", "--resume", folder]))
            shared = second.works or _is_shared(folder, beside)  # what is at work already will walk
            walked = _work_on(folder, second if shared else None, *ahead)
            click.echo(times_in_words(time.perf_counter() - began, walked))


def _trained_already(run):
    """The folder to resume if its training has ended and what follows has not, else None. InputError if all is done."""
    folder = Path(run or "")
    if not (run and (folder / "train.json").is_file()):
        return None
    refuse_other_options("resume", "beside")
    if (folder / "report.html").is_file():
        raise InputError(f"{folder} is finished: see {folder / 'report.html'}.")
    click.echo(f"{folder} is trained already: what follows is done now.")
    return folder


def _begin_beside(second, beside, ahead, folder):
    """Give a SecondProcess what needs nothing of the AAE, while this one trains that; the Work that training waits for.

    Where it walks afterwards, it asks ahead what the walks ask of the baseline, and what the baseline answers to the
    factor; the Work of this is put into the list `ahead`. Any more would keep it from the walks. beside: see
    `_is_shared`.
    """
    shared = _is_shared(folder, beside)  # before they share the cores
    training = second.start(_beside_the_training, folder)
    if shared:
        second.start(_ahead_of_the_walks, folder)
        ahead.append(second.start(_ahead_of_the_answers, folder))
    return training


def _ahead_of_the_answers(folder):
    """What the second process asks the baseline at every value of the factor while this one still trains the AAE."""
    from xaae.explain.response_run import answers_ahead

    return answers_ahead(folder)


def _ahead_of_the_walks(folder):
    """What the second process asks for its walks while this one still trains the AAE."""
    from xaae.latent_nav.encoded_run import ask_ahead

    ask_ahead(folder)


def _beside_the_training(folder):
    """What a second process does while this one trains the AAE, of which it needs nothing."""
    from xaae.latent_nav.encoded_run import meters_ahead
    from xaae.training.second_training import train_side

    train_side(folder)
    meters_ahead(folder)


def _is_shared(folder, asked):
    """Is the work that follows training shared by two processes? asked: True, False, None where it pays."""
    from xaae.experiment.run_folder import read_json

    small = read_json(folder / "config.json").get("preset") == "smoke"  # done before a second process has begun
    return cores_for_two() and not small if asked is None else asked


def _work_on(folder, second, answers=None):
    """The commands that follow training; the last one says where the report is.

    second: a SecondProcess that walks while this one does the others, None to do one after the other. answers: a Work
    of its that asked what the baseline answers to the factor. Returns what it did {work: seconds}.
    """
    if not second:
        scan_as_told(folder)
        _walk(folder)
        ask_both_models(folder)
        explain_by_methods(folder)
        write_run_page(folder)
        return {}
    click.echo(f"{WALKING}, in a second process ...")
    from xaae.latent_nav.health_run import add_health, health_of_run

    with second.start(_walk, folder, False) as walking:
        scan_as_told(folder)
        ask_both_models(folder, ahead=answers)
        explain_by_methods(folder)
        with timed(MEASURING):
            health = health_of_run(folder)
        seconds = walking.end()
        add_health(folder, health)
    write_run_page(folder)
    return {WALKING: seconds}


def _walk(folder, health=True):
    """Navigate, and return how many seconds that took. health: with that of the codes."""
    from xaae.latent_nav.navigation import navigate

    began = time.perf_counter()
    with timed(WALKING):
        navigate(folder, health=health)
    return time.perf_counter() - began
