"""`explain RUN|IMAGE --methods ...`: methods on a few items, each in a process of its own; maps, pictures, a table."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.explain import listing
from xaae.explain.method_plan import make_plan
from xaae.explain.process import runner, status
from xaae.explain.process.case import Case, plugins
from xaae.explain.process.runner import Job
from xaae.explain.result_files import draw_answers, run_and_keep, write_cases
from xaae.sources import picture_files
from xaae.training.trained_run import TrainedRun, generator

SIZE = 224  # pixels a side of a picture for a network of the user's own


def explain_items(
    what,
    methods=(),
    config=(),
    plugin=(),
    out=None,
    workers=None,
    time_limit=120.0,
    memory_limit=None,
    background=20,
    target="predicted",
    **asked,
):
    """Explain a few items of a run, or a picture file, by many methods: (new rows of the status table, folder).

    methods: names; config: tables of methods (see `explain.plan`). plugin: files with methods of the user's own. Fills
    `out`, by default `explanations/` of the run. asked: as in `pose`. InputError before anything runs for what makes
    no sense.
    """
    paths = tuple(str(Path(p).absolute()) for p in plugin)
    with plugins(paths):
        entries = make_plan(methods, config)
        question = _pose(what, **asked)
        folder = Path(out) if out else question.folder
        run_folder.check_writable(folder)
        answers = [_answer(question, replace(case, plugins=paths), target) for case in question.cases]
        with runner.workplace(folder) as place:
            cases = write_cases(question, answers, place, folder, _background_of(question, background))
            at_once = workers or runner.usual_workers(len(entries) * len(cases))
            limits = memory_limit or runner.usual_memory(), max(1, runner.cores() // at_once)
            jobs = [Job(case, each, each.time_limit or time_limit, *limits) for case in cases for each in entries]
            rows = run_and_keep(jobs, folder, place, at_once, question)
        for case in cases:
            draw_answers(folder, case.name)
    return rows, folder


def methods_in_words(name=None, plugin=()):
    """Every method in a line, or all about the one called `name`; those of the user's own files too."""
    with plugins(tuple(str(Path(p).absolute()) for p in plugin)):
        return listing.describe_method(name) if name else "\n".join(listing.method_lines())


def failed(rows):
    """Did a method fail, or did none fit?"""
    states = [row.status for row in rows]
    return any(s in status.FAILED for s in states) or "ok" not in states


# ---- what is asked ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """Items x (B, C, H, W) with their rows (B,), -1 for a picture file, and true classes, "" where unknown; a case
    for each network that is asked; scene: the run behind them, None without one; folder: where answers go unasked."""

    x: torch.Tensor
    row: np.ndarray
    label: list
    cases: list
    trained: TrainedRun | None
    folder: Path


def _pose(what, run=None, network=None, model=None, along=None, size=None, precision=None, seed=None, **chosen):
    """The Question that the settings ask. chosen: `items` or `rows` of a run."""
    path = Path(what)
    trained = _open_for(path, run, network)
    given = {"precision": precision or (trained.config["precision"] if trained else "fp32")}
    given["seed"] = (trained.config["seed"] if trained else 0) if seed is None else seed
    cases = [replace(case, **given) for case in _find_cases(trained, network, model, along)]
    if not path.is_file():
        rows = _find_rows(trained, given["seed"], **chosen)
        label = list(trained.table.label.to_numpy()[rows])
        return Question(_planted(trained, rows), rows, label, cases, trained, trained.folder / "explanations")
    if chosen.get("rows"):
        raise InputError("--rows names items of a run, and a picture file was given: leave one of them out.")
    folder = (trained.folder if trained else Path()) / "explanations" / f"picture-{_slug(path.stem)}"
    return Question(_picture(path, trained, size), np.array([-1]), [""], cases, trained, folder)


def _slug(name):
    """`name` with nothing in it that a file name cannot have."""
    return re.sub(r"[^\w-]+", "-", name)


def _open_for(path, run, network):
    """The run that is asked, opened without reading its pictures: `path` itself, or the one that explains a picture."""
    if not path.exists():
        raise InputError(f"There is no file or folder {path}: give the folder of a run or a picture file.")
    if not path.is_file():
        if run:
            raise InputError("--run names the models for a picture file: leave it out where RUN is given.")
        return _open_lazily(path)
    if run or not network:
        return _open_lazily(run or newest_run())
    return None


def _open_lazily(run):
    """A trained run whose pictures are read as they are needed. InputError if it is none."""
    folder, config = run_folder.open_run(run)
    table = run_folder.read_items(folder)
    read = picture_files.Pictures(list(table.path), config["input_size"], config["input_channels"])
    return TrainedRun(folder, config, table, read)


def newest_run(parent="runs"):
    """The run under `parent` that finished last. InputError if there is none."""
    done = [p for p in Path(parent).glob("*/train.json") if run_folder.is_run(p.parent)]
    done = [p for p in done if (p.parent / "model.safetensors").is_file()]
    if not done:
        raise InputError(f"There is no finished run under {parent}/ to explain a picture with: name one by --run.")
    return max(done, key=lambda p: p.stat().st_mtime).parent


def _find_rows(trained, seed, items=6, rows=()):
    """Row numbers (B,) of the items to explain: those asked for, or held-out ones, the classes in turn."""
    if not rows:
        return trained.starts(items, generator({"seed": seed}, 4))  # the first ones of `explain.json`
    if odd := [row for row in rows if not 0 <= row < len(trained.table)]:
        raise InputError(f"There is no row {odd[0]}: items.csv has the rows 0 to {len(trained.table) - 1}.")
    return np.array(rows)


def _planted(trained, rows):
    """Pictures (B, C, H, W) of rows as the run plants them. InputError if they are gone."""
    try:
        return trained.planted(rows)
    except (OSError, ValueError, SyntaxError) as e:
        raise InputError(f"A picture of this run cannot be read any more ({e}): put it back or train again.") from e


def _picture(path, trained, size):
    """A picture file as items (1, C, H, W), cropped and scaled as for training. InputError if it cannot be read."""
    if trained is not None and size not in (None, trained.config["input_size"]):
        raise InputError(f"--size {size} does not fit: the run's models take {trained.config['input_size']} pixels.")
    if trained is not None:
        size, channels = trained.config["input_size"], trained.config["input_channels"]
    else:
        channels = picture_files.guess_channels([path])
    found = picture_files.try_decode(path, size or SIZE, channels)
    if isinstance(found, str):
        raise InputError(f"{path} cannot be read as a picture ({found}): give a run folder or a picture file.")
    return found[None].float() / 255


def _background_of(question, n):
    """n held-out items (n, C, H, W) that are not explained; None where there are fewer than two."""
    if question.trained is None:
        return None
    rows = np.setdiff1d(question.trained.rows("valid"), question.row)
    rows = generator({"seed": question.cases[0].seed}, 8).permutation(rows)[:n]
    return _planted(question.trained, rows).numpy() if len(rows) > 1 else None


# ---- whose answer -----------------------------------------------------------------------------------------------


def _find_cases(trained, network, model, along):
    """A case for each network that is asked: the user's own, the AAE along a direction, or the run's models."""
    classes = tuple(trained.classes) if trained else ()
    if network and (model or along):
        raise InputError("--network brings its own model: leave out --model and --along.")
    if network:
        return [Case("network", function=network, classes=classes)]
    aae, baseline = (
        Case(name, weights=str(trained.folder.absolute() / f"{file}.safetensors"), classes=classes)
        for name, file in (("aae", "model"), ("baseline", "baseline"))
    )
    if along:
        if model in ("baseline", "both"):
            raise InputError("--along asks for a place in the AAE's latent space: leave out --model.")
        return [replace(aae, name=f"aae-along-{_slug(along)}", classes=(), vector=_direction(trained, along))]
    if model in ("baseline", "both") and not trained.has_baseline():
        raise InputError(f"{trained.folder} has no ResNet34: choose --model aae.")
    return {"aae": [aae], "baseline": [baseline]}.get(model, [aae, baseline] if trained.has_baseline() else [aae])


def _direction(trained, name):
    """The vector (D,) of a stored direction as plain numbers. InputError if there is none of that name."""
    path = trained.folder / "directions.npz"
    if not path.is_file():
        raise InputError(
            f"{trained.folder} has no directions yet: run `python main.py navigate {trained.folder}` first."
        )
    with np.load(path, allow_pickle=False) as arrays:
        known = {key.removesuffix(".direction"): key for key in arrays.files if key.endswith(".direction")}
        if name not in known:
            raise InputError(f"There is no direction {name!r}: choose from {', '.join(known)}.")
        return tuple(map(float, arrays[known[name]]))


def _answer(question, case, target):
    """(case, targets (B,), what the network says): probabilities (B, K), or positions (B,) along a direction."""
    subject = case.subject(question.x)
    if case.classes and subject.outputs != len(case.classes):
        case = replace(case, classes=())
        subject.classes = []
    with torch.inference_mode():
        said = subject.network(question.x.to(subject.device)).float().cpu()
    if case.vector and target != "predicted":
        raise InputError("--along explains a place, not a class: leave out --target.")
    if target == "true" and target not in case.classes:
        if "" in question.label or not case.classes:
            raise InputError("The true class is not known here: give --target a class or predicted.")
        target = question.label
    targets = subject.targets(question.x, target).cpu()
    return case, targets.numpy(), (said[:, 0] if case.vector else said.softmax(1)).numpy()
