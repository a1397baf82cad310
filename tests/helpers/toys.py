"""Small models."""

import torch

from xaae import model as models


def small_aae(size=16, channels=1, dims=4, width=4, seed=0, **more):
    """An untrained AAE of a few thousand weights, always the same, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return models.AAE(size, channels, dims, width, **more).eval()
