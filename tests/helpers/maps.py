"""What tests of explanation methods share: maps compared, hooks counted."""

import numpy as np
import torch

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def close(maps, expected, relative=1e-5):
    """Fail if maps differ from the expected ones by more than this part of the largest expected size."""
    expected = expected.detach().numpy() if torch.is_tensor(expected) else expected
    np.testing.assert_allclose(maps, expected, rtol=0, atol=relative * np.abs(expected).max())


def sums(maps):
    """The sum of each map (B, ...): (B,)."""
    return maps.reshape(len(maps), -1).sum(1)


def count_hooks(network):
    """How many hooks the modules of a network have."""
    return sum(len(getattr(module, kind)) for module in network.modules() for kind in HOOKS)
