"""`tutorial`: the SHAP tutorial on CIFAR-10, from the data to the plots."""

import click

from xaae.cli.door import announce_loading, timed, typed_command
from xaae.cli.early_checks import check_dataset
from xaae.cli.option_types import BACKGROUND, DATA_ROOT, PATH, POSITIVE, SEED, TWO_OR_MORE, option, with_options


@click.command("tutorial")
@with_options(
    option("--dataset", default="auto", callback=check_dataset, help="cifar10, synthpets, any other that "
           "`run` takes, or auto: CIFAR-10 if there is a copy, else synthpets."),
    DATA_ROOT,
    option("--picture", type=PATH, help="A picture file of your own to explain too."),
    option("--explainer", type=click.Choice(["deep", "gradient"]), default="deep", help="SHAP's DeepExplainer, or its "
           "GradientExplainer, which works on any differentiable network."),
    option("--epochs", type=POSITIVE, help="Epochs.  [enough for 25,000 pictures, 10 or more]"),
    option("--items", type=click.IntRange(min=20), help="Use at most so many items."),
    option("--background", type=TWO_OR_MORE, default=100, help=BACKGROUND),
    option("--explained", type=POSITIVE, default=4, help="Explain so many held-out items, the classes in turn."),
    SEED,
    option("--out", type=PATH, help="Where to write.  [runs/NNNN-tutorial-dataset-seed]"),
    option("--overwrite", is_flag=True, help="Replace what a run or a tutorial left in --out."),
)  # fmt: skip
def tutorial_command(**given):
    """The SHAP tutorial on CIFAR-10: train its small ConvNet, then plot what speaks for and against each class.

    Trains on a CIFAR-10 copy under --data-root (torchvision's or fastai's layout), else on drawn cats and dogs.
    """
    announce_loading()
    from xaae.experiment.command_settings import TutorialSettings
    from xaae.explain.tutorial_run import run_tutorial, tutorial_in_words

    with timed("The tutorial"):
        folder, results = run_tutorial(TutorialSettings(**given), typed_command())
    click.echo(f"{tutorial_in_words(results)}\nWritten: {folder}")
