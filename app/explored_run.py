"""A navigated run, opened for the page: its Explorer, its ChangedItems, what its scan says, the words at the top."""

import numpy as np
import torch

from xaae import model as models
from xaae.app.changed_items import ChangedItems
from xaae.app.explorer import Explorer
from xaae.experiment import run_folder
from xaae.experiment.device import autocast_in, device_of
from xaae.experiment.errors import InputError
from xaae.experiment.factor_questions import verdict_of
from xaae.experiment.tasks import LABELS, SEVERITY, TASKS
from xaae.latent_nav import directions
from xaae.latent_nav.contrasts import contrast
from xaae.latent_nav.led_walks import open_leader
from xaae.latent_nav.plots import drawing_of
from xaae.scan.verdicts import CANNOT_TELL, NOT_USED, USED
from xaae.sources.items import reading_options
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
    drawing = drawing_of(trained.config)
    z = run_folder.read_arrays(trained.folder / "latents.npz")["z"]
    labels, splits = trained.table.label.to_numpy(), trained.table.split.to_numpy()
    if len(z) != len(trained.table):
        raise InputError(f"{trained.folder} has {len(z)} codes for {len(trained.table)} items: navigate it again.")
    sides, train = navigated_contrast(trained), splits == "train"
    model, direction = trained.model(), discriminant_direction(trained, sides, z[train], labels[train])
    ways = [direction, *led_directions(trained, sides, model)]
    explorer = Explorer(model, sides, z, labels, splits, trained.planted, ways)
    explorer.drawing, explorer.rate = drawing, trained.config.rate
    explorer.reading = reading_options(trained.kind, trained.config)
    return explorer, trained


def navigated_contrast(trained):
    """The Contrast that the run was navigated with; from the first class to the last where nothing is known of it."""
    return contrast(_navigation_of(trained).get("options", {}).get("contrast", ""), trained.classes)


def _navigation_of(trained):
    """What navigate.json holds, {} where there is none."""
    path = trained.folder / "navigate.json"
    return run_folder.read_json(path) if path.is_file() else {}


def discriminant_direction(trained, sides, z, labels):
    """The Direction of the run's task between the sides of a Contrast: as `navigate` stored it, else fitted again.

    z (M, D), labels (M,): of the training items. LDA of classes and labels, ridge regression of a severity. It is
    fitted again where `navigate` had none or another contrast.
    """
    stored, name = run_folder.read_arrays(trained.folder / "directions.npz"), TASKS[trained.config.task].direction
    about = _navigation_of(trained).get("directions", {}).get(name, {})
    if f"{name}.direction" in stored and about.get("contrast", str(sides)) == str(sides):
        return directions.Direction(name, stored[f"{name}.direction"], float(stored[f"{name}.scale"]), name)
    numbers = trained.numbers(np.flatnonzero(trained.table.split == "train"))
    return directions.fit_directions(sides.evidence(z, labels, numbers=numbers), [name])[0]


def led_directions(trained, sides, model):
    """The Directions between the sides of a Contrast that `navigate` stored and that a classifier leads.

    model: the run's AAE. Those whose classifier cannot be opened any more are left out.
    """
    stored, found = run_folder.read_arrays(trained.folder / "directions.npz"), []
    for name, about in _navigation_of(trained).get("directions", {}).items():
        if not about.get("leader") or f"{name}.direction" not in stored or about.get("contrast") != str(sides):
            continue
        of = about["leader"]["function"] or about["leader"]["name"]
        try:
            leader = open_leader(trained, of, model, trained.planted(trained.rows("valid")[:2]))
        except InputError as e:
            print(f"The slider {name} is left out: {e}")
            continue
        vector, scale = stored[f"{name}.direction"], float(stored[f"{name}.scale"])
        found.append(directions.Direction(name, vector, scale, about["kind"], leader=leader))
    return found


def open_changed_items(trained, aae=None):
    """The ChangedItems of a trained run, answered by each model that it has. aae: its AAE, if it is open already."""
    opened = {name: aae if name == "aae" and aae is not None else trained.model(name) for name in trained.model_names()}
    answers = {name: answering(model, trained.config.precision) for name, model in opened.items()}
    table, channels = trained.table.value.to_numpy(), trained.config.input_channels
    return ChangedItems(answers, trained.classes, trained.kind, channels, trained.upright, table, trained.bias,
                        drawing_of(trained.config))  # fmt: skip


def answering(model, precision):
    """x (B, C, *places) -> probabilities (B, K) on the CPU, in the precision in which a scan asks."""
    device = device_of(model)

    @torch.inference_mode()
    def answer(x):
        with autocast_in(precision):
            logits = models.classify(model, x.to(device))
        return logits.float().softmax(1).cpu()

    return answer


def scan_verdicts(trained):
    """What scan.json tells of the run's own models: {factor: {model: verdict}}; {} if they were not scanned."""
    path, found = trained.folder / "scan.json", {}
    try:
        scanned = run_folder.read_json(path)["models"] if path.is_file() else {}
        for name in trained.model_names():
            for row in scanned.get(name, {"factors": []})["factors"]:
                if row["used"] in (USED, NOT_USED, CANNOT_TELL):
                    found.setdefault(row["factor"], {})[name] = verdict_of(row)
    except (InputError, LookupError, TypeError, AttributeError):  # a file that is broken, or of something else
        return {}
    return found


ABOUT_TARGET = {  # task -> Target -> lines on what the probabilities are of, where there are no classes
    SEVERITY.name: lambda target: [
        f"Each item has a number, {target.noun}; a probability of {target.classes[1]} is that of a number above the "
        f"median, {target.middle:.4g}."
    ],
    LABELS.name: lambda target: [
        f"Each item has several labels; the probabilities are those of the first one, {target.names[0]}."
    ],
}


def heading(trained):
    """(title, lines): what the page is called, what it does, and what the run is."""
    config, kind = trained.config, trained.kind.name
    ranges = ", ".join(f"{label} {low:g} to {high:g}" for label, (low, high) in config.ranges.items())
    planted = f"{trained.factor.name} planted: {ranges} {trained.factor.unit}"
    lines = [
        f"Choose a {kind}, move its code, and see what the decoder draws and what the model says of it. Below, change "
        f"one thing in the {kind} itself.",
        f"{config.dataset}, arm {config.arm}; {'nothing planted' if config.arm == 'normal' else planted}.",
        *ABOUT_TARGET.get(config.task, lambda _: [])(trained.target),
    ]
    return f"Explore {trained.folder.resolve().name}", lines
