"""The settings of a run: what is asked for, and what a run's data and machine make of it. Needs no torch."""

import shlex
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS
from xaae.experiment.tasks import CLASSES, TASKS

PRESETS = {
    "default": {},
    "smoke": {
        "code": "plain",  # a third of the time
        "size": 32,
        "items": 600,
        "step_channels": 16,
        "batch_size": 32,
        "epochs": 6,
        "baseline_epochs": 1,
        "starts": 8,
    },
    "thesis": {
        "architecture": "thesis",
        "code": "plain",
        "reconstruction_weight": 1.0,
        "size": 128,
        "encoding_dims": 128,
        "step_channels": 16,
        "batch_size": 16,
        "epochs": 100,
        "baseline_epochs": 10,
    },
}
CODES = {  # code -> what goes with it where nothing else is asked for
    "plain": {
        "encoding_dims": 16,
        "noise": 0.3,
        "lr": 3e-3,
        "reconstruction_weight": 30.0,
        "classification_weight": 0.1,
    },
    "factored": {
        "encoding_dims": 64,
        "noise": 0.1,
        "lr": 7e-3,
        "optimiser": "muon",
        "reconstruction_weight": 3.0,
        "classification_weight": 1.0,
    },
}
USUAL_OPTIMISER = "adam"  # where a code names no other
USUAL_LOSSES = {"plain": "mse", "factored": "pyramid"}  # code -> reconstruction loss; the thesis has huber
VERSIONS = {"plain": 1, "factored": 2}  # code -> in how many versions an epoch shows each item
USUAL_FACTOR = "rotation"  # what is planted in pictures where no factor is named
USUAL_FACTORS = {"signal": "hum", "picture": USUAL_FACTOR, "volume": USUAL_FACTOR}  # the same by the kind of the items
SEEN = {"signal": 40_000, "picture": 40_000, "volume": 8_000}  # kind -> items that the default shows the AAE
SEEN_FEWER = {("picture", "factored"): 34_000}  # kind, code -> where fewer are enough
SEEN_QUARTERED = 1.25  # by how much this is more where a factored code is quartered: steps take a quarter less then
BASELINE_SEEN = 7_500  # those that it shows the baseline
# drawn dataset -> the same for one without ImageNet's weights, and its highest learning rate
FROM_SCRATCH = {"synthpets": (5_000, 8e-3)}
SEEN_DRAWN = {"synthpets": {"factored": 19_000}}  # drawn dataset -> the same by code: sooner learned than photographs
VOLUME_SIZE = 28  # voxels at which volumes are used when no size is asked for, as MedMNIST has them


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What can be asked of a training. The defaults are those of preset `default`; None stands for "as the data need".

    split: a name in SPLIT_WAYS; group: whose values are the groups, a column or what `sources.group_hints` derives;
    split_file: a list of paths that says what is held out.
    predict: columns that say what is to be predicted, None for the classes of the column label; task: a name in TASKS,
    None for what these columns tell; unit: of a severity. balance: a name in BALANCES, what is done for rare classes.
    window: how values of more than 8 bits become brightness: file, dataset or LOW:HIGH; slices: along which axis
    volumes are cut, a name in SLICES, or WHOLE where they are items themselves. outside_files: may a CSV name files
    outside its folder?
    axes, cut and length, of signals: which axis is which in arrays, how recordings
    are cut into items ("SECONDS", or "BEFORE:AFTER" around annotations), and how many samples of an item are used.
    arm, factor, ranges {class: (low, high)}, strength, contamination, label_noise, fill: the planted bias, see
    `factors.bias`. factor_asked: was the factor named, or is it only the usual one? None before `resolve`. code: a name
    in CODES; coordinates: of a factored code, names of factors in the order of planting, None for the planted one.
    reconstruction_loss: a name in LOSSES, None for the code's own. optimiser: of the autoencoder, a name in
    OPTIMISERS, None for the code's own. first_step: by how much the AAE's first layer shrinks each axis, one of
    FIRST_STEPS, None for what suits the size. corrupt_noise, corrupt_masked, augment: what is done
    to training items, see `callbacks.corruption` and `sources.augmentations`.
    size: of an item along each axis. epochs: of the AAE, of each of its stages. starts, random_directions: what
    `navigate` walks. data_seed: of the data, where it is not that of training. compiled: train by `torch.compile`?
    """

    preset: str = "default"
    architecture: str = "default"
    dataset: str = "auto"
    data_root: str | None = None
    split: str = "auto"
    group: str | None = None
    split_file: str | None = None
    predict: tuple | None = None
    unit: str = ""
    balance: str = "none"
    items: int | None = None
    window: str = "file"
    slices: str = "axial"
    outside_files: bool = False
    axes: str = "channels,time"
    cut: str = ""
    length: int | None = None
    arm: str | None = None
    factor: str | None = None
    factor_asked: bool | None = None
    ranges: dict | None = None
    strength: float = 1.0
    contamination: float = 1.0
    label_noise: float = 0.0
    fill: str = "zeros"
    one_hot: bool = False
    size: int | None = None
    channels: int | None = None
    code: str = "factored"
    coordinates: tuple | None = None
    encoding_dims: int | None = None
    step_channels: int = 32
    first_step: int | None = None
    noise: float | None = None
    prior: str = "normal"
    epochs: int | None = None
    baseline_epochs: int | None = None
    pretrained: bool = True
    batch_size: int = 64
    lr: float | None = None
    optimiser: str | None = None
    reconstruction_weight: float | None = None
    reconstruction_loss: str | None = None
    corrupt_noise: float = 0.0
    corrupt_masked: float = 0.0
    augment: tuple = ()
    adversarial_weight: float = 0.2
    classification_weight: float | None = None
    starts: int = 32
    random_directions: int = 100
    seed: int = 0
    data_seed: int | None = None
    task: str | None = None
    precision: str = "auto"
    compiled: bool = False
    command: str = ""

    @classmethod
    def from_options(cls, preset="default", **given):
        """A preset with what is `given` in its place; None stands for "as in the preset".

        InputError for a preset that there is not; TypeError for a setting that there is not.
        """
        if preset not in PRESETS:
            raise InputError(f"There is no preset {preset!r}: choose from {', '.join(PRESETS)}.")
        asked = {name: value for name, value in given.items() if value is not None}
        return cls(preset=preset, **(PRESETS[preset] | asked))

    def as_dict(self):
        """{name: value} of everything that is decided, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def options(self):
        """The options that make another run as long and as large as this one: " --preset smoke ...", or nothing."""
        usual = RunSettings.from_options(self.preset)
        words = [] if self.preset == "default" else ["--preset", self.preset]
        for name in ("data_root", "items", "size", "epochs", "baseline_epochs"):
            if getattr(self, name) is not None and getattr(self, name) != getattr(usual, name):
                words += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
        return "".join(f" {shlex.quote(word)}" for word in words)


@dataclass(frozen=True, kw_only=True)
class RunConfig(RunSettings):
    """The settings of a run completed by its data and its machine: what its config.json holds.

    data_warnings: sentences on groups that are in training and among what is held out. classes: names in the order of
    the logits. ranges: of the arm's values, {class: (low, high)}; class_ranges: those
    that the biased arm has. target: as of `tasks.Target.as_dict`, {} of classes. factor_about: the planted factor, see
    `factors.registry.Factor.about`. centres {factor: mean value in training} of the coordinates of a factored code, in
    the order of planting. levels: (low, high) of the window of the dataset, as measured in the training items, () for
    another window. signal_scale: what all signals share, see `sources.signal_scale`. kind and task: names in KINDS and
    TASKS. quartered: see `factored_code.FactoredAAE`. baseline_from_scratch: (epochs, highest learning rate) of a
    baseline without ImageNet's weights where no epochs are asked for, () for those of any other.
    """

    classes: tuple
    input_size: int
    input_channels: int
    class_ranges: dict
    factor: str = USUAL_FACTOR
    kind: str = "picture"
    signal_scale: dict = field(default_factory=dict)
    levels: tuple = ()
    target: dict = field(default_factory=dict)
    factor_about: dict = field(default_factory=dict)
    centres: dict = field(default_factory=dict)
    quartered: bool = False
    dataset_note: str = ""
    data_warnings: tuple = ()
    baseline_from_scratch: tuple = ()
    device: str = "cpu"
    versions: dict = field(default_factory=dict)

    @property
    def rate(self):
        """Samples a second of signals; None where it is not known, and for items of other kinds."""
        return self.signal_scale.get("rate")

    @classmethod
    def from_dict(cls, content):
        """The config that config.json holds. What an earlier version did not write has its default.

        InputError for one that is no config of a run.
        """
        known = {f.name: content[f.name] for f in fields(cls) if content.get(f.name) is not None}
        known.setdefault("code", "plain")  # an earlier version knew no other
        known.setdefault("task", CLASSES.name)
        for name in ("ranges", "class_ranges"):
            if name in known:
                known[name] = {label: tuple(bounds) for label, bounds in known[name].items()}
        try:
            config = cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in known.items()})
        except TypeError as e:
            raise InputError(f"The config of this run is incomplete ({e}): train it again.") from e
        if config.kind not in KINDS or config.task not in TASKS:
            raise InputError(f"This run is of kind {config.kind!r} and task {config.task!r}: a newer xAAE made it.")
        return config


def check_settings(settings):
    """InputError for settings that contradict each other, whatever the data are."""
    thesis = settings.architecture == "thesis"
    if not settings.predict and (settings.task or settings.unit):
        raise InputError("--task and --unit belong to --target: say by --target which column is predicted.")
    if settings.coordinates and settings.code == "plain":
        raise InputError("--coordinates are part of a factored code: give --code factored too.")
    if thesis and settings.code != "plain":
        raise InputError("The thesis's architecture has the plain code: leave out --code.")
    if thesis and settings.first_step:
        raise InputError("The thesis's architecture has layers of its own: leave out --first-step.")


def is_own(dataset, names):
    """Is this the user's own folder or CSV, where nothing is planted unasked? names: of all other datasets."""
    name = dataset.partition(":")[0]
    return name == "folder" or (name not in [*names, "auto"] and Path(dataset).exists())


def arm_for(settings, own):
    """The arm that is asked for, else the usual one. own: are the data the user's own?

    InputError for ranges where nothing is planted.
    """
    unasked = own or settings.predict  # where nothing is planted unless it is asked for
    arm = settings.arm or ("normal" if unasked else "biased")
    if settings.ranges and arm == "normal" and not settings.arm:
        raise InputError(
            "In your own data and with --target nothing is planted unless you ask: with --range give --arm biased too."
        )
    return arm


def usual_loss(settings):
    """The name of the reconstruction loss where none is asked for."""
    return "huber" if settings.architecture == "thesis" else USUAL_LOSSES[settings.code]


def native_size(dataset):
    """Pixels at which a dataset is used when no size is asked for."""
    return 32 if dataset.startswith(("medmnist", "cifar10")) else 64


def data_seed_of(settings):
    """The seed of a run's data, where it is not that of its training."""
    return settings.seed if settings.data_seed is None else settings.data_seed


def drawn_by(settings):
    """(how many items, None for the usual number; pixels; seed) by which a run's data are drawn, where they are."""
    return settings.items, settings.size or native_size(settings.dataset), data_seed_of(settings)


def seen_by_default(kind, code, dataset=""):
    """How many items of a kind the default shows an AAE with this code."""
    return SEEN_DRAWN.get(dataset, {}).get(code) or SEEN_FEWER.get((kind, code), SEEN[kind])


def baseline_from_scratch(dataset, items):
    """(epochs, highest learning rate) of a baseline that is trained from scratch on so many items; () as any other."""
    return (epochs_for(FROM_SCRATCH[dataset][0], items), FROM_SCRATCH[dataset][1]) if dataset in FROM_SCRATCH else ()


def epochs_for(seen, items):
    """Epochs that show about `seen` pictures of a training set of `items`: 2 to 60."""
    return min(60, max(2, round(seen / items)))
