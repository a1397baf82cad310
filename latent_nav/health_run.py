"""The latent health of a run's held-out codes, a section of `navigate.json` that waits for none of the walks."""

from pathlib import Path

import numpy as np

from xaae.experiment import run_folder
from xaae.experiment.device import autocast_in
from xaae.experiment.manifest import recording
from xaae.experiment.seeds import generator
from xaae.latent_nav import code_health, codes
from xaae.training.trained_run import open_trained_run


def health_of(trained):
    """The latent health of an opened run's held-out codes, ready for JSON; None with too few items.

    They are encoded here, though `navigate` has them: so the numbers are the same, whichever process measures them.
    """
    rows = trained.rows("valid")
    if len(rows) < code_health.FEWEST_ITEMS:
        return None
    model = trained.model()
    with autocast_in(trained.config.precision):  # as all codes of `navigate`
        z, _ = codes.encode_items(model, trained.planted, rows)
    table = trained.table.iloc[rows]
    means = model.prior_means.cpu().numpy() if model.prior == "class" else None
    index = np.array([trained.classes.index(label) for label in table.label.astype(str)])
    numbers = set(row_numbers(trained.table)) - set(trained.target.columns)
    factors = table.drop(columns=["path", "split", "group", "factor", *numbers])
    return code_health.latent_health(z, index, means, factors, generator(trained.config.seed, "health"))


def row_numbers(table):
    """Names of a table's columns that count its rows, of which some may be gone: they tell nothing of an item.

    They grow by 1 from most rows to the next, and never shrink or stay.
    """
    steps = {name: np.diff(column) for name, column in table.select_dtypes("integer").items()}
    return [name for name, step in steps.items() if len(step) and (step > 0).all() and (step == 1).mean() > 0.5]


def health_of_run(folder):
    """The same of the run in a folder."""
    return health_of(open_trained_run(folder))


def add_health(folder, health):
    """Put it into the `navigate.json` that was made without it."""
    file = Path(folder) / "navigate.json"
    with recording(file.parent):
        run_folder.write_json(file, run_folder.read_json(file) | {"health": health})
