"""`app`: a page on this machine to explore a run."""

import click

from xaae.cli.option_types import MOVED, RUN, option, with_options


@click.command("app")
@with_options(
    RUN,
    MOVED,
    option("--port", type=click.IntRange(1, 65535), default=7860, help="Port on 127.0.0.1."),
    option("--browser/--no-browser", default=True, help="Open the page in the browser."),
)
def app_command(run, data_root, port, browser):
    """Explore a trained and navigated RUN: a page on 127.0.0.1 with sliders, meters and your own items."""
    from xaae.app.serving import serve_explorer

    serve_explorer(run, port, browser, data_root)
