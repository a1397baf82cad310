"""The thesis's architecture beside this project's with the plain code: same pictures, same time, one run.

python benchmarks/thesis.py --seconds 240

Both train on synthpets at 128 pixels, the thesis's size, for the same time at a flat learning rate: the
thesis in its first stage (autoencoder), the plain code as always. Speeds are taken in turns, A B A B A B,
while they train the first minute; --seconds follow.
"""

import argparse
import statistics
import tempfile
import time

import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.torch_core import default_device, set_seed

from xaae import data
from xaae import model as models
from xaae.benchmarks.training_speed import plain_aae
from xaae.callbacks import AAELoss, huber
from xaae.experiment.amounts import counted
from xaae.experiment.device import fast_precision
from xaae.factors import bias
from xaae.sources import picture_files
from xaae.training import learner, thesis
from xaae.training.fitting import final_metrics

CLASSES = ["cat", "dog"]
TURNS, TURN = 3, 20  # how often, and for how many seconds, the speed of each is taken; this trains them too


class StopAfter(Callback):
    """Ends the fit when its time is up."""

    def __init__(self, seconds):
        self.allowed = seconds

    def before_fit(self):
        self.ends = time.perf_counter() + self.allowed

    def after_batch(self):
        if self.training and time.perf_counter() > self.ends:
            raise CancelFitException


def loaders(items, size, batch):
    """DataLoaders of planted synthpets."""
    table = data.load_table("synthpets", tempfile.gettempdir(), items=items, size=size)
    table, found, _ = picture_files.open_pictures(table, size, 3)
    planted = bias.make_bias(CLASSES)
    return data.dataloaders(data.plant(table, planted), found, planted, CLASSES, bs=batch)


def learners(dls, folder, precision):
    """name -> Learner of both architectures, with the loss weights of the stage that is compared."""
    old = learner.aae_learner(
        dls, thesis.ThesisAAE(128), folder, thesis.thesis_game(), AAELoss(distance=huber), precision
    )
    new = learner.aae_learner(dls, plain_aae(128), folder, precision=precision)
    for learn, stage in ((old, thesis.thesis_stages(1)[0]), (new, learner.default_stages(1)[0])):
        learn.loss_func.reconstruction, learn.loss_func.classification = stage.reconstruction, stage.classification
        learn.adversarial.weight = stage.adversarial
    return {"thesis": old, "plain code": new}


class Count(Callback):
    """Images trained on, and the time they took, without the first batch."""

    def before_fit(self):
        self.images, self.began = 0, None

    def after_batch(self):
        if self.training and self.began is None:
            self.began = time.perf_counter()
        elif self.training:
            self.images += len(self.xb[0])
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
    set_seed(0)
    precision = fast_precision(default_device())
    dls = loaders(asked.items, 128, 16)
    with tempfile.TemporaryDirectory() as folder:
        both = learners(dls, folder, precision)
        turns = [(name, fit(learn, TURN, 1e-3)) for _ in range(TURNS) for name, learn in both.items()]
        speeds = {name: statistics.median(s for n, s in turns if n == name) for name in both}
        for learn in both.values():
            fit(learn, asked.seconds, 1e-3)
        print("| architecture | weights | images/s | MSE after the same time |\n|---|---|---|---|")
        for name, learn in both.items():
            row = (
                f"{models.count_parameters(learn.model):,}",
                f"{speeds[name]:.3g}",
                f"{final_metrics(learn)['reconstruction']:.4f}",
            )
            print(f"| {name} | " + " | ".join(row) + " |")
    threads = counted(torch.get_num_threads(), "threads")
    print(f"\n{TURNS * TURN + asked.seconds:.0f} s of training each, {precision}, {threads}")


if __name__ == "__main__":
    main()
