"""`explain RUN|IMAGE --methods ...`: methods on a few items, each in a process of its own; maps, pictures, a table."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

import pictures
import runs
from commands.explain import IMPORTS
from commands.explained import draw, run, write_cases
from commands.scene import Scene, generator
from errors import InputError
from explain import listing, runner, status
from explain.case import Case, plugins
from explain.plan import make_plan
from explain.runner import Job

SIZE = 224  # pixels a side of a picture for a network of the user's own


def explain(
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
        question = pose(what, **asked)
        folder = Path(out) if out else question.folder
        runs.check_writable(folder)
        answers = [answer(question, replace(case, plugins=paths), target) for case in question.cases]
        with runner.workplace(folder) as place:
            cases = write_cases(question, answers, place, folder, background_of(question, background))
            at_once = workers or runner.usual_workers(len(entries) * len(cases))
            limits = memory_limit or runner.usual_memory(), max(1, runner.cores() // at_once)
            jobs = [Job(case, each, each.time_limit or time_limit, *limits) for case in cases for each in entries]
            rows = run(jobs, folder, place, at_once, question)
        for case in cases:
            draw(folder, case.name)
    return rows, folder


def in_words(name=None, plugin=()):
    """Every method in a line, or all about the one called `name`; those of the user's own files too."""
    with plugins(tuple(str(Path(p).absolute()) for p in plugin)):
        return listing.about(name) if name else "\n".join(listing.lines())


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
    scene: Scene | None
    folder: Path


def pose(what, run=None, network=None, model=None, along=None, size=None, precision=None, seed=None, **chosen):
    """The Question that the settings ask. chosen: `items` or `rows` of a run."""
    path = Path(what)
    scene = open_for(path, run, network)
    given = {"precision": precision or (scene.config["precision"] if scene else "fp32")}
    given["seed"] = (scene.config["seed"] if scene else 0) if seed is None else seed
    cases = [replace(case, **given) for case in find_cases(scene, network, model, along)]
    if not path.is_file():
        rows = find_rows(scene, given["seed"], **chosen)
        label = list(scene.table.label.to_numpy()[rows])
        return Question(planted(scene, rows), rows, label, cases, scene, scene.folder / "explanations")
    if chosen.get("rows"):
        raise InputError("--rows names items of a run, and a picture file was given: leave one of them out.")
    folder = (scene.folder if scene else Path()) / "explanations" / f"picture-{slug(path.stem)}"
    return Question(picture(path, scene, size), np.array([-1]), [""], cases, scene, folder)


def slug(name):
    """`name` with nothing in it that a file name cannot have."""
    return re.sub(r"[^\w-]+", "-", name)


def open_for(path, run, network):
    """The run that is asked, opened without reading its pictures: `path` itself, or the one that explains a picture."""
    if not path.exists():
        raise InputError(f"There is no file or folder {path}: give the folder of a run or a picture file.")
    if not path.is_file():
        if run:
            raise InputError("--run names the models for a picture file: leave it out where RUN is given.")
        return open_lazily(path)
    if run or not network:
        return open_lazily(run or newest_run())
    return None


def open_lazily(run):
    """A trained run whose pictures are read as they are needed. InputError if it is none."""
    folder, config = runs.open_run(run)
    table = runs.read_items(folder)
    read = pictures.Pictures(list(table.path), config["input_size"], config["input_channels"])
    return Scene(folder, config, table, read)


def newest_run(parent="runs"):
    """The run under `parent` that finished last. InputError if there is none."""
    done = [p for p in Path(parent).glob("*/train.json") if runs.is_run(p.parent)]
    done = [p for p in done if (p.parent / "model.safetensors").is_file()]
    if not done:
        raise InputError(f"There is no finished run under {parent}/ to explain a picture with: name one by --run.")
    return max(done, key=lambda p: p.stat().st_mtime).parent


def find_rows(scene, seed, items=6, rows=()):
    """Row numbers (B,) of the items to explain: those asked for, or held-out ones, the classes in turn."""
    if not rows:
        return scene.starts(items, generator({"seed": seed}, 4))  # the first ones of `explain.json`
    if odd := [row for row in rows if not 0 <= row < len(scene.table)]:
        raise InputError(f"There is no row {odd[0]}: items.csv has the rows 0 to {len(scene.table) - 1}.")
    return np.array(rows)


def planted(scene, rows):
    """Pictures (B, C, H, W) of rows as the run plants them. InputError if they are gone."""
    try:
        return scene.planted(rows)
    except (OSError, ValueError, SyntaxError) as e:
        raise InputError(f"A picture of this run cannot be read any more ({e}): put it back or train again.") from e


def picture(path, scene, size):
    """A picture file as items (1, C, H, W), cropped and scaled as for training. InputError if it cannot be read."""
    if scene is not None and size not in (None, scene.config["input_size"]):
        raise InputError(f"--size {size} does not fit: the run's models take {scene.config['input_size']} pixels.")
    if scene is not None:
        size, channels = scene.config["input_size"], scene.config["input_channels"]
    else:
        channels = pictures.guess_channels([path])
    found = pictures.attempt(path, size or SIZE, channels)
    if isinstance(found, str):
        raise InputError(f"{path} cannot be read as a picture ({found}): give a run folder or a picture file.")
    return found[None].float() / 255


def background_of(question, n):
    """n held-out items (n, C, H, W) that are not explained; None where there are fewer than two."""
    if question.scene is None:
        return None
    rows = np.setdiff1d(question.scene.rows("valid"), question.row)
    rows = generator({"seed": question.cases[0].seed}, 8).permutation(rows)[:n]
    return planted(question.scene, rows).numpy() if len(rows) > 1 else None


# ---- whose answer -----------------------------------------------------------------------------------------------


def find_cases(scene, network, model, along):
    """A case for each network that is asked: the user's own, the AAE along a direction, or the run's models."""
    classes = tuple(scene.classes) if scene else ()
    if network and (model or along):
        raise InputError("--network brings its own model: leave out --model and --along.")
    if network:
        return [Case("network", function=network, classes=classes)]
    aae, baseline = (
        Case(name, weights=str(scene.folder.absolute() / f"{file}.safetensors"), imports=IMPORTS, classes=classes)
        for name, file in (("aae", "model"), ("baseline", "baseline"))
    )
    if along:
        if model in ("baseline", "both"):
            raise InputError("--along asks for a place in the AAE's latent space: leave out --model.")
        return [replace(aae, name=f"aae-along-{slug(along)}", classes=(), vector=direction(scene, along))]
    if model in ("baseline", "both") and not scene.has_baseline():
        raise InputError(f"{scene.folder} has no ResNet34: choose --model aae.")
    return {"aae": [aae], "baseline": [baseline]}.get(model, [aae, baseline] if scene.has_baseline() else [aae])


def direction(scene, name):
    """The vector (D,) of a stored direction as plain numbers. InputError if there is none of that name."""
    path = scene.folder / "directions.npz"
    if not path.is_file():
        raise InputError(f"{scene.folder} has no directions yet: run `python main.py navigate {scene.folder}` first.")
    with np.load(path, allow_pickle=False) as arrays:
        known = {key.removesuffix(".direction"): key for key in arrays.files if key.endswith(".direction")}
        if name not in known:
            raise InputError(f"There is no direction {name!r}: choose from {', '.join(known)}.")
        return tuple(map(float, arrays[known[name]]))


def answer(question, case, target):
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
