"""`scan`: what a run's models, or any network, answer when one thing at a time is changed in real items."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.torch_core import default_device
from tqdm.auto import tqdm

from xaae.experiment import run_folder
from xaae.experiment.command_settings import ScanSettings
from xaae.experiment.device import autocast_in, fast_precision, fastest_layout
from xaae.experiment.errors import InputError
from xaae.experiment.factor_questions import question_rows
from xaae.experiment.figure_style import save_png
from xaae.experiment.kinds import KINDS, PICTURE, SIGNAL, Kind
from xaae.experiment.manifest import recording
from xaae.experiment.seeds import generator
from xaae.experiment.settings import RunSettings
from xaae.experiment.vocabulary import MODELS, WEIGHTS, models_of
from xaae.explain.network.answer_form import as_probabilities
from xaae.explain.network.quick_network import quick_network
from xaae.explain.process.case import Case
from xaae.factors.registry import FACTORS, factors_for
from xaae.factors.signal_plants import hum_cycles
from xaae.scan import scan_figures
from xaae.scan.factor_scan import ScanItems, scan_factors
from xaae.scan.learned_labels import answers_as_trained, chance_of_labels, without_use
from xaae.scan.scan_sentences import headline, limit_in_words, one_answer, tell_row
from xaae.scan.scanned_run import READ, ranges_of, read_rows, scan_items
from xaae.scan.verdicts import NOT_USED, RULE
from xaae.sources.class_folders import kind_of_own, own_data
from xaae.sources.items import guess_channels, open_items, reading_options
from xaae.sources.path_lists import list_items
from xaae.training.trained_run import open_trained_run

DEFAULTS = ScanSettings()
ITEMS, ITEMS_OF_SMOKE = 200, 60  # held-out items that are asked about
SIZE = 224  # pixels a side of pictures for a network of the user's own
OF_NETWORK = "network-scan"  # folder in a run for the scan of a network that is not the run's
IN_PART = "part-scan"  # folder in a run for a scan that asks less than the one that is there
SHOWN = 2  # items of each class on a strip


@dataclass(frozen=True)
class Scene:
    """What is scanned: where it comes from and is written to, its items, and the networks that answer.

    items: ScanItems. train (M, C, *places): training items as they were trained on; apart: the same without what the
    run plants, None where that is nothing; train_labels (M,), train_values (M,) of the planted factor, None without
    one. cases {name: Case}. classes: names in the order of the logits, () where they are not known. planted: name of
    the planted factor, "" if there is none. skipped: files that could not be read, and why. run: the run folder that
    holds the folder, None without one. signal_scale: of signals, as a run's config has it.
    """

    what: str
    folder: Path
    kind: Kind
    items: ScanItems
    train: torch.Tensor
    apart: torch.Tensor | None
    train_labels: np.ndarray
    train_values: np.ndarray | None
    cases: dict
    classes: tuple
    planted: str
    arm: str
    seed: int
    skipped: tuple = ()
    run: Path | None = None
    signal_scale: dict = field(default_factory=dict)


def scan(what, settings=DEFAULTS):
    """Write `scan.json`, `scan.png` and the folder `scan/` of strips; what scan.json holds, and the folder.

    what: a run folder, or a folder or CSV of items for settings.network. InputError for settings that do not fit it.
    """
    began, run = time.perf_counter(), run_folder.is_run(Path(what))
    scene = (_scene_of_run if run else _scene_of_files)(what, settings)
    names, rng = _factor_names(settings, scene), generator(scene.seed, "scan")
    subjects = {name: case.subject(scene.items.x[:2]) for name, case in scene.cases.items()}  # InputError before work
    scene.folder.mkdir(parents=True, exist_ok=True)
    steps = len(names) + len(subjects) * (2 * len(names) + 1)
    with recording(scene.folder, scene.run), tqdm(total=steps, desc="ranges", leave=False, disable=None) as bar:
        grids, data = ranges_of(scene, settings.ranges or {}, names, rng, bar.update)
        found, strips = {}, {}
        for name, subject in subjects.items():
            bar.set_description(f"scan, {models_of(scene.kind).get(name, name)}")
            found[name], strips[name] = _scan_network(scene.cases[name], subject, scene, grids, rng, bar.update)
            found[name]["headline"] = headline(found[name], _is_whole(settings, names, scene))
        results = _about(scene, found) | {"whole": _is_whole(settings, names, scene), "data": data}
        results["seconds"] = time.perf_counter() - began
        results["questions"] = question_rows(results)
        _keep(scene, grids, results, strips)
    return results, scene.folder


# ---- what is scanned --------------------------------------------------------------------------------------------


def _scene_of_run(run, settings):
    """The Scene of a trained run. InputError if it is none, or has not the model that is asked about."""
    trained = open_trained_run(run, data_root=settings.data_root)
    run_folder.check_writable(trained.folder, "folder")
    if settings.size not in (None, trained.config.input_size):
        raise InputError(f"--size {settings.size} does not fit: this run's items have {trained.config.input_size}.")
    if settings.window:
        raise InputError(f"--window is part of the run ({trained.config.window}): leave it out.")
    seed = trained.config.seed if settings.seed is None else settings.seed
    rng = generator(seed, "scan")
    rows = trained.starts(settings.items or (ITEMS_OF_SMOKE if trained.config.preset == "smoke" else ITEMS), rng)
    planted = trained.bias if trained.config.arm != "normal" else None
    items = scan_items(trained, rows, planted, rng)
    seen = read_rows(trained, rng)
    table = trained.table.iloc[seen]
    apart = trained.upright(seen) if planted else None
    train = (
        trained.planted(seen),
        apart,
        table.label.to_numpy().astype(str),
        table.value.to_numpy() if planted else None,
    )
    cases = _cases(trained, settings, settings.precision or trained.config.precision)
    about = (tuple(trained.classes), planted.factor if planted else "", trained.config.arm, seed)
    return Scene(
        str(run),
        _folder_in_run(run, trained.folder, settings),
        trained.kind,
        items,
        *train,
        cases,
        *about,
        run=trained.folder,
        signal_scale=trained.config.signal_scale,
    )


def _folder_in_run(run, folder, settings):
    """Where the scan of a run is written: into the run, or --out; beside it, if it would take something away.

    That is the scan of another network, and one that asks for less than the scan that is there.
    """
    if settings.out:
        return _folder_for(run, settings.out)
    if settings.network:
        return folder / OF_NETWORK
    narrow = settings.factors or settings.ranges or settings.of in MODELS
    kept = run_folder.read_json(folder / "scan.json") if (folder / "scan.json").is_file() else {}
    if not narrow or not kept:
        return folder
    there = {row["factor"] for model in kept["models"].values() for row in model["factors"]}
    fewer_factors = settings.factors and there - set(settings.factors)
    fewer_models = settings.of in MODELS and set(kept["models"]) - {settings.of}
    return folder / IN_PART if settings.ranges or fewer_factors or fewer_models else folder


def _cases(trained, settings, precision):
    """{name: Case} of the networks that answer for a run."""
    classes = tuple(trained.classes)
    if settings.network and settings.of:
        raise InputError("--network brings its own model: leave out --of.")
    if settings.network:
        return {"network": Case("network", function=settings.network, classes=classes, precision=precision)}
    names = [settings.of] if settings.of in MODELS else trained.model_names()
    if settings.of in ("baseline", "both"):
        trained.model("baseline")  # InputError if there is none
    weights = {name: str(trained.folder.absolute() / WEIGHTS[name]) for name in names}
    shared = {"classes": classes, "precision": precision}
    return {name: Case(name, weights=weights[name], sides=trained.sides(name), **shared) for name in names}


def _scene_of_files(path, settings):
    """The Scene of a folder or CSV of items for a network of the user's own."""
    if not Path(path).exists():
        raise InputError(f"There is no file or folder {path}: give a run, or pictures with --network.")
    if settings.of and settings.network:
        raise InputError(f"--of chooses between the models of a run, and {path} is none: leave it out.")
    if not settings.network:
        raise InputError(f"{path} is not a run folder: say by --network FILE.py:FUNCTION which network to ask.")
    if (found := kind_of_own(Path(path).absolute())) != PICTURE.name:
        raise InputError(
            f"{path} holds {KINDS[found].plural}, and without a run only pictures are scanned: train one on them"
            f" (python main.py train --dataset {path}) and scan that, by `scan RUN --network {settings.network}`."
        )
    kind, seed, size, asked = PICTURE, settings.seed or 0, settings.size or SIZE, settings.items or ITEMS
    rng = generator(seed, "scan")
    table = _some_of_each(_table_of(path, kind), asked + READ, rng)
    channels = guess_channels(kind, list(table.path), list(table.label))
    options = reading_options(kind, RunSettings(window=settings.window or "file"))
    table, opened, skipped = open_items(kind, table, size, channels, quiet=True, **options)
    chosen = np.arange(min(asked, len(table)))
    items = ScanItems(opened[chosen], table.label.to_numpy()[chosen].astype(str))
    seen = np.arange(len(table))[-READ:]
    train = (opened[seen], None, table.label.to_numpy()[seen].astype(str), None)
    precision = settings.precision or fast_precision(default_device())
    labels = tuple(sorted(set(table.label) - {""}))
    cases = {"network": Case("network", function=settings.network, classes=labels, precision=precision)}
    folder = _folder_for(path, settings.out)
    told = tuple(zip(skipped.path.astype(str), skipped.reason.astype(str), strict=True))
    return Scene(str(path), folder, kind, items, *train, cases, labels, "", "", seed, told)


def _folder_for(path, out):
    """Where a scan without a run is written: a numbered folder in runs/, or the one that is named.

    InputError if that holds something other than a scan.
    """
    if out and (Path(out) / "scan.json").is_file() and not run_folder.is_run(Path(out)):
        run_folder.check_writable(Path(out))
        return Path(out)
    return run_folder.plan_folder(out, f"scan-{run_folder.file_stem(Path(path).absolute().name)}")


def _table_of(path, kind):
    """A table path, label of all items below a path: the folders are the classes where there are two or more."""
    own = own_data(Path(path).absolute()).table if Path(path).is_dir() else None
    if own is not None and len(own) and own.label.nunique() > 1:
        return own.assign(path=own.path.astype(str))[["path", "label"]]
    table = list_items(path, kind)
    return table.assign(label=table.label if "label" in table else "")[["path", "label"]]


def _some_of_each(table, n, rng):
    """At most n rows, the classes in turn, in random order."""
    order = table.iloc[rng.permutation(len(table))]
    turn = order.groupby("label").cumcount()
    return (
        order.assign(turn=turn).sort_values("turn", kind="stable").drop(columns="turn").head(n).reset_index(drop=True)
    )


def _factor_names(settings, scene):
    """Names of the factors that are asked about, in the registry's order. InputError for such as do not exist."""
    possible = factors_for(scene.kind, scene.items.x.shape[1])
    if not possible:
        raise InputError(f"No factor of {scene.kind.plural} is known yet that could be asked about: give pictures.")
    if unknown := [name for name in settings.factors or () if name not in FACTORS]:
        raise InputError(f"There is no factor {unknown[0]!r}: choose from {', '.join(possible)}.")
    kind = scene.kind
    if other := [name for name in settings.factors or () if not FACTORS[name].fits(kind)]:
        raise InputError(f"{kind.plural.capitalize()} have no factor {other[0]}: choose from {', '.join(possible)}.")
    if unasked := [name for name in settings.ranges or () if settings.factors and name not in settings.factors]:
        raise InputError(f"--range {unasked[0]} is of a factor that --factors leaves out: add it there.")
    if grey := [name for name in settings.factors or () if name not in possible]:
        raise InputError(f"The factor {grey[0]} needs colour, and these items have none: leave it out.")
    return [name for name in possible if name in settings.factors] if settings.factors else possible


def _is_whole(settings, names, scene):
    """Was everything asked that can be asked of these items, within what they hold?"""
    return not settings.ranges and len(names) == len(factors_for(scene.kind, scene.items.x.shape[1]))


# ---- one network ------------------------------------------------------------------------------------------------


def _scan_network(case, subject, scene, grids, rng, step):
    """(what scan.json says of one network, probabilities of the items on the strips {factor: (S, V, K)})."""
    began = time.perf_counter()
    known = subject.outputs == len(scene.classes)
    classes = list(scene.classes) if known else [f"class {k}" for k in range(subject.outputs)]
    network = quick_network(subject.network, scene.items.x[:8].to(subject.device))

    @torch.inference_mode()
    def answer(x):
        with autocast_in(case.precision):
            answers = network(x.to(subject.device, memory_format=fastest_layout(x)))
        return as_probabilities(answers.float(), subject.form, subject.binary)

    rows, probability, base = scan_factors(answer, scene.items, grids, rng, step)
    shown = _shown(scene.items.labels)
    others = "" if known or not scene.classes else _of_other_classes(subject.outputs, scene.classes)
    unlearned = ""
    if case.name in MODELS and known and (scene.items.labels != "").all():  # it was trained on such labels here
        seen = answers_as_trained(answer, scene.items, base, generator(scene.seed, "learned"))
        rows, unlearned = without_use(rows, chance_of_labels(seen, scene.items.labels))
    remarks = [one_answer(base, classes), unlearned, subject.remark, others]
    about = {"title": models_of(scene.kind).get(case.name, case.name), "classes": classes}
    about["remark"] = "; ".join(filter(None, remarks))
    about["factors"] = [tell_row(row) | {"swing_of": _swing_of_each(row, classes)} for row in rows]
    about |= {
        "agreement": _agreement(base, scene, known),
        "seconds": time.perf_counter() - began,
    }
    return about, {name: p[shown] for name, p in probability.items()} | {"": base[shown]}


def _of_other_classes(outputs, classes):
    """What it means that a network has another number of outputs than the items have classes."""
    return (
        f"it has {outputs} outputs and the items have {len(classes)} classes ({', '.join(classes)}): its outputs are"
        " called by their numbers, and how often it agrees with the labels cannot be said"
    )


def _agreement(base, scene, known):
    """Share of the unchanged items, planted values drawn anew, that are decided as labelled; None without labels."""
    labels = scene.items.labels
    if not known or (labels == "").any():
        return None
    return float((np.array(scene.classes)[base.argmax(1)] == labels).mean())


def _swing_of_each(row, classes):
    """{class: how far the mean of its probability swings}."""
    return dict(zip(classes, np.ptp(row["mean"], axis=1).tolist(), strict=True))


def _shown(labels):
    """Rows of the items on the strips: SHOWN of every class, of four classes at most."""
    names = sorted(set(labels))[:4]
    return np.concatenate([np.flatnonzero(labels == name)[:SHOWN] for name in names])


# ---- what is kept -----------------------------------------------------------------------------------------------


def _hum_of(scene):
    """The hum that is asked about, (number, unit); None where the items are no signals."""
    if scene.kind is not SIGNAL:
        return None
    length, rate = scene.items.x.shape[-1], scene.items.rate
    cycles = hum_cycles(length, rate)
    return (cycles / length * rate, "Hz") if rate else (cycles, "cycles a window")


def _about(scene, found):
    """What scan.json holds."""
    counts = pd.Series(scene.items.labels).value_counts().sort_index()
    return {
        "what": scene.what,
        "kind": scene.kind.name,
        "arm": scene.arm,
        "planted": scene.planted,
        "items": len(scene.items.x),
        "input_channels": scene.items.x.shape[1],
        "input_size": scene.items.x.shape[-1],
        "signal_scale": scene.signal_scale,
        "items_by_class": {name: int(n) for name, n in counts.items() if name},
        "seed": scene.seed,
        "rule": vars(RULE),
        "limit": limit_in_words(_hum_of(scene)),
        "models": found,
        "skipped": [{"path": path, "reason": reason} for path, reason in scene.skipped],
    }


def _keep(scene, grids, results, probability):
    """Write scan.json, scan.png, the strips as arrays, and a picture of each."""
    shown = _shown(scene.items.labels)
    some = replace(scene.items, x=scene.items.x[shown], labels=scene.items.labels[shown],
                   values=None if scene.items.values is None else scene.items.values[shown])  # fmt: skip
    arrays = {"label": some.labels.astype(str), "row": shown}
    for grid in grids:
        frames = torch.stack([some.changed(grid.factor, v) for v in grid.values[shown].T], 1)
        arrays[f"{grid.factor}.frames"] = run_folder.as_stored(frames.numpy(), scene.kind)
        for name, found in probability.items():
            arrays[f"{grid.factor}.{name}"] = found[grid.factor].astype(np.float32)
    run_folder.write_json(scene.folder / "scan.json", results)
    run_folder.write_arrays(scene.folder / "scan" / "strips.npz", **arrays)
    save_png(scan_figures.swing_chart(results), scene.folder / "scan.png", dpi=110)
    for name in FACTORS:  # of an earlier scan
        (scene.folder / "scan" / f"{name}.png").unlink(missing_ok=True)
    draw = scan_figures.STRIP_DRAWING[scene.kind.name]
    for grid in filter(lambda grid: _worth_drawing(results, grid), grids):
        save_png(draw(results, arrays, grid.factor), scene.folder / "scan" / f"{grid.factor}.png", dpi=90)


def _worth_drawing(results, grid):
    """Is a factor planted, asked for, or not plainly unused by some model? The page shows the strips of all."""
    verdicts = {row["used"] for m in results["models"].values() for row in m["factors"] if row["factor"] == grid.factor}
    return grid.source in ("planted", "given") or verdicts != {NOT_USED}
