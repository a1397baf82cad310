"""A navigated run, opened for the page: its Explorer, the starts of the gallery, and the words at the top."""

from xaae.app.explorer import Explorer
from xaae.app.fragments import PIXELS
from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.latent_nav import directions
from xaae.latent_nav.contrasts import contrast
from xaae.training.trained_run import open_trained_run

SHOWN = 12  # held-out items in the gallery
NEEDED = ("latents.npz", "directions.npz")


def check_navigated(run):
    """InputError unless `run` is a run folder that holds what `navigate` writes; nothing slow is done."""
    folder, _ = run_folder.open_run(run)
    for name in NEEDED:
        if not (folder / name).is_file():
            raise InputError(f"{folder} holds no {name}: run `python main.py navigate {folder}` first.")


def open_explorer(run, data_root=None):
    """(Explorer, TrainedRun) of a navigated run. InputError if it cannot be opened, or its items cannot be shown."""
    check_navigated(run)
    trained = open_trained_run(run, data_root=data_root)
    if trained.kind.name not in PIXELS:
        raise InputError(f"The page cannot show {trained.kind.plural} yet: give a run of {PICTURE.plural}.")
    z = run_folder.read_arrays(trained.folder / "latents.npz")["z"]
    labels, splits = trained.table.label.to_numpy(), trained.table.split.to_numpy()
    if len(z) != len(trained.table):
        raise InputError(f"{trained.folder} has {len(z)} codes for {len(trained.table)} items: navigate it again.")
    sides, train = navigated_contrast(trained), splits == "train"
    direction = discriminant_direction(trained, sides, z[train], labels[train])
    return Explorer(trained.model(), sides, z, labels, splits, trained.planted, direction), trained


def navigated_contrast(trained):
    """The Contrast that the run was navigated with; from the first class to the last where nothing is known of it."""
    return contrast(_navigation_of(trained).get("options", {}).get("contrast", ""), trained.classes)


def _navigation_of(trained):
    """What navigate.json holds, {} where there is none."""
    path = trained.folder / "navigate.json"
    return run_folder.read_json(path) if path.is_file() else {}


def discriminant_direction(trained, sides, z, labels):
    """The LDA Direction between the sides of a Contrast: as `navigate` stored it, else fitted again.

    z (M, D), labels (M,): of the training items. It is fitted again where `navigate` had no lda or another contrast.
    """
    stored = run_folder.read_arrays(trained.folder / "directions.npz")
    about = _navigation_of(trained).get("directions", {}).get("lda", {})
    if "lda.direction" in stored and about.get("contrast", str(sides)) == str(sides):
        return directions.Direction("lda", stored["lda.direction"], float(stored["lda.scale"]), "lda")
    return directions.fit_directions(sides.evidence(z, labels), ["lda"])[0]


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
