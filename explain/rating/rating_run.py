"""`rate RUN`: how good are the explanations of a run's model? A table that rates each method beside a random map."""

import numpy as np
import pandas as pd

from xaae.experiment.kinds import PICTURE
from xaae.experiment.manifest import recording
from xaae.experiment.run_folder import check_writable
from xaae.experiment.seeds import generator
from xaae.explain.method import METHODS, Refusal
from xaae.explain.method_plan import make_plan
from xaae.explain.network.subject import Subject
from xaae.explain.rating import quality
from xaae.explain.rating.metrics import METRICS
from xaae.sources import oxford_pets
from xaae.training.trained_run import open_trained_run


def rate_run(run, methods=(), model="aae", items=8, target="predicted", background=20, data_root=None):
    """Rate methods on held-out items of a run, as planted. Writes `explanations/quality_MODEL.csv`, prints and returns
    it.

    methods: names, kinds or "quick" (see method_plan); those that draw pictures are left out. model: aae or baseline.
    items, background: how many are explained, and how many the methods compare with. target: as for `explain`.
    data_root: where the run's items are now, if they were moved. The table: method, metric, group, better, mean, error
    (standard error), reason. Masks of the object are the trimaps of Oxford-IIIT Pets where the pictures have them.
    InputError for names that do not exist and if quantus is missing.
    """
    trained = open_trained_run(run, data_root=data_root)
    check_writable(trained.folder, "folder")
    chosen = [e.method for e in make_plan(methods) if METHODS[e.method].shows != "picture"]
    if not chosen:
        raise Refusal("these methods draw pictures, which cannot be rated: name others by --methods")
    rows = trained.starts(items, generator(trained.config.seed, "explained items"))
    x = trained.planted(rows)
    subject = Subject(trained.model(model), x, trained.classes)
    others = np.setdiff1d(trained.rows("valid"), rows)
    others = generator(trained.config.seed, "background").permutation(others)[:background]
    options = {"masks": _masks_of(trained, rows), "background": trained.planted(others), "seed": trained.config.seed}
    table = _as_table(quality.rate_methods(subject, x, chosen, target, **options))
    path = trained.folder / "explanations" / f"quality_{model}.csv"
    with recording(trained.folder):
        path.parent.mkdir(exist_ok=True)
        table.to_csv(path, index=False)
    print(_in_words(table), f"Written: {path}", sep="\n")
    return table


def _masks_of(trained, rows):
    """Where the object is in each of these items (B, 1, *places); empty where unknown. None for kinds without masks."""
    if trained.kind.name not in MASKS:
        return None
    values = trained.table.value.to_numpy(dtype=np.float32)[rows]
    paths = trained.table.path.to_numpy()[rows]
    return MASKS[trained.kind.name](paths, trained.config.input_size, values, trained.bias)[0]


MASKS = {PICTURE.name: oxford_pets.animal_masks}  # kind -> function that finds the masks of items


def _as_table(rated):
    """A Quality as a table with a row for each method and metric."""
    rows = [(name, metric) for name in rated.means.index for metric in METRICS]
    facts = [(METRICS[metric].group, METRICS[metric].better) for _, metric in rows]
    numbers = [(rated.means.loc[n, m], rated.errors.loc[n, m], rated.reasons.loc[n, m]) for n, m in rows]
    columns = ["method", "metric", "group", "better", "mean", "error", "reason"]
    return pd.DataFrame([(*r, *f, *n) for r, f, n in zip(rows, facts, numbers, strict=True)], columns=columns)


def _in_words(table):
    """The table as text: the mean of each metric (higher or lower is better) by method; then what was not rated, and
    why."""
    heads = {m: f"{m.replace('_', ' ')} ({METRICS[m].better})" for m in METRICS}
    wide = table.pivot(index="method", columns="metric", values="mean").loc[table.method.unique(), list(METRICS)]
    text = wide.round(3).rename(columns=heads).T.to_string(na_rep="-", max_cols=None, line_width=110)
    rated = table[table.method != quality.CHANCE]
    missing = rated[(rated.reason != "") & rated["mean"].isna()].groupby("reason").method.unique()
    return "\n".join([text, *(f"  - {', '.join(methods)}: {reason}" for reason, methods in missing.items())])
