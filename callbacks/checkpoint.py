"""What a training keeps while it runs: its whole state after each epoch, and the best weights of a stage."""

from contextlib import contextmanager

import torch
from fastai.callback.core import Callback, CancelEpochException
from fastai.callback.tracker import TrackerCallback


class Checkpoint(Callback):
    """After each epoch `keep(learn)` is called, and before the first one `restore(learn)` where there is one.

    It comes after all other callbacks: before a fit they begin anew, after an epoch they have all done their work.
    without_last: nothing is kept after the last epoch, where the weights are saved at once in another way.
    """

    order, run_valid, remove_on_fetch = 90, False, True

    def __init__(self, keep, restore=None, without_last=False):
        self.keep, self.restore, self.without_last = keep, restore, without_last

    def before_fit(self):
        if self.restore:
            self.restore(self.learn)

    def after_epoch(self):
        if not (self.without_last and self.epoch == self.n_epoch - 1):
            self.keep(self.learn)


@contextmanager
def beginning_at(learn, epoch):
    """Let the fit in this context begin with this epoch, without the events of the epochs before it.

    fastai's own `start_epoch` sends them, and callbacks then record epochs in which nothing happened.
    """

    def do_fit():
        for number in range(epoch, learn.n_epoch):
            learn.epoch = number
            learn._with_events(learn._do_epoch, "epoch", CancelEpochException)

    learn._do_fit = do_fit
    try:
        yield
    finally:
        del learn._do_fit


class KeepBest(TrackerCallback):
    """Keeps the model's weights of the epoch with the best value of `monitor`, and gives them back when the fit ends.

    As fastai's SaveModelCallback, but in memory: nothing is pickled, and a checkpoint holds them too.
    """

    order = TrackerCallback.order + 1
    best_weights = None

    def before_fit(self):
        super().before_fit()
        self.best_weights = None

    def after_epoch(self):
        super().after_epoch()
        if self.new_best:
            self.best_weights = {name: w.detach().clone() for name, w in self.model.state_dict().items()}

    def after_fit(self):
        super().after_fit()
        if self.best_weights:
            with torch.no_grad():
                self.model.load_state_dict(self.best_weights)
