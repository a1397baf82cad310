"""`explain RUN`: how both models answer when only the planted factor changes, and the baseline's Grad-CAM."""

import time

import numpy as np
import pandas as pd
from fastai.torch_core import default_device

from xaae import model as models
from xaae.experiment import run_folder
from xaae.explain import factor_response
from xaae.explain.process import runner
from xaae.training.trained_run import fast, generator, open_trained_run

ITEMS, PICTURES, SHOWN = 200, 6, 5


def answer_to_factor(run):
    """Write `explanations/` and `explain.json` into the run folder."""
    began = time.perf_counter()
    trained = open_trained_run(run)
    runner.processes()  # what the methods need loads meanwhile
    networks = {"aae": trained.model()} | ({"baseline": trained.model("baseline")} if trained.has_baseline() else {})
    rng = generator(trained.config, 4)
    rows = trained.starts(ITEMS, rng)
    with fast(trained.config):
        numbers = _respond(trained, networks, rows, rng)
    if "baseline" in networks:
        numbers["gradcam"] = _heat(trained, networks["baseline"], rows[:PICTURES])
    run_folder.write_json(trained.folder / "explain.json", numbers | {"seconds": time.perf_counter() - began})


def _scorer(network):
    """score(x) -> logits (B, K) of a model, wherever x is."""
    return lambda x: models.classify(network, x.to(default_device()))


def _respond(trained, networks, rows, rng):
    """Class probability against the factor's value and the spurious score of each model."""
    x, labels = trained.upright(rows), trained.table.label.to_numpy()[rows]
    grid, middles = trained.bias.grid(), trained.bias.middles()
    tables, scores = {}, {}
    for name, network in networks.items():
        probability = factor_response.probabilities(_scorer(network), x, grid, trained.plant)
        tables[name] = factor_response.response_table(probability, labels, grid, rng)
        scores[name] = factor_response.spurious_score(
            _scorer(network), x, labels, trained.classes, middles, trained.plant
        )
    (trained.folder / "explanations").mkdir(exist_ok=True)
    table = pd.concat([t.assign(model=name) for name, t in tables.items()])
    table.to_csv(trained.folder / "explanations" / "response.csv", index=False)
    return {"response": {name: factor_response.swing(t) for name, t in tables.items()}, "spurious_score": scores}


def _heat(trained, network, rows):
    """Grad-CAM of the baseline for the true class of a few items at several values of the factor."""
    labels = trained.table.label.to_numpy()[rows]
    target = np.array([trained.classes.index(label) for label in labels])
    grid = trained.bias.grid(SHOWN)
    found = factor_response.gradcam_over_values(network, trained.upright(rows), target, grid, trained.plant)
    images, maps, probability = run_folder.as_pictures(found[0]), found[1], found[2]
    arrays = {"value": grid, "row": rows, "probability": probability, "target": target}
    run_folder.write_arrays(trained.folder / "explanations" / "gradcam.npz", images=images, heat=maps, **arrays)
    if trained.factor.name != "rotation":
        return {}
    return {"unrotated_ncc": factor_response.unrotated_ncc(maps, grid.astype(np.float32), trained.plant)}
