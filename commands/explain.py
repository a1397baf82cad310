"""`explain RUN`: how both models answer when only the planted factor changes, and the baseline's Grad-CAM."""

import time

import numpy as np
import pandas as pd
from fastai.torch_core import default_device

import model as models
import runs
from commands.scene import fast, generator, open_scene
from explain import gradcam, response, runner

ITEMS, PICTURES, SHOWN = 200, 6, 5
IMPORTS = ("thesis",)  # where models are defined besides `model`


def explain(run):
    """Write `explanations/` and `explain.json` into the run folder."""
    began = time.perf_counter()
    scene = open_scene(run)
    runner.processes(IMPORTS)  # what the methods need loads meanwhile
    networks = {"aae": scene.model()} | ({"baseline": scene.model("baseline")} if scene.has_baseline() else {})
    rng = generator(scene.config, 4)
    rows = scene.starts(ITEMS, rng)
    with fast(scene.config):
        numbers = respond(scene, networks, rows, rng)
    if "baseline" in networks:
        numbers["gradcam"] = heat(scene, networks["baseline"], rows[:PICTURES])
    runs.write_json(scene.folder / "explain.json", numbers | {"seconds": time.perf_counter() - began})


def scorer(network):
    """score(x) -> logits (B, K) of a model, wherever x is."""
    return lambda x: models.classify(network, x.to(default_device()))


def respond(scene, networks, rows, rng):
    """Class probability against the factor's value and the spurious score of each model."""
    x, labels = scene.upright(rows), scene.table.label.to_numpy()[rows]
    grid, middles = scene.bias.grid(), scene.bias.middles()
    tables, scores = {}, {}
    for name, network in networks.items():
        probability = response.probabilities(scorer(network), x, grid, scene.plant)
        tables[name] = response.response(probability, labels, grid, rng)
        scores[name] = response.spurious_score(scorer(network), x, labels, scene.classes, middles, scene.plant)
    (scene.folder / "explanations").mkdir(exist_ok=True)
    table = pd.concat([t.assign(model=name) for name, t in tables.items()])
    table.to_csv(scene.folder / "explanations" / "response.csv", index=False)
    return {"response": {name: response.swing(t) for name, t in tables.items()}, "spurious_score": scores}


def heat(scene, network, rows):
    """Grad-CAM of the baseline for the true class of a few items at several values of the factor."""
    labels = scene.table.label.to_numpy()[rows]
    target = np.array([scene.classes.index(label) for label in labels])
    grid = scene.bias.grid(SHOWN)
    found = gradcam.over_values(network, scene.upright(rows), target, grid, scene.plant)
    images, maps, probability = runs.as_pictures(found[0]), found[1], found[2]
    arrays = {"value": grid, "row": rows, "probability": probability, "target": target}
    runs.write_arrays(scene.folder / "explanations" / "gradcam.npz", images=images, heat=maps, **arrays)
    if scene.factor.name != "rotation":
        return {}
    return {"unrotated_ncc": gradcam.unrotated_ncc(maps, grid.astype(np.float32), scene.plant)}
