"""`train`: data and settings in; a run folder with its table, both trained models and their histories out."""

import re
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pandas as pd
from fastai.torch_core import default_device, set_seed

from xaae import data
from xaae import model as models
from xaae.callbacks import huber
from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.settings import BASELINE_SEEN, SEEN, epochs_for, native_size
from xaae.factors import bias
from xaae.factors.registry import FACTORS
from xaae.sources import picture_files
from xaae.training import learner, thesis

FEWEST_STEPS = 100  # fewer leave an autoencoder about where it began
PACKAGES = ("torch", "torchvision", "fastai", "fastcore", "torchmetrics", "scikit-learn", "captum", "numpy")


@dataclass
class Prepared:
    """Everything checked and ready to train: the planted table, its pictures, and the completed settings."""

    table: pd.DataFrame
    pictures: picture_files.Pictures
    planted: bias.Bias
    skipped: pd.DataFrame
    settings: dict


def _is_own(dataset):
    """Is this the user's own folder or CSV, where nothing is planted unasked?"""
    name = dataset.partition(":")[0]
    return name == "folder" or (name not in [*data.DATASETS, "auto"] and Path(dataset).exists())


def resolve(settings):
    """Settings with `auto` replaced by the dataset it stands for, and the arm chosen where none was asked for."""
    root = settings.get("data_root") or data.default_root()
    name, _, note = data.choose(settings["dataset"], root)
    dataset = name if settings["dataset"] == "auto" else settings["dataset"]
    arm = settings.get("arm") or ("normal" if _is_own(dataset) else "biased")
    return settings | {"dataset": dataset, "arm": arm, "dataset_note": note}


def _run_name(settings):
    """What a numbered run folder is called after its number: dataset, arm and seed."""
    name = re.sub(
        r"[^\w-]+", "-", Path(settings["dataset"]).stem if _is_own(settings["dataset"]) else settings["dataset"]
    )
    factor = "" if settings["factor"] == "rotation" else f"-{settings['factor']}"
    return f"{name}{factor}-{settings['arm']}-s{settings['seed']}"


def seed_all(seed):
    """The one place where the global seeds are set."""
    set_seed(seed)


plan, make = run_folder.plan_folder, run_folder.make_folder


def class_order(table):
    """The classes in the order of the table's own numbers where there are some, else by name."""
    return sorted(table.label.unique(), key=lambda c: (not c.isdigit(), int(c) if c.isdigit() else 0, c))


def prepare_training(settings):
    """Read, check and plant the data; InputError before anything is written if they make no sense."""
    size = settings.get("size") or native_size(settings["dataset"])
    models.check_size(size)
    root = settings.get("data_root") or data.default_root()
    print(f"Data: {settings['dataset_note']}")
    seed = settings.get("data_seed", settings["seed"])
    table = data.load_table(settings["dataset"], root, settings["split"], settings["items"], size, seed)
    channels = settings.get("channels") or picture_files.guess_channels(list(table.path))
    if channels not in picture_files.MODES:
        raise InputError(f"--channels {channels} is no kind of picture: use 1 (grey), 3 (colour) or 4 (with alpha).")
    table, pixels, skipped = picture_files.sift(table, size, channels)
    classes = class_order(table)
    if FACTORS[settings["factor"]].needs_colour and channels < 3:
        raise InputError(f"A {settings['factor']} cannot be planted in grey pictures: use another --factor.")
    planted = _make_bias(classes, settings)
    about = {"input_size": size, "input_channels": channels, "classes": classes}
    about |= {
        "ranges": {c: planted.of(c) for c in classes},
        "class_ranges": planted.ranges,
        "factor_about": FACTORS[planted.factor].about(),
    }
    about |= _lengths(settings, table) | machine(settings["precision"])
    _make_aae(settings | about)  # refuses sizes that make no sense before anything is written
    steps = about["epochs"] * int((table.split == "train").sum()) // settings["batch_size"]
    if steps < FEWEST_STEPS:
        print(f"Only about {steps} training steps: little will be learned; give more items or more --epochs.")
    if settings.get("label_noise"):
        table = bias.mislabel(table, settings["label_noise"], seed)
    if len(skipped):
        print(f"{len(skipped)} pictures cannot be read and are left out; skipped.csv in the run folder lists them.")
    return Prepared(data.plant(table, planted, settings["seed"]), pixels, planted, skipped, settings | about)


def _make_bias(classes, settings):
    """The bias that the settings ask for."""
    amount = settings.get("strength", 1.0), settings.get("contamination", 1.0)
    return bias.make_bias(
        classes, settings.get("ranges"), settings["arm"], settings["fill"], settings["factor"], *amount
    )


def _lengths(settings, table):
    """Epochs of both models: as asked, or by the number of training items."""
    n = int((table.split == "train").sum())
    return {
        "epochs": settings.get("epochs") or epochs_for(SEEN, n),
        "baseline_epochs": epochs_for(BASELINE_SEEN, n)
        if settings.get("baseline_epochs") is None
        else settings["baseline_epochs"],
    }


def machine(precision):
    """Where the run happens: device, precision, versions."""
    device = default_device()
    versions = {name: metadata.version(name) for name in PACKAGES} | {"python": sys.version.split()[0]}
    fast = learner.fast_precision(device) if precision == "auto" else precision
    return {"device": device.type, "precision": fast, "versions": versions}


def _make_aae(s):
    """The AAE that the settings ask for, with its stages and its game."""
    kind = thesis.ThesisAAE if s["architecture"] == "thesis" else models.AAE
    shape = (s["input_size"], s["input_channels"], s["encoding_dims"], s["step_channels"])
    noise = {} if s["architecture"] == "thesis" else {"noise": s["noise"]}
    aae = kind(*shape, classes=len(s["classes"]), prior=s["prior"], **noise)
    if s["architecture"] == "thesis":
        return aae, thesis.thesis_stages(s["epochs"]), thesis.thesis_game(), huber
    weights = {"adversarial": s["adversarial_weight"], "classification": s["classification_weight"]}
    return aae, learner.default_stages(s["epochs"], s["lr"], s["reconstruction_weight"], **weights), None, None


def train_run(prepared, folder, quiet=False):
    """Fill the run folder; prints what is going on. Returns nothing: `train.json` is written last."""
    folder, s = Path(folder), prepared.settings
    began = time.perf_counter()
    run_folder.write_json(folder / "config.json", s)
    prepared.table.to_csv(folder / "items.csv", index=False)
    if len(prepared.skipped):
        prepared.skipped.to_csv(folder / "skipped.csv", index=False)
    dls = data.dataloaders(
        prepared.table, prepared.pictures, prepared.planted, s["classes"], s["batch_size"], s["seed"], s["one_hot"]
    )
    aae = _train_aae(dls, folder, s, quiet)
    baseline = _train_baseline(dls, folder, s, quiet) if s["baseline_epochs"] else None
    split = prepared.table.split.value_counts()
    items = {k: int(split.get(k, 0)) for k in data.SPLITS} | {"skipped": len(prepared.skipped)}
    seconds = {"total": time.perf_counter() - began}
    run_folder.write_json(folder / "train.json", {"aae": aae, "baseline": baseline, "items": items, "seconds": seconds})


def final(learn):
    """The validation metrics, by name, of the model as it will be saved."""
    with learn.no_bar():
        return dict(zip(["loss", *learn.metrics.attrgot("name")], learn.validate(), strict=True))


def _class_numbers(last):
    """Accuracy, precision and recall under the names of `train.json`."""
    return {f"valid_{name}": last[name] for name in ("accuracy", "precision", "recall")}


def _train_baseline(dls, folder, s, quiet):
    """Train and save the ResNet34; its numbers for `train.json`."""
    learn, pretrained, note = learner.baseline_learner(
        dls, len(s["classes"]), s["input_channels"], folder, s["precision"], s["pretrained"]
    )
    print(f"ResNet34: {note}, {s['baseline_epochs']} epochs")
    began = time.perf_counter()
    with silence(learn, quiet):
        learner.fit_baseline(learn, s["baseline_epochs"], pretrained)
    seconds = time.perf_counter() - began
    models.save(learn.model, folder / "baseline.safetensors")
    numbers = {
        "parameters": models.count_parameters(learn.model),
        "pretrained": pretrained,
        "note": note,
        "seconds": seconds,
    }
    return _class_numbers(final(learn)) | numbers


@contextmanager
def silence(learn, quiet):
    """No wide tables, the epochs have their lines; and no bars where nobody looks."""
    with learn.no_logging(), learn.no_bar() if quiet or not sys.stdout.isatty() else nullcontext():
        yield


def _train_aae(dls, folder, s, quiet):
    """Train and save the AAE; its numbers for `train.json`."""
    aae, stages, game, distance = _make_aae(s)
    print(
        f"AAE: {models.count_parameters(aae):,} weights, {sum(t.epochs for t in stages)} epochs at most, {s['precision']}"
    )
    learn = learner.aae_learner(dls, aae, folder, game, distance, s["precision"])
    began = time.perf_counter()
    with silence(learn, quiet):
        history = learner.fit_aae(learn, stages)
    seconds = time.perf_counter() - began
    models.save(aae, folder / "model.safetensors")
    last = final(learn)
    return _class_numbers(last) | {
        "recon_mse": last["reconstruction"],
        "parameters": models.count_parameters(aae),
        "epochs": len(history),
        "seconds": seconds,
        "images_per_second": len(history) * len(dls.train_ds) / seconds,
    }
