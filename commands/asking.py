"""What an audit asks of one trained arm: its answers, its walks, its maps. Each answer is kept beside the arm."""

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import model as models
import runs
from audit import maps, plan, probe, walk
from audit.detection import planes
from bias import make_bias
from commands.scene import exact, open_scene
from data import render
from explain.call import explain
from explain.method import Refusal
from explain.randomise import randomised, similarity
from explain.response import probabilities, spurious_score
from latent_nav import codes
from latent_nav.photometry import meters_for

FILES = {"aae": "model", "baseline": "baseline"}
ANSWERED, RESPONDED, CHECKED, BACKGROUND = 128, 24, 8, 16  # items asked for scores, responses, checks, background


@lru_cache(maxsize=4)
def opened(folder):
    """The Scene of an arm, kept for its next question."""
    return open_scene(folder)


@lru_cache(maxsize=4)
def network(folder, name):
    """One model of an arm, ready."""
    return opened(folder).model(FILES[name]).float()


def bias_of(scene, condition):
    """The biased arm's Bias of a condition, on the scene's classes."""
    return make_bias(scene.classes, None, "biased", scene.config["fill"], condition.factor, condition.strength)


def held_out(scene, n):
    """n held-out rows, the classes in turn, the same for every arm: (n,)."""
    return scene.starts(n, np.random.default_rng(0))


def probe_of(scene, condition, n):
    """The Probe of n items for a condition."""
    rows = held_out(scene, n)
    return probe.make_probe(
        scene.upright(rows), scene.table.label.to_numpy()[rows].astype(str), bias_of(scene, condition)
    )


def kept(folder, condition, about, name):
    """Where an answer of the arm in `folder` is kept: for other settings `about` elsewhere."""
    return Path(folder) / "audit" / f"{condition.file()}-{plan.digest([condition.key, about])}" / name


def answer_of(folder, name):
    """answer(x) -> logits on the CPU, by one model of an arm."""
    net = network(folder, name)
    device = codes.device_of(net)
    return lambda x: models.classify(net, x.to(device)).float().cpu()


# ---- answers: gate 0, the response, and the ranking of real pictures --------------------------------------------


def ask_answers(folder, condition, name, n):
    """Gate 0 and what follows from answers alone, for the model `name`: kept as answers-NAME.npz."""
    path = kept(folder, condition, n, f"answers-{name}.npz")
    if path.is_file():
        return
    scene, answer = opened(folder), answer_of(folder, name)
    bias, asked = bias_of(scene, condition), probe_of(scene, condition, n)
    rows = held_out(scene, ANSWERED)
    x, labels = scene.upright(rows), scene.table.label.to_numpy()[rows].astype(str)
    with exact(), torch.inference_mode():
        found = {"spurious": spurious_score(answer, x, labels, scene.classes, bias.middles(), bias.plant)}
        found["accuracy"] = accuracy(answer, x, labels, scene.classes, bias)
        found["flips"] = probe.flips(answer, asked.x_0, bias)
        grid = bias.grid(probe.VALUES)
        p = probabilities(answer, x[:RESPONDED], grid, bias.plant)[..., -1]
        many = probe_of(scene, condition, 600)
        found["logit"] = torch.cat([answer(part) for part in many.x.split(128)])[:, -1].numpy()
    found |= {"grid": grid, "response": np.stack([p[labels[:RESPONDED] == c].mean(0) for c in scene.classes])}
    runs.write_arrays(path, **found)


def accuracy(answer, x, labels, classes, bias):
    """Share of items x that are given their own class when they carry their own class's middle value."""
    own = torch.tensor([bias.middles()[label] for label in labels], dtype=torch.float32)
    said = answer(bias.plant(x, own)).argmax(-1).numpy()
    return float(np.mean(np.array(classes)[said] == labels))


# ---- walks ------------------------------------------------------------------------------------------------------


def ask_walks(folder, condition, n, specs, k, oracle):
    """Walks of an arm's AAE from the probe images, kept as walks-*.npz and walks.json. oracle: another arm's folder."""
    about = [n, list(specs), k, Path(oracle).name if oracle else ""]
    path = kept(folder, condition, about, "walks.json")
    if path.is_file():
        return
    scene, model = opened(folder), network(folder, "aae")
    asked, factor = probe_of(scene, condition, n), plan.FACTORS[condition.factor]
    ground = ground_of(scene, model, factor.meter, k)
    rng = np.random.default_rng([scene.config["seed"], 8])
    with exact():
        judge = answer_of(oracle, "aae") if oracle else None
        found = walk.walk_all(ground, asked.x, specs, rng, judge)
    for name, (arrays, _) in found.items():
        small = {k: v.astype(np.float16) if k == "difference" else v for k, v in arrays.items()}
        runs.write_arrays(path.with_name(f"walks-{name}.npz"), **small)
    bias = bias_of(scene, condition)
    ends = list(bias.middles().values())
    meter = ground.meters[factor.meter]
    shown = {
        "shift": walk.walks.planted_shift(asked.x_0, bias.plant, ends[0], ends[-1], meter),
        "error": walk.walks.reconstruction_error(model, asked.x_0, bias.plant, bias.grid(), meter),
        "tables": {name: table for name, (_, table) in found.items()},
    }
    runs.write_json(path, shown)


def ground_of(scene, model, planted, k):
    """What walks of a scene's AAE need."""
    rows = scene.rows("train")
    labels = scene.table.label.to_numpy().astype(str)[rows]
    index = torch.tensor([scene.classes.index(label) for label in labels])
    with exact():
        z = codes.encode_items(model, scene.planted, rows)[0]
    meters = meters_for(scene.config["input_channels"])
    onehot = F.one_hot(index, len(scene.classes)).float()
    return walk.Ground(model, z, labels == scene.classes[-1], onehot, meters, planted, k)


# ---- maps -------------------------------------------------------------------------------------------------------


def ask_maps(folder, condition, name, n, method, parameters, sets, checks=False):
    """Maps by one method of an arm's model `name`, kept as NAME-METHOD.npz with status, reason and planes.

    sets: which of "with" (all probe images with the factor), "pair" (a quarter of them, with and without). checks:
    also how alike maps of random weights are, and what covering the strongest places does.
    """
    path = kept(folder, condition, [n, parameters, list(sets), checks], f"{name}-{method}.npz")
    if path.is_file():
        return "ok"
    scene, net = opened(folder), models.classifier(network(folder, name))
    asked, last = probe_of(scene, condition, n), len(scene.classes) - 1
    background = background_of(scene, condition)
    seek = lambda net, x: explain(net, x, method, last, background=background, seed=1, **parameters)  # noqa: E731
    few = max(CHECKED, n // 4)
    try:
        found = {key: planes(seek(net, x)) for key, x in wanted(asked, sets, few).items()}
        if checks:
            found |= checked(folder, name, net, asked.x[:CHECKED], seek)
    except Refusal as e:
        found = {"reason": str(e)}
    except Exception as e:  # a method may raise anything; the audit goes on, and asks again next time
        return f"{type(e).__name__}: {e}"
    halves = {k: v.astype(np.float32) if isinstance(v, np.ndarray) else v for k, v in found.items()}
    runs.write_arrays(path, **halves)
    return "ok"


def wanted(asked, sets, few):
    """The pictures that are explained, by key."""
    found = {"with": asked.x} if "with" in sets else {}
    return found | ({"pair_with": asked.x[:few], "pair_without": asked.x_0[:few]} if "pair" in sets else {})


def checked(folder, name, net, x, seek):
    """Is it a map of this model, and a working one? randomised and removal, see `audit.maps`."""
    before, after = seek(net, x), seek(randomised(net, 0), x)
    alike = float(np.mean(similarity(before, after)["absolute"]))
    with exact():
        gain = maps.removal(answer_of(folder, name), x, planes(before), np.random.default_rng(0))
    return {"randomised": alike, "removal": gain}


def background_of(scene, condition):
    """Held-out items with any value of the factor, the same for all arms: (BACKGROUND, C, H, W)."""
    rows = scene.starts(ANSWERED + BACKGROUND, np.random.default_rng(0))[-BACKGROUND:]
    bias = bias_of(scene, condition)
    values = np.random.default_rng(5).uniform(*bias.whole(), len(rows))
    return render(scene.pictures, rows, values, bias)


def read_answer(folder, condition, about, name):
    """The arrays of a kept answer as a dict."""
    with np.load(kept(folder, condition, about, name), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def read_walks(folder, condition, n, specs, k, oracle):
    """(what walks.json says, {direction: arrays})."""
    path = kept(folder, condition, [n, list(specs), k, Path(oracle).name if oracle else ""], "walks.json")
    said = json.loads(path.read_text())
    arrays = {}
    for name in said["tables"]:
        with np.load(path.with_name(f"walks-{name}.npz"), allow_pickle=False) as found:
            arrays[name] = {key: found[key] for key in found.files}
    return said, arrays


def workers_here():
    """How many processes an audit uses by itself: one a core, one where an accelerator is shared."""
    return 1 if torch.accelerator.is_available() else os.cpu_count() or 1
