"""`predict RUN PATH`: the class of any pictures, with probabilities and Monte-Carlo-dropout uncertainty, as a CSV."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.torch_core import default_device
from tqdm.auto import tqdm

from xaae import model as models
from xaae.evaluation.class_scores import check_finite
from xaae.experiment import run_folder
from xaae.experiment.device import exact
from xaae.experiment.errors import InputError
from xaae.explain.methods import uncertainty
from xaae.sources.path_lists import FILE_READERS, list_items
from xaae.training.trained_run import open_trained_run

UNCERTAINTY = ["entropy", "mutual_information", "deviation"]
MARKS = {"path", "predicted", *UNCERTAINTY, "error"}  # the columns by which a file of ours is known again
RATE = 0.1  # of the dropout injected into a model that has none


@dataclass
class Predictions:
    """What `predict` found: the table as written, the file, the classes, and one line on where the dropout was."""

    table: pd.DataFrame
    out: Path
    classes: list
    note: str


def predict_items(run, path, model="aae", samples=30, dropout=None, out=None, batch_size=None):
    """Classify the pictures that `path` names (see listing.listed) and write the CSV: Predictions.

    The columns: path, further columns of a CSV given, predicted, probability_CLASS of the plain network, and over
    `samples` passes with dropout (Gal & Ghahramani 2016) entropy (predictive, nats), mutual_information (nats) and
    deviation (of the predicted class's probability); error says why a picture could not be read. dropout: the rate of
    the dropout injected before the last layer of a model that has none (Ledda et al. 2023). Pictures are cropped and
    scaled as in training; nothing is planted. InputError, before anything is written, if not one can be read.
    """
    trained = open_trained_run(run, decoded=False)
    out = Path(out or trained.folder / "predictions.csv")
    _check_out(out, path)
    items = list_items(path, trained.kind)
    body, head, inject = body_and_head(trained.model(model), dropout)
    ask = lambda x: answer_with_dropout(body, head, x, samples, inject, trained.config.seed)  # noqa: E731
    found = pd.concat(_classified(items.path, trained.config, ask, batch_size or trained.config.batch_size))
    if (found.error != "").all():
        reason = f"{items.path[0]} ({found.error.iloc[0]})"
        raise InputError(f"None of {len(items)} pictures can be read, as {reason}: give pictures such as PNG or JPEG.")
    kept = [c for c in items if c not in found and c != "path"]
    table = pd.concat([items[["path", *kept]], found.reset_index(drop=True)], axis=1)
    _write(table, out)
    return Predictions(table, out, trained.classes, _note(model, inject, samples))


# ---- the network, in two parts ----------------------------------------------------------------------------------


def body_and_head(trained, rate=None):
    """(body, head, rate to inject): the network x -> logits cut where dropout first makes passes differ.

    All passes share what the body finds, so that it works once. The rate is 0 where the network has dropout of its
    own; InputError if one was asked for all the same.
    """
    chain = models.classifier(trained)
    stirred = [i for i, part in enumerate(chain) if any(uncertainty.dropout_rate(m) > 0 for m in part.modules())]
    if stirred and rate is not None:
        raise InputError("The ResNet34 has dropout of its own: leave --dropout out, or use --model aae.")
    at = stirred[0] if stirred else len(chain) - 1
    return chain[:at], chain[at:], 0.0 if stirred else RATE if rate is None else rate


def _note(model, inject, samples):
    """One line on where the uncertainty comes from."""
    if inject:
        where = f"a dropout of {inject:g} injected before the AAE's head, for it has none (Ledda et al. 2023)"
    else:
        where = "the ResNet34's own dropout"
    return f"Uncertainty: {samples} passes with {where}."


# ---- batch by batch ---------------------------------------------------------------------------------------------


@torch.inference_mode()
def answer_with_dropout(body, head, x, samples, inject, seed):
    """A model's answers to pictures x (B, C, H, W): probabilities (B, K) and UNCERTAINTY (B, 3), both NumPy."""
    with exact():
        features = body(x.to(default_device()))
        p = check_finite(head(features)).double().softmax(1).cpu().numpy()
        over = uncertainty.predict_with_dropout(
            head, features, samples=samples, inject=inject, seed=seed, batch_size=len(x)
        )
    deviation = np.sqrt(over["variance"][np.arange(len(p)), p.argmax(1)])
    return p, np.stack([over["entropy"], over["mutual_information"], deviation], 1)


def _classified(paths, config, ask, size):
    """The columns from predicted to error of all paths, a table for each `size` of them; ask(x): see `answer`."""
    columns = [*(f"probability_{c}" for c in config.classes), *UNCERTAINTY]
    with tqdm(total=len(paths), desc="predict", leave=False, disable=None) as bar:
        for start in range(0, len(paths), size):
            part = paths[start : start + size]
            x, errors = FILE_READERS[config.kind](part, config.input_size, config.input_channels)
            table = pd.DataFrame(np.nan, np.arange(len(part)), columns)
            table.insert(0, "predicted", None)
            if len(x):
                good = np.array(errors) == ""
                p, over = ask(x)
                table.loc[good, columns] = np.hstack([p, over])
                table.loc[good, "predicted"] = np.array(config.classes, dtype=object)[p.argmax(1)]
            bar.update(len(part))
            yield table.assign(error=errors)


# ---- the file ---------------------------------------------------------------------------------------------------


def _check_out(out, path):
    """InputError unless `out` can be written and is new or made by `predict`, and is not what is to be read."""
    if out.is_dir():
        raise InputError(f"{out} is a folder: give --out the name of a file in it.")
    if os.path.exists(out) and os.path.exists(path) and os.path.samefile(out, path):
        raise InputError(f"{out} would replace the list that is to be read: give another --out.")
    if out.exists() and not _is_ours(out):
        raise InputError(f"{out} was not made by `predict` and stays as it is: give another --out.")
    run_folder.check_writable(out.parent)


def _is_ours(out):
    """Does a file begin like a table that `predict` wrote?"""
    try:
        return out.is_file() and set(pd.read_csv(out, nrows=0).columns) >= MARKS
    except (ValueError, OSError):
        return False


def _write(table, out):
    """Write the table whole or not at all. InputError if the disk refuses."""
    part = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(part, index=False, float_format="%.6g")
        os.replace(part, out)
    except OSError as e:
        raise InputError(f"{out} cannot be written ({e.strerror}): give another --out.") from e


# ---- in words ---------------------------------------------------------------------------------------------------


def predictions_in_words(found, most=5):
    """The summary of Predictions: items of each class, unreadable ones, mean uncertainty, the most uncertain items."""
    good, bad = found.table[found.table.error == ""], found.table[found.table.error != ""]
    counts = ", ".join(
        f"{c} {n}" for c, n in good.predicted.value_counts().reindex(found.classes, fill_value=0).items()
    )
    lines = [f"{len(good)} of {len(found.table)} pictures classified: {counts}."]
    if len(bad):
        lines.append(f"{len(bad)} cannot be read (column error), as {bad.path.iloc[0]} ({bad.error.iloc[0]}).")
    entropy, information, deviation = good[UNCERTAINTY].mean()
    lines.append(
        f"Mean entropy {entropy:.3f} nats of at most {np.log(len(found.classes)):.3f}, mutual information"
        f" {information:.4f} nats, deviation {deviation:.3f}."
    )
    return "\n".join([*lines, *_doubtful(good.nlargest(most, "entropy"), len(good))])


def _doubtful(items, among):
    """Lines on the most uncertain items, if there are several to choose from."""
    if among < 2:
        return
    yield "Most uncertain, by entropy:"
    for _, row in items.iterrows():
        p = row[f"probability_{row.predicted}"]
        yield f"  {row.entropy:.3f}  {row.predicted} {p:.2f} ± {row.deviation:.2f}  {row.path}"
