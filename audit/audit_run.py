"""`audit`: trains the arms, asks them, judges every explanation, writes audit.json, its page and a quiz."""

import contextlib
import io
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click

from xaae.audit import jobs, judging, plan, questions
from xaae.audit import results as results
from xaae.audit.sentences import audit_in_words, impossible  # noqa: F401  (in_words: the door's)
from xaae.audit.verdict import Thresholds
from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.audit_settings import audit_settings
from xaae.explain.method import find_method
from xaae.training import fitting as training

SHARED = ("dataset", "data_root", "items", "size", "channels", "encoding_dims", "step_channels", "batch_size",
          "epochs", "baseline_epochs", "label_noise")  # fmt: skip
FIXED = {"preset": "smoke", "split": "random", "architecture": "default", "one_hot": False, "fill": "zeros",
         "noise": 0.3, "prior": "normal", "lr": 3e-3, "reconstruction_weight": 30.0, "adversarial_weight": 0.2,
         "classification_weight": 0.1, "precision": "fp32", "data_seed": 0}  # fmt: skip
SETTINGS = "audit-settings.json"  # written when an audit begins
STRAIGHT = ("lda", "logistic", "head", "means", "severity")  # one vector each, in every model
TRAINING, WALKING, MAPPING = 1.0, 0.12, 0.02  # what pieces of work take, in units of one training


@dataclass
class Audit:
    """A checked audit: settings, conditions, arms by condition, and where everything is."""

    settings: dict
    base: dict
    arms: dict
    methods: dict
    models: list
    folder: Path
    kept: Path
    asked: Thresholds = field(default_factory=Thresholds)

    def home(self, arm):
        """The folder of an arm."""
        return self.kept / arm.key(self.base)

    def every(self):
        """Every arm that has to be trained, once: {folder: Arm}."""
        return {self.home(a): a for by_arm in self.arms.values() for some in by_arm.values() for a in some}


def run_audit(out=None, **given):
    """Run an audit; (its folder, what audit.json holds). InputError before anything is trained if it makes no sense."""
    began = time.perf_counter()
    found = prepare_audit(out, given)
    _show(found)
    workers = found.settings["workers"]
    missing = {home: arm for home, arm in found.every().items() if not jobs.is_trained(home)}
    pieces = _questions(found)
    pool = jobs.Jobs(workers, click.echo, TRAINING * len(missing) + sum(p[0] for p in pieces))
    try:
        seconds = {"training": _clocked(partial(_train_all, found, missing, pool))}
        failed = {}
        seconds["explaining"] = _clocked(partial(_ask_all, pieces, pool, failed))
    except BaseException:
        pool.close(at_once=True)
        raise
    pool.close()
    return found.folder, results.finish(found, failed, seconds, began, len(missing))


def _clocked(work):
    """Seconds that some work took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# ---- settings ---------------------------------------------------------------------------------------------------


def prepare_audit(out, given):
    """The Audit that the settings ask for, checked."""
    settings = audit_settings(**given).as_dict()
    settings.setdefault("workers", questions.workers_here())
    methods = [find_method(name) for name in settings["methods"]]
    for name in settings["directions"]:
        if name not in STRAIGHT:
            raise InputError(f"There is no direction {name!r} for an audit: choose from {', '.join(STRAIGHT)}.")
    conditions = plan.conditions(settings["factors"], settings["strength"], settings["contamination"])
    resolved = training.resolve(FIXED | {k: settings.get(k) for k in SHARED} | {"pretrained": False})
    base = {k: v for k, v in resolved.items() if v is not None} | {"items": settings.get("items"), "out": None}
    if base["dataset"].startswith("medmnist"):
        base["size"] = settings.get("size") or 32
    found = plan.arms(conditions, settings["seeds"], settings.get("irrelevant_seeds"))
    models = ["aae"] + ["baseline"] * bool(settings["baseline_epochs"])
    folder = Path(out) if out else Path("runs") / run_folder.next_name("runs", f"audit-{Path(base['dataset']).stem}")
    kept = Path(settings.get("arms") or "runs/arms")
    check_folders(folder, kept)
    audit = Audit(settings, base, found, {}, models, folder, kept)
    _trial(audit)
    size = audit.settings["size"]
    audit.methods = {m: {each.name: plan.method_parameters(each, m, size) for each in methods} for m in models}
    return audit


def check_folders(folder, kept):
    """InputError for folders that cannot be written or that hold something else."""
    begun = [folder / "audit.json", folder / SETTINGS]
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not any(p.exists() for p in begun)):
        raise InputError(f"{folder} holds something other than an audit: give --out a new folder.")
    run_folder.check_writable(folder)
    if kept.is_file():
        raise InputError(f"{kept} is a file: give --arms a folder, in which trained arms are kept.")
    run_folder.check_writable(kept, "--arms")


def _trial(found):
    """Read the data once as the arms will, so that bad settings are told before anything is trained."""
    seen = set()
    for by_arm in found.arms.values():
        settings = by_arm["biased"][0].settings(found.base)
        if settings["factor"] in seen:
            continue
        seen.add(settings["factor"])
        prepared = _quietly(settings)
        found.settings["classes"] = prepared.settings["classes"]
        found.settings["size"] = prepared.settings["input_size"]
        held, asked = int((prepared.table.split == "valid").sum()), found.settings["probe"]
        if held < asked:
            raise InputError(f"Only {held} items are held out, --probe asks for {asked}: give more items or ask less.")


def _quietly(settings):
    """What training would be given, without its words."""
    with contextlib.redirect_stdout(io.StringIO()):
        return training.prepare_training(settings)


def _show(found):
    """Print settings, thresholds and what has to be done."""
    hidden = ("versions", "command", "classes")
    lines = [f"  {k}: {', '.join(map(str, v)) if isinstance(v, (list, tuple)) else v}"
             for k, v in found.settings.items() if k not in hidden and v is not None]  # fmt: skip
    thresholds = ", ".join(f"{k} {v:.3g}" for k, v in found.asked.about().items())
    every = found.every()
    have = sum(jobs.is_trained(home) for home in every)
    click.echo("\n".join(["Settings:", *lines, f"Thresholds of the verdicts: {thresholds}"]))
    for told in impossible(found.settings, found.asked.about()):
        click.echo(f"Caution: {told}")
    click.echo(f"{len(every)} arms, {have} of them trained already (in {found.kept}); writes {found.folder}")
    click.echo(f"{found.settings['workers']} pieces of work at a time; the first takes a minute or more ...")


# ---- the work ---------------------------------------------------------------------------------------------------


def _train_all(found, missing, pool):
    """Train the arms that are not there yet."""
    found.folder.mkdir(parents=True, exist_ok=True)
    jobs.forget_dead(found.kept)
    run_folder.write_json(found.folder / SETTINGS, found.settings)
    for home, arm in missing.items():
        words = f"trained {arm.words()}"
        pool.add(TRAINING, words, jobs.train_arm, arm.settings(found.base), str(home))
    pool.run()


def _questions(found):
    """All that the arms are asked: (weight, words, function, arguments) each."""
    return [q for condition, by_arm in found.arms.items() for arm, some in by_arm.items()
            for i, _ in enumerate(some) for q in _questions_of(found, condition, arm, i)]  # fmt: skip


def _questions_of(found, condition, arm, i):
    """What one arm's model number i is asked under one condition."""
    s, folder = found.settings, str(found.home(found.arms[condition][arm][i]))
    n, where = s["probe"], f"{condition.key}, {arm}, seed {i}"
    for m in found.models:
        yield 0.02, f"answers of {m}, {where}", questions.ask_answers, (folder, condition, m, n)
    yield WALKING, f"walks, {where}", questions.ask_walks, (
        folder, condition, n, s["directions"], s["random_directions"], _oracle(found, condition, arm, i))  # fmt: skip
    sets, heavy = judging.sets_of(arm), {"biased": 1.3, "irrelevant": 1.0, "normal": 0.5}[arm]
    for m in found.models:
        for method, parameters in found.methods[m].items():
            weight = MAPPING * heavy * (1.5 if m == "baseline" else 0.2)
            about = (folder, condition, m, n, method, parameters, sets, arm == "biased")
            yield weight, f"{method} of {m}, {where}", questions.ask_maps, about


def _oracle(found, condition, arm, i):
    """The folder of the model asked as oracle; see `judged.oracle_of`."""
    if arm == "normal":
        return None
    some = found.arms[condition]["irrelevant"]
    return str(found.home(some[i if arm == "biased" else (i + 1) % found.settings["seeds"]]))


def _ask_all(pieces, pool, failed):
    """Ask all questions, those of one arm by one process; fills failed {(factor, method, model): reason}."""
    groups = {}
    for weight, words, function, arguments in pieces:
        groups.setdefault((arguments[0], arguments[1]), []).append((weight, words, function, arguments))
    for (_, condition), some in groups.items():
        words = f"asked {some[0][1].split(', ', 1)[1] if ', ' in some[0][1] else condition.key}"
        pool.add(sum(p[0] for p in some), words, _several, [(f, a) for _, _, f, a in some])
    for found in pool.run().values():
        failed.update(found)


def _several(work):
    """Do several pieces one after the other: {(condition's key, method, model): reason} of maps that raised."""
    failed = {}
    for function, arguments in work:
        told = function(*arguments)
        if function is questions.ask_maps and told != "ok":
            failed[arguments[1].key, arguments[4], arguments[2]] = told
    return failed
