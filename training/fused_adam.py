"""Adam for a fastai Learner, with the steps of all weights taken in one call of torch's fused AdamW.

fastai's own goes from weight to weight and passes some ten times over each, which for a ResNet34 on a CPU takes a tenth
of its training or more. The arithmetic, the defaults and the names of what is remembered are fastai's.
"""

import torch
from fastai.optimizer import Optimizer
from torch.optim.adamw import adamw


class FusedAdam(Optimizer):
    """Adam with decoupled weight decay. params, lr and the others: as those of `fastai.optimizer.Adam`."""

    def __init__(self, params, lr, mom=0.9, sqr_mom=0.99, eps=1e-5, wd=0.01):
        super().__init__(params, [], lr=lr, mom=mom, sqr_mom=sqr_mom, eps=eps, wd=wd)

    def step(self, closure=None):
        """One step of every weight that has a gradient. closure: not supported, as in all optimisers of fastai."""
        if closure is not None:
            raise NotImplementedError("A closure is not supported.")
        self.take_steps(self.all_params(with_grad=True))

    def take_steps(self, rows):
        """One step of the weights of rows (weight, its group, what is remembered of it, its group's numbers)."""
        alike = {}
        for p, _, state, numbers in rows:
            decay = numbers["wd"] if state.get("do_wd", True) else 0.0
            shared = numbers["lr"], decay, numbers["mom"], numbers["sqr_mom"], numbers["eps"]
            alike.setdefault((p.device, *shared), []).append((p, state))
        for (_, *shared), pairs in alike.items():
            _fused_step(*shared, *zip(*pairs, strict=True))


def _fused_step(lr, decay, mom, sqr_mom, eps, weights, states):
    """One step of weights with the same numbers on the same device; states: what is remembered of each."""
    for p, state in zip(weights, states, strict=True):
        if "step" not in state:
            state |= {"grad_avg": torch.zeros_like(p.data), "sqr_avg": torch.zeros_like(p.data), "step": 0}
        state["step"] += 1
    before = torch.tensor([state["step"] - 1.0 for state in states], device=weights[0].device)  # torch counts itself
    means, squares = ([state[name] for state in states] for name in ("grad_avg", "sqr_avg"))
    numbers = {"lr": lr, "weight_decay": decay, "beta1": mom, "beta2": sqr_mom, "eps": eps}
    gradients, own = [p.grad for p in weights], {"fused": True, "amsgrad": False, "maximize": False}
    with torch.no_grad():
        adamw(list(weights), gradients, means, squares, [], list(before), **numbers, **own)
