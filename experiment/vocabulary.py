"""Names that several rooms use, and how a long one is shortened. Each list of names is written once: here, or where its
registry is."""

MOST_LETTERS = 40  # of a name in a figure
ARMS = ("biased", "normal", "irrelevant")  # training conditions, see factors.bias
SLICES = ("axial", "coronal", "sagittal")  # how volumes are cut, and the planes in which whole ones are drawn
WHOLE = "none"  # they are not cut: a volume is an item
FILLS = ("zeros", "reflect", "circle")  # corners that a rotation leaves empty
SCAN_VERDICTS = ("used", "cannot tell", "not used")  # of a factor, the strongest first
SPACINGS = {  # of the frames of a walk: between neighbours there are ...
    "arc": "equal steps of the decoded path",
    "probability": "equal steps of the probability",
    "alpha": "equal steps of alpha",
}
BALANCES = {  # how classes, or labels, with few items are made up for in training
    "none": "every item counts the same",
    "loss": "in the loss each class weighs the same, each label as much present as absent",
}
OPTIMISERS = ("adam", "muon")  # of the autoencoder
FIRST_STEPS = (2, 4)  # by how much the first layer of an AAE shrinks each axis
LOSSES = ("mse", "l1", "huber", "ms-ssim", "pyramid")  # how far a reconstruction is from its item
AUGMENTATIONS = ("flip", "shift", "gain")  # of training items
AXES = ("channels,time", "time,channels")  # of an array that is one recording of signals
SPLITS = ("train", "valid", "test")
SPLIT_WAYS = {  # which items are held out where the data have no split of their own
    "auto": "whole groups of your own data where their groups are known, else as random",
    "random": "a fifth of the items; of your own data a fifth of each class",
    "stratified": "a fifth of each class",
    "group": "about a fifth of the groups of each class, whole; a split of the data's own is not used",
}
COLUMNS = ("path", "label", "split", "group", "factor", "value")  # of a dataset's table, in this order
MODELS = {"aae": "AAE", "baseline": "ResNet34"}  # name in files: name in sentences
BASELINES = {
    "picture": MODELS["baseline"],
    "signal": "1-D ResNet",
    "volume": "3-D ResNet",
}  # kind -> its baseline in sentences


def models_of(kind):
    """MODELS with the baseline as it is called in sentences on items of a Kind, or of the kind of that name."""
    return MODELS | {"baseline": BASELINES.get(getattr(kind, "name", kind), MODELS["baseline"])}


WEIGHTS = {"aae": "model.safetensors", "baseline": "baseline.safetensors"}  # file of each model in a run folder
PALETTE = ("#b8560f", "#1f5fa8", "#2f7d4f", "#8a3f8f", "#8a6d00", "#5b6470")  # of classes, in figures and on pages
PALETTE_DARK = ("#f0a35e", "#82b5f2", "#7fcf9d", "#d79bdc", "#dcc25a", "#a9b2bd")  # the same on a dark page
PAGE_COLOURS = {  # of the report and the app
    "light": {"page": "#fcfcfa", "raised": "#f3f3ef", "text": "#1d1f21", "muted": "#5f6368", "rule": "#dedcd4"},
    "dark": {"page": "#141618", "raised": "#1d2023", "text": "#e7e6e2", "muted": "#a2a6ab", "rule": "#34383c"},
}


def short_name(text, most=MOST_LETTERS):
    """A name as there is room for it, in so many letters: on one line, its middle left out where it is long."""
    text = " ".join(str(text).splitlines())
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - half]}\u2026{text[-half:]}"
