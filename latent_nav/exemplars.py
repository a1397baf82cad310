"""Exemplars: the real items that lie along a direction, those just across the border, and what changes with them."""

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import rankdata
from sklearn.neighbors import NearestNeighbors

from xaae.experiment.errors import InputError
from xaae.experiment.statistics import holm
from xaae.latent_nav.code_health import checked_length
from xaae.latent_nav.impact import TENTHS, within_class

AT_ONCE = 200  # items: of more, one shuffle at a time is as fast, and needs no room


def _unit(direction):
    """direction (D,) at length 1. InputError if it has none."""
    vector = np.asarray(direction, dtype=np.float64)
    length = np.linalg.norm(vector)
    if not np.isfinite(length) or length < 1e-12:
        raise InputError("The direction has no length: fit it again on codes that differ between the classes.")
    return vector / length


def nearest_along(z, direction, points, start=None):
    """Row numbers (T,) of the codes z (N, D) nearest to points (T,) along a direction (D,), no item twice.

    points are distances from the start in units of the latent space (alpha times scale). With start (D,), nearness is
    the distance in the whole space to the points of that walk; without, the position along the direction alone counts,
    from the mean of the codes. The sum of squared distances is the least possible. InputError for too few items.
    """
    z, vector, points = np.asarray(z, np.float64), _unit(direction), np.asarray(points, np.float64)
    if len(points) > len(z):
        raise InputError(f"There are {len(points)} points but {len(z)} items: ask for fewer points or give more items.")
    if start is None:
        cost = (points[:, None] - (z - z.mean(0)) @ vector) ** 2
    else:
        cost = cdist(np.asarray(start) + points[:, None] * vector, z, "sqeuclidean")
    return linear_sum_assignment(cost)[1]


def counter_exemplars(z, labels, starts, start_labels, k=5):
    """Nearest items of another class: row numbers (S, k) in z (N, D) and their distances (S, k), nearest first.

    labels (N,) of the items; starts (S, D) and start_labels (S,) of the codes to explain. After the counter-exemplars
    of ABELE (Guidotti et al. 2019), here found among the real items. InputError if another class has under k items.
    """
    z, labels, starts, own = map(np.asarray, (z, labels, starts, start_labels))
    rows, distance = np.empty((len(starts), k), int), np.empty((len(starts), k))
    for c in np.unique(checked_length(own, len(starts), "labels")):
        others = np.flatnonzero(checked_length(labels, len(z), "labels") != c)
        if len(others) < k:
            raise InputError(
                f"Only {len(others)} items are of another class than {c}: ask for fewer or give more items."
            )
        distance[own == c], found = NearestNeighbors(n_neighbors=k).fit(z[others]).kneighbors(starts[own == c])
        rows[own == c] = others[found]
    return rows, distance


def tenth_means(position, items, rows, batch=256):
    """Mean item in each tenth of the positions (N,) in [0, 1]: (10, C, *places), and how many items it is of: (10,).

    items(rows) gives the items (B, C, *places) of some of rows (N,), `batch` at a time. An empty tenth is all 0.
    InputError for positions outside [0, 1].
    """
    position, rows = np.asarray(position), np.asarray(rows)
    if not len(position) or not ((position >= 0) & (position <= 1)).all():
        raise InputError("Positions must lie between 0 and 1: take them from codes.positions.")
    checked_length(rows, len(position), "rows")
    member = np.eye(TENTHS)[np.minimum((position * TENTHS).astype(int), TENTHS - 1)]
    parts = np.array_split(np.arange(len(rows)), -(-len(rows) // batch))
    total = sum(np.tensordot(member[p].T, np.asarray(items(rows[p]), np.float64), 1) for p in parts)
    counts = member.sum(0).astype(int)
    return total / np.maximum(counts, 1).reshape(-1, *[1] * (total.ndim - 1)), counts


def tenth_numbers(position, numbers):
    """Mean of numbers (N,) in each tenth of the positions (N,) in [0, 1]: (10,), NaN in an empty one. None for None."""
    if numbers is None:
        return None
    tenth = np.minimum((np.asarray(position) * TENTHS).astype(int), TENTHS - 1)
    count = np.bincount(tenth, minlength=TENTHS)
    return np.where(count, np.bincount(tenth, numbers, TENTHS) / np.maximum(count, 1), np.nan)


def class_ranks(value):
    """Ranks of value (M,) with mean 0 and standard deviation 1."""
    ranks = rankdata(value)
    return (ranks - ranks.mean()) / ranks.std()


def _varying(position, value, label):
    """Rows that count: value is known, and it and the position vary inside the row's class: (N,) of bool."""
    rows = np.isfinite(value) & np.isfinite(position)
    for c in np.unique(label):
        inside = rows & (label == c)
        if not inside.any() or not np.ptp(value[inside]) or not np.ptp(position[inside]):
            rows[inside] = False
    return rows


def permuted(position, value, label, rng, permutations):
    """`within_class` of positions shuffled inside each class, as often as told: (permutations,)."""
    total = np.zeros(permutations)
    for c in np.unique(label):
        a, b = class_ranks(position[label == c]), class_ranks(value[label == c])
        total += _shuffled_products(a, b, rng, permutations)
    return total / len(value)


def _shuffled_products(a, b, rng, permutations):
    """Products of a (M,), shuffled anew each time, and b (M,): (permutations,). Few items are shuffled all at once,
    which draws the same."""
    if len(a) <= AT_ONCE:
        return rng.permuted(np.tile(a, (permutations, 1)), axis=1) @ b
    return np.array([rng.permutation(a) @ b for _ in range(permutations)])


def correlation(position, value, label, rng, permutations):
    """(items that count, within-class Spearman, two-sided permutation p); NaN where value varies in no class."""
    rows = _varying(position, value, label)
    if not rows.any():
        return 0, np.nan, np.nan
    known = position[rows], value[rows], label[rows]
    found, null = within_class(*known), permuted(*known, rng, permutations)
    return int(rows.sum()), found, (1 + np.sum(np.abs(null) >= abs(found) - 1e-12)) / (permutations + 1)


def factor_correlations(position, table, labels, rng, permutations=1999):
    """What changes along a direction inside the classes: a table with one row per numeric column, strongest first.

    position (N,) of the items, table with N rows, labels (N,). Columns: factor, items, within_class_spearman, p
    (positions shuffled within class), p_holm (corrected for all columns). Missing values, and classes in which a column
    never changes, are left out; a column that changes in none has NaN and comes last.
    """
    position, labels = np.asarray(position, np.float64), np.asarray(labels)
    checked_length(labels, len(position), "labels")
    numbers = checked_length(table, len(position), "rows of the table").select_dtypes(["number", "bool"])
    columns = {name: column.to_numpy(np.float64, na_value=np.nan) for name, column in numbers.items()}
    found = [(name, *correlation(position, v, labels, rng, permutations)) for name, v in columns.items()]
    result = pd.DataFrame(found, columns=["factor", "items", "within_class_spearman", "p"])
    result["p_holm"] = holm(result["p"])
    return result.sort_values("within_class_spearman", key=abs, ascending=False, kind="stable", ignore_index=True)
