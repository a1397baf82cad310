"""`report`: the page and the numbers of a run, made again from its files."""

import click

from xaae.cli.option_types import RUN


@click.command("report")
@RUN
def report_command(run):
    """Write report.html and summary.json of a RUN from its files."""
    write_run_page(run)


def write_run_page(folder):
    """Write the page of a run, print its opening sentences and where it is. InputError for what is no run."""
    from xaae import report

    page = report.write_report(folder)
    click.echo(report.summary_in_words(report.summarise(folder)))
    click.echo(f"Report: {page}")
