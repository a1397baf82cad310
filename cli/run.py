"""`run`, which `python main.py` stands for: train, scan, navigate, explain, report, one after the other."""

from pathlib import Path

import click

from xaae.cli.door import refuse_other_options, stoppable, timed
from xaae.cli.explain import ask_both_models, explain_by_methods
from xaae.cli.report import write_run_page
from xaae.cli.scan import scan_as_told
from xaae.cli.train import train_as_told, training_options
from xaae.experiment.errors import InputError
from xaae.experiment.machine import command_line


@click.command("run")
@training_options
def run_command(**given):
    """Everything: train, scan, navigate, explain, report. This is what `python main.py` does."""
    folder = _trained_already(given["resume"]) or train_as_told(given)
    if folder:
        _work_on(folder)


def _trained_already(run):
    """The folder to resume if its training has ended and what follows has not, else None. InputError if all is done."""
    folder = Path(run or "")
    if not (run and (folder / "train.json").is_file()):
        return None
    refuse_other_options("resume")
    if (folder / "report.html").is_file():
        raise InputError(f"{folder} is finished: see {folder / 'report.html'}.")
    click.echo(f"{folder} is trained already: what follows is done now.")
    return folder


def _work_on(folder):
    """The commands that follow training; the last one says where the report is."""
    from xaae.latent_nav.navigation import navigate

    scan_as_told(folder)
    with stoppable(f"{folder} is trained", command_line(["navigate", folder])), timed("Walking the latent space"):
        navigate(folder)
    ask_both_models(folder)
    explain_by_methods(folder)
    write_run_page(folder)
