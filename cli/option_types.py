"""Types and parsers that the options of several commands share."""

import click

from xaae.experiment.vocabulary import MODELS

POSITIVE = click.IntRange(min=1)
TWO_OR_MORE = click.IntRange(min=2)
ZERO_OR_MORE = click.IntRange(min=0)
ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
NOISE_SHARE = click.FloatRange(0, 0.5)
PATH = click.Path()
MODEL = click.Choice(list(MODELS))
MODEL_OR_BOTH = click.Choice([*MODELS, "both"])
RUN = click.argument("run", type=PATH)


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
    """`lda,pca:2` -> ["lda", "pca:2"]; [] if the option is left out."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not names:
        raise click.BadParameter("write one name or more, with commas.")
    return names


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
SEED = option("--seed", type=ZERO_OR_MORE, default=0, help="Seed of everything that is drawn.")
BACKGROUND = "Held-out items that stand for the usual."
