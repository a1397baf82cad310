"""Explanations whose verdict is known beforehand: they test the audit itself, in every audit."""

import numpy as np

from xaae.audit.verdict import DOES_NOT, REVEALS

CONTROLS = {  # what each one is
    "oracle": "returns the planted value where the model is biased, and names it",
    "constant": "the same number everywhere",
    "random": "noise",
    "edges": "where neighbouring values differ, whatever the model",
}
EXPECTED = dict.fromkeys(CONTROLS, DOES_NOT) | {"oracle": REVEALS}


def control_maps(name, x, values, biased, rng):
    """Maps (P, 1, *places) that a control gives of one model.

    x (P, C, *places): items with the factor at `values` (P,). biased: is the model of arm biased?
    """
    x = np.asarray(x)
    return np.broadcast_to(MAPS[name](x, values, biased, rng), (len(x), 1, *x.shape[2:]))


def _planted_values(x, values, biased, rng):
    """The factor's value from 0.5 to 1.5 of a biased model, 0 of others: (P, 1, ...)."""
    share = (values - values.min()) / max(np.ptp(values), 1e-12)
    return (0.5 + share).reshape(-1, *(1,) * (x.ndim - 1)) * biased


def _edges(x, values, biased, rng):
    """Size of the gradient of items x (P, C, *places), summed over channels: (P, 1, *places)."""
    x = np.asarray(x, np.float64)
    squares = sum(np.gradient(x, axis=axis) ** 2 for axis in range(2, x.ndim))
    return np.sqrt(squares).sum(1, keepdims=True)


MAPS = {
    "oracle": _planted_values,
    "constant": lambda x, values, biased, rng: np.ones(1),
    "random": lambda x, values, biased, rng: rng.standard_normal((len(x), 1, *x.shape[2:])),
    "edges": _edges,
}
