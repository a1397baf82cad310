"""`navigate`: directions, decoded walks, counterfactuals, maps of a trained run."""

from pathlib import Path

import click

from xaae.cli.door import timed, typed_command
from xaae.cli.option_types import MOVED, PATH, POSITIVE, RUN, option, parse_names, with_options
from xaae.experiment.amounts import counted
from xaae.experiment.machine import command_line
from xaae.experiment.vocabulary import SPACINGS
from xaae.experiment.walk_words import arrival, groups_in_words, manner_in_words


def _parse_pairs(ctx, param, texts):
    """`12:873` -> (12, 873), for every --between typed."""
    try:
        return [(int(a), int(b)) for a, _, b in (text.partition(":") for text in texts)]
    except ValueError:
        raise click.BadParameter("write it as ROW:ROW, two rows of items.csv, such as 12:873.") from None


@click.command("navigate")
@with_options(
    RUN,
    option("--of", metavar="aae|baseline|FILE.py:FUNCTION", help="Which classifier leads the walk, by its answers on "
           "items with random values of the factor: a model of RUN or your own nn.Module, x -> logits.  [aae; without "
           "--directions each model of RUN leads one]"),
    option("--directions", "specs", callback=parse_names, help="Which directions, with commas, the main one first: "
           "led, led_gradient, led:baseline, lda, logistic, head, means, severity, gradient, pca:N, dims:N, "
           "ridge, lda@rest:CLASS, lda@LABEL, target:COLUMN.  [all kinds; with --of the one that it leads first]"),
    option("--contrast", default="", help="FROM:TO, two classes, or rest:CLASS.  [the first class to the last]"),
    option("--away", callback=parse_names, help="Keep every direction at right angles to these: pca:1, "
           "target:COLUMN, ..."),
    option("--between", "pairs", multiple=True, callback=_parse_pairs, help="ROW:ROW, interpolate between two items; "
           "repeatable."),
    option("--spherical", "curved", is_flag=True, help="Interpolate along the arc, not the straight line."),
    option("--against", multiple=True, type=PATH, help="Another navigated run of the same data, such as one of "
           "another seed: does it order the items alike?  Repeatable."),
    option("--maps", callback=parse_names, help="Which maps, with commas: pca, tsne, umap.  [pca, tsne]"),
    option("--films", is_flag=True, help="GIF and MP4 of every walk, not of the main one alone."),
    option("--spacing", type=click.Choice(list(SPACINGS)), default="arc", help="Frames of a walk in equal steps of the "
           "decoded path, of the probability of the class it leads to, or of alpha."),
    option("--counterfactuals", type=POSITIVE, default=64, help="Look for counterfactuals of at most so many "
           "held-out items."),
    MOVED,
)  # fmt: skip
def navigate_command(run, **given):
    """Walk the latent space of a trained RUN: what changes, what would have to change, which items lie there."""
    from xaae.experiment.command_settings import NavigationSettings
    from xaae.latent_nav.navigation import navigate

    with timed("Walking the latent space"):
        results = navigate(run, NavigationSettings(**given), typed_command())
    lines = {name: _walk_line(results, name) for name in results["naming"]}
    lines |= {name: f"left out. {why}" for name, why in results["left_out"].items()}
    lines |= {f"order of items as in {other}": f"|Spearman| {r:.2f}" for other, r in results["agreement"].items()}
    click.echo("\n".join(f"  {name}: {text}" for name, text in lines.items()))
    click.echo(f"Written: {Path(run) / 'walks'}. Next: {command_line(['report', run])}")


def _walk_line(results, name):
    """What one walk changes and how, whether its starts agree, and whether it brings the decision over: a line."""
    walk, sentence = results["walk"]["by_direction"][name], results["naming"][name]["sentence"]
    size = lambda step: counted(f"{step:.3g}", walk["unit"])  # noqa: E731
    goal = " or ".join(results["directions"][name]["leads_to"])
    parts = [said.rstrip(".") for said in (sentence, manner_in_words(walk, size), arrival(walk, goal))]
    if groups := walk["start_groups"]:
        signed = lambda change: counted(f"{change:+.3g}", walk["unit"])  # noqa: E731
        parts.insert(2, f"The starts disagree in its {walk['meter']}: {groups_in_words(groups, signed)}")
    return ". ".join(filter(None, parts))
