"""Settings: flat, typed by the door, completed by a preset and by what the data need, saved with every run."""

import shlex

PRESETS = {
    "default": {
        "architecture": "default",
        "size": None,  # 64 pixels, or 32 for MedMNIST's 28
        "items": None,
        "encoding_dims": 16,
        "step_channels": 32,
        "batch_size": 64,
        "epochs": None,  # as many as show SEEN pictures
        "baseline_epochs": None,
        "starts": 32,
        "random_directions": 100,
    },
    "smoke": {
        "architecture": "default",
        "size": 32,
        "items": 600,
        "encoding_dims": 16,
        "step_channels": 16,
        "batch_size": 32,
        "epochs": 6,
        "baseline_epochs": 1,
        "starts": 8,
        "random_directions": 100,
        "maps": ["pca", "tsne"],  # UMAP alone takes 15 s to load
    },
    "thesis": {
        "architecture": "thesis",
        "size": 128,
        "items": None,
        "encoding_dims": 128,
        "step_channels": 16,
        "batch_size": 16,
        "epochs": 100,
        "baseline_epochs": 10,
        "starts": 32,
        "random_directions": 100,
    },
}
SEEN, BASELINE_SEEN = 40_000, 7_500  # pictures that the default's training shows the AAE and the baseline


def complete(given):
    """Settings as the preset has them, replaced by those of `given` that are not None."""
    return PRESETS[given["preset"]] | {k: v for k, v in given.items() if v is not None}


def native_size(dataset):
    """Pixels at which a dataset is used when no size is asked for."""
    return 32 if dataset.startswith(("medmnist", "cifar10")) else 64


def epochs_for(seen, items):
    """Epochs that show about `seen` pictures of a training set of `items`: 2 to 60."""
    return min(60, max(2, round(seen / items)))


def options_of(config):
    """The options that make another run as long and as large as that of `config`: " --preset smoke ...", or nothing."""
    usual, words = PRESETS[config["preset"]], []
    words += [] if config["preset"] == "default" else ["--preset", config["preset"]]
    for key in ("data_root", "items", "size", "epochs", "baseline_epochs"):
        if config.get(key) is not None and config[key] != usual.get(key):
            words += [f"--{key.replace('_', '-')}", str(config[key])]
    return "".join(f" {shlex.quote(word)}" for word in words)
