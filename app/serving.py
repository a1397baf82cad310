"""The page of a run on this machine: its port is checked, it is built, and served until Ctrl-C."""

import logging
import os
import socket
import threading
from importlib.util import find_spec
from tempfile import TemporaryDirectory

from xaae.app.explored_run import SHOWN, check_navigated, heading, open_changed_items, open_explorer, scan_verdicts
from xaae.experiment.errors import InputError
from xaae.experiment.seeds import generator

ADDRESS = "127.0.0.1"
LARGEST_FILE = 500 * 2**20  # bytes, above which a file is not even stored to be looked at


def serve_explorer(run, port=7860, browser=True, data_root=None):
    """Serve the page of a run on 127.0.0.1 until Ctrl-C.

    data_root: where the run's items are now, if they were moved. InputError if the run is none or not navigated, Gradio
    is missing, or the port is taken.
    """
    check_navigated(run)
    if find_spec("gradio") is None:
        raise InputError('The page needs Gradio, which is not installed: run `pip install -e ".[app]"`.')
    check_port(port)
    explorer, trained = open_explorer(run, data_root)
    changes = open_changed_items(trained, explorer.model)
    rng = generator(trained.config.seed, "page")
    with TemporaryDirectory(prefix="xaae-app-") as cache:
        _prepare_gradio(cache)
        from xaae.app.changed_page import FactorPart
        from xaae.app.page import Page, build_page

        page = Page(explorer, trained.starts(SHOWN, rng), rng, factors=FactorPart(changes, scan_verdicts(trained)))
        _serve(build_page(page, *heading(trained), trained.folder), port, browser)


def check_port(port):
    """InputError if this machine's `port` is in use or not ours to use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except (OSError, OverflowError) as e:
            why = getattr(e, "strerror", None) or str(e)
            other = f"choose another, such as --port {_free_port()}"
            raise InputError(f"Port {port} cannot be used ({why}): {other}.") from e


def _free_port():
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]


def _prepare_gradio(cache):
    """Before Gradio is imported: it reports nothing, keeps its files in `cache`, and reaches itself without a proxy."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = cache  # uploads and thumbnails are deleted with the folder
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), ADDRESS]))


def _serve(blocks, port, browser):
    """Show a gr.Blocks on the loopback address until Ctrl-C."""
    from xaae.app.page_style import CSS, page_theme

    blocks.launch(
        server_name=ADDRESS, server_port=port, inbrowser=browser, share=False, quiet=True, prevent_thread_lock=True,
        footer_links=[], max_file_size=LARGEST_FILE, theme=page_theme(), css=CSS,
    )  # fmt: skip
    try:
        print(f"Explore: http://{ADDRESS}:{port}  (Ctrl-C ends it)", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        print()
    finally:
        logging.getLogger("uvicorn.error").disabled = True
        blocks.server.force_exit = True  # do not wait for pages that are still open
        blocks.close(verbose=False)
