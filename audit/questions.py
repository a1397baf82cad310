"""What an audit asks of one trained arm: its answers, its walks, its maps. Each answer is kept beside the arm."""

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from xaae import model as models
from xaae.audit import arm_walks, map_scores, plan, probe
from xaae.audit.detection import planes
from xaae.data import render_items
from xaae.experiment import run_folder
from xaae.explain.call import explain
from xaae.explain.factor_response import probabilities, spurious_score
from xaae.explain.method import Refusal
from xaae.explain.network.randomise import randomised, similarity
from xaae.factors.bias import make_bias
from xaae.factors.meters import meters_for
from xaae.factors.registry import FACTORS
from xaae.latent_nav import codes
from xaae.training.trained_run import exact, open_trained_run

FILES = {"aae": "model", "baseline": "baseline"}
ANSWERED, RESPONDED, CHECKED, BACKGROUND = 128, 24, 8, 16  # items asked for scores, responses, checks, background


@lru_cache(maxsize=4)
def opened(folder):
    """The Scene of an arm, kept for its next question."""
    return open_trained_run(folder)


@lru_cache(maxsize=4)
def arm_network(folder, name):
    """One model of an arm, ready."""
    return opened(folder).model(FILES[name]).float()


def bias_of(trained, condition):
    """The biased arm's Bias of a condition, on the scene's classes."""
    return make_bias(trained.classes, None, "biased", trained.config["fill"], condition.factor, condition.strength)


def _held_out(trained, n):
    """n held-out rows, the classes in turn, the same for every arm: (n,)."""
    return trained.starts(n, np.random.default_rng(0))


def probe_of(trained, condition, n):
    """The Probe of n items for a condition."""
    rows = _held_out(trained, n)
    return probe.make_probe(
        trained.upright(rows), trained.table.label.to_numpy()[rows].astype(str), bias_of(trained, condition)
    )


def _kept(folder, condition, about, name):
    """Where an answer of the arm in `folder` is kept: for other settings `about` elsewhere."""
    return Path(folder) / "audit" / f"{condition.file()}-{plan.digest([condition.key, about])}" / name


def _answer_of(folder, name):
    """answer(x) -> logits on the CPU, by one model of an arm."""
    net = arm_network(folder, name)
    device = codes.device_of(net)
    return lambda x: models.classify(net, x.to(device)).float().cpu()


# ---- answers: gate 0, the response, and the ranking of real pictures --------------------------------------------


def ask_answers(folder, condition, name, n):
    """Gate 0 and what follows from answers alone, for the model `name`: kept as answers-NAME.npz."""
    path = _kept(folder, condition, n, f"answers-{name}.npz")
    if path.is_file():
        return
    trained, answer = opened(folder), _answer_of(folder, name)
    bias, asked = bias_of(trained, condition), probe_of(trained, condition, n)
    rows = _held_out(trained, ANSWERED)
    x, labels = trained.upright(rows), trained.table.label.to_numpy()[rows].astype(str)
    with exact(), torch.inference_mode():
        found = {"spurious": spurious_score(answer, x, labels, trained.classes, bias.middles(), bias.plant)}
        found["accuracy"] = _accuracy(answer, x, labels, trained.classes, bias)
        found["flips"] = probe.flips(answer, asked.x_0, bias)
        grid = bias.grid(probe.VALUES)
        p = probabilities(answer, x[:RESPONDED], grid, bias.plant)[..., -1]
        many = probe_of(trained, condition, 600)
        found["logit"] = torch.cat([answer(part) for part in many.x.split(128)])[:, -1].numpy()
    found |= {"grid": grid, "response": np.stack([p[labels[:RESPONDED] == c].mean(0) for c in trained.classes])}
    run_folder.write_arrays(path, **found)


def _accuracy(answer, x, labels, classes, bias):
    """Share of items x that are given their own class when they carry their own class's middle value."""
    own = torch.tensor([bias.middles()[label] for label in labels], dtype=torch.float32)
    said = answer(bias.plant(x, own)).argmax(-1).numpy()
    return float(np.mean(np.array(classes)[said] == labels))


# ---- walks ------------------------------------------------------------------------------------------------------


def ask_walks(folder, condition, n, specs, k, oracle):
    """Walks of an arm's AAE from the probe images, kept as walks-*.npz and walks.json. oracle: another arm's folder."""
    about = [n, list(specs), k, Path(oracle).name if oracle else ""]
    path = _kept(folder, condition, about, "walks.json")
    if path.is_file():
        return
    trained, model = opened(folder), arm_network(folder, "aae")
    asked, factor = probe_of(trained, condition, n), FACTORS[condition.factor]
    ground = _ground_of(trained, model, factor.meter, k)
    rng = np.random.default_rng([trained.config["seed"], 8])
    with exact():
        judge = _answer_of(oracle, "aae") if oracle else None
        found = arm_walks.walk_from_probe(ground, asked.x, specs, rng, judge)
    for name, (arrays, _) in found.items():
        small = {k: v.astype(np.float16) if k == "difference" else v for k, v in arrays.items()}
        run_folder.write_arrays(path.with_name(f"walks-{name}.npz"), **small)
    bias = bias_of(trained, condition)
    ends = list(bias.middles().values())
    meter = ground.meters[factor.meter]
    shown = {
        "shift": arm_walks.walks.planted_shift(asked.x_0, bias.plant, ends[0], ends[-1], meter),
        "error": arm_walks.walks.reconstruction_error(model, asked.x_0, bias.plant, bias.grid(), meter),
        "tables": {name: table for name, (_, table) in found.items()},
    }
    run_folder.write_json(path, shown)


def _ground_of(trained, model, planted, k):
    """What walks of a scene's AAE need."""
    rows = trained.rows("train")
    labels = trained.table.label.to_numpy().astype(str)[rows]
    index = torch.tensor([trained.classes.index(label) for label in labels])
    with exact():
        z = codes.encode_items(model, trained.planted, rows)[0]
    meters = meters_for(trained.config["input_channels"])
    onehot = F.one_hot(index, len(trained.classes)).float()
    return arm_walks.Ground(model, z, labels == trained.classes[-1], onehot, meters, planted, k)


# ---- maps -------------------------------------------------------------------------------------------------------


def ask_maps(folder, condition, name, n, method, parameters, sets, checks=False):
    """Maps by one method of an arm's model `name`, kept as NAME-METHOD.npz with status, reason and planes.

    sets: which of "with" (all probe images with the factor), "pair" (a quarter of them, with and without). checks:
    also how alike maps of random weights are, and what covering the strongest places does.
    """
    path = _kept(folder, condition, [n, parameters, list(sets), checks], f"{name}-{method}.npz")
    if path.is_file():
        return "ok"
    trained, net = opened(folder), models.classifier(arm_network(folder, name))
    asked, last = probe_of(trained, condition, n), len(trained.classes) - 1
    background = _background_of(trained, condition)
    seek = lambda net, x: explain(net, x, method, last, background=background, seed=1, **parameters)  # noqa: E731
    few = max(CHECKED, n // 4)
    try:
        found = {key: planes(seek(net, x)) for key, x in _wanted(asked, sets, few).items()}
        if checks:
            found |= _checked(folder, name, net, asked.x[:CHECKED], seek)
    except Refusal as e:
        found = {"reason": str(e)}
    except Exception as e:  # a method may raise anything; the audit goes on, and asks again next time
        return f"{type(e).__name__}: {e}"
    halves = {k: v.astype(np.float32) if isinstance(v, np.ndarray) else v for k, v in found.items()}
    run_folder.write_arrays(path, **halves)
    return "ok"


def _wanted(asked, sets, few):
    """The pictures that are explained, by key."""
    found = {"with": asked.x} if "with" in sets else {}
    return found | ({"pair_with": asked.x[:few], "pair_without": asked.x_0[:few]} if "pair" in sets else {})


def _checked(folder, name, net, x, seek):
    """Is it a map of this model, and a working one? randomised and removal, see `audit.map_scores`."""
    before, after = seek(net, x), seek(randomised(net, 0), x)
    alike = float(np.mean(similarity(before, after)["absolute"]))
    with exact():
        gain = map_scores.removal(_answer_of(folder, name), x, planes(before), np.random.default_rng(0))
    return {"randomised": alike, "removal": gain}


def _background_of(trained, condition):
    """Held-out items with any value of the factor, the same for all arms: (BACKGROUND, C, H, W)."""
    rows = trained.starts(ANSWERED + BACKGROUND, np.random.default_rng(0))[-BACKGROUND:]
    bias = bias_of(trained, condition)
    values = np.random.default_rng(5).uniform(*bias.whole(), len(rows))
    return render_items(trained.pictures, rows, values, bias)


def read_answer(folder, condition, about, name):
    """The arrays of a kept answer as a dict."""
    with np.load(_kept(folder, condition, about, name), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def read_walks(folder, condition, n, specs, k, oracle):
    """(what walks.json says, {direction: arrays})."""
    path = _kept(folder, condition, [n, list(specs), k, Path(oracle).name if oracle else ""], "walks.json")
    said = json.loads(path.read_text())
    arrays = {}
    for name in said["tables"]:
        with np.load(path.with_name(f"walks-{name}.npz"), allow_pickle=False) as found:
            arrays[name] = {key: found[key] for key in found.files}
    return said, arrays


def workers_here():
    """How many processes an audit uses by itself: one a core, one where an accelerator is shared."""
    return 1 if torch.accelerator.is_available() else os.cpu_count() or 1
