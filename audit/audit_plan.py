"""A checked audit: its settings, what it trains, what it asks, and where everything is kept."""

import contextlib
import io
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from xaae import data
from xaae.audit.arms import make_arms, make_conditions
from xaae.audit.questions import QuestionPlan
from xaae.audit.verdict import Thresholds
from xaae.audit.workers import default_workers
from xaae.experiment import run_folder
from xaae.experiment.audit_settings import AUDITED_FACTORS, AUDITS, USUAL_CODE, AuditSettings
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, PICTURE, Kind
from xaae.experiment.settings import CODES, RunSettings
from xaae.experiment.vocabulary import MODELS
from xaae.explain.method import find_method
from xaae.factors.registry import FACTORS
from xaae.latent_nav.contrasts import contrast
from xaae.latent_nav.directions import DIRECTIONS
from xaae.sources.fingerprints import fingerprint
from xaae.training.preparation import prepare_training, resolve

TRAINED_WITH = (  # settings of an audit that training takes as they are
    "dataset",
    "data_root",
    "items",
    "size",
    "channels",
    "step_channels",
    "batch_size",
    "epochs",
    "baseline_epochs",
    "label_noise",
)
FIXED = {  # settings of training that are the same in every audit
    "preset": "smoke",
    "split": "random",
    "architecture": "default",
    "one_hot": False,
    "fill": "zeros",
    "prior": "normal",
    "adversarial_weight": 0.2,
    "precision": "fp32",
    "data_seed": 0,
    "pretrained": False,
}
SETTINGS_FILE = "audit-settings.json"  # written when an audit begins
STRAIGHT = {  # code -> directions of a single vector; the head of a factored code reads items, not codes
    code: [n for n, kind in DIRECTIONS.items() if kind.fit and not (kind.many or kind.led or n in without)]
    for code, without in {"plain": (), "factored": ("head",)}.items()
}
PARAMETERS = {  # of attribution methods, cheaper than usual: an audit asks some sixty models
    "smoothgrad": {"samples": 6},
    "integrated_gradients": {"steps": 10},
    "gradient_shap": {"samples": 6},
    "occlusion": {"window": 8, "stride": 4},
    "kernel_shap": {"segments": 16, "samples": 48},
    "lime": {"segments": 16, "samples": 48},
    "shapley_value_sampling": {"segments": 16},
    "rise": {"samples": 100},
}
CAM_STAGE = "0.7"  # stage 3 of the ResNet34: of small pictures it has 2 x 2 cells, but points where stage 2 does not
SMALL = 64  # pixels; from here on the usual choice, the deepest stage of 4 x 4 cells, is stage 3 or a deeper one


@dataclass
class Audit:
    """A checked audit.

    base: the settings of training that all arms share, and what their data are. arms {condition: {arm: [Arm of each
    seed]}}. folder: where the results go. kept: where trained arms are kept. paths (N,): of the items, as they are now.
    kind: of the items.
    """

    settings: AuditSettings
    base: dict
    arms: dict
    plan: QuestionPlan
    folder: Path
    kept: Path
    paths: pd.Series
    kind: Kind = PICTURE
    thresholds: Thresholds = field(default_factory=Thresholds)

    def arm_folder(self, arm):
        """The folder of an Arm."""
        return self.kept / arm.key(self.base)

    @cached_property
    def arms_by_folder(self):
        """Every arm that has to be trained, once: {folder: Arm}."""
        groups = [group for by_arm in self.arms.values() for group in by_arm.values()]
        return {self.arm_folder(arm): arm for group in groups for arm in group}

    @cached_property
    def questions(self):
        """All that is asked: {condition: {arm: [ArmQuestions of each seed]}}."""
        return {
            condition: self.plan.questions(
                condition, {name: [str(self.arm_folder(arm)) for arm in group] for name, group in by_arm.items()}
            )
            for condition, by_arm in self.arms.items()
        }


def plan_audit(settings, out=None):
    """The Audit that the AuditSettings ask for, checked; `out`: its folder. Nothing is written.

    InputError if the settings make no sense, the data cannot be read or a folder cannot be used.
    """
    settings = _with_factors(settings)
    conditions = _checked_conditions(settings)
    base = _shared_settings(settings)
    folder = Path(out) if out else Path("runs") / run_folder.next_name("runs", f"audit-{Path(base['dataset']).stem}")
    kept = Path(settings.arms or "runs/arms")
    check_folders(folder, kept)
    arms = make_arms(conditions, settings.seeds, settings.irrelevant_seeds)
    prepared = _read_data(settings, base, arms)
    found = {"classes": prepared.config.classes, "size": prepared.config.input_size}
    workers = settings.workers or (None if settings.scheduler else default_workers())
    settings = replace(settings, workers=workers, **found)
    base |= {"data": _data_key(prepared, base)}
    plan, kind = _question_plan(settings, prepared.config.kind), KINDS[prepared.config.kind]
    return Audit(settings, base, arms, plan, folder, kept, prepared.table.path, kind)


def _with_factors(settings):
    """The AuditSettings with factors that the items can have, as many as the preset has, where none were asked for."""
    usual = AUDITS[settings.preset].factors
    if tuple(settings.factors) != usual:
        return settings
    kind = data.kind_of_dataset(settings.dataset, settings.data_root, settings.slices)
    if all(FACTORS[name].fits(kind) for name in usual):
        return settings
    return replace(settings, factors=AUDITED_FACTORS[kind.name][: len(usual)])


def _checked_conditions(settings):
    """The conditions of the AuditSettings. InputError for a method, direction or factor that does not exist."""
    for name in settings.methods:
        find_method(name)
    known = [*STRAIGHT[settings.code], *(f"led:{model}" for model in _asked_models(settings))]
    for name in settings.directions:
        if name not in known:
            of_code = f"with the {settings.code} code" if name in STRAIGHT[USUAL_CODE] else "for an audit"
            raise InputError(f"There is no direction {name!r} {of_code}: choose from {', '.join(known)}.")
    return make_conditions(settings.factors, settings.strength, settings.contamination)


READING = {"window": RunSettings.window, "slices": RunSettings.slices}  # how files are read; usual ones are in no key


def _shared_settings(settings):
    """What the training of all arms shares, a dict; its keys are part of the arms' keys on disk."""
    own = CODES[settings.code] | ({"encoding_dims": settings.encoding_dims} if settings.encoding_dims else {})
    asked = FIXED | {name: getattr(settings, name) for name in TRAINED_WITH} | own
    asked |= {} if settings.code == USUAL_CODE else {"code": settings.code}  # the arms of earlier versions stay known
    asked |= {name: getattr(settings, name) for name, usual in READING.items() if getattr(settings, name) != usual}
    resolved, note = resolve(RunSettings(**({"code": USUAL_CODE} | asked)))
    base = {name: getattr(resolved, name) for name in (*asked, "arm")}
    base = {name: value for name, value in base.items() if value is not None}
    base |= {"dataset_note": note, "items": settings.items, "out": None}
    if base["dataset"].startswith("medmnist"):
        base["size"] = settings.size or 32
    return base


def check_folders(folder, kept):
    """InputError for folders that cannot be written or that hold something else."""
    begun = [folder / "audit.json", folder / SETTINGS_FILE]
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not any(p.exists() for p in begun)):
        raise InputError(f"{folder} holds something other than an audit: give --out a new folder.")
    run_folder.check_writable(folder)
    if kept.is_file():
        raise InputError(f"{kept} is a file: give --arms a folder, in which trained arms are kept.")
    run_folder.check_writable(kept, "--arms")


def _read_data(settings, base, arms):
    """The data as Prepared, read once for each factor as the arms will read them.

    InputError for bad settings, before anything is trained.
    """
    for arm in {condition.factor: by_arm["biased"][0] for condition, by_arm in reversed(arms.items())}.values():
        with contextlib.redirect_stdout(io.StringIO()):
            prepared = prepare_training(arm.run_settings(base))
        _check_probe(prepared, settings.probe)
    return prepared


def _check_probe(prepared, probe):
    """InputError if fewer than `probe` items of the two classes that are compared are held out."""
    sides, held_out = contrast("", prepared.config.classes), prepared.table[prepared.table.split == "valid"]
    if (n := int(sides.holds(held_out.label.astype(str)).sum())) < probe:
        whose = f" of {' or '.join(sides.both)}" if len(sides.classes) > 2 else ""
        raise InputError(f"Only {n} items{whose} are held out, --probe asks for {probe}: give more items or ask less.")


def _data_key(prepared, base):
    """What the data of all arms are: the dataset's name, and a fingerprint of items, labels and splits.

    A folder that was moved is the same data; a file that was changed under its old name is not.
    """
    name, _, _ = data.choose(base["dataset"], base.get("data_root") or data.default_root())
    table = prepared.table
    return f"{name}-{fingerprint(prepared.items, np.arange(len(table)), table.label, table.split)}"


def _asked_models(settings):
    """Names of the models that each arm has."""
    return [name for name in MODELS if name == "aae" or settings.baseline_epochs]


def _question_plan(settings, kind):
    """The QuestionPlan of the AuditSettings for items of a kind, given by its name."""
    models = _asked_models(settings)
    methods = {
        model: {name: method_parameters(find_method(name), model, settings.size, kind) for name in settings.methods}
        for model in models
    }
    about = settings.probe, tuple(settings.directions), settings.random_directions
    return QuestionPlan(tuple(models), *about, methods, settings.seeds)


def method_parameters(method, model, size, kind="picture"):
    """Parameters of an attribution method (of METHODS) in an audit, for a model and items of `size` places a side.

    Measured at 32 pixels, corner tag, three models: Grad-CAM at stage 2 has 0.00 to 0.35 of its strongest places on the
    tag, at stage 3 0.45 to 0.70; at stage 4, one cell, 0.03.
    """
    resnet34 = model == "baseline" and kind == "picture"
    small = resnet34 and method.kind == "cam" and method.name != "layer_gradcam" and size < SMALL
    return PARAMETERS.get(method.name, {}) | ({"layer": CAM_STAGE} if small else {})
