"""Settings: flat, typed by the door, completed by a preset and by what the data need, saved with every run."""

import shlex

AUDITED = (  # the methods of an audit, of every family; any others by --methods
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "guided_backprop",
    "deeplift",
    "gradcam",
    "gradcam_plus_plus",
    "layer_cam",
    "lrp_epsilon_plus",
    "excitation_backprop",
    "occlusion",
)
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
AUDITS = {  # sizes and lengths of an audit
    "default": {
        "dataset": "synthpets",
        "factors": ["rotation", "brightness", "tint", "blur", "tag"],
        "strength": [1.0],
        "contamination": [1.0],
        "label_noise": 0.4,
        "seeds": 3,
        "items": 2400,
        "size": 32,
        "encoding_dims": 16,
        "step_channels": 16,
        "batch_size": 64,
        "epochs": 12,
        "baseline_epochs": 2,
        "probe": 52,
        "directions": ["lda", "head", "means"],
        "random_directions": 100,
        "methods": list(AUDITED),
    },
    "smoke": {
        "dataset": "synthpets",
        "factors": ["tag"],
        "strength": [1.0],
        "contamination": [1.0],
        "label_noise": 0.0,
        "seeds": 3,
        "items": 400,
        "size": 32,
        "encoding_dims": 16,
        "step_channels": 16,
        "batch_size": 32,
        "epochs": 12,
        "baseline_epochs": 2,
        "probe": 26,
        "directions": ["head"],
        "random_directions": 100,
        "methods": ["saliency", "gradcam"],
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
