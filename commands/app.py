"""`app RUN`: a page on this machine to explore a trained and navigated run."""

import os
import socket
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from zipfile import BadZipFile

import numpy as np

import runs
from commands.scene import generator, open_scene
from errors import InputError
from latent_nav import directions

SHOWN = 12  # held-out pictures in the gallery


def app(run, port=7860, browser=True):
    """Serve the page of a run on 127.0.0.1 until Ctrl-C.

    InputError if the run is none or not navigated, Gradio is missing, or the port is taken.
    """
    check(run, port)
    from app import page

    scene = open_scene(run)
    rng = generator(scene.config, 9)
    with TemporaryDirectory(prefix="xaae-app-") as cache:
        os.environ["GRADIO_TEMP_DIR"] = cache  # uploads and thumbnails end with the page
        blocks = page.build(explorer(scene), scene.starts(SHOWN, rng), title(scene), lines(scene), rng)
        page.serve(blocks, port, browser)


def check(run, port):
    """InputError unless everything is there that the page needs; nothing slow is done yet."""
    folder, _ = runs.open_run(run)
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
            raise InputError(f"Port {port} cannot be used ({why}): choose another, such as --port {nearby()}.") from e


def nearby():
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def explorer(scene):
    """The Explorer of a run with the codes and the discriminant direction that `navigate` found."""
    from app.explorer import Explorer

    z = read(scene.folder / "latents.npz")["z"]
    labels, splits = scene.table.label.to_numpy(), scene.table.split.to_numpy()
    if len(z) != len(scene.table):
        raise InputError(f"{scene.folder} has {len(z)} codes for {len(scene.table)} items: navigate it again.")
    way = discriminant(scene, z, labels, splits == "train")
    return Explorer(scene.model(), scene.classes, z, labels, splits, scene.planted, way)


def discriminant(scene, z, labels, train):
    """The lda direction from the first class to the last: what `navigate` stored, or fitted if it walked elsewhere."""
    between, stored = directions.contrast("", scene.classes), read(scene.folder / "directions.npz")
    path = scene.folder / "navigate.json"
    told = runs.read_json(path).get("directions", {}).get("lda", {}) if path.is_file() else {}
    if "lda.direction" in stored and told.get("contrast", str(between)) == str(between):
        return directions.Direction("lda", stored["lda.direction"], float(stored["lda.scale"]), "lda")
    return directions.fit_directions(between.evidence(z[train], labels[train], scene.classes), ["lda"])[0]


def read(path):
    """The arrays of an .npz file by name. InputError if it is broken."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, BadZipFile) as e:
        raise InputError(f"{path} cannot be read ({e}): run `python main.py navigate {path.parent}` again.") from e


def title(scene):
    """The page's title."""
    return f"Explore {scene.folder.resolve().name}"


def lines(scene):
    """What the run is, and what the page does, in two sentences."""
    planted = ", ".join(f"{c} {low:g} to {high:g}" for c, (low, high) in scene.config["ranges"].items())
    what = "nothing planted" if scene.config["arm"] == "normal" else f"{scene.factor.name} planted: {planted}"
    unit = "" if scene.config["arm"] == "normal" else f" {scene.factor.unit}"
    return [
        "Take a picture, move its code, and see what the decoder draws of it and what the model then says.",
        f"{scene.config['dataset']}, arm {scene.config['arm']}; {what}{unit}.",
    ]
