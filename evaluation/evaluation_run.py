"""`evaluate RUN`: how good a run's models are on held-out items, and how far their confidence can be trusted."""

import time

import numpy as np
import torch
from fastai.torch_core import default_device
from torchmetrics import MeanSquaredError
from tqdm.auto import tqdm

from xaae import model as models
from xaae.evaluation.class_scores import SCORES, check_finite
from xaae.evaluation.evaluation_figure import evaluation_figure
from xaae.evaluation.target_figures import label_figure, severity_figure
from xaae.experiment import run_folder
from xaae.experiment.amounts import counted
from xaae.experiment.class_balance import majority_in_words, weakness_in_words
from xaae.experiment.device import exact
from xaae.experiment.errors import InputError
from xaae.experiment.figure_style import save_png
from xaae.experiment.manifest import recording
from xaae.experiment.target_words import severity_weakness
from xaae.experiment.tasks import CLASSES, LABELS, SEVERITY, Target
from xaae.experiment.vocabulary import MODELS, models_of
from xaae.training.trained_run import open_trained_run

CLASS_COLUMNS = (  # of the table that is printed
    "loss",
    "accuracy",
    "95% interval",
    "balanced accuracy",
    "precision",
    "recall",
    "F1",
    "AUROC",
    "calibration error",
    "Brier",
    "reconstruction MSE",
)


def evaluate_run(run, model="both", split="valid", planted=True, value=None, data_root=None):
    """Write `evaluate.json`, and `evaluation_MODEL.png` for each model; returns what the JSON holds.

    model: aae, baseline or both (those that the run has). split: valid or test. planted: True for items with the
    table's values of the factor, False for items with nothing planted. value: plant this value in every item instead.
    data_root: where the run's items are now, if they were moved.
    The files of an earlier call are replaced. Arithmetic is in full precision, whatever the run was trained in.
    InputError, before anything is written, if there are no such items or no such model.
    """
    began = time.perf_counter()
    trained = open_trained_run(run, data_root=data_root)
    run_folder.check_writable(trained.folder, "folder")
    show, shown = _presentation(trained, planted, value)
    rows = _held_out(trained, split)
    networks = {n: trained.own_model(n) for n in (trained.model_names() if model == "both" else [model])}
    truth, target = TARGETS[trained.config.task](trained, rows), trained.target
    results = {
        "split": split,
        "values": shown,
        "items": len(rows),
        "task": target.task,
        "classes": trained.classes,
        "kind": trained.kind.name,
    }
    results |= {"target": target.as_dict()} if target.as_dict() else {}
    for name, network in networks.items():
        logits, recon_mse = _answer(network, show, rows, trained.config.batch_size, models_of(trained.kind)[name])
        results[name] = SCORES[target.task](logits, truth, target)
        results[name] |= {} if recon_mse is None else {"recon_mse": recon_mse}
    results["seconds"] = time.perf_counter() - began
    with recording(trained.folder):
        _draw(trained, results)
        run_folder.write_json(trained.folder / "evaluate.json", results)
    return results


def _presentation(trained, planted, value):
    """(function rows -> items as they are shown to the models, what that is called)."""
    if value is None:
        as_in_table = "nothing planted" if trained.config.arm == "normal" else "planted as in the table"
        return (trained.planted, as_in_table) if planted else (trained.upright, "nothing planted")
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
    rows = np.flatnonzero(trained.table.split == split)
    if not len(rows):
        raise InputError(
            f"{trained.folder} has no {split} items: use --split {'valid' if split == 'test' else 'test'}."
        )
    return rows


def _class_numbers(trained, rows):
    """The true class of each row as a number: (N,)."""
    return torch.tensor([trained.classes.index(label) for label in trained.table.label.to_numpy()[rows]])


def _true_severities(trained, rows):
    """The severity of each row in its unit: (N,)."""
    return trained.numbers(rows)


def _true_labels(trained, rows):
    """The labels of each row, 1, 0 or NaN: (N, K)."""
    return trained.table[list(trained.target.columns)].to_numpy(float)[rows]


TARGETS = {  # task -> function that gives the true answers of rows
    CLASSES.name: _class_numbers,
    SEVERITY.name: _true_severities,
    LABELS.name: _true_labels,
}
FIGURES = {  # task -> function that draws scores: (scores, Target, title)
    CLASSES.name: lambda scores, target, title: evaluation_figure(scores, list(target.classes), title),
    SEVERITY.name: severity_figure,
    LABELS.name: label_figure,
}


@torch.inference_mode()
def _answer(network, show, rows, size, name=""):
    """A model's logits (N, K) for items show(rows), `size` at a time, and the mean squared error of their
    reconstruction, None for a model that does not reconstruct. InputError for logits that are not finite."""
    logits, error, device = [], MeanSquaredError(), default_device()
    reconstructs = isinstance(network, models.AAE)
    parts = np.array_split(rows, -(-len(rows) // size))
    with exact():
        for part in tqdm(parts, name, leave=False, disable=None):
            x = show(part).to(device)
            if reconstructs:
                output, x_hat, _ = network(x)
                error.update(x_hat.cpu().flatten(), x.cpu().flatten())
            else:
                output = network(x)
            logits.append(output.float().cpu())
    return check_finite(torch.cat(logits)), float(error.compute()) if reconstructs else None


def _draw(trained, results):
    """Write `evaluation_MODEL.png` for each model of the results; remove those of other models."""
    for name in MODELS:
        path = trained.folder / f"evaluation_{name}.png"
        path.unlink(missing_ok=True)
        if name in results:
            title = f"{models_of(trained.kind)[name]} on {_what_was_shown(results)}"
            figure = FIGURES[trained.config.task](results[name], trained.target, title)
            save_png(figure, path, dpi=130, bbox_inches="tight")


def _what_was_shown(results):
    """ "16 items of the valid split, planted as in the table"."""
    return f"{counted(results['items'], 'items')} of the {results['split']} split, {results['values']}"


# ---- in words ---------------------------------------------------------------------------------------------------


def evaluation_in_words(results):
    """The results of an evaluation as a small table of text, a line for each model."""
    columns, cells_of, below = TABLES[results.get("task", CLASSES.name)]
    titles = models_of(results.get("kind"))
    lines = {titles[name]: cells_of(results[name]) for name in MODELS if name in results}
    widths = [max(map(len, column)) for column in zip(columns, *lines.values(), strict=True)]
    line = lambda name, cells: "  ".join([f"{name:10}", *(c.rjust(w) for c, w in zip(cells, widths, strict=True))])  # noqa: E731
    heading = f"{_what_was_shown(results)}, in full precision:"
    table = [heading, line("", columns), *(line(name, cells) for name, cells in lines.items())]
    return "\n".join([*table, *below(results)])


def _titles(results):
    """(name, what it is called) of the models."""
    return models_of(results.get("kind")).items()


def _majority_lines(results):
    """What the accuracies have to be set beside: the most frequent class, and who is no better."""
    models_there = {title: results[name] for name, title in _titles(results) if name in results}
    first = next(iter(models_there.values()))
    yield f"Beside the accuracy: {majority_in_words(first)}."
    yield from filter(None, (weakness_in_words(name, each["accuracy"], each) for name, each in models_there.items()))


def _cells(scores):
    """One model's numbers as the cells of the table."""
    low, high = scores["accuracy_interval"]
    means = [scores[name]["macro"] for name in ("precision", "recall", "f1", "auroc")]
    calibration = [scores["calibration"]["expected_error"], scores["calibration"]["brier"]]
    cells = ["-" if np.isnan(v) else f"{v:.3f}" for v in (scores["loss"], scores["accuracy"], *means, *calibration)]
    mse = f"{scores['recon_mse']:.4f}" if "recon_mse" in scores else "-"
    return [*cells[:2], f"[{low:.3f}, {high:.3f}]", f"{scores['balanced_accuracy']:.3f}", *cells[2:], mse]


def _severity_cells(scores):
    """One model's numbers of a severity as cells."""
    low, high = scores["spearman_interval"]
    numbers = [f"{scores[name]:.4g}" for name in ("mae", "mae_of_median", "rmse")]
    rest = [f"{scores['r2']:.3f}", f"{scores['spearman']:.3f}", f"[{low:.3f}, {high:.3f}]"]
    return [*numbers, *rest, f"{scores['recon_mse']:.4f}" if "recon_mse" in scores else "-"]


def _severity_lines(results):
    """The unit, and which models are no better than the median alone."""
    target = Target(**results["target"])
    yield f"Errors are in the unit of {target.noun}."
    there = {title: results[name] for name, title in _titles(results) if name in results}
    yield from filter(None, (severity_weakness(name, scores) for name, scores in there.items()))


def _label_cells(scores):
    """One model's means over the labels as cells."""
    means = [f"{scores[name]:.3f}" for name in ("auroc", "average_precision", "balanced_accuracy")]
    return [*means, f"{scores['recon_mse']:.4f}" if "recon_mse" in scores else "-"]


def _label_lines(results):
    """Each label's scores, a line for each model and label."""
    for name, title in ((name, title) for name, title in _titles(results) if name in results):
        for label, each in results[name]["labels"].items():
            yield (
                f"{title}, {label}: AUROC {each['auroc']:.3f}, average precision {each['average_precision']:.3f},"
                f" balanced accuracy {each['balanced_accuracy']:.3f} (present {each['present']}, absent"
                f" {each['absent']}, unknown {each['unknown']})."
            )


TABLES = {  # task -> columns of the printed table, a model's cells, lines below it
    CLASSES.name: (CLASS_COLUMNS, _cells, _majority_lines),
    SEVERITY.name: (
        ("mean error", "of the median", "RMSE", "R2", "Spearman", "95% interval", "reconstruction MSE"),
        _severity_cells,
        _severity_lines,
    ),
    LABELS.name: (
        ("mean AUROC", "mean average precision", "mean balanced accuracy", "reconstruction MSE"),
        _label_cells,
        _label_lines,
    ),
}
