"""Would other items, or another seed, give the same direction?"""

import numpy as np
from scipy.stats import rankdata

from xaae.latent_nav.directions import DIRECTIONS, parse


def stability(found, kind, rng, n=20):
    """Median |cosine| between a kind of direction and n fits of it on bootstrapped items; NaN for the gradient.

    InputError for a kind that is not there. Kinds of several directions are judged by their first.
    """
    fit = DIRECTIONS[parse(kind)[0]].fit
    if fit is None:
        return float("nan")
    whole, cosines = _first_unit(fit(found)), []
    while len(cosines) < n:
        rows = rng.integers(0, len(found.z), len(found.z))
        if 1 < found.last[rows].sum() < len(rows) - 1:
            again = _first_unit(fit(found.part(rows)))
            cosines.append(abs(again @ whole))
    return float(np.median(cosines))


def _first_unit(vectors):
    """The first of vectors (D,) or (n, D), at length 1."""
    vector = np.atleast_2d(vectors)[0]
    return vector / max(np.linalg.norm(vector), 1e-12)


def order_agreement(a, b):
    """|Spearman| of two runs' positions (N,) of the same items: do two seeds order them alike? Codes of two runs
    cannot be compared, positions can."""
    return float(abs(np.corrcoef(rankdata(a), rankdata(b))[0, 1]))
