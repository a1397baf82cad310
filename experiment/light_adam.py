"""torch's Adam and AdamW without its compiler, which they load as they are made and at each step, and ask for nothing.

Loading it takes two seconds or more. The arithmetic, the groups, the hooks and what is kept are those of `torch.optim`.
"""

from inspect import unwrap

import torch
from torch.optim import Optimizer

LOADING = "add_param_group", "load_state_dict", "state_dict", "zero_grad"  # these load it too


def _without_compiler(kind):
    """A kind of optimiser of torch whose methods are those inside of what loads the compiler."""
    methods = {name: unwrap(getattr(Optimizer, name)) for name in LOADING}
    step = torch.no_grad()(unwrap(kind.step))  # what is unwrapped switches gradients off too
    return type(kind.__name__, (kind,), methods | {"step": step, "__doc__": kind.__doc__, "__module__": __name__})


LightAdam, LightAdamW = map(_without_compiler, (torch.optim.Adam, torch.optim.AdamW))
