"""`predict RUN PATH`: what a run's model answers to files of the user's own, with its uncertainty, as a CSV."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.torch_core import default_device
from scipy.special import expit
from scipy.stats import norm
from tqdm.auto import tqdm

from xaae import model as models
from xaae.evaluation.class_scores import check_finite
from xaae.experiment import run_folder
from xaae.experiment.amounts import counted
from xaae.experiment.device import exact
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, PICTURE
from xaae.experiment.manifest import recording
from xaae.experiment.tasks import CLASSES, LABELS, SEVERITY, Target, target_of
from xaae.experiment.text_tables import write_texts
from xaae.experiment.vocabulary import MODELS
from xaae.explain.methods import uncertainty
from xaae.sources.items import reading_options
from xaae.sources.path_lists import FILE_READERS, list_items
from xaae.training.trained_run import open_trained_run

UNCERTAINTY = ["entropy", "mutual_information", "deviation", "entropy_error"]
OWN_COLUMNS = (  # a CSV with all of one of these was made by `predict`
    {"path", "predicted", *UNCERTAINTY[:3], "error"},
    {"path", "predicted", "deviation", "error"},
    {"path", "most_likely", "error"},
)
LEAST_DIFFERENCE, CHANCE = 0.01, 0.05  # nats that matter; how often one of all items may be named by chance
RATE = 0.1  # dropout rate that is injected into a model without dropout


@dataclass
class Predictions:
    """The result of `predict`. table: as written to the file `out`. note: where the dropout was, in one line.

    classes: names of the classes or labels. target: what was predicted. plural: what the items are called.
    """

    table: pd.DataFrame
    out: Path
    classes: list
    note: str
    target: Target = Target()
    plural: str = PICTURE.plural


def predict_items(run, path, model="aae", samples=30, dropout=None, out=None, batch_size=None):
    """Let a run's model answer the files that `path` names (see path_lists.list_items) and write the CSV: Predictions.

    Columns: path; the further columns of a CSV that was given; predicted and probability_CLASS, without dropout; over
    `samples` passes with dropout (Gal & Ghahramani 2016) entropy (predictive, nats), mutual_information (nats),
    deviation (of the predicted class's probability) and entropy_error (of the entropy, from so few passes); error, why
    a file could not be read. dropout: the rate that is injected before the last layer of a model without dropout (Ledda
    et al. 2023), None for RATE. A severity has predicted and deviation, in its unit; labels have probability_LABEL and
    deviation_LABEL each, and most_likely. out: the CSV. batch_size: files read at once. Items are cropped and scaled as
    in training, and nothing is planted. InputError, before anything is written, if no file can be read.
    """
    trained = open_trained_run(run, decoded=False)
    out = Path(out or trained.folder / "predictions.csv")
    _check_out(out, path)
    files = list_items(path, trained.kind, trained.config.slices)
    body, head, inject = body_and_head(trained.own_model(model), dropout)
    answer = lambda x: ANSWERS[trained.config.task](body, head, x, samples, inject, trained.config.seed)  # noqa: E731
    answers = pd.concat(_answer_files(files.path, trained.config, answer, batch_size or trained.config.batch_size))
    if (answers.error != "").all():
        reason = f"{files.path[0]} ({answers.error.iloc[0]})"
        what, formats = trained.kind.plural, FORMATS[trained.kind.name]
        raise InputError(f"None of {len(files)} {what} can be read, as {reason}: give {what} such as {formats}.")
    kept = [c for c in files if c not in answers and c != "path"]
    table = pd.concat([files[["path", *kept]], answers.reset_index(drop=True)], axis=1)
    with recording(out.parent, trained.folder):
        _write(table, out)
    names = trained.target.names if trained.config.task == LABELS.name else trained.classes
    return Predictions(table, out, list(names), _note(inject, samples), trained.target, trained.kind.plural)


# ---- the network, in two parts ----------------------------------------------------------------------------------


def body_and_head(network, rate=None):
    """(body, head, rate to inject): a network x -> logits, cut before its first dropout.

    All passes with dropout share one output of the body. A network without dropout is cut before its last layer, and
    the rate (RATE by default) is for a dropout injected there; with dropout of its own, the rate is 0. InputError if a
    rate was given for such a network.
    """
    chain = models.classifier(network)
    with_dropout = [i for i, part in enumerate(chain) if any(uncertainty.dropout_rate(m) > 0 for m in part.modules())]
    if with_dropout and rate is not None:
        raise InputError("The baseline has dropout of its own: leave --dropout out, or use --model aae.")
    cut = with_dropout[0] if with_dropout else len(chain) - 1
    return chain[:cut], chain[cut:], 0.0 if with_dropout else RATE if rate is None else rate


def _note(inject, samples):
    """One line on where the dropout of the passes was."""
    if inject:
        where = (
            f"a dropout of {inject:g} injected before the {MODELS['aae']}'s head, for it has none (Ledda et al. 2023)"
        )
    else:
        where = "the baseline's own dropout"
    return f"Uncertainty: {samples} passes with {where}."


# ---- batch by batch ---------------------------------------------------------------------------------------------


@torch.inference_mode()
def answer_with_dropout(body, head, x, samples, inject, seed):
    """Class probabilities (B, K) of items x (B, C, *places), and their UNCERTAINTY (B, 4), both NumPy.

    body, head, inject: from `body_and_head`. The probabilities are those without dropout. InputError for logits that
    are not finite.
    """
    with exact():
        features = body(x.to(default_device()))
        p = check_finite(head(features)).double().softmax(1).cpu().numpy()
        drawn = uncertainty.predict_with_dropout(
            head, features, samples=samples, inject=inject, seed=seed, batch_size=len(x)
        )
    deviation = np.sqrt(drawn["variance"][np.arange(len(p)), p.argmax(1)])
    return p, np.stack([drawn["entropy"], drawn["mutual_information"], deviation, drawn["entropy_error"]], 1)


def _class_table(config, count):
    """The table for the answers to `count` files, without values: predicted, probability_CLASS, UNCERTAINTY."""
    table = pd.DataFrame(np.nan, np.arange(count), [*(f"probability_{c}" for c in config.classes), *UNCERTAINTY])
    table.insert(0, "predicted", None)
    return table


def _fill_class_table(table, rows, config, answers):
    """Write what `answer_with_dropout` returned into rows of the table."""
    p, spread = answers
    table.loc[rows, table.columns[1:]] = np.hstack([p, spread])
    table.loc[rows, "predicted"] = np.array(config.classes, dtype=object)[p.argmax(1)]


@torch.inference_mode()
def numbers_with_dropout(body, head, x, samples, inject, seed):
    """(answers (B, K) of items x (B, C, *places) without dropout, those of the passes (S, B, K)), NumPy float64.

    As `answer_with_dropout`; for models whose answers are no classes.
    """
    with exact():
        features = body(x.to(default_device()))
        answers = check_finite(head(features)).double().cpu().numpy()
        shared = {"samples": samples, "inject": inject, "seed": seed, "batch_size": len(x)}
        return answers, uncertainty.passes_with_dropout(head, features, **shared).numpy()


def _severity_table(config, count):
    """The table for the severities of `count` files, without values."""
    return pd.DataFrame(np.nan, np.arange(count), ["predicted", "deviation"])


def _fill_severity_table(table, rows, config, answers):
    """Write severities in their unit into rows of the table."""
    target, (given, passes) = target_of(config), answers
    table.loc[rows, "predicted"] = given[:, 0] * target.std + target.mean
    table.loc[rows, "deviation"] = passes[..., 0].std(0) * target.std


def _label_table(config, count):
    """The table for the labels of `count` files, without values."""
    columns = target_of(config).names
    names = [f"{what}_{name}" for what in ("probability", "deviation") for name in columns]
    table = pd.DataFrame(np.nan, np.arange(count), names)
    table.insert(0, "most_likely", None)
    return table


def _fill_label_table(table, rows, config, answers):
    """Write the labels' probabilities, their deviation over the passes, and the most likely label."""
    p, passes = (expit(each) for each in answers)
    table.loc[rows, table.columns[1:]] = np.hstack([p, passes.std(0)])
    table.loc[rows, "most_likely"] = np.array(target_of(config).names, dtype=object)[p.argmax(1)]


ANSWERS = {  # task -> function that answers items, with uncertainty
    CLASSES.name: answer_with_dropout,
    SEVERITY.name: numbers_with_dropout,
    LABELS.name: numbers_with_dropout,
}
TABLES = {  # task -> functions that make and fill the table of answers
    CLASSES.name: (_class_table, _fill_class_table),
    SEVERITY.name: (_severity_table, _fill_severity_table),
    LABELS.name: (_label_table, _fill_label_table),
}
FORMATS = {  # kind -> files that can be read
    "picture": "PNG, JPEG, TIFF, DICOM or NIfTI",
    "signal": "CSV, ARFF, WFDB, EDF, NumPy or Zarr",
    "volume": "NIfTI or NumPy (.npy)",
}  # kind -> files that can be read


def _answer_files(paths, config, answer, size):
    """Yield tables with the columns from predicted to error for all paths, `size` of them at a time."""
    (make_table, fill), options = TABLES[config.task], reading_options(KINDS[config.kind], config)
    with tqdm(total=len(paths), desc="predict", leave=False, disable=None) as bar:
        for start in range(0, len(paths), size):
            part = paths[start : start + size]
            x, errors = FILE_READERS[config.kind](part, config.input_size, config.input_channels, **options)
            table = make_table(config, len(part))
            if len(x):
                fill(table, np.array(errors) == "", config, answer(x))
            bar.update(len(part))
            yield table.assign(error=errors)


# ---- the file ---------------------------------------------------------------------------------------------------


def _check_out(out, path):
    """InputError unless the file `out` can be written, is new or made by `predict`, and is not the list `path`."""
    if out.is_dir():
        raise InputError(f"{out} is a folder: give --out the name of a file in it.")
    if os.path.exists(out) and os.path.exists(path) and os.path.samefile(out, path):
        raise InputError(f"{out} would replace the list that is to be read: give another --out.")
    if out.exists() and not _is_ours(out):
        raise InputError(f"{out} was not made by `predict` and stays as it is: give another --out.")
    run_folder.check_writable(out.parent)


def _is_ours(out):
    """Does a file have the columns of a table that `predict` wrote?"""
    try:
        columns = set(pd.read_csv(out, nrows=0).columns) if out.is_file() else set()
        return any(columns >= own for own in OWN_COLUMNS)
    except (ValueError, OSError):
        return False


def _write(table, out):
    """Write the table whole or not at all. InputError if the disk refuses."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_texts(table, out, float_format="%.6g")
    except OSError as e:
        raise InputError(f"{out} cannot be written ({e.strerror}): give another --out.") from e


# ---- in words ---------------------------------------------------------------------------------------------------


def predictions_in_words(predictions, most=5):
    """A summary of Predictions: what was answered, unreadable files, mean uncertainty, the most uncertain items."""
    return WORDS[predictions.target.task](predictions, most)


def _unread(bad):
    """A line on the files that cannot be read, if there are any."""
    if len(bad):
        yield f"{len(bad)} cannot be read (column error), as {bad.path.iloc[0]} ({bad.error.iloc[0]})."


def _severities_in_words(predictions, most):
    """Range and median of the severities, mean deviation, and whether all get the same answer."""
    table, target = predictions.table, predictions.target
    good, unit = table[table.error == ""], f" {target.unit}" if target.unit else ""
    lines = [f"{len(good)} of {counted(len(table), predictions.plural)} answered: {target.names[0]}"
             f" {good.predicted.min():.4g} to {good.predicted.max():.4g}{unit}, median"
             f" {good.predicted.median():.4g}{unit}.",
             *_unread(table[table.error != ""]),
             f"Mean deviation over the passes {good.deviation.mean():.3g}{unit}."]  # fmt: skip
    return "\n".join(lines)


def _labels_in_words(predictions, most):
    """How many items have each label, and the mean deviations."""
    table, names = predictions.table, predictions.classes
    good = table[table.error == ""]
    counts = ", ".join(f"{name} {int((good[f'probability_{name}'] > 0.5).sum())}" for name in names)
    deviation = good[[f"deviation_{name}" for name in names]].mean().mean()
    many = counted(len(table), predictions.plural)
    lines = [f"{len(good)} of {many} answered; with a probability above 0.5: {counts}.",
             *_unread(table[table.error != ""]),
             f"Mean deviation of the probabilities over the passes {deviation:.3f}."]  # fmt: skip
    return "\n".join(lines)


def _classes_in_words(predictions, most):
    """Items of each class, unreadable files, mean uncertainty, the most uncertain items."""
    table, classes = predictions.table, predictions.classes
    good, bad = table[table.error == ""], table[table.error != ""]
    counts = good.predicted.value_counts().reindex(classes, fill_value=0)
    of_each = ", ".join(f"{c} {n}" for c, n in counts.items())
    lines = [f"{len(good)} of {counted(len(table), predictions.plural)} classified: {of_each}."]
    lines += _unread(bad)
    if len(good) > 1 and counts.max() == len(good):
        same = f"All get the same answer, {counts.idxmax()}"
        lines.append(f"{same}: if they are of several classes, this model does not tell them apart.")
    entropy, information, deviation = good[UNCERTAINTY[:3]].mean()
    lines.append(
        f"Mean entropy {entropy:.3f} nats of at most {np.log(len(classes)):.3f}, mutual information"
        f" {information:.4f} nats, deviation {deviation:.3f}."
    )
    return "\n".join([*lines, *_most_uncertain(good, most)])


WORDS = {  # task -> (Predictions, how many are named) -> a summary
    CLASSES.name: _classes_in_words,
    SEVERITY.name: _severities_in_words,
    LABELS.name: _labels_in_words,
}


def more_uncertain(entropy, error):
    """Which items have a larger entropy than the mean of all, by more than the sampling error explains: (N,) of bool.

    entropy, error (N,): estimates from passes with dropout and their standard errors, nats. One-sided, corrected for N
    items by Bonferroni's rule. At 30 passes the five largest of some sixty items are others each time (measured), so
    that a plain ranking would name noise.
    """
    most = norm.isf(CHANCE / max(1, len(entropy))) * np.nan_to_num(np.asarray(error), nan=np.inf)
    return np.asarray(entropy) - np.mean(entropy) > np.maximum(most, LEAST_DIFFERENCE)


def _most_uncertain(good, most):
    """Lines on the items that are more uncertain than the others, by entropy; none if there is only one item."""
    if len(good) < 2:
        return
    named = good[more_uncertain(good.entropy, good.entropy_error)].nlargest(most, "entropy")
    if named.empty:
        error = good.entropy_error.mean()
        far = good.entropy.max() - good.entropy.mean() > LEAST_DIFFERENCE
        passes = f"the error of these passes ({error:.3f}); more --samples may tell"
        limit = passes if far else f"{LEAST_DIFFERENCE} nats"
        yield f"No picture is more uncertain than the mean of all by more than {limit}."
        return
    yield "More uncertain than the others beyond the error of these passes (entropy, nats):"
    for _, row in named.iterrows():
        p = row[f"probability_{row.predicted}"]
        answer = f"{row.predicted} {p:.2f} ± {row.deviation:.2f}"
        yield f"  {row.entropy:.3f} ± {row.entropy_error:.3f}  {answer}  {row.path}"
