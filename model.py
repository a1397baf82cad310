"""What is learned: the adversarial autoencoder (AAE) and the ResNet34 it is set beside.

Shapes: x (B, C, *places) in [0, 1], x_hat the same, z (B, D), logits (B, K). Places are (T,) for signals, (H, W) for
pictures, (D, H, W) for volumes: the kind chooses the layers, everything else is the same for all of them.
"""

import json
from dataclasses import dataclass
from importlib import import_module
from math import prod
from pathlib import Path

import torch
from fastai.vision.core import imagenet_stats
from fastai.vision.learner import create_vision_model
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import init
from torch.nn.utils.parametrizations import spectral_norm
from torch.overrides import TorchFunctionMode
from torchvision.models import resnet34

from xaae.experiment.errors import InputError
from xaae.experiment.item_sizes import check_size, halvings, places_met
from xaae.experiment.kinds import KINDS
from xaae.experiment.tasks import CLASSES, TASKS
from xaae.experiment.whole_file import whole_file

NONLINEARITIES = {
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
PRIORS = ("normal", "class")
ARCHITECTURES = {  # what a saved file can hold: name -> where its class, or the function that builds it, is
    "AAE": "xaae.model:AAE",
    "ThesisAAE": "xaae.training.thesis:ThesisAAE",
    "FactoredAAE": "xaae.training.factored_code:FactoredAAE",
    "ConvNet": "xaae.training.convnet:ConvNet",
    "SignalResNet": "xaae.training.signal_resnet:SignalResNet",
    "VolumeResNet": "xaae.training.volume_resnet:VolumeResNet",
    "baseline": "xaae.model:baseline",
}
HEADS = dict.fromkeys(TASKS, nn.Linear)  # task -> what makes its head of (encoding_dims, outputs)
FEWEST_OUTPUTS = {"classes": 2, "severity": 1, "labels": 1}  # task -> numbers that a model gives for an item


@dataclass(frozen=True)
class Layers:
    """The layers that the items of one kind need."""

    conv: type
    norm: type
    grow: type
    pool: type
    memory: torch.memory_format = torch.contiguous_format  # in which these layers are quick on every device
    kept: torch.memory_format = torch.preserve_format  # that of a plain AAE: volumes take a quarter of the time so


LAYERS = {
    "signal": Layers(nn.Conv1d, nn.BatchNorm1d, nn.ConvTranspose1d, nn.AvgPool1d),
    "picture": Layers(nn.Conv2d, nn.BatchNorm2d, nn.ConvTranspose2d, nn.AvgPool2d, torch.channels_last),
    "volume": Layers(nn.Conv3d, nn.BatchNorm3d, nn.ConvTranspose3d, nn.AvgPool3d, *2 * [torch.channels_last_3d]),
}  # kind -> its layers


def step_down(layers, c_in, c_out, before, after, act):
    """A step from places `before` to `after`: each axis halved, quartered, or kept where it is small already."""
    stride = tuple(-(-old // new) for old, new in zip(before, after, strict=True))
    reach = max(1, max(stride) - 1)  # on each side, so that kernels overlap
    conv = layers.conv(c_in, c_out, 2 * reach + 1, stride=stride, padding=reach, bias=False)
    return nn.Sequential(conv, layers.norm(c_out), act())


def _up(layers, c_in, c_out, places, act):
    """Grow to `places`; the exact size makes every input size its own mirror image."""
    conv = layers.conv(c_in, c_out, 3, padding=1, bias=False)
    return nn.Sequential(nn.Upsample(size=places), conv, layers.norm(c_out), act())


class Encoder(nn.Module):
    """x (B, C, *places) in [0, 1] -> z (B, D), any sign, each dimension with mean 0 and variance 1 over the data.

    The last normalisation has no weights: it leaves the adversary the shape of the distribution to settle, not its
    place and width, which a small discriminator and a fast encoder otherwise chase for ever.
    """

    def __init__(self, layers, sizes, channels, encoding_dims, act):
        super().__init__()
        steps = zip(channels[:-1], channels[1:], sizes[:-1], sizes[1:], strict=True)
        self.body = nn.Sequential(*[step_down(layers, *step, act) for step in steps])
        self.code = nn.Linear(channels[-1] * prod(sizes[-1]), encoding_dims)
        self.standard = nn.BatchNorm1d(encoding_dims, affine=False)

    def forward(self, x):
        return self.standard(self.code(self.body(2 * x - 1).flatten(1)).float())

    def steps(self):
        """The same as single modules, one after the other."""
        return [Affine(2.0, -1.0), self.body, nn.Flatten(), self.code, self.standard]


class Decoder(nn.Module):
    """z (B, D) -> x_hat (B, C, *places) in [0, 1]: the encoder mirrored.

    spread: the last layer draws pictures of so many times fewer pixels along each axis, with that many squared values
    for each (Shi et al. 2016, arXiv 1609.05158).
    """

    def __init__(self, layers, sizes, channels, encoding_dims, act, spread=1):
        super().__init__()
        self.start, self.places, self.spread = (channels[-1], *sizes[-1]), sizes[0], spread
        sizes = sizes[int(spread > 1) :]
        self.seed = nn.Linear(encoding_dims, prod(self.start))
        widths = [*channels[:0:-1], channels[1]]
        steps = zip(widths[:-1], widths[1:], sizes[-2::-1], strict=True)
        self.body = nn.Sequential(*[_up(layers, i, o, places, act) for i, o, places in steps])
        self.pixels = layers.conv(channels[1], channels[0] * spread**2, 3, padding=1)

    def forward(self, z):
        x = self.pixels(self.body(self.seed(z).view(-1, *self.start)))
        if self.spread > 1:
            x = nn.functional.pixel_shuffle(x, self.spread)[..., : self.places[0], : self.places[1]]
        return torch.sigmoid(x)


class Discriminator(nn.Module):
    """Is this single code from the prior? z (B, D) [and one-hot y (B, K)] -> score (B,), positive for the prior.

    Spectral norm: Miyato et al. 2018. It sees each code for itself, not the batch's moments.
    """

    def __init__(self, encoding_dims, classes=0, width=128):
        super().__init__()
        layers = [spectral_norm(nn.Linear(i, o)) for i, o in [(encoding_dims + classes, width), (width, width)]]
        self.body = nn.Sequential(layers[0], nn.LeakyReLU(0.2), layers[1], nn.LeakyReLU(0.2))
        self.score = spectral_norm(nn.Linear(width, 1))

    def forward(self, z, y=None):
        return self.score(self.body(z if y is None else torch.cat([z, y], 1))).squeeze(1)


def _prior_means(prior, classes, encoding_dims):
    """(K, D): the middle of each class's prior; for two classes informed by the label -2 and +2 on the first axis."""
    means = torch.zeros(classes, encoding_dims)
    if prior == "class" and classes == 2:
        means[:, 0] = torch.tensor([-2.0, 2.0])
    elif prior == "class":
        means.fill_diagonal_(2.0)
    return means


class AAE(nn.Module):
    """Adversarial autoencoder with a classifier head on its code (Makhzani et al. 2015; thesis, chapter 7).

    input_size: one number for all axes (64: pictures of 64 x 64 pixels) or one for each, see SIZES. input_channels:
    any. encoding_dims: D. step_channels: channels of the first layer, doubled at each halving up to 8 times.
    nonlinearity: a name in NONLINEARITIES or a module. classes: K, outputs of any task. noise: standard deviation of
    the Gaussian noise on the code before decoding, in training only. prior: "normal", N(0, I), or "class", N(mean of
    the class, I), where the discriminator sees the class too. kind, of the items: a name in KINDS. task: one in TASKS.
    first_step: by how much the first layer shrinks each axis, 2, or 4 of pictures of more than 16 pixels.
    `forward(x)` returns the plain tuple (logits, x_hat, z). Raises InputError for settings that make no sense.
    """

    def __init__(
        self,
        input_size=64,
        input_channels=3,
        encoding_dims=16,
        step_channels=32,
        nonlinearity="leaky_relu",
        classes=2,
        noise=0.3,
        prior="normal",
        kind="picture",
        task="classes",
        first_step=2,
    ):
        self.arguments = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        super().__init__()
        for what, name, names in (("prior", prior, PRIORS), ("kind", kind, KINDS), ("task", task, TASKS)):
            if name not in names:
                raise InputError(f"No such {what}: {name!r}. Choose one of {', '.join(names)}.")
        if min(input_channels, encoding_dims, step_channels) < 1 or classes < FEWEST_OUTPUTS[task] or noise < 0:
            raise InputError("Channels and dimensions start at 1, classes at 2, noise at 0: correct these settings.")
        if prior == "class" and task != CLASSES.name:
            raise InputError(f"The prior class needs one class an item, and the task is {task}: use --prior normal.")
        self.input_size, self.input_channels = input_size, input_channels
        self.classes, self.noise, self.prior = classes, noise, prior
        self.kind, self.task, layers = KINDS[kind], TASKS[task], LAYERS[kind]
        sizes = halvings(check_size(input_size, self.kind))
        met = places_met(sizes, self.kind, first_step)
        channels = [input_channels, *(step_channels * 2 ** min(i, 3) for i in range(len(met) - 1))]
        act = NONLINEARITIES[nonlinearity] if isinstance(nonlinearity, str) else lambda: nonlinearity
        self.encoder = Encoder(layers, met, channels, encoding_dims, act)
        self.decoder = Decoder(layers, sizes, channels, encoding_dims, act, first_step // 2)
        self.head = HEADS[task](encoding_dims, classes)
        self.discriminator = Discriminator(encoding_dims, classes if prior == "class" else 0)
        self.register_buffer("prior_means", _prior_means(prior, classes, encoding_dims))
        self.to(memory_format=layers.kept)

    def encode(self, x):
        """x (B, C, *places) -> z (B, D), placed and widened like the prior of all classes together."""
        z = self.encoder(x)
        if self.prior == "normal":
            return z
        return self.prior_means.mean(0) + z * (1 + self.prior_means.var(0, correction=0)).sqrt()

    def decode(self, z):
        """z (B, D) -> x_hat (B, C, *places) in [0, 1]."""
        return self.decoder(z)

    def classify(self, x):
        """x (B, C, *places) -> logits (B, K)."""
        return self.head(self.encode(x))

    def classify_code(self, z):
        """z (B, D) -> logits (B, K)."""
        return self.head(z)

    def forward(self, x):
        z = self.encode(x)
        noisy = z + self.noise * torch.randn_like(z) if self.training else z
        return self.head(z), self.decode(noisy), z

    answer_layer = "head"  # the linear layer that gives the logits

    def content(self, z):
        """The part of codes z (B, D) that is drawn towards the prior: here all of it."""
        return z

    def encoding_steps(self):
        """What `encode` does, as a list of single modules that share its weights."""
        steps = self.encoder.steps() if isinstance(self.encoder, Encoder) else list(self.encoder)
        if self.prior == "normal":
            return steps
        return [*steps, Affine((1 + self.prior_means.var(0, correction=0)).sqrt(), self.prior_means.mean(0))]

    def answering_steps(self):
        """What `classify` does, as a list of single modules that share its weights."""
        return [*self.encoding_steps(), self.head]

    def discriminate(self, z, y=None):
        """Scores (B,) of codes z (B, D); y one-hot (B, K) counts with the class-informed prior only."""
        return self.discriminator(z, y if self.prior == "class" else None)

    def sample_prior(self, y):
        """One code of the prior for each row of one-hot y (B, K) -> (B, D)."""
        means = y @ self.prior_means
        return means + torch.randn_like(means)


class Standardise(nn.Module):
    """x in [0, 1] -> zero mean and unit variance by the given statistics, one number per channel."""

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x):
        return (x - self.mean) / self.std


def baseline(classes=2, input_channels=3, network=None):
    """The ResNet34 the AAE is set beside: `network` as fastai's `vision_learner` made it, or a new one; x in [0, 1]."""
    network = network or create_vision_model(resnet34, classes, pretrained=False, n_in=input_channels)
    mean, std = imagenet_stats if input_channels == 3 else ([0.5], [0.25])
    network[0].insert(0, Standardise(mean, std))
    network.arguments = {"classes": classes, "input_channels": input_channels}
    return network


def answering_sides(model, weights, bias):
    """The model, changed so that it answers weights (2, K) @ logits (K,) + bias (2,): logits of two sides.

    Its last linear layer takes in both, so that it is a classifier like any other. For models of an item's severity or
    labels, see `training.two_sides`; one that answers so is not to be saved.
    """
    weights, bias = (torch.tensor(each, dtype=torch.float32) for each in (weights, bias))
    linear = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    name = getattr(model, "answer_layer", linear[-1])
    old = model.get_submodule(name)
    new = nn.Linear(old.in_features, len(weights)).to(old.weight.device)
    offset = old.bias if old.bias is not None else torch.zeros(len(old.weight), device=old.weight.device)
    with torch.no_grad():
        new.weight.copy_(weights.to(old.weight.device) @ old.weight)
        new.bias.copy_(weights.to(old.weight.device) @ offset + bias.to(old.weight.device))
    model.set_submodule(name, new)
    model.classes = len(weights)
    return model.eval()


def save(model, path):
    """Write the weights and the arguments that rebuild `model` to one safetensors file; nothing is pickled."""
    name = type(model).__name__ if type(model).__name__ in ARCHITECTURES else "baseline"
    if not isinstance(model.arguments.get("nonlinearity", ""), str):
        raise InputError("Only a model whose nonlinearity was given by name can be saved: pass one of NONLINEARITIES.")
    weights = {name: w.detach().cpu().contiguous() for name, w in model.state_dict().items()}
    try:
        with whole_file(path, durable=True) as part:
            save_file(weights, part, {"model": name, "arguments": json.dumps(model.arguments)})
    except SafetensorError as e:
        raise InputError(f"{path} cannot be written ({e}): free some room on the disk, or choose another --out.") from e


def architecture(name):
    """The class or function that builds the architecture called `name`. KeyError if there is none of that name."""
    module, _, builder = ARCHITECTURES[name].partition(":")
    return getattr(import_module(module), builder)


def load(path):
    """The model that `save` wrote, on the CPU, ready for use. InputError says what is wrong with the file."""
    if not Path(path).is_file():
        raise InputError(f"There is no model at {path}: train one with `python main.py train`.")
    try:
        with safe_open(path, "pt") as f:
            about, weights = f.metadata(), {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
        model = _with_weights(architecture(about["model"]), json.loads(about["arguments"]), weights)
    except (SafetensorError, KeyError, TypeError, RuntimeError) as e:
        raise InputError(f"{path} holds no model of this project ({type(e).__name__}): train it again.") from e
    return model.eval()


def _with_weights(build, arguments, weights):
    """The model that build(**arguments) makes, with these weights {name: tensor}.

    The baseline, the largest, is built without first ones: drawing 21 million at random takes longer than reading them.
    """
    if build is not baseline:
        model = build(**arguments)
        model.load_state_dict(weights)
        return model
    with _Undrawn():
        model = build(**arguments)
    model.load_state_dict(weights, assign=True)
    return model


class _Undrawn(TorchFunctionMode):
    """Leaves first weights undrawn. (A model without any, on torch's device "meta", loads torch's compiler.)"""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__module__", "") == init.__name__ or function in (Tensor.normal_, Tensor.uniform_):
            return (kwargs or {}).get("tensor", *args[:1])
        return function(*args, **(kwargs or {}))


def count_parameters(model):
    """How many weights `model` has."""
    return sum(p.numel() for p in model.parameters())


class Affine(nn.Module):
    """x -> scale * x + shift, value by value: scale and shift are numbers, or tensors that spread over x."""

    def __init__(self, scale, shift):
        super().__init__()
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32), persistent=False)
        self.register_buffer("shift", torch.as_tensor(shift, dtype=torch.float32), persistent=False)

    def forward(self, x):
        return self.scale * x + self.shift


def classifier(model):
    """Any model as x -> logits: an AAE as a plain chain of modules, which attribution methods can follow."""
    if not isinstance(model, AAE):
        return model
    return nn.Sequential(*model.answering_steps()).to(next(model.parameters()).device)


def position(model, vector):
    """x -> (B, 1): the place of the code of x along `vector` (D,), as a network to explain.

    An AAE becomes a plain chain of modules that ends in a linear layer; any other model needs `encode`.
    """
    line = nn.Linear(len(vector), 1, bias=False)
    line.weight = nn.Parameter(torch.as_tensor(vector, dtype=torch.float32)[None].clone())
    steps = model.encoding_steps() if isinstance(model, AAE) else [Encoding([model])]
    network = nn.Sequential(*steps, line).to(next(model.parameters()).device).eval()
    network.one_score = True  # a place, not a binary head
    return network


class Encoding(nn.ModuleList):
    """x -> code of any model with `encode`, given in a list."""

    def forward(self, x):
        return self[0].encode(x)


def classify(model, x):
    """Logits (B, K) of any classifier here, an AAE or a plain one."""
    return model.classify(x) if isinstance(model, AAE) else model(x)
