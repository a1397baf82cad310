"""`evaluate RUN`: how well a run's models answer on held-out items, and how far their confidence can be trusted."""

import time
from functools import partial

import numpy as np
import torch
from fastai.torch_core import default_device
from torchmetrics import MeanSquaredError
from tqdm.auto import tqdm

from xaae import model as models
from xaae.evaluation.class_scores import check_finite, classifier_scores
from xaae.evaluation.evaluation_figure import evaluation_figure
from xaae.experiment import run_folder
from xaae.experiment.device import exact
from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import MODELS
from xaae.training.trained_run import open_trained_run


def evaluate_run(run, model="both", split="valid", planted=True, value=None):
    """Write `evaluate.json` and an `evaluation_MODEL.png` for each model; returns what the JSON holds.

    model: aae, baseline or both (those that the run has). split: valid or test. planted: with the table's values of
    the factor, else nothing planted; value: this one in every item instead. Each call replaces the last one's files.
    Numbers are in full precision, whatever the run was trained in. InputError, before anything is written, if there
    are no such items or no such model.
    """
    began = time.perf_counter()
    trained = open_trained_run(run)
    show, how = _presentation(trained, planted, value)
    rows = _held_out(trained, split)
    networks = {n: trained.model(n) for n in (trained.model_names() if model == "both" else [model])}
    target = torch.tensor([trained.classes.index(label) for label in trained.table.label.to_numpy()[rows]])
    found = {"split": split, "values": how, "items": len(rows), "classes": trained.classes}
    for name, each in networks.items():
        logits, recon_mse = _answer(each, show, rows, trained.config.batch_size, MODELS[name])
        found[name] = classifier_scores(logits, target, trained.classes) | (
            {} if recon_mse is None else {"recon_mse": recon_mse}
        )
    _draw(trained, found)
    found["seconds"] = time.perf_counter() - began
    run_folder.write_json(trained.folder / "evaluate.json", found)
    return found


def _presentation(trained, planted, value):
    """(rows -> pictures as they are to be judged, what to call that)."""
    if value is None:
        return (trained.planted, "planted as in the table") if planted else (trained.upright, "nothing planted")
    low, high = trained.factor.allowed
    if not planted:
        raise InputError("--upright plants nothing and --value plants one value: give one of the two.")
    if not low <= value <= high:
        raise InputError(
            f"--value {value:g} is no {trained.factor.name}: give {low:g} to {high:g} {trained.factor.unit}."
        )
    plant = lambda rows: trained.plant(trained.upright(rows), torch.full((len(rows),), float(value)))  # noqa: E731
    return plant, f"{trained.factor.name} {value:g} {trained.factor.unit} in every item"


def _held_out(trained, split):
    """Rows of a split. InputError if the run's table has none."""
    rows = trained.rows(split)
    if not len(rows):
        raise InputError(
            f"{trained.folder} has no {split} items: use --split {'valid' if split == 'test' else 'test'}."
        )
    return rows


@torch.inference_mode()
def _answer(network, show, rows, size, name=""):
    """Logits (N, K) of a model for pictures show(rows), `size` at a time; of an AAE also the mean squared error of
    what it reconstructs, else None."""
    logits, error, device = [], MeanSquaredError(), default_device()
    parts = np.array_split(rows, -(-len(rows) // size))
    with exact():
        for part in tqdm(parts, name, leave=False, disable=None):
            x = show(part).to(device)
            if isinstance(network, models.AAE):
                found, x_hat, _ = network(x)
                error.update(x_hat.cpu().flatten(), x.cpu().flatten())
            else:
                found = network(x)
            logits.append(found.float().cpu())
    return check_finite(torch.cat(logits)), float(error.compute()) if isinstance(network, models.AAE) else None


def _draw(trained, found):
    """`evaluation_MODEL.png` of every model judged; those of an earlier evaluation go."""
    path = partial("evaluation_{}.png".format)
    for name in MODELS:
        (trained.folder / path(name)).unlink(missing_ok=True)
    for name in (n for n in MODELS if n in found):
        title = f"{MODELS[name]} on {found['items']} items of the {found['split']} split, {found['values']}"
        evaluation_figure(found[name], trained.classes, title).savefig(
            trained.folder / path(name), dpi=130, bbox_inches="tight"
        )


COLUMNS = "loss accuracy 95%_interval precision recall F1 AUROC calibration_error Brier reconstruction_MSE".split()


def evaluation_in_words(found):
    """The evaluation as a small table of text, a line a model."""
    heads = [c.replace("_", " ") for c in COLUMNS]
    lines = {MODELS[n]: _line(found[n]) for n in MODELS if n in found}
    widths = [max(map(len, column)) for column in zip(heads, *lines.values(), strict=True)]
    row = lambda name, cells: "  ".join([f"{name:10}", *(c.rjust(w) for c, w in zip(cells, widths, strict=True))])  # noqa: E731
    about = f"{found['items']} items of the {found['split']} split, {found['values']}:"
    return "\n".join([about, row("", heads), *(row(name, cells) for name, cells in lines.items())])


def _line(s):
    """One model's numbers as the cells of the table."""
    low, high = s["accuracy_interval"]
    means = [s[name]["macro"] for name in ("precision", "recall", "f1", "auroc")]
    rest = [s["calibration"]["expected_error"], s["calibration"]["brier"], s.get("recon_mse", float("nan"))]
    numbers = [s["loss"], s["accuracy"], *means, *rest]
    cells = ["-" if np.isnan(v) else f"{v:.4f}" if i == len(numbers) - 1 else f"{v:.3f}" for i, v in enumerate(numbers)]
    return [*cells[:2], f"[{low:.3f}, {high:.3f}]", *cells[2:]]
