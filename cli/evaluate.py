"""`evaluate`: how good the models of a run are on held-out items."""

from pathlib import Path

import click

from xaae.cli.door import timed
from xaae.cli.option_types import MODEL_OR_BOTH, MOVED, RUN, option, with_options
from xaae.experiment.vocabulary import SPLITS


@click.command("evaluate")
@with_options(
    RUN,
    option("--model", type=MODEL_OR_BOTH, default="both", help="Which model is judged."),
    option("--split", type=click.Choice(SPLITS[1:]), default="valid", help="On which held-out items."),
    option("--planted/--upright", default=True, help="With the planted values of the table, or with nothing planted."),
    option("--value", type=float, help="Plant this value of the factor in every item instead."),
    MOVED,
)
def evaluate_command(run, **given):
    """Judge the models of a trained RUN on held-out items: loss, accuracy, precision, recall, calibration.

    Writes evaluate.json and evaluation_MODEL.png into the run folder; each evaluation replaces the last.
    """
    from xaae.evaluation.evaluation_run import evaluate_run, evaluation_in_words

    with timed("Judging the models"):
        results = evaluate_run(run, **given)
    file = Path(run) / "evaluate.json"
    click.echo(f"{evaluation_in_words(results)}\nWritten: {file} and a figure of each model beside it.")
