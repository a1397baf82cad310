"""Directions: unit vectors of the latent space with the scale of one step, fitted on training codes.

Each points from the first side of a contrast (say cat) to the second (dog). DIRECTIONS names every kind. Maps such as
t-SNE give no direction: they have no inverse.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeCV

from xaae.experiment.errors import InputError
from xaae.experiment.run_folder import file_stem
from xaae.latent_nav.contrasts import Contrast
from xaae.latent_nav.severity import severity_model

PENALTIES = np.logspace(-2, 4, 13)  # of ridge regression, tried in turn
REACH = 3.0  # standard deviations that a walk goes each way


@dataclass(frozen=True)
class Direction:
    """vector (D,) of length 1; scale: standard deviation of the training codes along it. kind: its name in DIRECTIONS.

    vector is None for the gradient, which every start has its own of, anew after each step. sides: the contrast it was
    fitted for, where that is not the one asked for all. leader: the `led_walks.Leader` whose answers it was found by,
    None for directions that no classifier leads. reach: how many standard deviations its walk goes each way.
    """

    name: str
    vector: np.ndarray | None
    scale: float
    kind: str = ""
    sides: Contrast | None = None
    leader: object = None
    reach: float = REACH


# ---- kinds of direction: Evidence -> (D,) or (n, D) -------------------------------------------------------------


def _lda(found, n=1):
    """Linear discriminant analysis with Ledoit-Wolf shrinkage (Fisher 1936; Ledoit and Wolf 2004)."""
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(found.z, found.last).coef_[0]


def _logistic(found, n=1):
    """Weights of a logistic regression in which both sides weigh the same."""
    return LogisticRegression(max_iter=1000, class_weight="balanced").fit(found.z, found.last).coef_[0]


def _head_weights(found, n=1):
    """Difference of the classifier head's weights. InputError where the classifier is no linear map of the code."""
    if found.head is None:
        raise InputError("This classifier has no linear head on the code: choose another direction than head.")
    return found.head


def means(found, n=1):
    """Difference of the mean codes."""
    return found.z[found.last].mean(0) - found.z[~found.last].mean(0)


def _ridge(found, n=1):
    """Ridge regression of the severity, its penalty chosen by leave-one-out (Hoerl and Kennard 1970)."""
    return RidgeCV(PENALTIES).fit(found.z, found.amount).coef_


def _severity(found, n=1):
    """The thesis's regression of the severity, or the label, with label-distribution smoothing."""
    return severity_model(found.z, found.amount).coef_


def _principal(found, n=2):
    """The first n principal axes (n, D), whatever the classes; each towards the second side."""
    return _oriented(PCA(min(n, *found.z.shape), svd_solver="full").fit(found.z).components_, found)


def _dimensions(found, n=3):
    """The n single dimensions (n, D) that tell the sides apart best, by AUC; each towards the second side."""
    return _oriented(np.eye(found.z.shape[1])[[d["dimension"] for d in ranked_dimensions(found)[:n]]], found)


def _oriented(vectors, found):
    """Vectors (n, D), turned round where they point to the first side."""
    towards = vectors @ means(found)
    return vectors * np.where(towards < 0, -1, 1)[:, None]


@dataclass(frozen=True)
class DirectionKind:
    """A kind of direction: fit(Evidence, n) -> vector (D,) or (n, D) of them; None where each item has its own.

    many: how many there are unasked, of a kind that has several. led: is the Evidence what a classifier answers on
    items whose factors have random values (see `led_walks`), and not the items' own classes?
    """

    title: str
    note: str
    fit: Callable | None
    many: int = 0
    led: bool = False


DIRECTIONS = {
    "lda": DirectionKind(
        "LDA with shrinkage",
        "Fisher's linear discriminant, with shrinkage, of the training codes: it separates the classes best.",
        _lda,
    ),
    "logistic": DirectionKind(
        "logistic regression", "The weights of a logistic regression of the class on the training codes.", _logistic
    ),
    "head": DirectionKind(
        "classifier head",
        "The difference between the weights of the classifier head: the direction the classifier itself reads.",
        _head_weights,
    ),
    "ridge": DirectionKind(
        "ridge regression",
        "Ridge regression of the severity on the training codes, every item counting the same: the direction in which"
        " the severity grows.",
        _ridge,
    ),
    "means": DirectionKind("class means", "From one class's mean code to the other's.", means),
    "severity": DirectionKind(
        "severity",
        "A regression of the severity, or the label, with label-distribution smoothing, as in the thesis: rare ones"
        " weigh more (Yang et al. 2021).",
        _severity,
    ),
    "gradient": DirectionKind(
        "gradient of the logit",
        "Every start follows the gradient of its own decision, found anew after each step from the encoded frame.",
        None,
    ),
    "pca": DirectionKind(
        "principal axis", "An axis of largest variance of the training codes, whatever the classes.", _principal, 2
    ),
    "dims": DirectionKind(
        "single dimension", "One of the dimensions that separate the classes best, all others still.", _dimensions, 3
    ),
    "led": DirectionKind(
        "led by the answers",
        "From the mean code where a classifier says one side to that where it says the other, on items whose factors "
        "were given random values: what this classifier goes by, not what goes with its class (a pattern, not a filter:"
        " Haufe et al. 2014).",
        means,
        led=True,
    ),
    "led_gradient": DirectionKind(
        "led by the gradient",
        "Every start follows the gradient of a classifier's answer on its decoded frame, found anew after each step "
        "(latent shift, Cohen et al. 2021).",
        None,
        led=True,
    ),
}


# ---- fitting ----------------------------------------------------------------------------------------------------


def scaled(name, vector, z, kind=""):
    """A Direction along `vector` (D,) with the scale of the codes z (N, D)."""
    unit = np.asarray(vector, dtype=np.float64) / max(np.linalg.norm(vector), 1e-12)
    return Direction(name, unit.astype(np.float32), float((z @ unit).std()), kind)


def parse(spec):
    """("pca", 2) of "pca:2"; the kind's own number without one. InputError for a kind that is not there."""
    name, _, count = spec.partition(":")
    if name not in DIRECTIONS or (count and not (count.isdigit() and int(count) and DIRECTIONS[name].many)):
        more = [f"{n}:N" for n, k in DIRECTIONS.items() if k.many] + [
            f"{n}:WHO" for n, k in DIRECTIONS.items() if k.led
        ]
        raise InputError(
            f"There is no direction {spec!r}: choose from {', '.join([*DIRECTIONS, *more])}, target:COLUMN."
        )
    return name, int(count or DIRECTIONS[name].many)


def fit_directions(found, specs):
    """Directions for specs such as "lda" or "pca:2", fitted on an Evidence: a list, in that order."""
    fitted = []
    for spec in specs:
        name, n = parse(spec)
        fit = DIRECTIONS[name].fit
        if fit is None:
            fitted.append(Direction(name, None, float(found.z.std(0).mean()), name))
            continue
        vectors = np.atleast_2d(fit(found, n))
        names = [_label(name, i, v) for i, v in enumerate(vectors)] if n else [name]
        fitted += [scaled(each, v, found.z, name) for each, v in zip(names, vectors, strict=True)]
    return fitted


def _label(kind, i, vector):
    """What one of several directions is called: dim_7 for a single dimension, pca_1 for the first axis."""
    return f"dim_{np.abs(vector).argmax()}" if kind == "dims" else f"{kind}_{i + 1}"


def random_directions(k, z, rng, *across):
    """k directions drawn evenly from the sphere, each with the scale of the codes z (N, D): the walk's null.

    across: Directions at right angles to which they are drawn, so that none walks part of the way along them: in 16
    dimensions one in nine has a cosine beyond 0.4 with any given direction, enough to cross between the classes. Where
    nothing is at right angles to all of them, to the first ones alone.
    """
    drawn = rng.standard_normal((k, z.shape[1]))
    if across := across[: z.shape[1] - 1]:
        basis = _span(across)
        drawn -= drawn @ basis @ basis.T
    return [scaled(f"random_{i}", vector, z) for i, vector in enumerate(drawn)]


def along_target(name, z, values):
    """The Direction along which a number such as an age grows, by the same regression as the severity.

    codes z (N, D) and values (N,), NaN left out. InputError for a number that never changes.
    """
    known = np.isfinite(values)
    if known.sum() < 3 or not np.ptp(values[known]):
        raise InputError(f"The column {name!r} has fewer than two different numbers: choose another target.")
    return scaled(f"target_{file_stem(name)}", severity_model(z[known], values[known]).coef_, z, "target")


def away(direction, others, z):
    """`direction` less its part in the plane of the directions `others`. InputError if nothing is left of it."""
    basis = _span(others)
    rest = direction.vector - basis @ (basis.T @ direction.vector)
    if np.linalg.norm(rest) < 1e-3:
        raise InputError(
            f"Nothing is left of {direction.name} away from {', '.join(o.name for o in others)}: name fewer."
        )
    left = scaled(direction.name, rest, z)
    return replace(direction, vector=left.vector, scale=left.scale)


def _span(several):
    """An orthonormal basis (D, M) of what the vectors of several Directions span."""
    vectors, size, _ = np.linalg.svd(np.stack([o.vector for o in several], 1).astype(np.float64), full_matrices=False)
    return vectors[:, size > 1e-6 * size.max()]


# ---- how good is a direction? -----------------------------------------------------------------------------------


def class_separation(position, last):
    """(AUC, Cohen's d) with which positions (N,) or (N, D) tell the sides last (N,) apart: floats or arrays (D,).

    AUC from ranks (Mann-Whitney), ties counted half; d by the pooled standard deviation (Cohen 1988).
    """
    ranks, n, m = rankdata(position, axis=0), int(last.sum()), int((~last).sum())
    auc = (ranks[last].sum(0) - n * (n + 1) / 2) / max(n * m, 1)
    a, b = position[last], position[~last]
    pooled = ((n - 1) * a.var(0, ddof=1) + (m - 1) * b.var(0, ddof=1)) / max(n + m - 2, 1)
    return auc, (a.mean(0) - b.mean(0)) / np.sqrt(np.maximum(pooled, 1e-24))


def ranked_dimensions(found):
    """Every dimension with its AUC (0.5 to 1, whatever its sign) and Cohen's d, the most discriminant first."""
    auc, d = class_separation(found.z, found.last)
    auc = np.maximum(auc, 1 - auc)
    order = np.lexsort((-np.abs(d), -auc))
    return [{"dimension": int(i), "auc": float(auc[i]), "cohens_d": float(d[i])} for i in order]
