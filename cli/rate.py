"""`rate`: how good the explanations of a run are, beside a random map."""

import click

from xaae.cli.door import timed
from xaae.cli.option_types import BACKGROUND, MODEL, MOVED, RUN, TWO_OR_MORE, option, parse_names, with_options


@click.command("rate")
@with_options(
    RUN,
    option("--methods", callback=parse_names, help="Methods with commas, kinds of method, or quick.  [quick]"),
    option("--model", type=MODEL, default="aae", help="Whose explanations."),
    option("--items", type=TWO_OR_MORE, default=8, help="On so many held-out items."),
    option("--target", default="predicted", help="The class explained: predicted, a name or a number."),
    option("--background", type=TWO_OR_MORE, default=20, help=BACKGROUND),
    MOVED,
)
def rate_command(run, **given):
    """Rate explanations of a trained RUN: faithfulness, robustness, localisation, complexity, randomisation.

    Each method is rated by quantus, which has to be installed, beside a random map. Each is computed about eight times
    over, so slow ones take minutes. Localisation needs masks: the trimaps of Oxford-IIIT Pets. Writes
    explanations/quality_MODEL.csv.
    """
    from xaae.explain.rating.rating_run import rate_run

    with timed("Rating"):
        rate_run(run, **given)
