"""How long the default and the thesis's architecture train until they reconstruct, and until their walks turn.

Both are what `train` makes of the same planted synthpets, the thesis in its first stage (autoencoder), each with its
own batches and optimiser, at the flat learning rates of `benchmarks/thesis.py`. Looks at the model are not counted.
"""

import tempfile
import time
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO

import numpy as np
import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.torch_core import default_device, set_seed

from xaae import data
from xaae.benchmarks.pairs import compared
from xaae.benchmarks.thesis import RATES, as_train_makes
from xaae.callbacks import NoValidation
from xaae.experiment.device import exact
from xaae.experiment.statistics import rank_correlations
from xaae.factors.meters import METERS
from xaae.latent_nav.codes import over_items
from xaae.latent_nav.contrasts import contrast
from xaae.latent_nav.directions import fit_directions
from xaae.latent_nav.naming import RULE
from xaae.latent_nav.walks import alphas, decode_codes, move

SIZE, ITEMS = 32, 1000  # pixels: the least that the thesis's architecture makes
LIMIT = 60.0  # seconds of training, at most
PAUSE, GROWTH = 0.5, 1.1  # a look at the model follows the last after so many seconds, and after a tenth more training
COARSE_MSE, FINE_MSE, TURN = 0.045, 0.015, 90.0  # errors at most, degrees at least
FITTED, STARTS = 400, 8  # training items whose codes give the direction, held-out items that walks start from
WAYS = {
    "factored code": "default",
    "thesis": "thesis",
}  # name in RATES -> preset; the first is compared with the second


@dataclass(frozen=True)
class Seen:
    """Items that a model is looked at with: training x (B, C, H, W), their labels (B,), held-out x; all classes."""

    train: torch.Tensor
    labels: np.ndarray
    valid: torch.Tensor
    classes: tuple


def seen_items(prepared):
    """The Seen items of Prepared data, as the table has them planted."""
    rows = {split: prepared.table[prepared.table.split == split] for split in ("train", "valid")}
    rows["train"] = rows["train"].sample(min(FITTED, len(rows["train"])), random_state=0)
    x = {
        split: data.render_items(prepared.items, part.index, part.value, prepared.planted).to(default_device())
        for split, part in rows.items()
    }
    return Seen(x["train"], rows["train"].label.to_numpy().astype(str), x["valid"], prepared.config.classes)


def reconstruction_mse(model, seen):
    """Mean squared error of the held-out items' reconstructions, values in [0, 1]."""
    squares = over_items(lambda x: (model.decode(model.encode(x)) - x).square().flatten(1).mean(1), *_all(seen.valid))
    return float(squares.mean())


def steady_turn(model, seen):
    """Degrees by which walks along the linear discriminant of the classes turn: the median over held-out starts.

    As `navigate` walks it and reads it: 3 standard deviations each way, by the meter that correlates frames with the
    first. A start whose angle does not follow the steps, by the rule of naming, counts as 0: of frames that show
    nothing some turn matches best too.
    """
    z, home = (over_items(model.encode, *_all(x)) for x in (seen.train, seen.valid[:STARTS]))
    (direction,) = fit_directions(contrast("", list(seen.classes)).evidence(z, seen.labels), ["lda"])
    alpha = alphas()
    with _within(model, z):
        angles = METERS["rotation"].measure(decode_codes(model, move(torch.from_numpy(home), direction, alpha)))
    steady = np.abs(rank_correlations(alpha, angles)) >= RULE.spearman
    return float(np.median(np.abs(METERS["rotation"].along(angles)) * steady))


def _all(x):
    """What `over_items` needs to go through all items x."""
    return lambda rows: x[rows], np.arange(len(x))


@contextmanager
def _within(model, z):
    """A factored code plants only what training codes z have, as it is saved; then again all that training needs."""
    if not hasattr(model, "keep_within"):
        yield
        return
    model.keep_within(model.coordinate_limits(torch.from_numpy(z)))
    yield
    model.keep_within({})


AIMS = {  # what is reached -> (is it reached by a model with Seen items?, in words)
    "coarse": (lambda model, seen: reconstruction_mse(model, seen) <= COARSE_MSE, f"a held-out MSE of {COARSE_MSE:g}"),
    "fine": (lambda model, seen: reconstruction_mse(model, seen) <= FINE_MSE, f"a held-out MSE of {FINE_MSE:g}"),
    "rotation": (lambda model, seen: steady_turn(model, seen) >= TURN, f"a walk that turns by {TURN:g} degrees"),
}


class UntilReached(Callback):
    """Ends the fit when all aims are reached or `limit` seconds are over, looks left out: `reached` {aim: seconds}.

    aims {name: model -> bool}: looked at after `pause` seconds of training, and again after as many, or after a tenth
    more where that is later, with the model as it is used; and once more when the limit is over.
    """

    order = 100  # after both optimisers

    def __init__(self, aims, limit, pause):
        self.aims, self.limit, self.pause = aims, limit, pause

    def before_fit(self):
        self.reached, self.seconds, self.next_look, self.began = {}, 0.0, self.pause, time.perf_counter()

    def after_batch(self):
        if not self.training:
            return
        now = time.perf_counter()
        self.seconds, self.began = self.seconds + now - self.began, now
        over = self.seconds >= self.limit
        if over or self.seconds >= self.next_look:
            self.look()
            self.next_look = max(self.seconds + self.pause, self.seconds * GROWTH)
            self.began = time.perf_counter()
        if over or len(self.reached) == len(self.aims):
            raise CancelFitException

    def look(self):
        """Note which further aims are reached by now."""
        self.model.eval()
        with exact():
            found = [name for name, aim in self.aims.items() if name not in self.reached and aim(self.model)]
        self.model.train()
        self.reached |= dict.fromkeys(found, min(self.seconds, self.limit))


def seconds_to_reach(learn, aims, lr, limit=LIMIT, pause=PAUSE):
    """{aim: seconds of training until a Learner's model reached it} of those reached within `limit`; it is trained."""
    until = UntilReached(aims, limit, pause)
    with learn.no_bar(), learn.no_logging():
        learn.fit(10**6, lr, cbs=[until, NoValidation()])
    return until.reached


def learner_of(name, seed, size, precision, folder):
    """(Learner, Seen items) of one of WAYS."""
    set_seed(seed)
    asked = {"preset": WAYS[name], "dataset": "synthpets", "data_root": tempfile.gettempdir(), "precision": precision}
    with redirect_stdout(StringIO()):  # what `train` says of its data is the same each time
        learn, prepared = as_train_makes(folder, **asked, items=ITEMS, size=size, seed=seed)
    return learn, seen_items(prepared)


def one_training(name, seed, size, precision, limit=LIMIT):
    """{aim: seconds} that one of WAYS took with a seed, see `seconds_to_reach`."""
    with tempfile.TemporaryDirectory() as folder:
        learn, seen = learner_of(name, seed, size, precision, folder)
        aims = {aim: lambda model, reads=reads: reads(model, seen) for aim, (reads, _) in AIMS.items()}
        return seconds_to_reach(learn, aims, RATES[name], limit)


def reaching(size, precision, repeats, train=one_training, limit=LIMIT):
    """Seconds to each of AIMS, default beside thesis, with a new seed each repeat; which comes first alternates.

    What is not reached counts as `limit`, and the words say of which, and what the ratio then is.
    train: (name, seed, size, precision, limit) -> {aim: seconds}.
    """
    del size  # its own: those of the other comparisons are not made by the thesis
    turns = []
    for seed in range(repeats):
        order = list(WAYS)[:: 1 if seed % 2 else -1]
        turns.append({name: train(name, seed, SIZE, precision, limit) for name in order})
    return [_compared_aim(aim, words, turns, limit) for aim, (_, words) in AIMS.items()]


def _compared_aim(aim, words, turns, limit):
    """The Comparison of one aim of turns [{name: {aim: seconds}}]."""
    missed = {name: sum(aim not in turn[name] for turn in turns) for name in WAYS}
    pairs = [tuple(turn[name].get(aim, limit) for name in WAYS) for turn in turns]
    says = f"training at {SIZE} pixels to {words}: {' / '.join(WAYS)}"
    return compared(f"reaching-{SIZE}-{aim}", says + in_words(missed, len(turns), limit), pairs)


def in_words(missed, repeats, limit):
    """How often each of WAYS did not reach an aim, and what the ratio is then; "" if none missed it."""
    if not any(missed.values()):
        return ""
    told = [f"{name} not reached in {limit:g} s in {n} of {repeats}" for name, n in missed.items() if n]
    first, second = missed.values()
    bound = "no bound" if first and second else "a lower bound" if first else "an upper bound"
    return f" ({', '.join(told)}, counted as {limit:g} s: the ratio is {bound})"
