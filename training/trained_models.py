"""The trained classifiers of a run by the names that its files and figures use."""

from xaae.experiment.errors import InputError
from xaae.training.trained_run import TrainedRun

NAMES = ("aae", "baseline")  # as in train.json; what people call them is in latent_nav.plots.MODELS


def trained_network(trained: TrainedRun, name):
    """The trained model `name` of a run, ready on this machine's device. InputError if the run has no ResNet34."""
    if name == "baseline" and not trained.has_baseline():
        raise InputError(
            f"{trained.folder} holds no ResNet34 (it was trained with --baseline-epochs 0): use --model aae, or train"
            " again with a baseline."
        )
    return trained.model("model" if name == "aae" else name)


def model_names(trained: TrainedRun):
    """Names of the models that a run has."""
    return [name for name in NAMES if name == "aae" or trained.has_baseline()]


def check_numbers(logits):
    """The same logits. InputError if they are no numbers: weights that diverged in training answer so."""
    if not logits.isfinite().all():
        raise InputError(
            "The model's answers are not numbers, its training diverged: train it again with a lower --lr."
        )
    return logits
