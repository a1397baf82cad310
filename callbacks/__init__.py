"""What changes or watches the training loop, nothing else."""

from xaae.callbacks.adversarial import Adversarial
from xaae.callbacks.checkpoint import Checkpoint, KeepBest, beginning_at
from xaae.callbacks.code_moments import CodeMoments, DiscriminatorAccuracy
from xaae.callbacks.corruption import Corrupt
from xaae.callbacks.distances import DISTANCES, grain, huber, neighbour_means
from xaae.callbacks.loop import (
    BFloat16,
    Compiled,
    EpochLine,
    FastLayout,
    KeepAnswers,
    KeepInput,
    KeepPairs,
    NoValidation,
    SampleGrid,
    SplitPairs,
)
from xaae.callbacks.losses import PAIR_PARTS, PARTS, TARGET_LOSSES, AAELoss, LossPart, TorchMetric
from xaae.callbacks.perceptual import Perceptual
from xaae.callbacks.pyramid import half_of
from xaae.callbacks.together import Together, callbacks_of_several, place_among_processes

__all__ = [
    "DISTANCES",
    "PAIR_PARTS",
    "PARTS",
    "TARGET_LOSSES",
    "AAELoss",
    "Adversarial",
    "BFloat16",
    "Checkpoint",
    "CodeMoments",
    "Compiled",
    "Corrupt",
    "DiscriminatorAccuracy",
    "EpochLine",
    "FastLayout",
    "KeepAnswers",
    "KeepBest",
    "KeepInput",
    "KeepPairs",
    "LossPart",
    "NoValidation",
    "Perceptual",
    "SampleGrid",
    "SplitPairs",
    "Together",
    "TorchMetric",
    "beginning_at",
    "grain",
    "half_of",
    "huber",
    "neighbour_means",
    "callbacks_of_several",
    "place_among_processes",
]
