"""`tutorial`: the SHAP tutorial on CIFAR-10, from the data to the plots, in a folder of its own."""

import time
from pathlib import Path

import numpy as np
import torch
from fastai.torch_core import default_device
from matplotlib.figure import Figure

from xaae import data
from xaae import model as models
from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.settings import epochs_for
from xaae.experiment.vocabulary import PALETTE
from xaae.explain.tutorial_shap import ShapQuestion, explain_by_shap
from xaae.factors import bias
from xaae.sources import cifar10_files, picture_files
from xaae.training import convnet as lesson
from xaae.training.fitting import class_order, machine, seed_all, silence
from xaae.training.trained_run import TrainedRun, generator

SIZE, SEEN, FEWEST = 32, 25_000, 10  # pixels a side; pictures that training shows, but at least so many epochs
WEIGHTS = "convnet.safetensors"


def run_tutorial(
    dataset="auto",
    data_root=None,
    picture=None,
    explainer="deep",
    epochs=None,
    items=None,
    background=100,
    explained=4,
    seed=0,
    out=None,
    overwrite=False,
    command="",
):
    """Train the ConvNet, explain `explained` held-out items and `picture` by SHAP: (folder, what tutorial.json holds).

    Fills the folder with config.json, items.csv, history.csv, curves.png, convnet.safetensors, shap.npz, the plots
    and, last, tutorial.json. InputError, before anything is trained or written, for what makes no sense.
    """
    began = time.perf_counter()
    root = data_root or data.default_root()
    dataset, note = _choose(dataset, root)
    name = f"tutorial-{Path(dataset).stem.replace(':', '-')}-s{seed}"
    folder = run_folder.plan_folder(out, name, overwrite)
    print(f"Data: {note}")
    trained, own = prepare_tutorial(folder, dataset, root, picture, items, seed)
    question = _pose(trained, own, picture, background, explained)
    trained.config |= {"epochs": epochs or _usual_epochs(trained), "note": note, "picture": picture, "command": command}
    run_folder.make_folder(folder)
    run_folder.write_json(folder / "config.json", trained.config)
    trained.table.to_csv(folder / "items.csv", index=False)
    found = _train(trained)
    trained_by = time.perf_counter()
    network = models.load(folder / WEIGHTS).to(default_device())
    found |= explain_by_shap(network, question, trained.classes, folder, explainer, seed)
    found["seconds"] |= {"shap": time.perf_counter() - trained_by, "total": time.perf_counter() - began}
    run_folder.write_json(folder / "tutorial.json", trained.config | found)
    return folder, trained.config | found


def tutorial_in_words(found):
    """What came out, in a few lines."""
    numbers = "  ".join(f"{name} {found[f'valid_{name}']:.3f}" for name in ("accuracy", "precision", "recall"))
    seconds = "  ".join(f"{name} {n:.0f} s" for name, n in found["seconds"].items())
    told = [f"  {t['name']}: said {t['predicted']}, {t['probability']:.0%}" for t in found["told"]]
    return "\n".join([f"  held-out items: {numbers}", *told, f"  {seconds}"])


# ---- what it is done on -----------------------------------------------------------------------------------------


def _choose(dataset, root):
    """(dataset, one line that says which data it is): with `auto` a CIFAR-10 copy under `root`, else drawn pictures."""
    if dataset != "auto":
        return dataset, data.choose(dataset, root)[2]
    if place := cifar10_files.find_cifar10(root):
        return "cifar10", f"CIFAR-10, found in {place}."
    return "synthpets", f"synthpets, drawn here (no CIFAR-10 under {root}; fetch it, 170 MB, with --dataset cifar10)."


def prepare_tutorial(folder, dataset, root, picture, items, seed):
    """(a Scene of the items with nothing planted, the user's own picture (C, S, S) or None). InputError for either."""
    if picture and not Path(picture).is_file():
        raise InputError(f"There is no picture {picture}: give --picture a file that exists.")
    table = data.load_table(dataset, root, "random", items, SIZE, seed)
    channels = picture_files.guess_channels(list(table.path))
    own = picture_files.try_decode(picture, SIZE, channels) if picture else None
    if isinstance(own, str):
        raise InputError(f"{picture} cannot be read as a picture ({own}): give --picture a file such as PNG or JPEG.")
    table, found, skipped = picture_files.sift(table, SIZE, channels)
    if len(skipped):
        print(f"{len(skipped)} pictures cannot be read and are left out.")
    classes = class_order(table)
    nothing = bias.make_bias(classes, arm="normal")
    config = {"experiment": "tutorial", "dataset": dataset, "arm": "normal", "class_ranges": nothing.ranges}
    config |= {"classes": classes, "input_size": SIZE, "input_channels": channels, "seed": seed} | machine("fp32")
    return TrainedRun(folder, config, table, found), None if own is None else own.float() / 255


def _usual_epochs(trained):
    """As many epochs as show enough pictures."""
    return max(FEWEST, epochs_for(SEEN, len(trained.rows("train"))))


def _pose(trained, own, picture, background, explained):
    """The Question: `explained` held-out items, the classes in turn, after them the user's picture; as background
    `background` others that are held out, or as many as there are. InputError if hardly any are left for it."""
    rng, held = generator(trained.config, 5), trained.rows("valid")
    rows = trained.starts(explained, rng)
    rest = np.setdiff1d(held, rows)
    if len(rest) < 2:
        raise InputError(f"Only {len(held)} items are held out: give a smaller --explained or more --items.")
    others = np.sort(rng.choice(rest, min(background, len(rest)), replace=False))
    x, names = trained.upright(rows), list(trained.table.label.to_numpy()[rows])
    if own is not None:
        x, names, rows = torch.cat([x, own[None]]), [*names, Path(picture).name], np.append(rows, -1)
    return ShapQuestion(x, names, rows, trained.upright(others), others)


# ---- training ---------------------------------------------------------------------------------------------------


def _train(trained, quiet=False):
    """Train and save the ConvNet, with its history and curves; the last epoch's numbers for the JSON."""
    config, began, classes = trained.config, time.perf_counter(), len(trained.classes)
    seed_all(config["seed"])
    network = lesson.ConvNet(classes, config["input_channels"], config["input_size"])
    about = {"parameters": models.count_parameters(network), "items": trained.table.split.value_counts().to_dict()}
    dls = lesson.convnet_dataloaders(
        trained.pictures, trained.rows("train"), trained.rows("valid"), _targets(trained), 64, default_device()
    )
    print(f"ConvNet: {about['parameters']:,} weights, {config['epochs']} epochs of {about['items']['train']} items")
    learn = lesson.learner(dls, network, classes, trained.folder)
    with silence(learn, quiet):
        history = lesson.fit_convnet(learn, config["epochs"])
    models.save(network, trained.folder / WEIGHTS)
    history_figure(history).savefig(trained.folder / "curves.png", dpi=130, bbox_inches="tight")
    return about | history.iloc[-1].drop("epoch").to_dict() | {"seconds": {"training": time.perf_counter() - began}}


def _targets(trained):
    """The class number of every row (N,)."""
    return trained.table.label.map({name: k for k, name in enumerate(trained.classes)}).to_numpy()


NAMES = ("loss", "accuracy", "precision", "recall")
PARTS = {"training": "train", "validation": "valid"}


def history_figure(history, names=NAMES):
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
