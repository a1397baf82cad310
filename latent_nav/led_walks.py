"""Walks that any classifier leads: which direction changes what it goes by, how far to go, what it answers on the way.

A classifier's own training items confound the factor and the content: both go with the class. So it is asked about
items whose factors were given random values, whatever the class. The direction is the mean code of those on which it
says the last side of a contrast, less the mean code of those on which it says the first: a pattern of its answers. The
weights of a regression of its answers on the codes would be a filter, which says how to read the answer off a code and
not what changes with it (Haufe et al. 2014, NeuroImage 87).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from xaae import model as models
from xaae.experiment.device import batches, device_of, fastest_layout
from xaae.experiment.errors import InputError
from xaae.experiment.seeds import generator
from xaae.experiment.vocabulary import MODELS, models_of
from xaae.explain.network.answer_form import PROBABILITIES
from xaae.explain.network.quick_network import quick_network
from xaae.explain.process.case import Case
from xaae.factors.registry import FACTORS
from xaae.latent_nav.codes import over_items
from xaae.latent_nav.contrasts import Evidence
from xaae.latent_nav.directions import REACH
from xaae.latent_nav.kept_answers import keep_answers, kept_or_asked
from xaae.latent_nav.walks import decode_codes, move

NETWORK = "network"  # what a network of the user's own is called in file names
ITEMS, FEWEST = 600, 200  # training items that are asked about; of a smaller set each is taken more than once
SIDE = 4  # items on each side, at least, for a mean code that says something
SMALL = 0.25  # of a factor's whole range: how far factors are moved that are not planted
REACHES = np.arange(0.75, 6.01, 0.25).tolist()  # standard deviations each way that are tried
STARTS = 100  # training items from which they are tried
ALMOST_SURE, MOST = 0.9, 0.95  # probability of a side at its end of the walk; share of the starts that get there
LEAST = 1e-12  # of a probability whose logarithm is taken
RANDOMISED = "randomised items"  # what answers to them are kept by, see `kept_answers`


class OneSided(InputError):
    """A classifier that hardly ever says one of the sides, whatever it is shown: it leads nowhere."""


@dataclass(frozen=True)
class Leader:
    """The classifier whose answers lead a walk.

    name: "aae", "baseline" or "network", as in file names. title: as in sentences. logits: x (B, C, *places) ->
    (B, K) on its own device, a gradient can follow it. function: "FILE.py:FUNCTION" of the user's own, "" for a model
    of the run.
    """

    name: str
    title: str
    logits: Callable
    function: str = ""

    def about(self):
        """Everything but the function, ready for JSON."""
        return {"name": self.name, "title": self.title, "function": self.function}


def open_leader(trained, of, model, x):
    """The Leader that `of` names: "aae", "baseline", or FILE.py:FUNCTION of the user's own, for a TrainedRun.

    model: the run's AAE. x: some of its items (B, C, *places). InputError if there is no such classifier, or if it does
    not answer for the classes of this run.
    """
    if of == "aae":
        return Leader(of, MODELS[of], lambda x: models.classify(model, x.to(device_of(model))))
    if of in MODELS:
        return Leader(of, models_of(trained.kind)[of], _fast(trained.model(of), x))
    if ":" not in of:
        raise InputError(f"There is no classifier {of!r}: choose from {', '.join(MODELS)}, FILE.py:FUNCTION.")
    subject = Case(NETWORK, function=of, precision=trained.config.precision).subject(x)
    if subject.outputs != (k := len(trained.classes)):
        raise InputError(
            f"{of} answers for {subject.outputs} classes, and this run has {k} ({', '.join(trained.classes)}): give a"
            " network with one output for each, in this order."
        )
    file, _, function = of.rpartition(":")
    return Leader(
        NETWORK, f"network {Path(file).name}:{function}", _logits_of(subject), f"{Path(file).absolute()}:{function}"
    )


def label_leader(trained, label):
    """The Leader that answers for one of several labels of a TrainedRun: its AAE."""
    model = trained.model("aae", label)
    return Leader("aae", MODELS["aae"], lambda x: models.classify(model, x.to(device_of(model))))


def _fast(network, x):
    """x -> logits by a copy of a network that answers faster, and alike."""
    device = device_of(network)
    quick = quick_network(network, x[:8].to(device))
    return lambda x: quick(x.to(device, memory_format=fastest_layout(x)))


def _logits_of(subject):
    """x -> logits (B, K) by a Subject, whatever it returns."""
    answer, form = subject.network, subject.form

    def logits(x):
        answers = answer(x.to(subject.device))
        if form in PROBABILITIES:
            return subject.probabilities(answers.float()).clamp_min(LEAST).log()
        return torch.cat([torch.zeros_like(answers[:, :1]), answers[:, 1:]], 1) if subject.binary else answers

    return logits


@torch.inference_mode()
def ask_leader(leader, x):
    """Probabilities (B, K) that a Leader gives items x (B, C, *places): NumPy float32."""
    parts = batches(len(x), places=x[0].numel())
    return np.concatenate([leader.logits(x[part]).float().softmax(1).cpu().numpy() for part in parts])


def ask_frames(leader, frames):
    """Probabilities (S, T, K) that a Leader gives frames (S, T, C, *places), NumPy."""
    return ask_leader(leader, torch.from_numpy(frames).flatten(0, 1)).reshape(*frames.shape[:2], -1)


# ---- what it goes by --------------------------------------------------------------------------------------------


def randomised_rows(rows, rng):
    """At most ITEMS of table rows in random order, each more than once where there are fewer than FEWEST.

    All of them come twice, the second time in the same order: see `_mirrored`.
    """
    times = -(-FEWEST // max(1, len(rows)))
    return np.tile(np.concatenate([rng.permutation(rows) for _ in range(times)])[:ITEMS], 2)


def randomised_items(trained, rows, rng, coordinates=()):
    """Items (B, C, *places) of table rows of a TrainedRun with random values of factors, drawn whatever the class.

    The planted factor gets values from its whole range, where one is planted. coordinates: names of the factors that
    the code has coordinates of; such as are not planted are moved a little only, as far as any data may hold: beyond
    what a classifier has met its answers say nothing.
    """
    bias, x = trained.bias, trained.upright(rows)
    planted = None if bias.arm == "normal" else bias.factor
    with torch.autocast(x.device.type, enabled=False):
        for name in (name for name in coordinates if name != planted):
            values = _mirrored(*_small_range(FACTORS[name]), len(x), rng)
            x = FACTORS[name].plant(x, values, "reflect", bias.rate)
    if bias.arm == "normal":
        return trained.plant(x, _values(trained.table.value.to_numpy()[rows]))
    return trained.plant(x, _mirrored(*bias.whole(), len(x), rng))


def _mirrored(low, high, n, rng):
    """n values between low and high: a half at random, then these again as far from the other end.

    Items that come twice in the same order have the middle of the range as their mean value, each of them: a classifier
    that goes by the content alone gives a direction along which the factor does not move, not even by chance.
    """
    drawn = rng.uniform(low, high, -(-n // 2))
    return _values(np.concatenate([drawn, low + high - drawn])[:n])


def _values(numbers):
    """Values of a factor as a tensor."""
    return torch.tensor(numbers, dtype=torch.float32)


def _small_range(factor):
    """(low, high): as far as a factor is moved that is not planted."""
    low, high = factor.whole
    return factor.usual or (
        factor.neutral + SMALL * (low - factor.neutral),
        factor.neutral + SMALL * (high - factor.neutral),
    )


def led_evidence(leader, z, probability, sides):
    """The Evidence of what a Leader says: codes z (N, D) of randomised items, probability (N, K) that it gives them.

    Items that it decides for a class of neither side are left out. OneSided if hardly any are left of a side.
    """
    best, (first, last) = probability.argmax(1), sides.columns
    on_last, kept = np.isin(best, last), np.isin(best, first + last)
    for side, goal in ((kept & ~on_last, " or ".join(sides.first)), (on_last, sides.goal)):
        if side.sum() < SIDE:
            raise OneSided(
                f"The {leader.title} says {goal} of {side.sum()} in {len(best)} items with random values: no walk that"
                " it leads can be found."
            )
    return Evidence(z[kept], on_last[kept])


# ---- how far ----------------------------------------------------------------------------------------------------


def find_reach(model, leader, z, direction, sides):
    """How far each way a walk along a Direction has to go, in standard deviations, for the leader to be brought over.

    The smallest of REACHES at which MOST of the starts z (S, D) have a probability of the last side of at most 0.1 at
    one end and of at least 0.9 at the other; failing that, the one at which most of them are decided differently at the
    ends, the right way round: a walk that goes on round a circle comes back to where it began, so that the farthest is
    not the best. REACH where none ever is. To be tried on other items than those that the walk is then shown of.
    """
    over = []
    for reach in REACHES:
        frames = decode_codes(model, move(z, direction, np.array([-reach, reach])))
        ends = sides.probability(ask_frames(leader, frames))
        over.append((arrived(ends, 0.5), arrived(ends, ALMOST_SURE)))
        if over[-1][1] >= MOST:
            return reach
    shares = [share for share, _ in over]
    return REACHES[int(np.argmax(shares))] if max(shares) else REACH


def arrived(probability, at_least=0.5):
    """Share of walks that begin on the first side and end on the last, each with this probability at least.

    probability (S, T): of the last side.
    """
    return float(((probability[:, 0] <= 1 - at_least) & (probability[:, -1] >= at_least)).mean())


# ---- of an encoded run --------------------------------------------------------------------------------------------


def leading(encoded, of):
    """The Leader that `of` names, as in `open_leader`, for an EncodedRun; each is opened and asked once.

    All are asked about the same items: training items with random values of the factors.
    """
    if not encoded.randomised:
        encoded.randomised = _randomised(encoded)
    x, _ = encoded.randomised
    if of not in encoded.answered:
        leader = open_leader(encoded.trained, of, encoded.model, x[:8])
        ask = lambda: ask_leader(leader, x)  # noqa: E731
        encoded.answered[of] = leader, kept_or_asked(encoded.trained, RANDOMISED, ask) if of == "baseline" else ask()
    return encoded.answered[of][0]


def ask_baseline_ahead(trained):
    """Keep in this process what the baseline of a TrainedRun, whose AAE may still learn, says when `leading` asks."""
    x = _randomised_of(trained)
    keep_answers(trained, RANDOMISED, ask_leader(open_leader(trained, "baseline", None, x[:8]), x))


def _randomised_of(trained):
    """Training items (M, C, *places) of a TrainedRun with random values of the factors."""
    rng = generator(trained.config.seed, "randomised items")
    return randomised_items(trained, randomised_rows(trained.rows("train"), rng), rng, [*trained.config.centres])


def _randomised(encoded):
    """(the same items of an EncodedRun's run, their codes (M, D))."""
    model, x = encoded.model, _randomised_of(encoded.trained)
    return x, over_items(lambda x: model.encode(x.to(device_of(model))), lambda at: x[at], np.arange(len(x)))


def evidence_of(encoded, leader, sides):
    """The Evidence, for a Contrast, of what a Leader that was asked says of the randomised items of an EncodedRun."""
    probability = next(probability for asked, probability in encoded.answered.values() if asked is leader)
    return led_evidence(leader, encoded.randomised[1], probability, sides)


def with_reach(encoded, direction):
    """A Direction of an EncodedRun with the reach at which its leader is brought over, see `find_reach`.

    One that no classifier leads, and one without a vector, stays as it is.
    """
    if direction.leader is None or direction.vector is None:
        return direction
    sides, rows = encoded.sides_of(direction), encoded.trained.rows("train")
    rows = rows[sides.holds(encoded.labels_of(sides)[rows])]
    rows = generator(encoded.trained.config.seed, "reach").permutation(rows)[:STARTS]
    return replace(direction, reach=find_reach(encoded.model, direction.leader, encoded.codes(rows), direction, sides))
