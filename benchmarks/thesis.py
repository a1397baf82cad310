"""The thesis's architecture beside this project's with the plain and the factored code: same pictures, same time.

python benchmarks/thesis.py --seconds 240
OMP_NUM_THREADS=1 torchrun --nproc_per_node 2 benchmarks/thesis.py --seconds 240

All train on synthpets at 128 pixels, the thesis's size, in one run, for the same time at a flat learning rate: the
thesis in its first stage (autoencoder), both codes as always: the plain one with batches of 16 as the thesis's, the
factored one with its own, 32 pictures in two versions each. Speeds are taken in turns, A B C A B C A B C, while they
train the first minute; --seconds follow. Of several processes each has its part of every batch, in all three.
"""

import argparse
import statistics
import tempfile
import time
from contextlib import nullcontext

import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.torch_core import default_device, set_seed

from xaae import data
from xaae import model as models
from xaae.benchmarks.training_speed import plain_aae
from xaae.callbacks import AAELoss, callbacks_of_several, huber, place_among_processes
from xaae.experiment.amounts import counted
from xaae.experiment.device import fast_precision
from xaae.experiment.machine import quieten
from xaae.experiment.process_group import joined_processes, process_count
from xaae.experiment.settings import USUAL_OPTIMISER, RunSettings
from xaae.factors import bias
from xaae.sources import picture_files
from xaae.training import learner, thesis
from xaae.training.fitting import final_metrics, make_aae, run_loaders
from xaae.training.muon import MAKERS
from xaae.training.preparation import prepare_training, resolve

CLASSES, SIZE, BATCH = ["cat", "dog"], 128, 16
RATES = {"thesis": 1e-3, "plain code": 1e-3, "factored code": 3e-3}  # flat: a third or half of the highest in `train`
TURNS, TURN = 3, 20  # how often, and for how many seconds, the speed of each is taken; this trains them too


def in_any_process(happens):
    """Does it happen in any of the processes that train together? happens: does it in this one? All ask at once."""
    if place_among_processes()[1] == 1:
        return happens
    anywhere = torch.tensor(float(happens), device=default_device())
    torch.distributed.all_reduce(anywhere)
    return bool(anywhere)


class StopAfter(Callback):
    """Ends the fit when its time is up."""

    def __init__(self, seconds):
        self.allowed = seconds

    def before_fit(self):
        self.ends = time.perf_counter() + self.allowed

    def after_batch(self):
        if self.training and in_any_process(time.perf_counter() > self.ends):
            raise CancelFitException


def loaders(items, size, batch):
    """DataLoaders of planted synthpets."""
    table = data.load_table("synthpets", tempfile.gettempdir(), items=items, size=size)
    table, found, _ = picture_files.open_pictures(table, size, 3)
    planted, (rank, count) = bias.make_bias(CLASSES), place_among_processes()
    dls = data.dataloaders(data.plant(table, planted), found, planted, CLASSES, bs=batch // count)
    if count > 1:
        dls.train.take_share(rank, count, seed=0)
    return dls


def learners(dls, folder, precision):
    """name -> Learner of the thesis's architecture and of the plain code, with the weights of the stage compared."""
    old = learner.aae_learner(
        dls,
        thesis.ThesisAAE(SIZE),
        folder,
        thesis.thesis_game(),
        AAELoss(distance=huber),
        precision,
        callbacks_of_several(),
    )
    new = learner.aae_learner(dls, plain_aae(SIZE), folder, precision=precision, more=callbacks_of_several())
    for learn, stage in ((old, thesis.thesis_stages(1)[0]), (new, learner.default_stages(1)[0])):
        learn.loss_func.reconstruction, learn.loss_func.classification = stage.reconstruction, stage.classification
        learn.adversarial.weight = stage.adversarial
    return {"thesis": old, "plain code": new}


def factored(items, size, folder, precision):
    """The Learner of the factored code as `train` makes it, with batches of its own size."""
    return as_train_makes(folder, dataset="synthpets", items=items, size=size, precision=precision)[0]


def as_train_makes(folder, **asked):
    """(Learner, Prepared) of what `train` makes of these options, with the loss of its first stage; nothing is fitted.

    asked: those of `RunSettings.from_options`.
    """
    prepared = prepare_training(*resolve(RunSettings.from_options(**asked)))
    aae, (stage, *_), game, loss, more = make_aae(prepared.config)
    dls = run_loaders(prepared, in_pairs=True)
    learn = learner.aae_learner(
        dls, aae, folder, game, loss, prepared.config.precision, [*more, *callbacks_of_several()]
    )
    learn.opt_func = MAKERS[prepared.config.optimiser or USUAL_OPTIMISER]
    loss.reconstruction, loss.classification = stage.reconstruction, stage.classification
    learn.adversarial.weight = stage.adversarial
    return learn, prepared


class Count(Callback):
    """Images that all processes trained on, and the time they took, without the first batch."""

    def before_fit(self):
        self.images, self.began, self.processes = 0, None, place_among_processes()[1]

    def after_batch(self):
        if self.training and self.began is None:
            self.began = time.perf_counter()
        elif self.training:
            self.images += self.processes * sum(map(len, self.xb))  # a second version is an image too
            self.took = time.perf_counter() - self.began


def fit(learn, seconds, lr):
    """Train for so many seconds; images per second."""
    count = Count()
    with learn.no_bar(), learn.no_logging():
        learn.fit(1000, lr, cbs=[StopAfter(seconds), count])
    return count.images / count.took


def main():
    """Measure and print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240, help="training time of each after the first minute")
    parser.add_argument("--items", type=int, default=1000)
    asked = parser.parse_args()
    quieten()  # as `train` does: memory is kept between steps
    with joined_processes() if process_count() > 1 else nullcontext():
        rows = measure(asked.items, asked.seconds)
        rank, count = place_among_processes()
        computed = f"{fast_precision(default_device())}, {counted(torch.get_num_threads(), 'threads')}"
    if rank == 0:
        print("| architecture | weights | images/s | MSE after the same time |\n|---|---|---|---|")
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))
        computed += f" in each of {count} processes" if count > 1 else ""
        print(f"\n{TURNS * TURN + asked.seconds:.0f} s of training each, {computed}")


def measure(items, seconds):
    """Train on so many items. Of each architecture (name, weights, images a second, error), as texts."""
    set_seed(0)
    precision, dls = fast_precision(default_device()), loaders(items, SIZE, BATCH)
    with tempfile.TemporaryDirectory() as folder:
        compared = learners(dls, folder, precision)
        compared["factored code"] = factored(items, SIZE, folder, precision)
        turns = [(name, fit(learn, TURN, RATES[name])) for _ in range(TURNS) for name, learn in compared.items()]
        speeds = {name: statistics.median(s for n, s in turns if n == name) for name in compared}
        for name, learn in compared.items():
            fit(learn, seconds, RATES[name])
        weights = {name: f"{models.count_parameters(learn.model):,}" for name, learn in compared.items()}
        errors = {name: f"{final_metrics(learn)['reconstruction']:.4f}" for name, learn in compared.items()}
    return [(name, weights[name], f"{speeds[name]:.3g}", errors[name]) for name in compared]


if __name__ == "__main__":
    main()
