"""`tutorial`: the SHAP tutorial on CIFAR-10, from the data to the plots, in a folder of its own."""

import time
from pathlib import Path

import numpy as np
import torch
from fastai.torch_core import default_device

import bias
import cifar
import data
import model as models
import pictures
import runs
import tutorial as lesson
from commands.curves import curves
from commands.scene import Scene, generator
from commands.shap_plots import Question, explain
from commands.train import class_order, machine, seed_all, silence
from errors import InputError
from settings import epochs_for

SIZE, SEEN, FEWEST = 32, 25_000, 10  # pixels a side; pictures that training shows, but at least so many epochs
WEIGHTS = "convnet.safetensors"


def tutorial(
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
    dataset, note = choose(dataset, root)
    name = f"tutorial-{Path(dataset).stem.replace(':', '-')}-s{seed}"
    folder = runs.plan_folder(out, name, overwrite)
    print(f"Data: {note}")
    scene, own = prepare(folder, dataset, root, picture, items, seed)
    question = pose(scene, own, picture, background, explained)
    scene.config |= {"epochs": epochs or usual_epochs(scene), "note": note, "picture": picture, "command": command}
    runs.make_folder(folder)
    runs.write_json(folder / "config.json", scene.config)
    scene.table.to_csv(folder / "items.csv", index=False)
    found = train(scene)
    trained = time.perf_counter()
    network = models.load(folder / WEIGHTS).to(default_device())
    found |= explain(network, question, scene.classes, folder, explainer, seed)
    found["seconds"] |= {"shap": time.perf_counter() - trained, "total": time.perf_counter() - began}
    runs.write_json(folder / "tutorial.json", scene.config | found)
    return folder, scene.config | found


def in_words(found):
    """What came out, in a few lines."""
    numbers = "  ".join(f"{name} {found[f'valid_{name}']:.3f}" for name in ("accuracy", "precision", "recall"))
    seconds = "  ".join(f"{name} {n:.0f} s" for name, n in found["seconds"].items())
    told = [f"  {t['name']}: said {t['predicted']}, {t['probability']:.0%}" for t in found["told"]]
    return "\n".join([f"  held-out items: {numbers}", *told, f"  {seconds}"])


# ---- what it is done on -----------------------------------------------------------------------------------------


def choose(dataset, root):
    """(dataset, one line that says which data it is): with `auto` a CIFAR-10 copy under `root`, else drawn pictures."""
    if dataset != "auto":
        return dataset, data.choose(dataset, root)[2]
    if place := cifar.find(root):
        return "cifar10", f"CIFAR-10, found in {place}."
    return "synthpets", f"synthpets, drawn here (no CIFAR-10 under {root}; fetch it, 170 MB, with --dataset cifar10)."


def prepare(folder, dataset, root, picture, items, seed):
    """(a Scene of the items with nothing planted, the user's own picture (C, S, S) or None). InputError for either."""
    if picture and not Path(picture).is_file():
        raise InputError(f"There is no picture {picture}: give --picture a file that exists.")
    table = data.load_table(dataset, root, "random", items, SIZE, seed)
    channels = pictures.guess_channels(list(table.path))
    own = pictures.attempt(picture, SIZE, channels) if picture else None
    if isinstance(own, str):
        raise InputError(f"{picture} cannot be read as a picture ({own}): give --picture a file such as PNG or JPEG.")
    table, found, skipped = pictures.sift(table, SIZE, channels)
    if len(skipped):
        print(f"{len(skipped)} pictures cannot be read and are left out.")
    classes = class_order(table)
    nothing = bias.make_bias(classes, arm="normal")
    config = {"experiment": "tutorial", "dataset": dataset, "arm": "normal", "class_ranges": nothing.ranges}
    config |= {"classes": classes, "input_size": SIZE, "input_channels": channels, "seed": seed} | machine("fp32")
    return Scene(folder, config, table, found), None if own is None else own.float() / 255


def usual_epochs(scene):
    """As many epochs as show enough pictures."""
    return max(FEWEST, epochs_for(SEEN, len(scene.rows("train"))))


def pose(scene, own, picture, background, explained):
    """The Question: `explained` held-out items, the classes in turn, after them the user's picture; as background
    `background` others that are held out, or as many as there are. InputError if hardly any are left for it."""
    rng, held = generator(scene.config, 5), scene.rows("valid")
    rows = scene.starts(explained, rng)
    rest = np.setdiff1d(held, rows)
    if len(rest) < 2:
        raise InputError(f"Only {len(held)} items are held out: give a smaller --explained or more --items.")
    others = np.sort(rng.choice(rest, min(background, len(rest)), replace=False))
    x, names = scene.upright(rows), list(scene.table.label.to_numpy()[rows])
    if own is not None:
        x, names, rows = torch.cat([x, own[None]]), [*names, Path(picture).name], np.append(rows, -1)
    return Question(x, names, rows, scene.upright(others), others)


# ---- training ---------------------------------------------------------------------------------------------------


def train(scene, quiet=False):
    """Train and save the ConvNet, with its history and curves; the last epoch's numbers for the JSON."""
    config, began, classes = scene.config, time.perf_counter(), len(scene.classes)
    seed_all(config["seed"])
    network = lesson.ConvNet(classes, config["input_channels"], config["input_size"])
    about = {"parameters": models.parameters(network), "items": scene.table.split.value_counts().to_dict()}
    dls = lesson.dataloaders(
        scene.pictures, scene.rows("train"), scene.rows("valid"), targets(scene), 64, default_device()
    )
    print(f"ConvNet: {about['parameters']:,} weights, {config['epochs']} epochs of {about['items']['train']} items")
    learn = lesson.learner(dls, network, classes, scene.folder)
    with silence(learn, quiet):
        history = lesson.fit(learn, config["epochs"])
    models.save(network, scene.folder / WEIGHTS)
    curves(history).savefig(scene.folder / "curves.png", dpi=130, bbox_inches="tight")
    return about | history.iloc[-1].drop("epoch").to_dict() | {"seconds": {"training": time.perf_counter() - began}}


def targets(scene):
    """The class number of every row (N,)."""
    return scene.table.label.map({name: k for k, name in enumerate(scene.classes)}).to_numpy()
