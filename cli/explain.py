"""`explain`: a few items of a run, or a picture file, by many attribution methods."""

import os
import sys
import tomllib
from pathlib import Path

import click

from xaae.cli.door import stoppable, timed
from xaae.cli.early_checks import check_trained
from xaae.cli.option_types import (
    ABOVE_ZERO,
    BACKGROUND,
    FILE_WINDOW,
    MODEL_OR_BOTH,
    MOVED,
    PATH,
    POSITIVE,
    ZERO_OR_MORE,
    option,
    parse_names,
    parse_numbers,
    with_options,
)
from xaae.experiment.errors import InputError

SAMPLE = Path(__file__).parents[1] / "explain" / "methods.toml"  # every method with its parameters
NOT_IN_FILES = ("what", "config", "listing", "describe")  # parameters that a --config file cannot set

_parse_rows = parse_numbers(int, "write it as row numbers of items.csv with commas, such as 12,873.")


def _read_config(ctx, param, path):
    """The tables of methods in a TOML file, as dicts. Its other settings hold where the same option is not typed.

    A `[[method]]` table holds the method's name; a `[methods.NAME]` table has it, or a label, in its head.
    """
    if path is None:
        return []
    file = SAMPLE if path == "all" else Path(path)
    if file.exists() and not file.is_file():  # at a pipe reading would wait for ever
        raise click.BadParameter(f"{file} is no file: give a TOML file.")
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise click.BadParameter(f"{file} cannot be read as TOML ({e}): correct it.") from None
    tables = content.pop("method", [])
    headed = content.pop("methods") if isinstance(content.get("methods"), dict) else {}
    if not isinstance(tables, list):
        raise click.BadParameter(f"{file}: write [[method]], with two brackets, once for each method.")
    ctx.default_map = _as_typed(ctx, file, content)
    return tables + [{"name": n, "label": n} | table if isinstance(table, dict) else n for n, table in headed.items()]


def _as_typed(ctx, file, content):
    """Settings of a file as they would be typed: {name: text}, a list of texts where an option is repeatable."""
    known = {p.name: p for p in ctx.command.params if p.name not in NOT_IN_FILES}
    typed = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known:
            raise click.BadParameter(f"{file}: there is no setting {key!r}: choose from {', '.join(known)}.")
        texts = [str(v) for v in value] if isinstance(value, list) else [str(value)]
        typed[name] = texts if known[name].multiple else ",".join(texts)
    return typed


@click.command("explain")
@with_options(
    click.argument("what", required=False, metavar="RUN|IMAGE", type=PATH),
    option("--methods", callback=parse_names, help="Methods with commas, kinds of method, quick, or all.  [quick]"),
    option("--config", metavar="FILE.toml|all", is_eager=True, callback=_read_config,
           help="Methods with their parameters, and settings; all is the sample that has every method."),
    option("--list", "listing", is_flag=True, help="Name every method in a line: kind, needs, paper."),
    option("--describe", metavar="NAME", help="Describe one method and its parameters."),
    option("--items", type=POSITIVE, default=6, help="Explain so many held-out items of RUN."),
    option("--rows", callback=_parse_rows, help="Explain these rows of items.csv instead, with commas."),
    option("--run", type=PATH, help="Whose models explain IMAGE.  [the newest "
           "finished run in runs/]"),
    MOVED,
    option("--model", type=MODEL_OR_BOTH, help="Which model is explained.  [both, where a run has both]"),
    option("--network", metavar="FILE.py:FUNCTION", help="Your own nn.Module, x -> logits, made by a function."),
    option("--size", type=POSITIVE, help="Pixels a side of IMAGE for --network without --run.  [224]"),
    FILE_WINDOW,
    option("--target", default="predicted", help="The class explained: predicted, true, a name or a number."),
    option("--along", metavar="DIRECTION", help="Explain the position along a direction that navigate made; AAE only."),
    option("--background", type=ZERO_OR_MORE, default=20, help=BACKGROUND),
    option("--workers", type=POSITIVE, help="Methods at once.  [one for each processor core]"),
    option("--time-limit", type=ABOVE_ZERO, default=120.0, help="Seconds for each method."),
    option("--memory-limit", type=ABOVE_ZERO, help="GiB for each method.  [what is free]"),
    option("--precision", type=click.Choice(["bf16", "fp32"]), help="Arithmetic of the methods that allow bf16.  "
           "[the run's]"),
    option("--seed", type=ZERO_OR_MORE, help="Seed of everything that is drawn.  [the run's]"),
    option("--plugin", multiple=True, type=PATH, help="FILE.py, methods of your own; repeatable."),
    option("--out", type=PATH, help="Where to write.  [RUN/explanations]"),
)  # fmt: skip
def explain_command(what, listing, describe, **given):
    """Explain a few items of a trained RUN, or a picture file, by many methods; --list names them.

    IMAGE is a file, or one item of a file, such as scan.nii.gz#axial/17 or frames.dcm#frame/3.
    Each method has a process and a time limit of its own; status.csv says which failed or did not fit the network.
    Without --methods and --config a RUN's models are also asked at every value of the planted factor. Exit status 1
    if a method failed.
    """
    file = bool(what) and os.path.isfile(what if os.path.exists(what) else what.rpartition("#")[0])  # or one item of it
    if file:
        check_trained(None, None, given["run"])
    elif what and not (listing or describe):
        check_trained(None, None, what)
    from xaae.explain import explanation_run

    if listing or describe:
        return click.echo(explanation_run.methods_in_words(describe, given["plugin"]))
    if not what:
        raise InputError("What shall be explained? Give the folder of a run or a picture file; --list names methods.")
    if not (given["methods"] or given["config"] or file):
        ask_both_models(what, given["data_root"])
    if explanation_run.failed(explain_by_methods(what, **given)):
        sys.exit(1)


def ask_both_models(run, data_root=None, ahead=None):
    """What both models of a run answer at every value of the planted factor. ahead: a Work that asked one before."""
    from xaae.explain.response_run import answer_to_factor

    with timed("Asking both models at every value of the factor"):
        answer_to_factor(run, data_root, ahead and ahead.end())


def explain_by_methods(what, **given):
    """Explain by each method in a process of its own; says where the results are and returns the rows of status.csv.

    Ctrl-C ends the methods that are at work and keeps what is finished.
    """
    from xaae.experiment.command_settings import ExplanationSettings
    from xaae.explain.explanation_run import explain_items

    with stoppable("what was finished is kept"), timed("Explaining"):
        rows, folder = explain_items(what, ExplanationSettings(**given))
    click.echo(f"Written: {folder}")
    return rows
