"""`rate RUN`: how good are explanations? A table with a row for each method beside a random map."""

import numpy as np
import pandas as pd

from xaae.experiment.seeds import generator
from xaae.explain.method import METHODS, Refusal
from xaae.explain.method_plan import make_plan
from xaae.explain.network.subject import Subject
from xaae.explain.rating import quality
from xaae.explain.rating.metrics import METRICS
from xaae.sources import oxford_pets
from xaae.training.trained_run import open_trained_run


def rate_run(run, methods=(), model="aae", items=8, target="predicted", background=20):
    """Rate methods on held-out items of a run, as planted; writes `explanations/quality_MODEL.csv` and prints it.

    The table: method, metric, group, better, mean, error (standard error), reason. Masks are the trimaps of Oxford-IIIT
    Pets where the pictures have them. Methods that draw pictures are left out. InputError for what does not exist, and
    if quantus is missing.
    """
    trained = open_trained_run(run)
    chosen = [e.method for e in make_plan(methods) if METHODS[e.method].shows != "picture"]
    if not chosen:
        raise Refusal("these methods draw pictures, which cannot be rated: name others by --methods")
    rows = trained.starts(items, generator(trained.config.seed, 4))
    subject = Subject(trained.model(model), trained.planted(rows), trained.classes)
    rest = generator(trained.config.seed, 8).permutation(np.setdiff1d(trained.rows("valid"), rows))[:background]
    given = {"masks": _masks_of(trained, rows), "background": trained.planted(rest), "seed": trained.config.seed}
    table = _long(quality.rate_methods(subject, trained.planted(rows), chosen, target, **given))
    path = trained.folder / "explanations" / f"quality_{model}.csv"
    path.parent.mkdir(exist_ok=True)
    table.to_csv(path, index=False)
    print(_in_words(table), f"Written: {path}", sep="\n")
    return table


def _masks_of(trained, rows):
    """Where the animal is in each of these items (B, 1, H, W); empty where no trimap says so."""
    values = trained.table.value.to_numpy(dtype=np.float32)[rows]
    return oxford_pets.animal_masks(
        trained.table.path.to_numpy()[rows], trained.config.input_size, values, trained.bias
    )[0]


def _long(found):
    """A Quality as a table with a row for each method and metric."""
    rows = [(name, metric) for name in found.means.index for metric in METRICS]
    about = [(METRICS[metric].group, METRICS[metric].better) for _, metric in rows]
    numbers = [(found.means.loc[n, m], found.errors.loc[n, m], found.reasons.loc[n, m]) for n, m in rows]
    columns = ["method", "metric", "group", "better", "mean", "error", "reason"]
    return pd.DataFrame([(*r, *a, *v) for r, a, v in zip(rows, about, numbers, strict=True)], columns=columns)


def _in_words(table):
    """The means, a row a method; which way is better in the head; then what could not be rated, and why."""
    heads = {m: f"{m.replace('_', ' ')} ({METRICS[m].better})" for m in METRICS}
    wide = table.pivot(index="method", columns="metric", values="mean").loc[table.method.unique(), list(METRICS)]
    text = wide.round(3).rename(columns=heads).T.to_string(na_rep="-", max_cols=None, line_width=110)
    asked = table[table.method != quality.CHANCE]
    missing = asked[(asked.reason != "") & asked["mean"].isna()].groupby("reason").method.unique()
    return "\n".join([text, *(f"  - {', '.join(which)}: {why}" for why, which in missing.items())])
