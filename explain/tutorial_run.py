"""`tutorial`: the SHAP tutorial on CIFAR-10, from the data to the plots, in a folder of its own."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from fastai.torch_core import default_device
from matplotlib.figure import Figure

from xaae import data
from xaae import model as models
from xaae.experiment import run_folder
from xaae.experiment.device import machine_facts
from xaae.experiment.errors import InputError
from xaae.experiment.figure_style import save_png
from xaae.experiment.seeds import generator, seed_all
from xaae.experiment.settings import epochs_for
from xaae.experiment.text_tables import write_texts
from xaae.experiment.vocabulary import PALETTE
from xaae.explain.tutorial_shap import ShapQuestion, explain_by_shap
from xaae.factors.bias import make_bias
from xaae.sources import cifar10_files, picture_files
from xaae.sources.path_lists import read_pictures
from xaae.training import convnet
from xaae.training.fitting import silence
from xaae.training.preparation import class_order
from xaae.training.trained_run import TrainedRun

SIZE, SEEN, FEWEST = 32, 25_000, 10  # pixels a side; pictures that training shows; but at least so many epochs
WEIGHTS = "convnet.safetensors"
MEASURES = ("loss", "accuracy", "precision", "recall")  # columns of history.csv, after train_ and valid_
PARTS = {"training": "train", "validation": "valid"}  # legend: beginning of a column's name


@dataclass(frozen=True)
class TutorialConfig:
    """The settings of a tutorial, completed by its data and its machine: what its config.json holds."""

    experiment: str
    dataset: str
    arm: str
    class_ranges: dict
    classes: list
    input_size: int
    input_channels: int
    seed: int
    device: str
    precision: str
    versions: dict
    epochs: int
    note: str
    picture: str | None
    command: str


def run_tutorial(settings, command=""):
    """Train the ConvNet, explain held-out items and a picture file by SHAP: (folder, what tutorial.json holds).

    settings: TutorialSettings. command: as typed. Fills the folder with config.json, items.csv, history.csv,
    curves.png, convnet.safetensors, shap.npz, the plots and, last, tutorial.json. InputError, before anything is
    trained or written, for settings that do not fit.
    """
    began = time.perf_counter()
    trained, question = _prepare(settings, command)
    if not settings.out:
        trained.folder = run_folder.claim_folder(trained.folder)
    with run_folder.new_run(trained.folder, settings.overwrite):
        return trained.folder, _fill(trained, question, settings, began)


def _fill(trained, question, settings, began):
    """Write everything into the folder; what tutorial.json holds."""
    _write_settings(trained)
    results = _train(trained)
    shap_began = time.perf_counter()
    network = models.load(trained.folder / WEIGHTS).to(default_device())
    results |= explain_by_shap(
        network, question, trained.classes, trained.folder, settings.explainer, trained.config.seed
    )
    results["seconds"] |= {"shap": time.perf_counter() - shap_began, "total": time.perf_counter() - began}
    results = asdict(trained.config) | results
    run_folder.write_json(trained.folder / "tutorial.json", results)
    return results


def tutorial_in_words(results):
    """The results of a tutorial in a few lines."""
    numbers = "  ".join(f"{name} {results[f'valid_{name}']:.3f}" for name in MEASURES[1:])
    seconds = "  ".join(f"{name} {n:.0f} s" for name, n in results["seconds"].items())
    items = [f"  {t['name']}: said {t['predicted']}, {t['probability']:.0%}" for t in results["told"]]
    return "\n".join([f"  held-out items: {numbers}", *items, f"  {seconds}"])


# ---- data and question ------------------------------------------------------------------------------------------


def _prepare(settings, command):
    """(TrainedRun of the items, nothing planted and nothing trained yet; ShapQuestion). Nothing is written.

    InputError for settings that do not fit.
    """
    root = settings.data_root or data.default_root()
    dataset, note = _choose(settings.dataset, root)
    name = f"tutorial-{Path(dataset).stem.replace(':', '-')}-s{settings.seed}"
    folder = run_folder.plan_folder(settings.out, name, settings.overwrite)
    print(f"Data: {note}")
    table, pictures, own = _read_pictures(dataset, root, settings)
    epochs = settings.epochs or max(FEWEST, epochs_for(SEEN, int((table.split == "train").sum())))
    choices = {"epochs": epochs, "note": note, "picture": settings.picture, "command": command}
    trained = TrainedRun(folder, _config_of(table, pictures, dataset, settings.seed, **choices), table, pictures)
    return trained, _pose(trained, own, settings)


def _choose(dataset, root):
    """(dataset, one line that says which data it is): with `auto` a CIFAR-10 copy under `root`, else drawn pictures."""
    if dataset != "auto":
        return dataset, data.choose(dataset, root)[2]
    if place := cifar10_files.find_cifar10(root):
        return "cifar10", f"CIFAR-10, found in {place}."
    return "synthpets", f"synthpets, drawn here (no CIFAR-10 under {root}; fetch it, 170 MB, with --dataset cifar10)."


def _read_pictures(dataset, root, settings):
    """(table, its Pictures, the user's own picture (1, C, S, S) or None). InputError for data that cannot be read."""
    picture = settings.picture
    if picture and not Path(picture).is_file():
        raise InputError(f"There is no picture {picture}: give --picture a file that exists.")
    table = data.load_table(dataset, root, "random", settings.items, SIZE, settings.seed)
    channels = picture_files.picture_channels(list(table.path))
    own, reasons = read_pictures([str(picture)], SIZE, channels) if picture else (None, [""])
    if reason := reasons[0]:
        raise InputError(
            f"{picture} cannot be read as a picture ({reason}): give --picture a file such as PNG or JPEG."
        )
    table, pictures, skipped = picture_files.open_pictures(table, SIZE, channels)
    if len(skipped):
        print(f"{len(skipped)} pictures cannot be read and are left out.")
    return table, pictures, own


def _config_of(table, pictures, dataset, seed, **choices):
    """The TutorialConfig: nothing is planted, arithmetic is in full precision."""
    classes = class_order(table)
    data_facts = {"classes": classes, "input_size": SIZE, "input_channels": pictures.channels, "seed": seed}
    ranges = make_bias(classes, arm="normal").ranges
    return TutorialConfig("tutorial", dataset, "normal", ranges, **data_facts, **machine_facts("fp32"), **choices)


def _pose(trained, own, settings):
    """The ShapQuestion: a few held-out items, the classes in turn, then the user's own picture (1, C, S, S), if any.

    Its background is other held-out items. InputError if there are fewer than 2.
    """
    rng, held_out = generator(trained.config.seed, "tutorial"), trained.rows("valid")
    rows = trained.starts(settings.explained, rng)
    rest = np.setdiff1d(held_out, rows)
    if len(rest) < 2:
        raise InputError(f"Only {len(held_out)} items are held out: give a smaller --explained or more --items.")
    others = np.sort(rng.choice(rest, min(settings.background, len(rest)), replace=False))
    x, names = trained.upright(rows), list(trained.table.label.to_numpy()[rows])
    if own is not None:
        x, names, rows = torch.cat([x, own]), [*names, Path(settings.picture).name], np.append(rows, -1)
    return ShapQuestion(x, names, rows, trained.upright(others), others)


def _write_settings(trained):
    """Write config.json and items.csv."""
    run_folder.write_json(trained.folder / "config.json", asdict(trained.config))
    write_texts(trained.table, trained.folder / "items.csv")


# ---- training ---------------------------------------------------------------------------------------------------


def _train(trained, quiet=False):
    """Train and save the ConvNet with its history and curves; the numbers of the last epoch, for tutorial.json."""
    config, began, classes = trained.config, time.perf_counter(), len(trained.classes)
    seed_all(config.seed)
    network = convnet.ConvNet(classes, config.input_channels, config.input_size)
    facts = {"parameters": models.count_parameters(network), "items": trained.table.split.value_counts().to_dict()}
    dls = _dataloaders(trained)
    print(f"ConvNet: {facts['parameters']:,} weights, {config.epochs} epochs of {facts['items']['train']} items")
    learn = convnet.learner(dls, network, classes, trained.folder)
    with silence(learn, quiet):
        history = convnet.fit_convnet(learn, config.epochs)
    models.save(network, trained.folder / WEIGHTS)
    save_png(_history_figure(history), trained.folder / "curves.png", dpi=130, bbox_inches="tight")
    return facts | history.iloc[-1].drop("epoch").to_dict() | {"seconds": {"training": time.perf_counter() - began}}


def _dataloaders(trained):
    """fastai DataLoaders of the training and held-out items with their class numbers."""
    targets = trained.table.label.map({name: k for k, name in enumerate(trained.classes)}).to_numpy()
    train, valid = trained.rows("train"), trained.rows("valid")
    return convnet.convnet_dataloaders(trained.items, train, valid, targets, 64, default_device())


def _history_figure(history, names=MEASURES):
    """A Figure of a history with the columns epoch, train_NAME and valid_NAME: a panel for each name."""
    figure = Figure(figsize=(2.6 * len(names), 2.3), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(names)), names, strict=True):
        for (label, part), colour in zip(PARTS.items(), PALETTE, strict=False):
            ax.plot(history.epoch, history[f"{part}_{name}"], ".-", color=colour, label=label)
        ax.set(title=name, xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    return figure
