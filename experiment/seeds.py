"""Randomness by name: one generator for each step of a run, and the one place where the global seed is set."""

import numpy as np


def generator(seed, step):
    """A NumPy generator for one numbered step of a run with this seed, the same each time."""
    return np.random.default_rng([seed, step])


def seed_all(seed):
    """Set the global seeds of Python, NumPy and torch. Only a command does so, before it trains."""
    from fastai.torch_core import set_seed

    set_seed(seed)
