"""The explorer: an item's code moved by sliders, and what the model says of it. It knows of no page."""

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F

from xaae.experiment.device import device_of
from xaae.experiment.kinds import PICTURE
from xaae.experiment.run_folder import as_stored
from xaae.experiment.vocabulary import MODELS
from xaae.factors.measuring import measure_all
from xaae.factors.meters import meters_for
from xaae.latent_nav import directions, led_walks, walks
from xaae.latent_nav.plots import DRAWINGS

REACH = 3.0  # standard deviations that a slider goes each way
DIMENSIONS = 4  # single dimensions with a slider of their own
NEAREST = 6
FLOOR = 5  # percentile of the training codes' scores below which the discriminator refuses a code
STRIP = 11  # frames of the strip
MOST_WORDS = 4
DIGITS = 10  # a change of so many of the last digit told is noticed, where NOTICEABLE does not say otherwise
NOTICEABLE = {  # smallest change of a meter worth a word, in its unit
    "rotation": 4,
    "luminance": 0.015,
    "contrast": 0.015,
    "sharpness": 0.2,
    "hue": 15,
    "saturation": 0.015,
    "warmth": 0.02,
    "scale": 4,
    "x": 2,
    "y": 2,
    "edge_darkness": 0.03,
    "tag": 0.05,
}


def least_noticed(meter):
    """The smallest change of a Meter that is worth a word, in its unit."""
    return NOTICEABLE.get(meter.name, DIGITS * 10.0**-meter.digits)


@dataclass(frozen=True)
class Home:
    """Where an exploration starts.

    z (D,): the code. x (C, *places): the input. frame (C, *places): decode(z). probability (K,): of that frame.
    row: the item's row in the table, None for an uploaded one. name: what it is called. led {classifier: (K,)}: as of a
    View.
    """

    z: np.ndarray
    x: np.ndarray
    frame: np.ndarray
    probability: np.ndarray
    row: int | None
    name: str
    led: dict


@dataclass(frozen=True)
class View:
    """What there is at a code.

    frame (C, *places): decoded. probability (K,): of the frame encoded again. changes {meter: float}: how far every
    reading of the frame is from that of the reconstruction. words: the noticeable changes. score: the discriminator's;
    accepted: is it at least the explorer's floor? Both None where there is no floor. nearest (n,): rows of the nearest
    real items; distance (n,): to them in the latent space. led {classifier: (K,)}: probabilities that the classifiers
    which lead a slider give the frame.
    """

    frame: np.ndarray
    probability: np.ndarray
    words: list
    changes: dict
    score: float | None
    accepted: bool | None
    nearest: np.ndarray
    distance: np.ndarray
    led: dict


class Explorer:
    """A navigated run, ready to be explored.

    model: an AAE. contrast: the Contrast between whose sides the Directions `ways` lead: the discriminant one, and
    those that classifiers lead. z (N, D), labels (N,), splits (N,) of the table's items. items(rows) gives those items
    (B, C, *places) as they were planted. reading: how the run reads its files, see `items.reading_options`.
    drawing: how its items are drawn, see `plots.Drawing`. rate: samples a second of signals, None where it is unknown.
    """

    reading = MappingProxyType({})  # as files are read where nothing is asked for
    drawing = DRAWINGS[PICTURE.name](None)  # of items of another kind: given by who opens the run
    rate = None

    def __init__(self, model, contrast, z, labels, splits, items, ways):
        self.model, self.contrast, self.classes, self.items = model, contrast, list(contrast.classes), items
        self.z, self.labels, self.splits = z, np.asarray(labels).astype(str), np.asarray(splits).astype(str)
        train = self.splits == "train"
        evidence = contrast.evidence(z[train], self.labels[train])
        self.directions = [*ways, *directions.fit_directions(evidence, [f"dims:{DIMENSIONS}"])]
        self.leaders = {d.leader.title: d.leader for d in ways if d.leader and d.leader.name != "aae"}
        self.auc = {f"dim_{d['dimension']}": d["auc"] for d in directions.ranked_dimensions(evidence)}
        self.steps = np.stack([d.scale * d.vector for d in self.directions]).astype(np.float32)

    @property
    def kind(self):
        """The Kind of the items."""
        return self.model.kind

    @cached_property
    def meters(self):
        """The meters that read the frames: {name: Meter}."""
        return meters_for(self.model.input_channels, self.kind, rate=self.rate)

    @property
    def held_out(self):
        """Rows that were not trained on: (V,)."""
        return np.flatnonzero(self.splits == "valid")

    @cached_property
    def floor(self):
        """The lowest score of an accepted code. None for a discriminator that does not tell single codes apart."""
        train = (self.splits == "train") & np.isin(self.labels, self.classes)  # one of labels may not be known
        index = [self.classes.index(label) for label in self.labels[train]]
        scores = self.scores(self.z[train], index)
        return float(np.percentile(scores, FLOOR)) if np.isfinite(scores).all() and np.ptp(scores) > 1e-6 else None

    def scores(self, z, index):
        """The discriminator's scores (B,) of codes z (B, D) of the classes with numbers index (B,)."""
        y = F.one_hot(torch.as_tensor(index), len(self.classes)).float()
        return walks.discriminator_scores(self.model, torch.from_numpy(z)[:, None], y)[:, 0]

    def name(self, row):
        """What the item of a row is called: its class and row."""
        return f"{self.labels[row]}, row {row}"

    def start(self, row):
        """The Home of a table row, at the code that `navigate` found for it."""
        return self._home(self.z[row], self.items(np.array([row]))[0].numpy(), int(row), self.name(row))

    @torch.inference_mode()
    def start_from(self, x, name=None):
        """The Home of any item x (C, *places) in [0, 1], a tensor; nothing is planted in it."""
        z = self.model.encode(x[None].to(device_of(self.model)))[0].float().cpu().numpy()
        return self._home(z, x.numpy(), None, name or f"uploaded {self.kind.name}")

    def _home(self, z, x, row, name):
        """The Home at a code z (D,)."""
        frame, probability = self._decoded(z)
        return Home(z, x, frame, probability, row, name, self.asked(frame))

    def _decoded(self, z):
        """(frame (C, *places) decoded from a code z (D,), probability (K,) that the model gives that frame)."""
        frames = walks.decode_codes(self.model, torch.from_numpy(z)[None, None])
        return frames[0, 0], walks.second_look(self.model, frames)[0, 0]

    def asked(self, frame):
        """What classifiers other than the AAE that lead a slider say of a frame (C, *places): {title: (K,)}."""
        x = torch.from_numpy(frame)[None]
        return {title: led_walks.ask_leader(leader, x)[0] for title, leader in self.leaders.items()}

    def move(self, home, amounts):
        """Home's code moved by `amounts` (one a slider) in standard deviations of the training codes: (D,).

        An amount beyond REACH counts as REACH.
        """
        return home.z + np.clip(np.asarray(amounts, np.float32), -REACH, REACH) @ self.steps

    def view(self, home, amounts):
        """The View at home's code moved by `amounts`; with all amounts 0 it is the plain reconstruction."""
        z = self.move(home, amounts)
        frame, probability = self._decoded(z)
        score, accepted = self.judge(z)
        changes = self.changes(home.frame, frame if np.any(amounts) else home.frame)
        nearest, distance = self.nearest(z, home.row)
        words, led = self.in_words(changes), self.asked(frame)
        return View(frame, probability, words, changes, score, accepted, nearest, distance, led)

    def changes(self, before, after):
        """How far every meter's reading of the frame `after` (C, *places) is from that of `before`: {meter: float}."""
        readings = measure_all(np.stack([before, after])[None], self.meters)
        return {name: float(reading[0, 1] - reading[0, 0]) for name, reading in readings.items()}

    def in_words(self, changes, most=MOST_WORDS):
        """The noticeable ones of {meter: change} in words, strongest first, at most so many."""
        strength = {name: abs(change) / least_noticed(self.meters[name]) for name, change in changes.items()}
        noticed = sorted((name for name in changes if strength[name] >= 1), key=strength.get, reverse=True)
        return [self.meters[name].say(changes[name]) for name in noticed[:most]]

    @torch.inference_mode()
    def judge(self, z):
        """(score, accepted) of a code z (D,) of the class that the head decides for; (None, None) without a floor."""
        if self.floor is None:
            return None, None
        codes = torch.from_numpy(z)[None].to(device_of(self.model))
        score = float(self.scores(z[None], self.model.classify_code(codes).argmax(1).cpu())[0])
        return score, score >= self.floor

    def nearest(self, z, own_row=None, n=NEAREST):
        """(rows (n,), distances (n,)) of the real items nearest to a code z (D,), without the item of `own_row`."""
        distance = np.linalg.norm(self.z - z, axis=1)
        distance[[] if own_row is None else own_row] = np.inf
        rows = np.argsort(distance, kind="stable")[: min(n, int(np.isfinite(distance).sum()))]
        return rows, distance[rows]

    def strip(self, home):
        """The walk along the discriminant direction: frames (1, T, ...) as a run stores them, captions [[T texts]],
        title."""
        alpha, direction = walks.alphas(STRIP, REACH), self.directions[0]
        frames = walks.decode_codes(self.model, walks.move(torch.from_numpy(home.z)[None], direction, alpha))
        there = walks.second_look(self.model, frames)[0][:, self.contrast.columns[1]].sum(-1)
        captions = [f"{a:+.1f}  {p:.2f}" if a else f"home  {p:.2f}" for a, p in zip(alpha, there, strict=True)]
        said = f"{MODELS['aae']}'s probability of {self.contrast.goal}"
        title = f"{home.name}, moved from {self.contrast}: standard deviations, {said}"
        return as_stored(frames, self.kind), [captions], title
