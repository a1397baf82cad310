"""`audit`: which explanation reveals a planted bias, and which does not."""

import click

from xaae.cli.door import announce_loading, refuse_other_options, stoppable, timed, typed_command
from xaae.cli.early_checks import check_dataset, check_trained, check_window
from xaae.cli.option_types import (
    DATA_ROOT,
    NOISE_SHARE,
    PATH,
    POSITIVE,
    TWO_OR_MORE,
    ZERO_OR_MORE,
    option,
    parse_factors,
    parse_names,
    parse_numbers,
    with_options,
)
from xaae.experiment.audit_settings import AUDITS, audit_settings
from xaae.experiment.errors import InputError
from xaae.experiment.settings import CODES
from xaae.experiment.vocabulary import SLICES, WHOLE
from xaae.factors.registry import FACTORS

_numbers = parse_numbers(float, "write numbers with commas, such as 1,0.5.")


def _parse_shares(ctx, param, text):
    """`1,0.5` -> [1.0, 0.5], each above 0 and at most 1."""
    shares = _numbers(ctx, param, text)
    if any(not 0 < share <= 1 for share in shares):
        raise click.BadParameter("each has to be above 0 and at most 1.")
    return shares


@click.command("audit")
@with_options(
    option("--preset", type=click.Choice(list(AUDITS)), default="default", help="Sizes and lengths that go together."),
    option("--factors", callback=parse_factors, help=f"What is planted, with commas: {', '.join(FACTORS)}.  "
           "[by preset]"),
    option("--methods", callback=parse_names, help="Attribution methods with commas; `explain --list` names them.  "
           "[by preset]"),
    option("--directions", callback=parse_names, help="Which walks, with commas: lda, head, means, logistic, "
           "led:aae, led:baseline, ...  [by preset and code]"),
    option("--code", type=click.Choice(list(CODES)), help="factored: coordinates of factors beside the content; plain: "
           "the thesis's code.  [by preset: factored]"),
    option("--strength", callback=_parse_shares, help="Share of each factor's range that is planted; several with "
           "commas are a sweep.  [1]"),
    option("--contamination", callback=_parse_shares, help="Share of items that obey the bias; several are a sweep.  "
           "[1]"),
    option("--label-noise", type=NOISE_SHARE, help="Share of the biased arm's training items that get another class's "
           "label, so that the content tells the class less surely than the factor does.  [by preset]"),
    option("--seeds", type=TWO_OR_MORE, help="Models of each arm.  [by preset]"),
    option("--irrelevant-seeds", type=click.IntRange(min=6), help="More models of arm irrelevant for the first factor, "
           "6 for ten pairs of groups, to see how often chance raises an alarm.  [as --seeds]"),
    option("--dataset", help="As for `run`; every arm is trained on it.  [synthpets]"),
    DATA_ROOT,
    option("--window", callback=check_window, metavar="file|dataset|LOW:HIGH", help="As for `train`.  [file]"),
    option("--slices", type=click.Choice([*SLICES, WHOLE]), help="As for `train`.  [axial]"),
    option("--items", type=click.IntRange(min=100), help="Use at most so many items.  [by preset]"),
    option("--size", type=int, help="Pixels a side, 16 to 512.  [by preset]"),
    option("--epochs", type=POSITIVE, help="Epochs of every AAE.  [by preset]"),
    option("--baseline-epochs", type=ZERO_OR_MORE, help="Epochs of every ResNet34; 0 leaves it out.  [by preset]"),
    option("--probe", type=click.IntRange(min=13), help="Held-out items that are explained.  [by preset]"),
    option("--random-directions", type=click.IntRange(min=19), help="Random directions that a walk is compared with.  "
           "[by preset]"),
    option("--workers", type=POSITIVE, help="Processes at once.  [one for each core with 2 GB of memory; one "
           "on an accelerator]"),
    option("--scheduler", metavar="ADDRESS", help="Use the workers of this Dask scheduler, such as tcp://HOST:8786, "
           "instead; see docs/clusters.md."),
    option("--arms", type=PATH, help="Where trained arms are kept, for every audit.  [runs/arms]"),
    option("--unknown", metavar="RUN", type=PATH, callback=check_trained, help="Ask about a trained RUN in which no "
           "factor is known; with it --data-root or --dataset say where its items are now, if they were moved."),
    option("--out", type=PATH, help="The audit's folder.  [runs/NNNN-audit-dataset]"),
)  # fmt: skip
def audit_command(unknown, out, **given):
    """Which explanation reveals a planted bias, and which does not: REVEALS, DOES NOT or UNDECIDED for each.

    Trains models with the bias, without it, and with the factor visible but useless, several seeds each. Asks every
    explanation about the same pictures. Writes OUT/audit.json, OUT/report.html and a quiz. Trained models are kept in
    --arms and used again: repeat the command of an audit that was stopped, and it goes on.

    --unknown RUN asks instead what the most discriminant direction of a RUN on your own data changes, where nobody
    knows a factor.
    """
    if unknown:
        refuse_other_options("unknown", "data_root", "dataset")
        return _ask_unknown(unknown, given["data_root"] or given["dataset"])
    if given["scheduler"] and given["workers"]:
        raise InputError("--scheduler has workers of its own: leave out --workers.")
    check_dataset(None, None, given["dataset"])
    announce_loading()
    from xaae.audit.audit_run import run_audit
    from xaae.audit.audit_sentences import audit_in_words

    with stoppable("what was finished is kept; repeat the command to go on"), timed("The audit"):
        folder, results = run_audit(audit_settings(**given, command=typed_command()), out)
    click.echo(audit_in_words(results))
    _write_pages(folder)


def _ask_unknown(run, data_root=None):
    """What the direction of a run changes, where no factor is known."""
    announce_loading()
    from xaae import report
    from xaae.audit.unknown_factor import ask_unknown
    from xaae.audit.unknown_sentences import unknown_in_words

    with timed("Looking for what nobody named"):
        results = ask_unknown(run, data_root=data_root)
    click.echo(f"{unknown_in_words(results)}\nWritten: {report.write_unknown_page(run)}")


def _write_pages(folder):
    """The audit's page and its quiz; says where they are."""
    from xaae import report

    page, (quiz, key) = report.write_audit_page(folder), report.write_quiz_page(folder)
    click.echo(f"Report: {page}\nQuiz: {quiz}, its key: {key}")
