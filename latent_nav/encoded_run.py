"""What the parts of `navigate` share: a run's codes, its directions, its meters."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from xaae import data
from xaae.experiment import run_folder
from xaae.experiment.device import autocast_in
from xaae.experiment.errors import InputError
from xaae.experiment.seeds import generator
from xaae.experiment.tasks import CLASSES, LABELS, SEVERITY
from xaae.experiment.vocabulary import MODELS
from xaae.factors import rotation_network
from xaae.factors.meters import meters_for
from xaae.factors.picture_plants import rotate
from xaae.latent_nav import codes, contrasts, directions, exemplars, item_results, led_walks, plots, walks
from xaae.latent_nav.stability import stability
from xaae.sources.fingerprints import fingerprint
from xaae.training.target_scores import spearman
from xaae.training.trained_run import TrainedRun, open_trained_run

DEFAULT = ("lda", "logistic", "head", "means", "severity", "gradient", "pca:2", "dims:3")
KINDS_OF = {  # task -> what is walked unasked; between halves of a severity no classes are told apart
    CLASSES.name: DEFAULT,
    SEVERITY.name: ("ridge", "severity", "head", "gradient", "pca:2", "dims:3"),
    LABELS.name: DEFAULT,
}
MOST_CLASSES = 10  # beyond this no direction of one class against the rest is walked unasked
PERCENTILE = 5  # of the training codes' scores: below it the discriminator does not accept a code
TARGET = "target:"


@dataclass
class EncodedRun:
    """A trained run with its codes z (N, D), logits (N, K), directions by name, and meters.

    main: the direction that its report speaks of. floor: the discriminator's score above which a code is accepted.
    films: of every walk, not of the main one alone. spacing: of the frames of walks, see SPACINGS.
    counterfactuals: of how many held-out items. of: which classifier leads a walk where none is named, as in
    `led_walks.open_leader`. randomised, answered: what such classifiers were asked and said, see `led_walks.leading`.
    left_out {direction: why it could not be found}.
    """

    trained: TrainedRun
    model: nn.Module
    z: np.ndarray
    logits: np.ndarray
    sides: contrasts.Contrast
    rng: np.random.Generator
    directions: dict = field(default_factory=dict)
    meters: dict = field(default_factory=dict)
    floor: float = float("-inf")
    main: str = ""
    films: bool = False
    spacing: str = "arc"
    counterfactuals: int = 64
    of: str = "aae"
    randomised: tuple = ()
    answered: dict = field(default_factory=dict)
    left_out: dict = field(default_factory=dict)

    @property
    def labels(self):
        """Class names of all items: (N,)."""
        return self.trained.table.label.to_numpy().astype(str)

    def labels_of(self, sides):
        """On which side of a Contrast all items are, by name: (N,); of classes, or of one of several labels."""
        known = sides.classes == tuple(self.trained.classes)
        return self.labels if known else self.trained.labelled(sides.goal).astype(str)

    @property
    def way(self):
        """The Direction that the run's report speaks of."""
        return self.directions[self.main]

    @property
    def contrast(self):
        """The Contrast of that direction, of which the report's scores and readings speak too."""
        return self.sides_of(self.way)

    @cached_property
    def drawing(self):
        """How items are drawn, see `plots.Drawing`."""
        return plots.drawing_of(self.trained.config)

    @property
    def meter(self):
        """The Meter that reads the planted factor."""
        return self.meters[self.trained.factor.meter]

    def starts(self, n, sides=None):
        """n held-out rows of both sides of a Contrast, by default the main direction's, the classes in turn: (n,)."""
        rows = self.trained.starts(len(self.labels), generator(self.trained.config.seed, "starts"))
        sides = sides or self.contrast
        return rows[sides.holds(self.labels_of(sides)[rows])][:n]

    def nearest_others(self, rows, k):
        """Nearest items (B, k) of another class of both sides to table rows (B,), and their distances (B, k)."""
        kept = np.flatnonzero(self.contrast.holds(self.labels))
        own = self.z[rows], self.labels[rows]
        others, distance = exemplars.counter_exemplars(self.z[kept], self.labels[kept], *own, k)
        return kept[others], distance

    def nearest_across(self, rows):
        """Nearest items (B,) on the other side of the contrast to table rows (B,), and their distances (B,)."""
        kept, last = np.flatnonzero(self.contrast.holds(self.labels)), np.isin(self.labels, self.contrast.last)
        others, distance = exemplars.counter_exemplars(self.z[kept], last[kept], self.z[rows], last[rows], 1)
        return kept[others[:, 0]], distance[:, 0]

    def one_hot(self, rows):
        """One-hot classes (B, K) of table rows."""
        index = [self.trained.classes.index(label) for label in self.labels[rows]]
        return F.one_hot(torch.tensor(index), len(self.trained.classes)).float()

    def codes(self, rows):
        """Codes (B, D) of table rows as a tensor."""
        return torch.from_numpy(self.z[rows])

    def sides_of(self, direction):
        """The Contrast that a Direction was fitted for."""
        return direction.sides or self.sides

    def evidence(self, sides, split="train"):
        """The Evidence of one split for a Contrast."""
        rows, head = self.trained.rows(split), self.model.head  # None where the classifier reads items, not codes
        head = None if head is None else head.weight.detach().cpu().numpy()
        return sides.evidence(self.z[rows], self.labels_of(sides)[rows], head, self.trained.numbers(rows))

    def severities(self, frames, leader=None):
        """The severities (S, T), in their unit, of frames (S, T, C, *places) by the model or by a Leader.

        None where items have no severity, and for a leader that is no model of the run.
        """
        if self.trained.config.task != SEVERITY.name or (leader and leader.name not in MODELS):
            return None
        logits = walks.frame_logits(self.model, frames, leader.logits if leader else None)
        return self.trained.severities(logits, leader.name if leader else "aae")

    def position(self, rows):
        """Places (B,) of table rows along the main direction, in standard deviations from the training codes' mean."""
        middle = self.z[self.trained.rows("train")].mean(0)
        return (self.z[rows] - middle) @ self.way.vector / self.way.scale

    def planted_images(self, rows):
        """Items of table rows as they were planted, in the form in which they are kept: pictures (B, H, W, C) uint8."""
        return run_folder.as_stored(self.trained.planted(rows).numpy(), self.trained.kind)


def encode_run(trained, contrast="", meters=None):
    """The EncodedRun of an opened run: every item encoded, the discriminator's floor found.

    meters {name: Meter}: those that read the items; by default all, with the rotation network, which is trained.
    """
    model, rng = trained.model(), generator(trained.config.seed, "navigation")
    z, logits = codes.encode_items(model, trained.planted, np.arange(len(trained.table)))
    encoded = EncodedRun(trained, model, z, logits, contrasts.contrast(contrast, trained.classes), rng)
    rows = trained.rows("train")
    scores = walks.discriminator_scores(model, encoded.codes(rows)[:, None], encoded.one_hot(rows))
    encoded.floor = float(np.percentile(scores, PERCENTILE))
    encoded.meters = _all_meters(trained) if meters is None else meters
    return encoded


def meters_ahead(run):
    """Train the meters of a run's own items, whose models may still learn; `encode_run` finds them kept."""
    _trained_meters(open_trained_run(run, needs="items.csv"))


def ask_ahead(run):
    """Ask a run's baseline, while its AAE may still learn, what `navigate` asks it: kept in this process until then."""
    trained = open_trained_run(run, needs="items.csv")
    if trained.has_baseline():
        with autocast_in(trained.config.precision):  # as `navigate` asks
            led_walks.ask_baseline_ahead(trained)
            item_results.find_features_ahead(trained)


def _all_meters(trained):
    """The meters for this run's items, with those that are trained on them."""
    config = trained.config
    known = meters_for(config.input_channels, trained.kind, trained.factor.meter, config.rate)
    return known | _trained_meters(trained)


def _trained_meters(trained):
    """The meters that are trained on this run's items: {name: Meter}."""
    return TRAINED_METERS.get(trained.kind.name, lambda _: {})(trained)


def _rotation_network(trained):
    """{"rotation_network": Meter} where the network has learned what upright means in these pictures, else {}.

    It is kept under the run's data root where that can be written, else in fastai's data folder.
    """
    circle = lambda x, degrees: rotate(x, degrees, "circle")  # noqa: E731
    train, held_out = trained.rows("train"), trained.rows("valid")
    key = f"{rotation_network.RECIPE}\n{fingerprint(trained.items, train)}"
    rng, judge = np.random.default_rng(0), generator(0, "turns read back")
    make = lambda: rotation_network.train_rotation_network(trained.upright, train, circle, rng)  # noqa: E731
    with torch.autocast("cpu", enabled=False):  # the same network whatever the run's precision
        network = rotation_network.cached(_meters_folder(trained.config.data_root), key, make)
        error = rotation_network.error(network, trained.upright, held_out, circle, judge)
    return {"rotation_network": rotation_network.meter(network)} if error <= rotation_network.TRUSTED else {}


def _meters_folder(data_root):
    """Where trained meters are kept: in the data root that a run was given, or in fastai's."""
    return data.kept_root(data_root) / "xaae-meters"


TRAINED_METERS = {"picture": _rotation_network}  # kind -> meters that are trained on a run's own items


def find_directions(encoded, specs=DEFAULT, away=()):
    """Fill an encoded run with directions for `specs`; every one is kept away from those named in `away`, if any.

    The first is the main one. Written to `directions.npz`, and the codes to `latents.npz`. InputError for names that
    are not there, and for a main direction that is not straight.
    """
    found = _by_name([d for spec in specs for d in _fitted_or_left_out(encoded, spec)])
    if not found:
        raise InputError(next(iter(encoded.left_out.values())))
    if away:
        others = [d for spec in away for d in fitted(encoded, spec)]
        if any(d.vector is None for d in others):
            raise InputError("The gradient is no one direction: keep away from another, such as pca:1.")
        found = {
            n: d if d.vector is None else directions.away(d, others, _train_codes(encoded)) for n, d in found.items()
        }
    encoded.main = next(iter(found))
    if found[encoded.main].vector is None:
        why = f"The first direction has to be a straight one: name another before {encoded.main}."
        raise InputError(next(iter(encoded.left_out.values()), why))
    encoded.directions = {n: led_walks.with_reach(encoded, d) for n, d in found.items()}
    straight = [d for d in found.values() if d.vector is not None]
    arrays = {f"{d.name}.direction": d.vector for d in straight} | {f"{d.name}.scale": d.scale for d in straight}
    run_folder.write_arrays(encoded.trained.folder / "latents.npz", z=encoded.z, logits=encoded.logits)
    run_folder.write_arrays(encoded.trained.folder / "directions.npz", **arrays)


def _by_name(found):
    """Directions by name, each of its own even where a disk takes no notice of capital letters."""
    named, sides = {}, {}
    for direction in found:
        name, number = direction.name, 1
        while sides.setdefault(name.casefold(), direction.sides) != direction.sides:
            number += 1
            name = f"{direction.name}-{number}"
        named[name] = replace(direction, name=name)
    return named


def _train_codes(encoded):
    """Codes of the training items: (M, D)."""
    return encoded.z[encoded.trained.rows("train")]


def fitted(encoded, spec):
    """The directions that one spec names: "lda", "pca:2", "lda@rest:dog" for a contrast of its own, "target:age",
    "led", "led:baseline" for those that a classifier leads.

    (kind, Contrast) in place of the text is for a contrast whose classes may be called by any text.
    """
    if isinstance(spec, tuple):
        return _of_contrast(encoded, *spec)
    if spec.startswith(TARGET):
        return [_towards(encoded, spec.removeprefix(TARGET))]
    kind, _, contrast = spec.partition("@")
    if contrast in encoded.trained.target.names[1:]:
        return _of_contrast(encoded, kind, contrasts.label_contrast(encoded.trained.target.sides_of(contrast)))
    if contrast:
        return _of_contrast(encoded, kind, contrasts.contrast(contrast, encoded.trained.classes))
    return _of_kind(encoded, kind, encoded.sides)


def _of_contrast(encoded, kind, sides):
    """The directions of one kind for a Contrast of their own."""
    ends = sides.last if len(sides.both) == len(sides.classes) and len(sides.last) == 1 else sides.both
    ending = run_folder.file_stem("-".join(ends))
    if sides.classes == tuple(encoded.trained.classes):
        return [replace(d, name=f"{d.name}.{ending}", sides=sides) for d in _of_kind(encoded, kind, sides)]
    if directions.DIRECTIONS[directions.parse(kind)[0]].led or kind == "head":
        raise InputError(f"{kind}@{sides.goal}: only directions of the items' own labels lead to another than the first"
                         " label; choose from lda, logistic, means, severity.")  # fmt: skip
    leader = led_walks.label_leader(encoded.trained, sides.goal)
    found = directions.fit_directions(encoded.evidence(sides), [kind])
    return [replace(d, name=f"{d.name}.{ending}", sides=sides, leader=leader) for d in found]


def _of_kind(encoded, kind, sides):
    """The directions of one kind between the sides of a Contrast: "pca:2", or "led:baseline" that a classifier leads.

    InputError if there is no such kind or no such classifier; OneSided if it always says the same.
    """
    name, _, of = kind.partition(":")
    if name not in directions.DIRECTIONS or not directions.DIRECTIONS[name].led:
        return directions.fit_directions(encoded.evidence(sides), [kind])
    leader = led_walks.leading(encoded, of or encoded.of)
    evidence = encoded.evidence(sides) if name == "led_gradient" else led_walks.evidence_of(encoded, leader, sides)
    (found,) = directions.fit_directions(evidence, [name])
    scale = found.scale if found.vector is None else directions.scaled("", found.vector, _train_codes(encoded)).scale
    return [replace(found, name=f"{name}_{leader.name}", scale=scale, leader=leader)]


def _fitted_or_left_out(encoded, spec):
    """The directions of one spec; none if its classifier always says the same, which is then told in `left_out`."""
    try:
        return fitted(encoded, spec)
    except led_walks.OneSided as e:
        kind, _, sides = (spec if isinstance(spec, str) else f"{spec[0]}@{spec[1]}").partition("@")
        encoded.left_out[kind.replace(":", "_") + (f", {sides}" if sides else "")] = str(e)
        return []


def _towards(encoded, column):
    """The direction along which a column of the table grows. InputError if there is no such column of numbers."""
    numbers = encoded.trained.table.select_dtypes(["number", "bool"])
    if column not in numbers:
        raise InputError(f"The table has no column of numbers {column!r}: choose from {', '.join(numbers)}.")
    rows = encoded.trained.rows("train")
    return directions.along_target(column, encoded.z[rows], numbers[column].to_numpy(float)[rows])


def default_specs(sides, leaders=(), of=None, head=True, target=None):
    """What is walked unasked for a Contrast: every kind, and each other class against the rest of more than two.

    leaders: names of the classifiers that lead a walk each. of: the one that was asked for, as in `open_leader`: the
    walks that it leads come first, None if none was. head: has the model a head on the code? One that reads items leads
    the first walk itself. target: the run's Target, whose severity or further labels have directions of their own.
    """
    task = target.task if target else CLASSES.name
    of = of or (None if head or task == SEVERITY.name else "aae")  # to more of a severity its regression leads first
    several = 2 < len(sides.classes) <= MOST_CLASSES
    others = [contrasts.against_rest(name, sides.classes) for name in sides.classes if several]
    led = [f"led:{name}" for name in leaders if name != of]
    asked = [f"led:{of}", f"led_gradient:{of}"] if of else []
    kinds = [kind for kind in KINDS_OF[task] if head or kind != "head"]
    if task == LABELS.name:
        others = [contrasts.label_contrast(target.sides_of(name)) for name in target.names[1:MOST_CLASSES]]
    return (*asked[:1], *kinds, *led, *asked[1:], *(("lda", other) for other in others if other != sides))


def describe_directions(encoded):
    """What is known of every direction: title, note, contrast, where it leads, stability, AUC, Cohen's d, cosine."""
    return {name: _one_direction(encoded, d) for name, d in encoded.directions.items()}


def _one_direction(encoded, direction):
    """What `about` tells of one direction, judged by its own contrast."""
    sides, kind = encoded.sides_of(direction), directions.DIRECTIONS.get(direction.kind)
    found = {"title": _title(direction, sides), "contrast": _told(direction, sides), "kind": direction.kind}
    found["leads_to"] = list(sides.last)
    found["note"] = kind.note if kind else "The direction along which this column of the table grows."
    steady = kind and direction.kind not in ("head", "gradient", "dims", "led_gradient")
    found["stability"] = stability(_fitted_on(encoded, direction), direction.kind, encoded.rng) if steady else None
    found["reach"] = direction.reach
    found["leader"] = direction.leader.about() if direction.leader else None
    if direction.vector is None:
        return found | dict.fromkeys(("spearman", "auc", "cohens_d", "cosine"))
    held = encoded.evidence(sides, "valid")
    position = held.z @ direction.vector
    told_apart = held.last.any() and not held.last.all()  # a label may be present in all held-out items, or in none
    auc, d = directions.class_separation(position, held.last) if told_apart else (np.nan, np.nan)
    found["spearman"] = None if held.numbers is None else spearman(position, held.numbers)
    cosine = float(direction.vector @ encoded.way.vector)
    return found | {"auc": float(auc), "cohens_d": float(d), "cosine": cosine}


def _fitted_on(encoded, direction):
    """The Evidence that a Direction was fitted on: the items' classes, or what its leader answers."""
    sides, leader = encoded.sides_of(direction), direction.leader
    led = leader and directions.DIRECTIONS[direction.kind].led
    return led_walks.evidence_of(encoded, leader, sides) if led else encoded.evidence(sides)


def _told(direction, sides):
    """The contrast of a direction in words: "cat to dog", or "rest to dog" for one class against the rest."""
    rest = direction.sides and sides.one_against_rest
    return f"{contrasts.REST} to {sides.last[0]}" if rest else str(sides)


def _title(direction, sides):
    """What a direction is called in a sentence: its kind, its number, its own contrast."""
    kind = directions.DIRECTIONS.get(direction.kind)
    if kind is None:
        return direction.name
    number = f" {direction.name.partition('.')[0].rpartition('_')[2]}" if kind.many else ""
    number = f" of the {direction.leader.title}" if kind.led else number
    own = f", {sides.last[0]} against the rest" if sides.one_against_rest else f", {sides}"
    return f"{kind.title}{number}{own if direction.sides else ''}"
