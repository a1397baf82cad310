"""A navigated run, opened for the page: its Explorer, the starts of the gallery, and the words at the top."""

from xaae.app.explorer import Explorer
from xaae.app.fragments import PIXELS
from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.latent_nav import directions
from xaae.training.trained_run import open_trained_run

SHOWN = 12  # held-out items in the gallery
NEEDED = ("latents.npz", "directions.npz")


def check_navigated(run):
    """InputError unless `run` is a run folder that holds what `navigate` writes; nothing slow is done."""
    folder, _ = run_folder.open_run(run)
    for name in NEEDED:
        if not (folder / name).is_file():
            raise InputError(f"{folder} holds no {name}: run `python main.py navigate {folder}` first.")


def open_explorer(run):
    """(Explorer, TrainedRun) of a navigated run. InputError if it cannot be opened, or its items cannot be shown."""
    check_navigated(run)
    trained = open_trained_run(run)
    if trained.kind.name not in PIXELS:
        raise InputError(f"The page cannot show {trained.kind.plural} yet: give a run of {PICTURE.plural}.")
    z = run_folder.read_arrays(trained.folder / "latents.npz")["z"]
    labels, splits = trained.table.label.to_numpy(), trained.table.split.to_numpy()
    if len(z) != len(trained.table):
        raise InputError(f"{trained.folder} has {len(z)} codes for {len(trained.table)} items: navigate it again.")
    direction = discriminant_direction(trained, z, labels, splits == "train")
    return Explorer(trained.model(), trained.classes, z, labels, splits, trained.planted, direction), trained


def discriminant_direction(trained, z, labels, train):
    """The LDA Direction from the first class to the last: as `navigate` stored it, else fitted again.

    z (N, D), labels (N,), train (N,) bool. It is fitted again where `navigate` had no lda or another contrast.
    """
    contrast = directions.contrast("", trained.classes)
    stored, path = run_folder.read_arrays(trained.folder / "directions.npz"), trained.folder / "navigate.json"
    about = run_folder.read_json(path).get("directions", {}).get("lda", {}) if path.is_file() else {}
    if "lda.direction" in stored and about.get("contrast", str(contrast)) == str(contrast):
        return directions.Direction("lda", stored["lda.direction"], float(stored["lda.scale"]), "lda")
    return directions.fit_directions(contrast.evidence(z[train], labels[train], trained.classes), ["lda"])[0]


def heading(trained):
    """(title, lines): what the page is called, what it does, and what the run is."""
    config, kind = trained.config, trained.kind.name
    ranges = ", ".join(f"{label} {low:g} to {high:g}" for label, (low, high) in config.ranges.items())
    planted = f"{trained.factor.name} planted: {ranges} {trained.factor.unit}"
    lines = [
        f"Choose a {kind}, move its code, and see what the decoder draws and what the model says of it.",
        f"{config.dataset}, arm {config.arm}; {'nothing planted' if config.arm == 'normal' else planted}.",
    ]
    return f"Explore {trained.folder.resolve().name}", lines
