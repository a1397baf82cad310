"""From settings to all that training needs: the data read, split and planted, the config completed and checked."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from xaae import data
from xaae.experiment.amounts import noun_for
from xaae.experiment.device import machine_facts
from xaae.experiment.errors import InputError
from xaae.experiment.item_sizes import check_size, usual_first_step
from xaae.experiment.kinds import KINDS, PICTURE, SIGNAL, VOLUME
from xaae.experiment.run_folder import CHECKPOINT, file_stem
from xaae.experiment.settings import (
    BASELINE_SEEN,
    CODES,
    SEEN_QUARTERED,
    USUAL_FACTORS,
    VERSIONS,
    VOLUME_SIZE,
    RunConfig,
    RunSettings,
    arm_for,
    baseline_from_scratch,
    check_settings,
    data_seed_of,
    drawn_by,
    epochs_for,
    is_own,
    native_size,
    seen_by_default,
    usual_loss,
)
from xaae.experiment.tasks import CLASSES, SEVERITY, UNKNOWN
from xaae.experiment.text_tables import read_texts
from xaae.experiment.vocabulary import FIRST_STEPS, SPLITS
from xaae.factors.bias import Bias, make_bias, mislabel
from xaae.factors.coordinates import check_coordinates
from xaae.factors.registry import FACTORS, factors_for
from xaae.sources import picture_files
from xaae.sources.augmentations import check_augmentations
from xaae.sources.item_faults import find_faults
from xaae.sources.items import Items, guess_channels, open_items, reading_options
from xaae.sources.splits import SplitPlan
from xaae.training.fitting import make_aae
from xaae.training.progress import check_same_data, read_progress
from xaae.training.trained_run import open_trained_run

MOST_DIGITS = 100  # Python reads no numbers of many thousand digits
FEWEST_STEPS = 100  # fewer leave an autoencoder about where it began


@dataclass
class Prepared:
    """Everything checked and ready to train: the planted table, its items, the bias, what was left out, the config."""

    table: pd.DataFrame
    items: Items
    planted: Bias
    skipped: pd.DataFrame
    config: RunConfig


def resolve(settings: RunSettings):
    """(settings with `auto` replaced by its dataset, arm and factor chosen; one line on which data it is).

    InputError for ranges where nothing is planted.
    """
    name, _, note = data.choose(settings.dataset, settings.data_root or data.default_root())
    dataset = name if settings.dataset == "auto" else settings.dataset
    arm = arm_for(settings, _is_own(dataset))
    kind = SIGNAL if name in data.SIGNAL_SETS else PICTURE  # of your own data it is known when they are read
    factor, asked = settings.factor or USUAL_FACTORS[kind.name], settings.factor is not None
    return replace(settings, dataset=dataset, arm=arm, factor=factor, factor_asked=asked), note


def _is_own(dataset):
    """Is this the user's own folder or CSV, where nothing is planted unasked?"""
    return is_own(dataset, data.DATASETS)


def run_name(settings: RunSettings):
    """What a numbered run folder is called after its number: dataset, factor where it is not the usual, arm, seed."""
    dataset = Path(settings.dataset).stem if _is_own(settings.dataset) else settings.dataset
    name = file_stem(dataset)
    factor = "" if settings.factor in USUAL_FACTORS.values() else f"-{settings.factor}"
    return f"{name}{factor}-{settings.arm}-s{settings.seed}"


def class_order(table):
    """The classes in the order of the table's own numbers where there are some, else by name."""
    number = lambda name: int(name) if name.removeprefix("-").isdecimal() and len(name) < MOST_DIGITS else None  # noqa: E731
    return sorted(table.label.unique(), key=lambda name: (number(name) is None, number(name) or 0, name))


def prepare_training(settings: RunSettings, note=""):
    """Read, check and plant the data. InputError before anything is written if they make no sense.

    settings: resolved ones. note: one line on which data they are.
    """
    if not _is_own(settings.dataset):  # nothing is drawn or fetched at a size that makes no sense
        kind = data.kind_of_dataset(settings.dataset, settings.data_root)
        if kind is not SIGNAL:
            check_size(SIZES_ASKED[kind.name](settings), kind)
    print(f"Data: {note}")
    check_settings(settings)
    table, items, skipped, notes, found = _read(settings)
    target, warnings = found.target, found.warnings
    _check_task(settings, target.task)
    if settings.architecture == "thesis" and items.kind is not PICTURE:
        plural = items.kind.plural
        raise InputError(f"The thesis's architecture is for pictures, and these are {plural}: choose another preset.")
    _tell_faults(table, items, settings.arm)
    target = replace(target, classes=target.classes or tuple(class_order(table)))
    classes = list(target.classes)
    if settings.arm != "normal" and (table.label == UNKNOWN).any():
        raise InputError(f"Not every item's {classes[-1]} is known, and a bias is planted by it: use --arm normal.")
    settings = _code_for(_factor_for(settings, items.kind), items)
    planted = _bias_of(settings, classes, items)
    config = _complete(settings, table, items, target, planted)
    config = replace(config, dataset_note=" ".join([note, *notes]), data_warnings=warnings)
    check_augmentations(config.augment, items.kind)
    _, _, _, loss, _ = make_aae(config)  # refuses settings that make no sense before anything is written
    loss.distance(items[[0]], items[[0]])  # some losses ask for pictures of some size
    _warn_of_few_steps(config, table)
    seed = data_seed_of(settings)
    if settings.label_noise:
        table = mislabel(table, settings.label_noise, seed)
    return Prepared(data.plant(table, planted, settings.seed), items, planted, skipped, config)


def prepare_stopped(folder, file=CHECKPOINT):
    """(Prepared, what is kept, or None) of a training that was stopped, by what its folder holds.

    file: where it is kept in the folder. Other versions of packages, and another device, than it began with are told in
    a printed line. InputError if its items cannot be read or are others than it began with.
    """
    run = open_trained_run(folder, needs="items.csv")
    skipped = Path(folder) / "skipped.csv"
    skipped = read_texts(skipped) if skipped.is_file() else pd.DataFrame({"path": [], "reason": []})
    prepared = Prepared(run.table, run.items, run.bias, skipped, run.config)
    if kept := read_progress(folder, file):
        check_same_data(kept, prepared, folder)
    facts = machine_facts(run.config.precision)
    then, now = ({"device": of["device"], **of["versions"]} for of in (run.config.as_dict(), facts))
    differing = [name for name in now if now[name] != then.get(name)]
    if others := [f"{name} {then.get(name, 'unknown')}, now {now[name]}" for name in differing]:
        words = "the result may differ from that of a training that was never stopped"
        print(f"Note: the training began with other means ({'; '.join(others)}): {words}.")
    return prepared, kept


def _check_task(settings, task):
    """InputError for settings that make no sense for a task."""
    wrong = {
        "--one-hot": settings.one_hot,
        "--prior class": settings.prior == "class",
        "--label-noise": settings.label_noise,
        "--preset thesis": settings.architecture == "thesis",
    }
    if task != CLASSES.name and (used := next((name for name, given in wrong.items() if given), None)):
        raise InputError(f"{used} needs one class an item, and the task here is {task}: leave it out.")
    if task == SEVERITY.name and settings.balance != "none":
        raise InputError("--balance is for classes and labels; a severity has none: leave it out.")


SIZES_ASKED = {  # kind -> settings -> the size of an item that they ask for, None for that of the files
    "picture": lambda settings: settings.size or native_size(settings.dataset),
    "signal": lambda settings: settings.length,
    "volume": lambda settings: settings.size or VOLUME_SIZE,
}
CHANNELS_ASKED = {  # kind -> settings, paths, labels -> how many channels items have, None for what most files have
    "picture": lambda settings, *files: settings.channels or guess_channels(PICTURE, *files),
    "signal": lambda settings, *files: settings.channels,
    "volume": lambda settings, *files: guess_channels(VOLUME, *files),
}


def _read(settings):
    """(table of the items that can be read, Items, table of the others, sentences on what was found, the Dataset).

    The sentences are printed.
    """
    root = settings.data_root or data.default_root()
    plan = SplitPlan(settings.split, settings.group, settings.split_file)
    given = (settings.dataset, root, *drawn_by(settings))
    asked = {"columns": settings.predict, "task": settings.task, "unit": settings.unit} if settings.predict else {}
    found = data.find_dataset(*given, asked | {"cut": settings.cut, "outside": settings.outside_files}, settings.slices)
    kind, found = KINDS[found.kind], data.split_dataset(found, plan)
    size = SIZES_ASKED[kind.name](settings)
    if size:
        check_size(size, kind)
    channels = CHANNELS_ASKED[kind.name](settings, found.table.path, found.table.label)
    if kind is PICTURE and channels not in picture_files.MODES:
        raise InputError(f"--channels {channels} is no kind of picture: use 1 (grey), 3 (colour) or 4 (with alpha).")
    if kind is VOLUME and settings.channels not in (None, 1):
        raise InputError(f"Volumes have one channel, and --channels {settings.channels} is asked for: leave it out.")
    table, items, unread = open_items(
        kind, found.table, size, channels, data.kept_root(settings.data_root), **reading_options(kind, settings)
    )
    _check_classes(found.table, table, unread, kind)
    skipped = pd.concat([found.left_out, unread], ignore_index=True)
    notes = [*found.notes, *getattr(items, "notes", ()), *_counted(table, skipped, kind)]
    print("\n".join([*notes, *(f"Warning: {text}" for text in found.warnings)]))
    return table, items, skipped, notes, found


def _tell_faults(table, items, arm):
    """Print what is wrong with the items. InputError if nothing can be learned from them, not even a planted bias."""
    for fault in find_faults(table, items):
        if fault.fatal and arm != "biased":
            raise InputError(fault.sentence)
        print(f"Note: {fault.sentence}")


def _check_classes(before, after, unread, kind):
    """InputError if a class lost all its items of training or of validation because they cannot be read."""
    lost = set(zip(before.label, before.split, strict=True)) - set(zip(after.label, after.split, strict=True))
    if lost := sorted((label, split) for label, split in lost if split != "test"):
        label, split = lost[0]
        gone = before[(before.label == label) & (before.split == split)]
        reason = unread.reason[unread.path.astype(str) == str(gone.path.iloc[0])].iloc[0]
        raise InputError(
            f"Not one of the {len(gone)} {kind.plural} of class {label!r} in the split {split} can be read"
            f" ({gone.path.iloc[0]}: {reason}): mend them, or leave out the class."
        )


def _counted(table, skipped, kind):
    """What became of the items, in a line or two."""
    split = table.split.value_counts()
    parts = ", ".join(f"{name} {split[name]}" for name in SPLITS if name in split)
    yield f"{len(table)} {kind.plural} are used ({parts})."
    if len(skipped):
        what = "file or row is" if len(skipped) == 1 else "files or rows are"
        yield f"{len(skipped)} {what} left out; skipped.csv in the run folder says which and why."


def _factor_for(settings, kind):
    """The settings with the factor that is usual for a Kind where none is planted that its items can have."""
    asked = settings.factor_asked is not False and settings.arm != "normal"
    if asked or FACTORS[settings.factor].fits(kind):
        return settings
    return replace(settings, factor=USUAL_FACTORS[kind.name])


def _code_for(settings, items):
    """The settings with the plain code where no factor of these items can be a coordinate; that is printed."""
    if settings.code == "plain" or any(FACTORS[name].smooth for name in factors_for(items.kind, items.channels)):
        return settings
    print(f"Note: no factor of {items.kind.plural} can be a coordinate of the code: it is a plain one.")
    return replace(settings, code="plain", coordinates=None)


def _bias_of(settings, classes, items):
    """The bias that the settings ask for. InputError for a factor that these items cannot have."""
    channels = items.channels
    if settings.arm != "normal" and not FACTORS[settings.factor].fits(items.kind):
        possible = factors_for(items.kind, channels)
        others = f"choose --factor from {', '.join(possible)}" if possible else "use --arm normal"
        raise InputError(f"A {settings.factor} cannot be planted in {items.kind.plural}: {others}.")
    if FACTORS[settings.factor].needs_colour and channels < 3:
        raise InputError(f"A {settings.factor} cannot be planted in grey pictures: use another --factor.")
    amount = settings.strength, settings.contamination
    planted = make_bias(classes, settings.ranges, settings.arm, settings.fill, settings.factor, *amount)
    return replace(planted, rate=items.scale.rate if items.kind is SIGNAL else None)


def _usual_epochs(settings, kind, n, quartered):
    """Epochs of the AAE on n training items of a Kind where none are asked for. quartered: as of a RunConfig."""
    seen = seen_by_default(kind.name, settings.code, settings.dataset) * (SEEN_QUARTERED if quartered else 1)
    return epochs_for(seen, n * VERSIONS[settings.code])


def _complete(settings, table, items, target, planted):
    """The RunConfig of settings, data and machine."""
    n = int((table.split == "train").sum())
    asked = {f.name: getattr(settings, f.name) for f in fields(RunSettings)}
    first_step = _first_step(settings, items)
    quartered = settings.code == "factored" and first_step == FIRST_STEPS[1]
    found = {
        "classes": tuple(target.classes),
        "task": target.task,
        "target": target.as_dict(),
        "input_size": items.size,
        "input_channels": items.channels,
        "kind": items.kind.name,
        "ranges": {name: planted.of(name) for name in target.classes},
        "class_ranges": planted.ranges,
        "factor_about": FACTORS[planted.factor].about(),
        "epochs": settings.epochs or _usual_epochs(settings, items.kind, n, quartered),
        "centres": _centres(settings, table, items, planted),
        "reconstruction_loss": settings.reconstruction_loss or usual_loss(settings),
        "first_step": first_step,
        "quartered": quartered,
    }
    found |= getattr(items, "measured", {})
    usual = CODES[settings.code]
    found |= {name: usual[name] if getattr(settings, name) is None else getattr(settings, name) for name in usual}
    if settings.baseline_epochs is None:
        found["baseline_epochs"] = epochs_for(BASELINE_SEEN, n)
        found["baseline_from_scratch"] = baseline_from_scratch(settings.dataset, n)
    return RunConfig(**(asked | found | machine_facts(settings.precision)))


def _first_step(settings, items):
    """By how much the first layer of the AAE shrinks each axis; None of the thesis's, which has its own layers."""
    if settings.architecture == "thesis":
        return None
    return settings.first_step or usual_first_step(items.kind, check_size(items.size, items.kind))


def _centres(settings, table, items, planted):
    """{factor: mean value in training} of the coordinates of a factored code, the planted factor last; {} of a plain.

    A planted factor that no decoder can plant gives way to the usual one. InputError for others that cannot be planted.
    """
    if settings.code == "plain":
        return {}
    own = planted.factor if FACTORS[planted.factor].smooth else USUAL_FACTORS[items.kind.name]
    names = settings.coordinates or (own,)
    check_coordinates(names, items.kind, items.channels)
    train = table[table.split == "train"]
    mean = float(np.mean([np.mean(planted.of(label)) for label in train.label]))
    return {n: mean if n == planted.factor else FACTORS[n].neutral for n in sorted(names, key=planted.factor.__eq__)}


def _warn_of_few_steps(config, table):
    steps = config.epochs * int((table.split == "train").sum()) // config.batch_size
    if steps < FEWEST_STEPS:
        few = f"Only about {steps} training {noun_for(steps, 'steps')}"
        print(f"{few}: little will be learned; give more items or more --epochs.")
