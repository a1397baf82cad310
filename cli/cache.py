"""`cache`: the decoded items that are kept on this disk for later commands; what they take, and how to clear them."""

import os
import time

import click

from xaae.cli.option_types import DATA_ROOT, ZERO_OR_MORE, option, with_options
from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.experiment.machine import command_line

DAY = 86_400  # seconds


@click.command("cache")
@with_options(
    click.argument("what", type=click.Choice(["list", "size", "prune"]), default="list"),
    option("--unused-for", type=ZERO_OR_MORE, metavar="DAYS", help="With prune: only what no command has read for so "
           "many days.  [everything]"),
    DATA_ROOT,
)  # fmt: skip
def cache_command(what, unused_for, data_root):
    """Decoded items that are kept for later commands: list them, their size, or prune (remove) them.

    Items of all but small datasets are decoded once, by the first command that reads them, and kept under the data
    folder: from 64 MB of decoded items, 100 MB of files or 200 files on. When they are removed nothing is lost but the
    time to decode them again.
    """
    if unused_for is not None and what != "prune":
        raise InputError("--unused-for says what `cache prune` removes: leave it out, or write prune.")
    if data_root and not os.path.isdir(data_root):
        raise InputError(f"There is no folder {data_root}: give --data-root the folder where data are kept.")
    from xaae.data import kept_root
    from xaae.sources.item_cache import FOLDER, kept_items, prune_items

    root = kept_root(data_root and os.path.abspath(data_root))
    if what == "prune":
        freed = prune_items(root, *([] if unused_for is None else [time.time() - unused_for * DAY]))
        click.echo(f"{_size(freed)} removed from {root / FOLDER}.")
        return
    kept = kept_items(root)
    if what == "list":
        click.echo("".join(f"{_line(each)}\n" for each in kept), nl=False)
    total = _size(sum(each.size for each in kept))
    click.echo(f"{counted(len(kept), 'arrays')} of decoded items, {total}, in {root / FOLDER}.")
    if kept:
        click.echo(f"To remove them: {command_line(['cache', 'prune'])}")


def _size(amount):
    """Bytes in words."""
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def _line(kept):
    """One array in words: how many items of which form, from where, how large, when it was used last."""
    form = " x ".join(map(str, kept.about["shape"]))
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(kept.used))
    return f"{counted(kept.items, 'items')} of {form} from {kept.about['from']}: {_size(kept.size)}, last read {used}"
