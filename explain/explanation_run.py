"""`explain RUN|IMAGE --methods ...`: a few items by many methods, each in a process of its own."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from xaae.experiment import run_folder
from xaae.experiment.command_settings import ExplanationSettings
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, PICTURE
from xaae.experiment.manifest import recording
from xaae.experiment.seeds import generator
from xaae.experiment.settings import RunSettings
from xaae.experiment.tasks import CLASSES, SEVERITY, TASKS
from xaae.experiment.vocabulary import MODELS, WEIGHTS, models_of
from xaae.explain import listing
from xaae.explain.method_plan import make_plan
from xaae.explain.network.subject import Subject
from xaae.explain.process import runner, status
from xaae.explain.process.case import Case, plugins
from xaae.explain.process.runner import Job
from xaae.explain.result_files import TILES, draw_results, run_and_report, write_cases
from xaae.sources.formats import split_item
from xaae.sources.items import guess_channels, reading_options
from xaae.sources.path_lists import FILE_READERS
from xaae.training.item_paths import CURE
from xaae.training.trained_run import TrainedRun, open_trained_run

SIZE = 224  # pixels a side of a picture for a network of the user's own
DEFAULTS = ExplanationSettings()
PROBABILITIES = dict.fromkeys(TASKS, Subject.probabilities)  # task -> (Subject, answers (B, K)) -> probabilities (B, K)


def explain_items(what, settings=DEFAULTS):
    """Explain a few items of a run, or a picture file, by many methods: (new rows of the status table, folder).

    what: a run folder or a picture file. settings: ExplanationSettings. InputError, before anything runs, for settings
    that do not exist or do not fit.
    """
    files = _absolute(settings.plugin)
    with plugins(files):
        entries = make_plan(settings.methods, settings.config)
        question = _pose(Path(what), settings)
        folder = Path(settings.out) if settings.out else question.folder
        run_folder.check_writable(folder)
        answers = [_answer(question, replace(case, plugins=files), settings.target) for case in question.cases]
        run = question.trained.folder if question.trained else Path(os.devnull)
        with recording(folder, run), runner.workplace(folder) as place:
            cases = write_cases(question, answers, place, folder, _background_of(question, settings.background))
            at_once = settings.workers or runner.usual_workers(len(entries) * len(cases))
            jobs = _jobs(cases, entries, at_once, settings)
            rows = run_and_report(jobs, folder, place, at_once, question)
            for case in cases:
                draw_results(folder, case.name, question.trained.config.signal_scale if question.trained else {})
    return rows, folder


def _absolute(paths):
    """Paths of files that still hold in another process."""
    return tuple(str(Path(p).absolute()) for p in paths)


def _jobs(cases, entries, at_once, settings):
    """A Job for each method and case. Processes that run at once share the processor's cores."""
    limits = settings.memory_limit or runner.usual_memory(), max(1, runner.cores() // at_once)
    return [Job(case, entry, entry.time_limit or settings.time_limit, *limits) for case in cases for entry in entries]


def methods_in_words(name=None, plugin=()):
    """Every method in a line, or all about the one called `name`; the methods of the user's own files too."""
    with plugins(_absolute(plugin)):
        return listing.describe_method(name) if name else "\n".join(listing.method_lines())


def failed(rows):
    """Did one of these methods fail, or did none of them fit?"""
    states = [row.status for row in rows]
    return any(s in status.FAILED for s in states) or "ok" not in states


# ---- which items, by which networks -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """Items to explain and the networks whose answers are explained.

    x (B, C, *places). row (B,): row of items.csv, -1 for a picture file. label: B true classes, "" where unknown.
    cases: a Case for each network. trained: the run behind them, None without one. folder: where results go unless
    the user names another.
    """

    x: torch.Tensor
    row: np.ndarray
    label: list
    cases: list
    trained: TrainedRun | None
    folder: Path


def _pose(path, settings):
    """The Question that these settings ask of a run folder or picture file. InputError if they do not fit."""
    trained = _open_for(path, settings.run, settings.network, settings.data_root)
    if trained and trained.kind.name not in TILES:
        raise InputError(
            f"Explanations of {trained.kind.plural} cannot be drawn yet: give a run of "
            f"{' or '.join(KINDS[kind].plural for kind in TILES)}."
        )
    precision = settings.precision or (trained.config.precision if trained else "fp32")
    seed = settings.seed if settings.seed is not None else (trained.config.seed if trained else 0)
    cases = [replace(case, precision=precision, seed=seed) for case in _find_cases(trained, settings)]
    if not _is_item(path):
        rows = _find_rows(trained, seed, settings.items, settings.rows)
        label = list(trained.table.label.to_numpy()[rows])
        return Question(_planted(trained, rows), rows, label, cases, trained, trained.folder / "explanations")
    if settings.rows:
        raise InputError("--rows names items of a run, and a picture file was given: leave one of them out.")
    folder = (trained.folder if trained else Path()) / "explanations" / f"picture-{_file_name(_stem(path))}"
    return Question(_picture(path, trained, settings), np.array([-1]), [""], cases, trained, folder)


def _stem(path):
    """What results of a file, or of an item in one, are called."""
    file, item = split_item(path)
    return f"{Path(file).stem}-{item}" if item else Path(file).stem


def _is_item(path):
    """Is this a file, or an item FILE#ITEM in one?"""
    return os.path.isfile(split_item(path)[0])


def _file_name(text):
    """`text` without the characters that a file name cannot have."""
    return re.sub(r"[^\w-]+", "-", text)


def _open_for(path, run, network, data_root=None):
    """The run that answers: `path` itself, or the one that explains a picture file; None for a network without a run.
    Its items are not read yet."""
    if not (path.exists() or _is_item(path)):
        raise InputError(f"There is no file or folder {path}: give the folder of a run or a picture file.")
    if not _is_item(path):
        if run:
            raise InputError("--run names the models for a picture file: leave it out where RUN is given.")
        return open_trained_run(path, decoded=False, data_root=data_root)
    if run or not network:
        return open_trained_run(run or newest_run(), decoded=False, data_root=data_root)
    return None


def newest_run(parent="runs"):
    """The run under `parent` that finished last. InputError if there is none."""
    done = [p for p in Path(parent).glob("*/train.json") if run_folder.is_run(p.parent)]
    done = [p for p in done if (p.parent / WEIGHTS["aae"]).is_file()]
    if not done:
        raise InputError(f"There is no finished run under {parent}/ to explain a picture with: name one by --run.")
    return max(done, key=lambda p: p.stat().st_mtime).parent


def _find_rows(trained, seed, items, rows):
    """Row numbers (B,) of the items to explain: `rows`, or so many held-out items, the classes in turn."""
    if not rows:
        return trained.starts(items, generator(seed, "explained items"))  # the first ones of `explain.json`
    if unknown := [row for row in rows if not 0 <= row < len(trained.table)]:
        raise InputError(f"There is no row {unknown[0]}: items.csv has the rows 0 to {len(trained.table) - 1}.")
    return np.array(rows)


def _planted(trained, rows):
    """Items (B, C, *places) of rows as the run plants them. InputError if their files cannot be read any more."""
    try:
        return trained.planted(rows)
    except (OSError, ValueError, SyntaxError) as e:
        raise InputError(f"A picture of this run cannot be read any more ({e}): put it back, or {CURE}.") from e


def _picture(path, trained, settings):
    """A file as items (1, C, *places), cropped and scaled as for training. InputError if it cannot be read."""
    size = settings.size
    if trained is not None and settings.window:
        raise InputError(f"--window is part of the run ({trained.config.window}): leave it out.")
    if trained is not None and size not in (None, trained.config.input_size):
        raise InputError(f"--size {size} does not fit: the run's models take {trained.config.input_size} pixels.")
    if trained is not None:
        kind, size, channels = trained.kind, trained.config.input_size, trained.config.input_channels
    else:
        kind, size, channels = PICTURE, size or SIZE, guess_channels(PICTURE, [path])
    options = reading_options(kind, trained.config if trained else RunSettings(window=settings.window or "file"))
    x, (reason,) = FILE_READERS[kind.name]([str(path)], size, channels, **options)
    if reason:
        raise InputError(f"{path} cannot be read as a {kind.name} ({reason}): give a run folder or a {kind.name} file.")
    return x


def _background_of(question, n):
    """n held-out items (n, C, *places) that are not explained; None if there are fewer than two."""
    if question.trained is None:
        return None
    rows = np.setdiff1d(question.trained.rows("valid"), question.row)
    rows = generator(question.cases[0].seed, "background").permutation(rows)[:n]
    return _planted(question.trained, rows).numpy() if len(rows) > 1 else None


def _find_cases(trained, settings):
    """A Case for each network that answers: the user's own, the AAE's position along a direction, or the run's models.

    InputError for settings that do not fit each other or the run.
    """
    network, model, along = settings.network, settings.model, settings.along
    classes = tuple(trained.classes) if trained else ()
    if network and (model or along):
        raise InputError("--network brings its own model: leave out --model and --along.")
    if network:
        return [Case("network", function=network, classes=classes)]
    weights = {name: str(trained.folder.absolute() / WEIGHTS[name]) for name in MODELS}
    if along:
        if model in ("baseline", "both"):
            raise InputError("--along asks for a place in the AAE's latent space: leave out --model.")
        return [Case(f"aae-along-{_file_name(along)}", weights=weights["aae"], vector=_direction(trained, along))]
    if model in ("baseline", "both") and not trained.has_baseline():
        raise InputError(f"{trained.folder} has no {models_of(trained.kind)['baseline']}: choose --model aae.")
    present = [name for name in MODELS if name == "aae" or trained.has_baseline()]
    names = [model] if model in MODELS else present
    return [Case(name, weights=weights[name], classes=classes, sides=trained.sides(name)) for name in names]


def _direction(trained, name):
    """The vector (D,) of a stored latent direction, as plain numbers. InputError if there is none of that name."""
    path = trained.folder / "directions.npz"
    if not path.is_file():
        raise InputError(
            f"{trained.folder} has no directions yet: run `python main.py navigate {trained.folder}` first."
        )
    arrays = run_folder.read_arrays(path)
    known = {key.removesuffix(".direction"): key for key in arrays if key.endswith(".direction")}
    if name not in known:
        raise InputError(f"There is no direction {name!r}: choose from {', '.join(known)}.")
    return tuple(map(float, arrays[known[name]]))


# ---- what the networks answer -----------------------------------------------------------------------------------


def _answer(question, case, target):
    """(case, targets (B,), the network's output: probabilities (B, K), or positions (B,) along a direction).

    A network with another number of outputs than the run has classes loses their names.
    """
    subject = case.subject(question.x)
    if case.classes and subject.outputs != len(case.classes):
        case = replace(case, classes=())
        subject.classes = []
    if subject.remark:
        titles = models_of(question.trained.kind if question.trained else PICTURE)
        print(f"Note on the {titles.get(case.name, case.name)}: {subject.remark}.")
    with torch.inference_mode():
        output = subject.network(question.x.to(subject.device)).float().cpu()
    targets = subject.targets(question.x, _target_of(question, case, target)).cpu()
    task = question.trained.config.task if question.trained else CLASSES.name
    return case, targets.numpy(), (output[:, 0] if case.vector else PROBABILITIES[task](subject, output)).numpy()


def _target_of(question, case, target):
    """The target in the form that Subject.targets takes; "true" becomes the items' labels. InputError if unknown."""
    if case.vector and target != "predicted":
        raise InputError("--along explains a place, not a class: leave out --target.")
    task = question.trained.config.task if question.trained and case.classes else CLASSES.name
    if target == "predicted" and task == SEVERITY.name:
        return case.classes[-1]  # what speaks for a higher severity, of every item
    if target != "true" or target in case.classes:
        return target
    if "" in question.label or not case.classes:
        raise InputError("The true class is not known here: give --target a class or predicted.")
    return question.label
