"""`app RUN`: a page on this machine to explore a trained and navigated run."""

import os
import socket
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from zipfile import BadZipFile

import numpy as np

from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.seeds import generator
from xaae.latent_nav import directions
from xaae.training.trained_run import open_trained_run

SHOWN = 12  # held-out pictures in the gallery


def serve_explorer(run, port=7860, browser=True):
    """Serve the page of a run on 127.0.0.1 until Ctrl-C.

    InputError if the run is none or not navigated, Gradio is missing, or the port is taken.
    """
    _check(run, port)
    from xaae.app import page

    trained = open_trained_run(run)
    rng = generator(trained.config.seed, 9)
    with TemporaryDirectory(prefix="xaae-app-") as cache:
        os.environ["GRADIO_TEMP_DIR"] = cache  # uploads and thumbnails end with the page
        blocks = page.build_page(_explorer(trained), trained.starts(SHOWN, rng), _title(trained), _lines(trained), rng)
        page.serve(blocks, port, browser)


def _check(run, port):
    """InputError unless everything is there that the page needs; nothing slow is done yet."""
    folder, _ = run_folder.open_run(run)
    for name in ("latents.npz", "directions.npz"):
        if not (folder / name).is_file():
            raise InputError(f"{folder} holds no {name}: run `python main.py navigate {folder}` first.")
    if find_spec("gradio") is None:
        raise InputError('The page needs Gradio, which is not installed: run `pip install -e ".[app]"`.')
    check_port(port)


def check_port(port):
    """InputError if this machine's `port` is in use or not ours to use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as e:
            why = getattr(e, "strerror", None) or str(e)
            raise InputError(f"Port {port} cannot be used ({why}): choose another, such as --port {_nearby()}.") from e


def _nearby():
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _explorer(trained):
    """The Explorer of a run with the codes and the discriminant direction that `navigate` found."""
    from xaae.app.explorer import Explorer

    z = _read(trained.folder / "latents.npz")["z"]
    labels, splits = trained.table.label.to_numpy(), trained.table.split.to_numpy()
    if len(z) != len(trained.table):
        raise InputError(f"{trained.folder} has {len(z)} codes for {len(trained.table)} items: navigate it again.")
    way = discriminant(trained, z, labels, splits == "train")
    return Explorer(trained.model(), trained.classes, z, labels, splits, trained.planted, way)


def discriminant(trained, z, labels, train):
    """The lda direction from the first class to the last: what `navigate` stored, or fitted if it walked elsewhere."""
    between, stored = directions.contrast("", trained.classes), _read(trained.folder / "directions.npz")
    path = trained.folder / "navigate.json"
    told = run_folder.read_json(path).get("directions", {}).get("lda", {}) if path.is_file() else {}
    if "lda.direction" in stored and told.get("contrast", str(between)) == str(between):
        return directions.Direction("lda", stored["lda.direction"], float(stored["lda.scale"]), "lda")
    return directions.fit_directions(between.evidence(z[train], labels[train], trained.classes), ["lda"])[0]


def _read(path):
    """The arrays of an .npz file by name. InputError if it is broken."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, BadZipFile) as e:
        raise InputError(f"{path} cannot be read ({e}): run `python main.py navigate {path.parent}` again.") from e


def _title(trained):
    """The page's title."""
    return f"Explore {trained.folder.resolve().name}"


def _lines(trained):
    """What the run is, and what the page does, in two sentences."""
    planted = ", ".join(f"{c} {low:g} to {high:g}" for c, (low, high) in trained.config.ranges.items())
    what = "nothing planted" if trained.config.arm == "normal" else f"{trained.factor.name} planted: {planted}"
    unit = "" if trained.config.arm == "normal" else f" {trained.factor.unit}"
    return [
        "Take a picture, move its code, and see what the decoder draws of it and what the model then says.",
        f"{trained.config.dataset}, arm {trained.config.arm}; {what}{unit}.",
    ]
