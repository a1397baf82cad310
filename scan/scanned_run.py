"""What a scan takes of a trained run: its items, and for every factor the values that the training items hold."""

import numpy as np

from xaae.factors.class_separation import separations
from xaae.factors.registry import FACTORS
from xaae.scan.factor_scan import ScanItems
from xaae.scan.value_ranges import grid_of, only_compares, random_values, readings_of

READ = 600  # training items whose readings say what range the data hold


def scan_items(trained, rows, planted, rng):
    """The ScanItems of table rows of a TrainedRun.

    planted: the Bias that plants the run's factor, its values drawn from `rng` without regard to the class; None where
    nothing is planted.
    """
    values = random_values(planted, len(rows), rng) if planted else None
    labels = trained.table.label.to_numpy()[rows].astype(str)
    x = trained.upright(rows) if planted else trained.planted(rows)  # as they were trained on: a disc hides the corners
    return ScanItems(x, labels, values, planted, trained.config.rate)


def read_rows(trained, rng):
    """Table rows of the training items that are read to learn what range the data hold: (M,), at most READ."""
    return np.sort(rng.permutation(trained.rows("train"))[:READ])


def value_grid(name, items, readings, given=None):
    """The ValueGrid of one factor for ScanItems.

    readings (M,): of training items without what the run plants, see `readings_of`. given (low, high): values that the
    user asked for.
    """
    planted = items.bias if items.bias is not None and name == items.bias.factor else None
    return grid_of(name, items.x, readings, planted, given, items.rate)


def ranges_of(scene, given, names, rng, step):
    """(a ValueGrid for each factor, how far the classes differ in it {name: separation or None}) of a Scene.

    given {name: (low, high)}: values that the user asked for. names: of the factors. step(): called after each.
    """
    grids, readings = [], {}
    for name in names:
        apart = readings_of(FACTORS[name], scene.train if scene.apart is None else scene.apart, scene.items.rate)
        as_apart = scene.apart is None or only_compares(FACTORS[name])  # a turn moves the middle of the edges
        readings[name] = apart if as_apart else readings_of(FACTORS[name], scene.train, scene.items.rate)
        grids.append(value_grid(name, scene.items, apart, given.get(name)))
        step()
    if scene.train_values is not None and scene.planted in readings:
        readings[scene.planted] = scene.train_values
    return grids, separations(readings, scene.train_labels, rng)
