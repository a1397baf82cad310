"""`predict`: classes of new items by a trained run."""

import click

from xaae.cli.door import timed
from xaae.cli.early_checks import check_item
from xaae.cli.option_types import MODEL, PATH, POSITIVE, RUN, TWO_OR_MORE, FiniteRange, option, with_options


@click.command("predict")
@with_options(
    RUN,
    click.argument("path", type=PATH),
    option("--model", type=MODEL, default="aae", help="Which model answers; every run has the AAE."),
    option("--samples", type=TWO_OR_MORE, default=30, help="Passes with dropout, for the uncertainty."),
    option("--dropout", type=FiniteRange(0, 1, True, True), help="Dropout rate put into the AAE, which has no "
           "dropout of its own.  [0.1]"),
    option("--out", type=PATH, help="The CSV; only a file that predict made is replaced.  [RUN/predictions.csv]"),
    option("--batch-size", type=POSITIVE, help="Pictures read and classified at once.  [as in training]"),
)  # fmt: skip
def predict_command(run, path, **given):
    """Classify the pictures or signals at PATH with a trained RUN into a CSV, with Monte-Carlo-dropout uncertainty.

    PATH: a file, a folder (searched at any depth), a CSV with a column path, or one item of a file, such as
    FILE.npz#KEY/INDEX or FILE.nii.gz#axial/17. Pictures are cropped to their middle square and scaled as in training,
    with the run's --window, and nothing is planted in them.
    """
    check_item(path)
    from xaae.evaluation.prediction_run import predict_items, predictions_in_words

    with timed("Classifying"):
        predictions = predict_items(run, path, **given)
    click.echo(f"{predictions_in_words(predictions)}\n{predictions.note}\nWritten: {predictions.out}")
