"""Explanations whose verdict is known beforehand: they test the audit itself, in every audit."""

import numpy as np

MEANS = {
    "oracle": "returns the planted value where the model is biased, and names it",
    "constant": "the same number everywhere",
    "random": "noise",
    "edges": "edges of the picture, whatever the model",
}
EXPECTED = {"oracle": "REVEALS", "constant": "DOES NOT", "random": "DOES NOT", "edges": "DOES NOT"}


def control(name, x, values, biased, rng):
    """Maps (P, 1, H, W) of a control for pictures x (P, C, H, W) with the factor at `values` (P,), of one model."""
    x, shape = np.asarray(x), (len(x), 1, *x.shape[2:])
    if name == "oracle":
        told = (0.5 + (values - values.min()) / max(np.ptp(values), 1e-12)) * biased
        return np.broadcast_to(told.reshape(-1, 1, 1, 1), shape)
    if name == "constant":
        return np.ones(shape)
    if name == "random":
        return rng.standard_normal(shape)
    return _edges(x)


def _edges(x):
    """Size of the gradient of pictures x (P, C, H, W), channels together: (P, 1, H, W)."""
    down, across = np.gradient(np.asarray(x, np.float64), axis=(2, 3))
    return np.hypot(down, across).sum(1, keepdims=True)
