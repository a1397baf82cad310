"""Health of a latent space: do the codes look like the prior, which dimensions live, what can be read off them.

All functions take plain arrays: codes z (N, D), labels (N,), a pandas table of factors with N rows.
"""

import numpy as np
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from scipy.spatial.distance import pdist
from scipy.special import entr
from scipy.stats import lognorm, norm, normaltest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xaae.experiment.errors import InputError
from xaae.experiment.statistics import holm

FEWEST_ITEMS = 20  # below this the normality tests say nothing
FOLDS, TREES = 5, 30  # of the linear probes; of the forests
MOST_CATEGORIES = 20  # a column with more is a name, not a factor
NOTHING = 1e-12  # a total variance of the codes, which should be near 1 each, below which nothing varies


def _checked_codes(z):
    """Codes as float64 (N, D). InputError unless they are a finite table of at least 20 items."""
    z = np.asarray(z, dtype=np.float64)
    if z.ndim != 2 or len(z) < FEWEST_ITEMS or not z.shape[1]:
        raise InputError(f"The codes have shape {z.shape}: give at least {FEWEST_ITEMS} items in a table (N, D).")
    if not np.isfinite(z).all():
        raise InputError("Some codes are NaN or infinite: the model diverged, train it again with a lower rate.")
    return z


def checked_length(rows, n, what):
    """InputError unless `rows` has one entry for each of the n codes."""
    if len(rows) != n:
        raise InputError(f"There are {n} codes but {len(rows)} {what}: give one for each code, in the same order.")
    return rows


def deviations(z, labels, means):
    """Codes z (N, D) less the prior mean of their class: (N, D). labels (N,) number the rows of means (K, D).

    InputError if labels are missing or number no row of means.
    """
    means, labels = np.asarray(means, dtype=np.float64), np.asarray([] if labels is None else labels)
    checked_length(labels, len(z), "labels")
    if means.ndim != 2 or means.shape[1] != z.shape[1]:
        raise InputError(f"The class means have shape {means.shape}: give one row of {z.shape[1]} numbers per class.")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(means):
        raise InputError(f"The labels do not number the {len(means)} class means: give integers from 0.")
    return z - means[labels]


def _some_rows(n, most, rng):
    """At most `most` of n row numbers, in order, drawn without repeats."""
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


# How far from the prior?


def normal_distance(x):
    """Squared 2-Wasserstein distance of each column of samples x (N, P) to N(0, 1): (P,), exact for the sample."""
    density = norm.pdf(norm.ppf(np.linspace(0, 1, len(x) + 1)))
    quantile = density[:-1] - density[1:]  # integral of the normal quantile over each N-th
    return np.maximum((x**2).mean(0) - 2 * quantile @ np.sort(x, 0) + 1, 0)


def _unit_directions(dims, at_least, rng):
    """Random orthonormal bases side by side: (D, P), P >= at_least; evener than independent directions."""
    bases = np.linalg.qr(rng.standard_normal((-(-at_least // dims), dims, dims)))[0]
    return np.concatenate(list(bases), 1)


def sliced_wasserstein(z, rng, directions=200, groups=None):
    """Sliced 2-Wasserstein distance of z (N, D) to N(0, I): root of the mean squared distance over directions.

    With groups (N,) the squares of the groups are averaged by size, so that opposite shifts do not cancel. A shift by
    m gives |m| / sqrt(D) (Bonneel et al. 2015; Kolouri et al. 2018).
    """
    along = z @ _unit_directions(z.shape[1], directions, rng)
    groups = np.zeros(len(z)) if groups is None else np.asarray(groups)
    squares = [(groups == g).mean() * normal_distance(along[groups == g]).mean() for g in np.unique(groups)]
    return float(np.sqrt(sum(squares)))


def expected_distance(counts, rng, draws=400):
    """What `sliced_wasserstein` gives for true samples of N(0, I), one of each size in counts; free of D."""
    counts = np.asarray(counts)
    squares = [normal_distance(rng.standard_normal((n, draws))).mean() for n in counts]
    return float(np.sqrt(np.average(squares, weights=counts)))


def prior_distance(z, rng, groups=None):
    """Sliced Wasserstein distance to the prior beside its expectation for a true sample of the same size: a dict."""
    counts = [len(z)] if groups is None else np.unique(groups, return_counts=True)[1]
    found = sliced_wasserstein(z, rng, groups=groups)
    return {"sliced_wasserstein": found, "sliced_wasserstein_expected": expected_distance(counts, rng)}


def code_spectrum(z):
    """Eigenvalues of the covariance of z (N, D), largest first, and how many count: a dict.

    effective_rank: exp of the entropy of their shares (Roy & Vetterli 2007); participation_ratio: (sum)^2 / sum of
    squares; first_share: share of the largest. All NaN but the eigenvalues where nothing varies.
    """
    values = np.maximum(np.linalg.eigvalsh(np.atleast_2d(np.cov(z.T)))[::-1], 0)
    share = values / values.sum() if values.sum() > NOTHING else np.full(len(values), np.nan)
    rank, ratio = np.exp(entr(share).sum()), 1 / (share**2).sum()
    numbers = {"effective_rank": rank, "participation_ratio": ratio, "first_share": share[0]}
    return {"eigenvalues": values.tolist()} | {name: float(v) for name, v in numbers.items()}


def _whitened(z):
    """Centred coordinates (N, R) of unit variance along the R principal axes that vary at all."""
    left, size, _ = np.linalg.svd(z - z.mean(0), full_matrices=False)
    return left[:, size > 1e-6 * max(size[0], 1e-12)] * np.sqrt(len(z))


def henze_zirkler_null(d, b):
    """Limits of the statistic's mean and variance for normal samples in d dimensions; b: squared smoothing."""
    a, w = 1 + 2 * b, (1 + b) * (1 + 3 * b)
    mean = 1 - a ** (-d / 2) * (1 + d * b / a + d * (d + 2) * b**2 / (2 * a**2))
    variance = 2 * (1 + 4 * b) ** (-d / 2)
    variance += 2 * a**-d * (1 + 2 * d * b**2 / a**2 + 3 * d * (d + 2) * b**4 / (4 * a**4))
    variance -= 4 * w ** (-d / 2) * (1 + 3 * d * b**2 / (2 * w) + d * (d + 2) * b**4 / (2 * w**2))
    return mean, variance


def _henze_zirkler_statistic(y, b):
    """Weighted squared gap between the characteristic functions of whitened y (N, D) and of N(0, I), times N."""
    n, d = y.shape
    pairs = 1 + 2 * np.exp(-b / 2 * pdist(y, "sqeuclidean")).sum() / n
    single = np.exp(-b / (2 + 2 * b) * (y**2).sum(1)).sum()
    return float(pairs - 2 * (1 + b) ** (-d / 2) * single + n * (1 + 2 * b) ** (-d / 2))


def henze_zirkler(z, rng, max_rows=2000):
    """Test that z (N, D) is multivariate normal: (statistic, p by the log-normal approximation), Henze & Zirkler 1990.

    Mean and covariance are estimated, so only the shape counts. Dimensions that never vary are left out. Both NaN with
    fewer than 2 D rows, or beyond about 45 dimensions, where the approximation fails. From about 16 dimensions on two
    clusters along a single axis escape it: read it beside `dimension_p_values`.
    """
    y = _whitened(z[_some_rows(len(z), max_rows, rng)])
    n, d = y.shape
    b = ((2 * d + 1) * n / 4) ** (2 / (d + 4)) / 2
    mean, variance = henze_zirkler_null(d, b)
    if not d or n < 2 * d or variance < 1e-13:
        return float("nan"), float("nan")
    statistic = _henze_zirkler_statistic(y, b)
    spread = np.log1p(variance / mean**2)
    return statistic, float(lognorm.sf(statistic, np.sqrt(spread), scale=mean * np.exp(-spread / 2)))


def dimension_p_values(z, rng, max_rows=5000):
    """p of D'Agostino & Pearson's test of normality for each dimension of z (N, D), Holm-corrected: (D,).

    A dimension that never changes is not normal: p 0.
    """
    z = z[_some_rows(len(z), max_rows, rng)]
    p, varies = np.zeros(z.shape[1]), z.std(0) > 1e-6 * np.maximum(np.abs(z).max(0), 1e-12)
    p[varies] = normaltest(z[:, varies])[1]
    return holm(p)


def dead_dimensions(z):
    """Which dimensions of z (N, D) do nothing: variance under 1 % of the median one, or under 0.001: (D,) of bool."""
    variance = z.var(0)
    return variance < max(0.01 * np.median(variance), 1e-3)


# What can be read off the codes?


def target(column):
    """(rows (N,) of bool, y) of a table's column: y are the numbers or category names of the rows that count.

    Left out are missing values and categories of fewer than 5 items. None if what remains is constant, under 20 items,
    or has more than 20 categories (a name, not a factor).
    """
    numeric = is_numeric_dtype(column) and not is_bool_dtype(column)
    if numeric:
        values = column.to_numpy(np.float64, na_value=np.nan)
        rows = np.isfinite(values)
    else:
        values, sizes = column.astype(str).to_numpy(str), column.map(column.value_counts())
        rows = sizes.to_numpy(np.float64, na_value=0) >= FOLDS
    kinds = len(np.unique(values[rows]))
    if numeric and kinds > 1 and np.ptp(values[rows]) <= 1e-9 * np.abs(values[rows]).max():
        return None  # rounding: a share of so small a variance says nothing
    usable = rows.sum() >= FEWEST_ITEMS and 2 <= kinds <= (len(rows) if numeric else MOST_CATEGORIES)
    return (rows, values[rows]) if usable else None


def _targets(factors):
    """({name: (rows, y)}, [names of skipped columns]) of a table of factors."""
    found = {str(name): target(column) for name, column in factors.items()}
    return {k: v for k, v in found.items() if v is not None}, [k for k, v in found.items() if v is None]


def _chance_corrected(y, found):
    """Balanced accuracy, scaled so that chance is 0 and perfect is 1."""
    return balanced_accuracy_score(y, found, adjusted=True)


def _ridge():
    """Linear regression whose penalty is chosen by leave-one-out."""
    return RidgeCV(np.logspace(-3, 4, 15))


def _logistic():
    """Logistic regression in which each class weighs the same."""
    return LogisticRegression(max_iter=1000, class_weight="balanced")


PROBES = {"f": (_ridge, KFold, r2_score), "U": (_logistic, StratifiedKFold, balanced_accuracy_score)}
FORESTS = {"f": (RandomForestRegressor, r2_score), "U": (RandomForestClassifier, _chance_corrected)}  # by kind of y


def _probe(z, y, rng):
    """How well a linear model reads y (N,) off z (N, D), on 5 held-out fifths: R2 of numbers, balanced accuracy of
    category names."""
    linear, split, score = PROBES[y.dtype.kind]
    folds = split(FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    return float(score(y, cross_val_predict(make_pipeline(StandardScaler(), linear()), z, y, cv=folds)))


def probes(z, factors, rng, max_rows=2000):
    """Linear probes of every factor: {"probe_r2": {name: R2}, "probe_balanced_accuracy": {...}, "skipped": [names]}."""
    some = _some_rows(len(z), max_rows, rng)
    z, (usable, skipped) = z[some], _targets(factors.iloc[some])
    found = {name: (y.dtype.kind, _probe(z[rows], y, rng)) for name, (rows, y) in usable.items()}
    r2, accuracy = ({name: score for name, (k, score) in found.items() if k == kind} for kind in "fU")
    return {"probe_r2": r2, "probe_balanced_accuracy": accuracy, "skipped": skipped}


def concentration(weights):
    """1 less the normalised entropy of each row of weights (M, n): 1 all in one place, 0 even, NaN for n = 1."""
    share = weights / np.maximum(weights.sum(1, keepdims=True), 1e-12)
    n = weights.shape[1]
    return 1 - entr(share).sum(1) / np.log(n) if n > 1 else np.full(len(weights), np.nan)


def _importance(z, y, rng):
    """(importances (D,) of the dimensions for y, out-of-bag R2 or chance-corrected balanced accuracy) of a forest."""
    forest, score = FORESTS[y.dtype.kind]
    settings = {"max_features": None, "min_samples_leaf": 3, "bootstrap": True, "oob_score": score, "n_jobs": -1}
    fitted = forest(TREES, **settings, random_state=int(rng.integers(2**31))).fit(z, y)
    return fitted.feature_importances_, max(float(fitted.oob_score_), 0.0)


def dci(z, factors, rng, max_rows=1000):
    """Disentanglement, completeness and informativeness (Eastwood & Williams 2018), each 0 to 1: a dict.

    Disentanglement: each dimension serves one factor; completeness: each factor sits in one dimension;
    informativeness: mean skill of the forests. NaN for a single factor, a single dimension, or none usable.
    """
    some = _some_rows(len(z), max_rows, rng)
    z, (usable, _) = z[some], _targets(factors.iloc[some])
    names = ("disentanglement", "completeness", "informativeness")
    if not usable:
        return dict.fromkeys(names, float("nan"))
    columns, skill = zip(*[_importance(z[rows], y, rng) for rows, y in usable.values()], strict=True)
    r = np.stack(columns, 1)
    numbers = concentration(r) @ r.sum(1) / r.sum(), concentration(r.T).mean(), np.mean(skill)
    return dict(zip(names, map(float, numbers), strict=True))


def latent_health(z, labels=None, means=None, factors=None, rng=None):
    """Every number of this file for codes z (N, D), by name: plain floats, lists and dicts, ready for JSON.

    The prior is N(0, I), or N(means[label], I) when means (K, D) and integer labels (N,) are given: then distance,
    spectrum and normality are those of z less its class's mean. factors: a table with N rows; without it no probes and
    no DCI. rng: by default one of seed 0. InputError for codes, labels, means or factors that do not fit together.
    """
    z, rng = _checked_codes(z), np.random.default_rng(0) if rng is None else rng
    y = z if means is None else deviations(z, labels, means)
    found = {"items": len(z), "dimensions": z.shape[1]}
    found |= prior_distance(y, rng, None if means is None else labels) | code_spectrum(y)
    found |= dict(zip(("henze_zirkler", "henze_zirkler_p"), henze_zirkler(y, rng), strict=True))
    found["normality_rejected_share"] = float((dimension_p_values(y, rng) < 0.05).mean())
    found |= {"zeros_share": float((z == 0).mean()), "negatives_share": float((z < 0).mean())}
    found["dead_share"] = float(dead_dimensions(z).mean())
    if factors is not None:
        checked_length(factors, len(z), "rows of factors")
        found |= probes(z, factors, rng) | {"dci": dci(z, factors, rng)}
    return found
