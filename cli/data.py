"""`data`: a first look at data, before anything is trained."""

import json

import click

from xaae.cli.door import stoppable, timed
from xaae.cli.early_checks import check_dataset, check_own
from xaae.cli.option_types import DATA_ROOT, PATH, READING_OPTIONS, SPLIT_OPTIONS, TARGET_OPTIONS, option, with_options


@click.command("data")
@with_options(
    click.argument("what", metavar="PATH", callback=check_dataset),
    *TARGET_OPTIONS,
    *SPLIT_OPTIONS,
    *READING_OPTIONS,
    DATA_ROOT,
    option("--json", "as_json", is_flag=True, help="Print what data.json holds, and nothing else."),
    option("--out", type=PATH, help="Where to write.  [runs/NNNN-data-NAME]"),
)
def data_command(what, as_json, **given):
    """A first look at PATH before anything is trained: what is there, and what goes with the class.

    PATH: a folder, a CSV, an .npz, or a dataset's name. Says items, classes, sizes, splits, groups, copies, what is
    left out and why, and which metadata go with the class (JPEG quality, size, EXIF, dates, scanner, further columns):
    by these a classifier can tell the classes without looking at what they show. Writes data.json, data.html,
    metadata.csv, skipped.csv and contact_sheet.png, and names the command that trains.
    """
    if as_json:
        return click.echo(json.dumps(_look(what, given)[0], indent=2))
    click.echo("xAAE: loading ...")
    with stoppable("nothing was written"), timed("Looking at the data"):
        results, folder, page = _look(what, given)
    from xaae.first_look.look_sentences import look_in_words

    click.echo(f"{look_in_words(results)}\nWritten: {folder}. Open {page}")


def _look(what, given):
    """(what data.json holds, the folder, the page) of a first look."""
    from xaae.cli.train import settings_of

    out = given.pop("out")
    asked = settings_of(given | {"dataset": what})
    check_own(asked, classes=False)
    from xaae import report
    from xaae.experiment.run_folder import plain_values
    from xaae.first_look.look_run import look

    results, folder = look(asked, out, report.write_look_page)
    return plain_values(results), folder, folder / report.LOOK_PAGE
