"""Names that several rooms use. Each list of names is written once: here, or where its registry is."""

ARMS = ("biased", "normal", "irrelevant")  # training conditions, see factors.bias
FILLS = ("zeros", "reflect", "circle")  # corners that a rotation leaves empty
SPLITS = ("train", "valid", "test")
COLUMNS = ("path", "label", "split", "group", "factor", "value")  # of a dataset's table, in this order
MODELS = {"aae": "AAE", "baseline": "ResNet34"}  # name in files: name in sentences
WEIGHTS = {"aae": "model.safetensors", "baseline": "baseline.safetensors"}  # file of each model in a run folder
PALETTE = ("#b8560f", "#1f5fa8", "#2f7d4f", "#8a3f8f", "#8a6d00", "#5b6470")  # of classes, in figures and pages
