"""The options of `audit`: typed, with their help."""

import click

from xaae.cli.options import POSITIVE, giving, names, option
from xaae.experiment.settings import AUDITS


def _shares(ctx, param, text):
    """`1,0.5` -> [1.0, 0.5], each above 0 and at most 1."""
    try:
        found = [float(each) for each in names(ctx, param, text)]
    except ValueError:
        raise click.BadParameter("write numbers with commas, such as 1,0.5.") from None
    if any(not 0 < each <= 1 for each in found):
        raise click.BadParameter("each has to be above 0 and at most 1.")
    return found


AUDITING = [
    option("--preset", type=click.Choice(list(AUDITS)), default="default", help="Sizes and lengths that go together."),
    option("--factors", callback=names, help="What is planted, with commas: rotation, brightness, tint, blur, tag.  "
           "[by preset]"),
    option("--methods", callback=names, help="Attribution methods with commas; `explain --list` names them.  [by "
           "preset]"),
    option("--directions", callback=names, help="Which walks, with commas: lda, head, means, logistic, ...  [by "
           "preset]"),
    option("--strength", callback=_shares, help="Share of each factor's range that is planted; several with commas are "
           "a sweep.  [1]"),
    option("--contamination", callback=_shares, help="Share of items that obey the bias; several are a sweep.  [1]"),
    option("--label-noise", type=click.FloatRange(0, 0.5), help="Share of the biased arm's training items that get "
           "another class's label, so that content tells less than the factor.  [by preset]"),
    option("--seeds", type=click.IntRange(min=2), help="Models of each arm.  [by preset]"),
    option("--irrelevant-seeds", type=click.IntRange(min=6), help="More models of arm irrelevant for the first factor, "
           "6 for ten pairs of groups, to see how often chance raises an alarm.  [as --seeds]"),
    option("--dataset", help="As for `run`; every arm is trained on it.  [synthpets]"),
    option("--data-root", type=click.Path(), help="Where data are looked for and unpacked.  [fastai's data folder]"),
    option("--items", type=click.IntRange(min=100), help="Use at most so many items.  [by preset]"),
    option("--size", type=int, help="Pixels a side, 16 to 512.  [by preset]"),
    option("--epochs", type=POSITIVE, help="Epochs of every AAE.  [by preset]"),
    option("--baseline-epochs", type=click.IntRange(min=0), help="Epochs of every ResNet34; 0 leaves it out.  [by "
           "preset]"),
    option("--probe", type=click.IntRange(min=13), help="Held-out items that are explained.  [by preset]"),
    option("--random-directions", type=click.IntRange(min=19), help="Random walks for the null.  [by preset]"),
    option("--workers", type=POSITIVE, help="Processes at once.  [one for each core; one on an accelerator]"),
    option("--arms", type=click.Path(), help="Where trained arms are kept, for every audit.  [runs/arms]"),
    option("--unknown", metavar="RUN", type=click.Path(), help="Ask about a trained RUN in which no factor is known."),
    option("--out", type=click.Path(), help="The audit's folder.  [runs/NNNN-audit-dataset]"),
]  # fmt: skip


with_auditing = giving(*AUDITING)
