"""One training in several processes: what they tell each other between the steps."""

import torch
import torch.distributed as dist
from fastai.callback.core import Callback


class Together(Callback):
    """Processes that train on parts of one batch begin with the weights of the first, and take the same steps.

    Before every step of every optimiser, those of other callbacks too, the gradients are averaged over the processes,
    which is the gradient of the whole batch where parts are equally large. Batch normalisation goes by each part alone;
    its running statistics are averaged before validation. Each process validates on all held-out items, so that all
    of them decide alike when to stop and which model was best.
    """

    order = 8  # after gradient accumulation (6) has skipped a step, before mixed precision (10) makes its own

    def before_fit(self):
        for network in self._networks():
            for tensor in (*network.parameters(), *network.buffers()):
                dist.broadcast(tensor.data, 0)
        self.hooks = [o.register_step_pre_hook(_average_of_optimiser) for o in self._held(torch.optim.Optimizer)]
        if dist.get_rank():
            torch.manual_seed(torch.initial_seed() + dist.get_rank())  # each process draws noise of its own

    def before_step(self):
        """The gradients of all processes as one."""
        _average_gradients(self.opt.all_params().itemgot(0))

    def before_validate(self):
        """The running statistics of all processes as one."""
        for network in self._networks():
            average_over_processes([each.data for each in network.buffers() if each.is_floating_point()])

    def after_fit(self):
        for hook in self.hooks:
            hook.remove()

    def _networks(self):
        """The model, and what other callbacks train beside it."""
        return [self.model, *self._held(torch.nn.Module)]

    def _held(self, kind):
        """What other callbacks have of a kind."""
        return [each for cb in self.learn.cbs for each in vars(cb).values() if isinstance(each, kind)]


def callbacks_of_several():
    """The callbacks of a training in several processes; none where there is one."""
    return [Together()] if place_among_processes()[1] > 1 else []


def place_among_processes():
    """(number of this process, number of all that have joined a training): (0, 1) for one alone."""
    joined = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if joined else (0, 1)


def average_over_processes(tensors):
    """Replace tensors by their averages over all processes, which must give the same shapes in the same order."""
    if not tensors:
        return
    flat = torch.cat([each.reshape(-1) for each in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for each, average in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        each.copy_(average.view_as(each))


def _average_gradients(parameters):
    average_over_processes([p.grad for p in parameters if p.grad is not None])


def _average_of_optimiser(optimiser, *_):
    """Before a step of an optimiser of PyTorch."""
    _average_gradients([p for group in optimiser.param_groups for p in group["params"]])
