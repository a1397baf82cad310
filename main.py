"""xAAE: see what your classifier really learned. The door: parse, check, print, call."""

import shlex
import sys
from functools import partial
from pathlib import Path

import click

from xaae.cli.audit_options import with_auditing
from xaae.cli.door import Door, alone, refuse, timed
from xaae.cli.options import (
    RUN,
    option,
    with_evaluating,
    with_explaining,
    with_navigating,
    with_predicting,
    with_rating,
    with_settings,
    with_tutorial,
)
from xaae.experiment.errors import InputError
from xaae.experiment.machine import quieten
from xaae.experiment.settings import complete


@click.group(cls=Door, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main():
    """xAAE: see what your classifier really learned.

    \b
    python main.py                 trains, walks, compares and writes a report, on the data found or drawn here
    python main.py --dry-run       shows what that would do
    python main.py run --help      shows every setting
    python main.py --preset smoke  does the whole job in a minute and a half
    """


@main.command()
@with_settings
@refuse
def run(**given):
    """Everything: train, navigate, explain, report. This is what `python main.py` does."""
    folder = train_settings(given)
    if folder:
        later(folder)


def later(folder):
    """The commands after training, each in words; prints where the report is."""
    from xaae.latent_nav.navigation import navigate as navigate_run

    timed("Walking the latent space", partial(navigate_run, folder))
    ask_both(folder)
    explain_by_methods(folder)
    write_report(folder)


@main.command()
@with_settings
@refuse
def train(**given):
    """Train the AAE and the ResNet34 on a dataset with its planted bias."""
    folder = train_settings(given)
    if folder:
        click.echo(f"Trained: {folder}. Next: python main.py navigate {folder}")


@main.command()
@with_navigating
@refuse
def navigate(run, **given):
    """Walk the latent space of a trained RUN: what changes, what would have to change, which items lie there."""
    quieten()
    from xaae.latent_nav.navigation import navigate as navigate_run

    found = timed("Walking the latent space", partial(navigate_run, run, **given))
    told = {name: naming["sentence"] for name, naming in found["naming"].items()}
    told |= {f"order of items as in {other}": f"|Spearman| {r:.2f}" for other, r in found["agreement"].items()}
    click.echo("\n".join(f"  {name}: {text}" for name, text in told.items()))
    click.echo(f"Written: {Path(run) / 'walks'}. Next: python main.py report {run}")


@main.command()
@RUN
@option("--port", type=click.IntRange(1, 65535), default=7860, help="Where on 127.0.0.1.")
@option("--browser/--no-browser", default=True, help="Open the page in the browser.")
@refuse
def app(run, port, browser):
    """Explore a trained and navigated RUN: a page on 127.0.0.1 with sliders, meters and your own pictures."""
    quieten()
    from xaae.app.serving import serve_explorer as serve

    serve(run, port, browser)


@main.command()
@with_explaining
@refuse
def explain(what, listing, describe, **given):
    """Explain a few items of a trained RUN, or a picture file, by many methods; --list names them.

    Each method has a process and a time limit of its own; what fails or does not fit is told in status.csv. Without
    --methods and --config a RUN is also asked at every value of the planted factor. Exit status 1 if a method failed.
    """
    quieten()
    from xaae.explain import many_methods

    if listing or describe:
        return click.echo(many_methods.methods_in_words(describe, given["plugin"]))
    if not what:
        raise InputError("What shall be explained? Give the folder of a run or a picture file; --list names methods.")
    if not (given["methods"] or given["config"] or Path(what).is_file()):
        ask_both(what)
    if many_methods.failed(explain_by_methods(what, **given)):
        sys.exit(1)


def ask_both(run):
    """The response of both models of a run to the planted factor."""
    from xaae.explain.planted_response import answer_to_factor as explain_run

    timed("Asking both models at every value of the factor", partial(explain_run, run))


def explain_by_methods(what, **given):
    """Explanations, each in a process of its own; says where they are. Ctrl-C ends them and keeps what is finished."""
    from xaae.explain import many_methods

    try:
        rows, folder = timed("Explaining", partial(many_methods.explain_items, what, **given))
    except KeyboardInterrupt:
        click.echo("\nStopped: what was finished is kept.", err=True)
        sys.exit(130)
    click.echo(f"Written: {folder}")
    return rows


@main.command()
@with_predicting
@refuse
def predict(run, path, **given):
    """Classify the pictures at PATH with a trained RUN into a CSV, with Monte-Carlo-dropout uncertainty.

    PATH: a picture, a folder (searched at any depth), a CSV with a column path, or FILE.npz#KEY/INDEX. Pictures are
    cropped to their middle square and scaled as in training, else taken as they are: nothing is planted.
    """
    quieten()
    from xaae.evaluation.predictions import predict_items as predict_run
    from xaae.evaluation.predictions import predictions_in_words

    found = timed("Classifying", partial(predict_run, run, path, **given))
    click.echo(f"{predictions_in_words(found)}\n{found.note}\nWritten: {found.out}")


@main.command()
@with_evaluating
@refuse
def evaluate(run, **given):
    """Judge the models of a trained RUN on held-out items: loss, accuracy, precision, recall, calibration.

    Writes evaluate.json and evaluation_MODEL.png into the run folder; each evaluation replaces the last.
    """
    quieten()
    from xaae.evaluation.judgement import evaluate_run as evaluate_run
    from xaae.evaluation.judgement import evaluation_in_words

    found = timed("Judging the models", partial(evaluate_run, run, **given))
    click.echo(
        f"{evaluation_in_words(found)}\nWritten: {Path(run) / 'evaluate.json'} and a figure of each model beside it."
    )


@main.command()
@with_tutorial
@refuse
def tutorial(**given):
    """The SHAP tutorial on CIFAR-10: train its small ConvNet, then plot what speaks for and against each class.

    Trains on a CIFAR-10 copy under --data-root (torchvision's or fastai's layout), else on drawn cats and dogs.
    """
    click.echo("xAAE: loading PyTorch and fastai ...")
    quieten()
    from xaae.explain import tutorial_run as command

    given["command"] = "python main.py " + shlex.join(sys.argv[1:])
    folder, found = timed("The tutorial", partial(command.run_tutorial, **given))
    click.echo(f"{command.tutorial_in_words(found)}\nWritten: {folder}")


@main.command()
@with_rating
@refuse
def rate(run, **given):
    """Rate explanations of a trained RUN: faithfulness, robustness, localisation, complexity, randomisation.

    Each method beside a random map, by quantus, which has to be installed; each is asked about eight times over, so
    slow ones take minutes. Localisation needs masks: the trimaps of Oxford-IIIT Pets. Writes
    explanations/quality_MODEL.csv.
    """
    quieten()
    from xaae.explain.rating.rated_run import rate_run as rate_run

    timed("Rating", partial(rate_run, run, **given))


@main.command()
@with_auditing
@refuse
def audit(unknown, **given):
    """Which explanation reveals a planted bias, and which does not: REVEALS, DOES NOT or UNDECIDED for each.

    Trains models with the bias, without it, and with the factor visible but useless, several seeds each; asks every
    explanation about the same pictures; writes OUT/audit.json, OUT/report.html and a quiz. What is trained is kept in
    --arms and used again: an audit that was stopped goes on when its command is repeated. --unknown RUN asks instead
    what the most discriminant direction of a RUN on your own data changes, where nobody knows a factor.
    """
    if unknown:
        alone("unknown")
    click.echo("xAAE: loading PyTorch and fastai ...")
    quieten()
    if unknown:
        from xaae.audit import unknown_factor as command

        found = timed("Looking for what nobody named", partial(command.ask_unknown, unknown))
        return click.echo(f"{command.unknown_in_words(found)}\nWritten: {Path(unknown) / 'unknown.html'}")
    from xaae.audit import audit_run as command

    given["command"] = "python main.py " + shlex.join(sys.argv[1:])
    try:
        folder, result = timed("The audit", partial(command.run_audit, **given))
    except KeyboardInterrupt:
        click.echo("\nStopped: what was finished is kept; repeat the command to go on.", err=True)
        sys.exit(130)
    from xaae import report

    pages = report.write_audit_page(folder), *report.write_quiz_page(folder)
    click.echo(f"{command.unknown_in_words(result)}\nReport: {pages[0]}\nQuiz: {pages[1]}, its key: {pages[2]}")


@main.command("report")
@RUN
@refuse
def report_command(run):
    """Write report.html and summary.json of a RUN from its files."""
    write_report(run)


def write_report(folder):
    """Make the page and say in a few lines what it says."""
    from xaae import report

    try:
        page, summary = report.write_report(folder), report.summarise(folder)
    except ValueError as e:
        raise InputError(str(e)) from e
    click.echo(report.summary_in_words(summary))
    click.echo(f"Report: {page}")


def train_settings(given):
    """Check everything, print it, train; the run folder, or None after a dry run."""
    click.echo("xAAE: loading PyTorch and fastai ...")
    quieten()
    from xaae.training import fitting as command

    settings = complete(given)
    settings = command.resolve(settings)
    settings["command"] = "python main.py " + shlex.join(sys.argv[1:])
    out, overwrite, dry = (settings.pop(k, None) for k in ("out", "overwrite", "dry_run"))
    name = command._run_name(settings)
    folder = command.plan(out, name, overwrite)
    prepared = command.prepare_training(settings)
    show(prepared.settings, folder)
    if dry:
        return None
    command.seed_all(settings["seed"])
    try:
        timed(f"Training into {folder}", partial(command.train_run, prepared, command.make(folder)))
    except KeyboardInterrupt:
        click.echo(f"\nStopped: {folder} is unfinished; repeat with --overwrite to start it again.", err=True)
        sys.exit(130)
    return folder


def show(settings, folder):
    """Print the settings that a run will have."""
    hidden = ("versions", "command", "dataset_note", "class_ranges", "factor_about")
    lines = [f"  {k}: {v}" for k, v in settings.items() if k not in hidden and v is not None]
    click.echo("\n".join(["Settings:", *lines, f"  out: {folder}"]))


if __name__ == "__main__":
    main()
