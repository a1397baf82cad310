"""`explain RUN`: what both models answer when only the planted factor changes, and the baseline's Grad-CAM."""

import time

import numpy as np
import pandas as pd
from fastai.torch_core import default_device

from xaae import model as models
from xaae.experiment import run_folder
from xaae.experiment.device import autocast_in
from xaae.experiment.errors import InputError
from xaae.experiment.manifest import recording
from xaae.experiment.seeds import generator
from xaae.experiment.text_tables import write_texts
from xaae.explain import factor_response
from xaae.explain.network.quick_network import quick_network
from xaae.explain.process import runner
from xaae.training.trained_run import open_trained_run

ITEMS = 200  # held-out items that are asked about
SAMPLE = 8  # items by which a faster copy of a network is checked
HEAT_ITEMS, HEAT_VALUES = 6, 5  # items with heat maps, and values of the factor for each


def answer_to_factor(run, data_root=None, ahead=None):
    """Write `explanations/response.csv`, `explanations/gradcam.npz` and `explain.json` into the run folder.

    data_root: where the run's items are now, if they were moved. ahead: of `answers_ahead`. InputError if the folder
    holds no trained run.
    """
    began = time.perf_counter()
    trained = open_trained_run(run, data_root=data_root)
    if not trained.factor.fits(trained.kind):
        plural = trained.kind.plural
        raise InputError(f"No factor of {plural} can be planted and asked about yet: explain a run of pictures.")
    runner.processes()  # starts to load what the methods need later
    networks = {name: trained.model(name) for name in trained.model_names()}
    rows, rng = _asked_items(trained)
    with recording(trained.folder):
        with autocast_in(trained.config.precision):
            numbers = _respond(trained, networks, rows, rng, ahead or {})
        if "baseline" in networks:
            numbers["gradcam"] = _heat(trained, networks["baseline"], rows[:HEAT_ITEMS])
        run_folder.write_json(trained.folder / "explain.json", numbers | {"seconds": time.perf_counter() - began})


def answers_ahead(run):
    """{"baseline": what a run's baseline answers} where it has one, while its AAE may still learn."""
    trained = open_trained_run(run, needs="items.csv")
    if not (trained.has_baseline() and trained.factor.fits(trained.kind)):
        return {}
    rows, _ = _asked_items(trained)
    with autocast_in(trained.config.precision):
        return {"baseline": _answers(trained, trained.model("baseline"), trained.upright(rows), rows)}


def _asked_items(trained):
    """(table rows of the held-out items that are asked about, the generator that drew them)."""
    rng = generator(trained.config.seed, "explained items")
    return trained.starts(ITEMS, rng), rng


def score_of(network):
    """score(x) -> logits (B, K) of a model, on its device."""
    return lambda x: models.classify(network, x.to(default_device()))


def _respond(trained, networks, rows, rng, ahead):
    """Write response.csv: class probability at each value of the factor. Returns swing and spurious score, by model.

    ahead: what is known already of `_answers`, by model.
    """
    x, labels, grid = trained.upright(rows), trained.table.label.to_numpy()[rows], trained.bias.grid()
    tables, scores = {}, {}
    for name, network in networks.items():
        probability, scores[name] = ahead.get(name) or _answers(trained, network, x, rows)
        tables[name] = factor_response.response_table(probability, labels, grid, rng)
    (trained.folder / "explanations").mkdir(exist_ok=True)
    table = pd.concat([t.assign(model=name) for name, t in tables.items()])
    write_texts(table, trained.folder / "explanations" / "response.csv")
    return {"response": {name: factor_response.swing(t) for name, t in tables.items()}, "spurious_score": scores}


def _answers(trained, network, x, rows):
    """(class probabilities (N, A, K) of items x (N, C, *places) at each value of the factor, their spurious score)."""
    labels, bias = trained.table.label.to_numpy()[rows], trained.bias
    score = score_of(quick_network(network, x[:SAMPLE].to(default_device())))
    probability = factor_response.probabilities(score, x, bias.grid(), trained.plant)
    return probability, factor_response.spurious_score(score, x, labels, trained.classes, bias.middles(), trained.plant)


def _heat(trained, network, rows):
    """Write gradcam.npz: the baseline's Grad-CAM for the true class of a few items at several values of the factor.

    Returns, where the factor is rotation, how far the heat only rotates with the picture.
    """
    labels = trained.table.label.to_numpy()[rows]
    target = np.array([trained.classes.index(label) for label in labels])
    grid = trained.bias.grid(HEAT_VALUES)
    x = trained.upright(rows)
    planted, heat, probability = factor_response.gradcam_over_values(network, x, target, grid, trained.plant)
    arrays = {"value": grid, "row": rows, "probability": probability, "target": target}
    arrays |= {"images": run_folder.as_stored(planted, trained.kind), "heat": heat}
    run_folder.write_arrays(trained.folder / "explanations" / "gradcam.npz", **arrays)
    if trained.factor.name != "rotation":
        return {}
    return {"unrotated_ncc": factor_response.unrotated_ncc(heat, grid.astype(np.float32), trained.plant)}
