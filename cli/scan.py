"""`scan`: which factors a classifier goes by, asked on real items without any decoder."""

from pathlib import Path

import click

from xaae.cli.door import announce_loading, stoppable, timed
from xaae.cli.early_checks import check_trained
from xaae.cli.option_types import (
    FILE_WINDOW,
    MODEL_OR_BOTH,
    MOVED,
    PATH,
    ZERO_OR_MORE,
    option,
    parse_factors,
    with_options,
)
from xaae.experiment.errors import InputError
from xaae.experiment.machine import command_line
from xaae.factors.registry import FACTORS


def _parse_ranges(ctx, param, texts):
    """`rotation=0:90` -> {"rotation": (0.0, 90.0)}, for every --range typed."""
    ranges = {}
    for text in texts:
        name, _, bounds = text.partition("=")
        low, _, high = bounds.partition(":")
        if name in ranges:
            raise click.BadParameter(f"{name} has two ranges: give one.")
        try:
            ranges[name] = (float(low), float(high))
        except ValueError:
            raise click.BadParameter(f"{text!r}: write it as FACTOR=LOW:HIGH, such as rotation=0:90.") from None
        if name not in FACTORS:
            raise click.BadParameter(f"there is no factor {name!r}: choose from {', '.join(FACTORS)}.")
        least, most = FACTORS[name].allowed
        if not least <= ranges[name][0] < ranges[name][1] <= most:
            raise click.BadParameter(f"{text!r}: give {least:g} <= LOW < HIGH <= {most:g} ({FACTORS[name].unit}).")
    return ranges


def _in_units():
    """Every factor with its whole range and unit, as --help tells them."""
    ends = lambda factor: ":".join(f"{end:g}" for end in sorted(factor.whole))  # noqa: E731
    return (
        "Whole ranges: " + "; ".join(f"{name}={ends(factor)} {factor.unit}" for name, factor in FACTORS.items()) + "."
    )


@click.command("scan")
@with_options(
    click.argument("what", metavar="RUN|FOLDER", type=PATH),
    option("--of", type=MODEL_OR_BOTH, help="Which model of RUN is asked.  [both, where a run has both]"),
    option("--network", metavar="FILE.py:FUNCTION", help="Your own nn.Module, x -> logits, made by a function; with it "
           "FOLDER may be pictures, a folder a class, or a CSV."),
    option("--factors", callback=parse_factors, help=f"Which factors, with commas: {', '.join(FACTORS)}.  [all]"),
    option("--range", "ranges", multiple=True, callback=_parse_ranges, metavar="FACTOR=LOW:HIGH", help="Values to ask "
           "about in place of what the data hold, in the unit in which the factor is planted; repeatable. "
           + _in_units()),
    option("--items", type=click.IntRange(min=2), help="Ask about so many held-out items.  [200; 60 in a smoke run]"),
    option("--size", type=click.IntRange(min=8), help="Pixels a side of pictures for --network without a run.  [224]"),
    FILE_WINDOW,
    option("--precision", type=click.Choice(["bf16", "fp32"]), help="Arithmetic of the networks.  [the run's]"),
    option("--seed", type=ZERO_OR_MORE, help="Seed of everything that is drawn.  [the run's]"),
    MOVED,
    option("--out", type=PATH, help="Where to write.  [RUN, RUN/network-scan with --network, "
           "RUN/part-scan if it asks less than the scan in RUN; runs/NNNN-scan-NAME without a run]"),
)  # fmt: skip
def scan_command(what, **given):
    """Which factors a classifier goes by: one thing at a time is changed in real items, and it is asked again.

    Every factor is asked about within what the data hold: brightness between the 5th and the 95th percentile of the
    training items, a planted factor within its planted range. used: the mean answer swings by 0.5 or more and more
    decisions flip than by changes of the same size that no factor names. not used: the swing is surely below 0.2. No
    decoder is needed.
    """
    if not Path(what).exists():
        raise InputError(f"There is no file or folder {what}: give a run, or pictures with --network.")
    if (Path(what) / "config.json").is_file():
        check_trained(None, None, what)
    elif not given["network"]:
        raise InputError(f"{what} is not a run folder: say by --network FILE.py:FUNCTION which network to ask.")
    announce_loading()
    scan_as_told(what, **given)


def scan_as_told(what, **given):
    """Scan, and say what came out and where it is."""
    from xaae import report
    from xaae.experiment.command_settings import ScanSettings
    from xaae.scan.scan_run import scan
    from xaae.scan.scan_sentences import scan_in_words

    with (
        stoppable("nothing of the scan was written", command_line(["scan", what])),
        timed("Scanning the factors"),
    ):
        results, folder = scan(what, ScanSettings(**given))
    click.echo(f"{scan_in_words(results)}\nWritten: {report.write_scan_page(folder)}")
