"""`run`, which `python main.py` stands for: train, scan, navigate, explain, report; side by side what can be."""

import time
from functools import cache, partial
from pathlib import Path

import click

from xaae.cli.door import TIMES, refuse_other_options, stoppable, timed, times_in_words
from xaae.cli.explain import ask_both_models, explain_by_methods
from xaae.cli.report import write_run_page
from xaae.cli.scan import scan_as_told
from xaae.cli.train import train_as_told, training_options
from xaae.experiment.errors import InputError
from xaae.experiment.machine import command_line
from xaae.experiment.second_process import SecondProcess, cores_for_two

WALKING, MEASURING = "Walking the latent space", "Measuring the health of the codes"
BESIDE = "scanning, asking both models, explaining and measuring the health of the codes"


@click.command("run")
@training_options
def run_command(**given):
    """Everything: train, scan, navigate, explain, report. This is what `python main.py` does."""
    began, beside = time.perf_counter(), given["beside"]
    with SecondProcess() as second:
        ahead = []  # Works of the second process
        start = lambda folder: ahead.extend(_start_ahead(folder, second))  # noqa: E731
        folder = _trained_already(given["resume"]) or train_as_told(given, second, start)
        if folder:
            shared = ahead or _is_shared(folder, beside)
            done_beside = _work_on(folder, second if shared else None, ahead)
            click.echo(times_in_words(time.perf_counter() - began, done_beside))


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


def _is_shared(folder, asked):
    """Is the work that follows training shared by two processes? asked: True, False, None where it pays."""
    from xaae.experiment.run_folder import read_json

    small = read_json(folder / "config.json").get("preset") == "smoke"  # done before a second process has begun
    return cores_for_two() and not small if asked is None else asked


def _start_ahead(folder, second):
    """Works of a SecondProcess that wait for nothing of the AAE, which is still learning."""
    from xaae.latent_nav.encoded_run import meters_ahead

    return [second.start(meters_ahead, folder), second.start(_scanned_ahead, folder)]


def _work_on(folder, second, ahead):
    """The commands that follow training; the last one says where the report is.

    second: a SecondProcess that does the others while this one walks, None to do one after the other. ahead: Works that
    it has before these. Returns what it did {work: seconds}.
    """
    if not second:
        scan_as_told(folder)
        _walk(folder)
        ask_both_models(folder)
        explain_by_methods(folder)
        write_run_page(folder)
        return {}
    from xaae.latent_nav.health_run import add_health
    from xaae.latent_nav.walk_strips import strips_of_walks

    click.echo(f"Beside the walks, in a second process: {BESIDE}.")
    strips = []
    with second.start(_beside_the_walks, folder) as others:
        _walk(folder, health=False, draw=lambda folder: strips.append(second.start(strips_of_walks, folder)))
        with stoppable(f"{folder} is trained", command_line(["run", "--resume", folder])):
            for work in ahead:
                work.end(anew=False)
            seconds, health = others.end()
            for work in strips:
                work.end()
    add_health(folder, health)
    write_run_page(folder)
    return seconds


def _walk(folder, **told):
    """Navigate, with what `navigate` is told."""
    from xaae.latent_nav.navigation import navigate

    with stoppable(f"{folder} is trained", command_line(["navigate", folder])), timed(WALKING):
        navigate(folder, **told)


@cache
def _scanned_ahead(folder):
    """What `scan_ahead` finds; a second process asks for it when the baseline is trained, and again when it scans."""
    from xaae.scan.scan_run import scan_ahead

    return scan_ahead(folder)


def _beside_the_walks(folder):
    """What needs none of the walks: ({work: seconds}, the health of the codes)."""
    from xaae.latent_nav.health_run import health_of_run

    with click.Context(run_command) as times:
        scan_as_told(folder, partial(_scanned_ahead, folder))
        ask_both_models(folder)
        explain_by_methods(folder)
        with timed(MEASURING):
            health = health_of_run(folder)
    return dict(times.meta[TIMES]), health
