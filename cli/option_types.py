"""Types and parsers that the options of several commands share."""

import csv
import io
import math

import click

from xaae.cli.early_checks import check_cut, check_trained, check_window
from xaae.experiment.tasks import TASKS
from xaae.experiment.vocabulary import AXES, MODELS, SLICES, SPLIT_WAYS, WHOLE
from xaae.factors.registry import check_factors


class FiniteRange(click.FloatRange):
    """A range of numbers; "nan", which lies within every range that is asked by < and >, and "inf" are refused."""

    def convert(self, value, param, ctx):
        """The number that was typed, or the end of the command with a sentence."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return number


POSITIVE = click.IntRange(min=1)
TWO_OR_MORE = click.IntRange(min=2)
ZERO_OR_MORE = click.IntRange(min=0)
ABOVE_ZERO = FiniteRange(min=0, min_open=True)
NOISE_SHARE = FiniteRange(0, 0.5)
PATH = click.Path()
MODEL = click.Choice(list(MODELS))
MODEL_OR_BOTH = click.Choice([*MODELS, "both"])
RUN = click.argument("run", type=PATH, callback=check_trained)


def option(*names, **attributes):
    """A click option that shows its default in the help where it has one."""
    return click.option(*names, show_default=attributes.get("default") is not None, **attributes)


def with_options(*given):
    """A decorator that gives a command these options and arguments, the first one first in its help."""

    def give(command):
        for add in reversed(given):
            command = add(command)
        return command

    return give


def parse_names(ctx, param, text):
    """`lda,pca:2` -> ["lda", "pca:2"]; [] if the option is left out. A name in "quotes" may hold commas, as in CSV."""
    try:
        rows = csv.reader(io.StringIO(text or "", newline=""), skipinitialspace=True, strict=True)
        names = [name.strip() for row in rows for name in row if name.strip()]
    except csv.Error:
        raise click.BadParameter(f"{text!r} has a quote that does not end: double quotes inside of quotes.") from None
    if text is not None and not names:
        raise click.BadParameter("write one name or more, with commas.")
    return names


def parse_factors(ctx, param, text):
    """`blur,tag` -> ["blur", "tag"]; [] if the option is left out. InputError for a factor that does not exist."""
    return check_factors(parse_names(ctx, param, text))


def parse_numbers(number, words):
    """A parser of comma-separated numbers: `parse_numbers(int, ...)` turns `12,873` into [12, 873].

    words: how they are to be written, for what is neither a number nor left out.
    """

    def parse(ctx, param, text):
        try:
            return [number(each) for each in parse_names(ctx, param, text)]
        except ValueError:
            raise click.BadParameter(words) from None

    return parse


DATA_ROOT = option("--data-root", type=PATH, help="Where data are looked for and unpacked.  [fastai's data folder]")
MOVED = option(
    "--data-root",
    "--dataset",
    "data_root",
    type=PATH,
    help="Where the items of RUN are now, if they were moved after training.  [where they were]",
)
SPLIT_OPTIONS = (
    option("--split", type=click.Choice(list(SPLIT_WAYS)), default="auto", help="What is held out where the data have "
           "no split of their own: items, of each class a fifth (stratified), or whole groups; auto: whole groups "
           "where your own data say them, in a column group or as parts of files."),
    option("--group", metavar="COLUMN", help="Hold out whole groups by this column, such as patient; or by file, "
           "folder or file-name (what the names begin with, as patient012 in patient012_03.png)."),
    option("--split-file", type=PATH, metavar="FILE", help="Hold out what a file lists: a CSV with the columns path "
           "and split, such as another run's items.csv, or a text file of the paths that are held out."),
)  # fmt: skip
TARGET_OPTIONS = (
    option("--target", "predict", callback=parse_names, help="The column that is predicted, or several labels' columns "
           "with commas: numbers are a severity, 1/0/blank columns labels, anything else classes.  [label]"),
    option("--task", type=click.Choice(list(TASKS)), help="What the --target is, where its content says otherwise."),
    option("--unit", default="", help="The unit of a severity, as in words and figures."),
)  # fmt: skip
READING_OPTIONS = (
    option("--window", default="file", callback=check_window, help="What of pictures with more than 8 bits a value is "
           "black and white: file, as each file says, else its own darkest and brightest value; dataset, the same for "
           "all, as measured in the training items; or LOW:HIGH, in the files' units."),
    option("--cut", default="", callback=check_cut, help="How recordings of signals are cut into items: SECONDS, one "
           "after the other, or BEFORE:AFTER, seconds around each annotation.  [by their annotations]"),
    option("--length", type=POSITIVE, help="Samples of an item of signals; of longer ones the middle is used.  [all]"),
    option("--axes", type=click.Choice(AXES), default=AXES[0], help="Which axis is which in arrays of signals."),
    option("--slices", type=click.Choice([*SLICES, WHOLE]), default=SLICES[0], help="Along which axis volumes (NIfTI) "
           "are cut into pictures; none: they are items as a whole, cubes of --size voxels (NIfTI, .npy). Volumes in "
           "MedMNIST's .npz are always whole."),
    option("--outside-files", is_flag=True, help="A CSV may name files outside its own folder."),
)  # fmt: skip
FILE_WINDOW = option(
    "--window",
    callback=check_window,
    metavar="file|dataset|LOW:HIGH",
    help="Which values are black and white in files of more than 8 bits, for --network without a run.  [file]",
)
SEED = option("--seed", type=ZERO_OR_MORE, default=0, help="Seed of everything that is drawn.")
BACKGROUND = "Held-out items that stand for the usual."
