"""What changes or watches the training loop, nothing else."""

from callbacks.adversarial import Adversarial
from callbacks.health import CodeMoments, DiscriminatorAccuracy
from callbacks.loop import BFloat16, EpochLine, KeepInput, SampleGrid
from callbacks.losses import PARTS, AAELoss, LossPart, TorchMetric, huber

__all__ = [
    "PARTS",
    "AAELoss",
    "Adversarial",
    "BFloat16",
    "CodeMoments",
    "DiscriminatorAccuracy",
    "EpochLine",
    "KeepInput",
    "LossPart",
    "SampleGrid",
    "TorchMetric",
    "huber",
]
