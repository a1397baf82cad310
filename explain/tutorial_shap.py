"""SHAP of a trained network for held-out items and a picture file: values as arrays, and the SHAP library's plots."""

from dataclasses import dataclass

import numpy as np
import torch
from tqdm.auto import tqdm

from xaae.experiment import run_folder
from xaae.explain.call import class_maps
from xaae.explain.method import Refusal
from xaae.explain.methods import shapley
from xaae.explain.network.subject import Subject

EXPLAINERS = {"deep": "shap_deep", "gradient": "shap_gradient"}  # option -> method of the registry
CALLED = {"deep": "DeepExplainer", "gradient": "GradientExplainer"}
PLOTS = {"items": "shap_items.png", "picture": "shap_picture.png"}


@dataclass
class ShapQuestion:
    """What SHAP is asked: items x (B, C, S, S), their names and rows (B,), -1 for a picture file, and the background
    (N, C, S, S) with its rows (N,)."""

    x: torch.Tensor
    name: list
    row: np.ndarray
    background: torch.Tensor
    background_row: np.ndarray


def explain_by_shap(network, question, classes, folder, explainer="deep", seed=0):
    """Write `shap.npz` and the plots into `folder`; returns what there is to tell, ready for JSON.

    In the arrays: x, maps (K, B, C, S, S) for each class, logits (B, K), background_logits (K,), their mean over the
    background, name, row, background_row, classes. largest_gap: by how much the sum of a map misses the difference
    of the two logits at most; rounding for the DeepExplainer, which is exact, a few samples' error for the other.
    """
    maps, used = values(network, question, explainer, seed)
    score, rest = _logits(network, question.x), _logits(network, question.background).mean(0)
    arrays = {"maps": maps, "logits": score, "background_logits": rest, "classes": np.array(classes)}
    about = {"x": question.x.numpy(), "name": np.array(question.name), "row": question.row}
    run_folder.write_arrays(folder / "shap.npz", **arrays, **about, background_row=question.background_row)
    gap = np.abs(maps.sum((2, 3, 4)).T - (score - rest)).max()
    told = [_answer(classes, *each) for each in zip(question.name, question.row, score, strict=True)]
    _draw(maps, question, classes, told, folder)
    return {"explainer": used, "largest_gap": gap, "background": len(question.background), "told": told}


def values(network, question, explainer, seed):
    """(SHAP's values (K, B, C, S, S) of items for each class, the explainer used): the GradientExplainer where the
    DeepExplainer was asked for and has no rule for a step of the network."""
    subject, size = Subject(network, question.x), len(question.background)
    given = {"method": EXPLAINERS[explainer], "background": question.background, "seed": seed}
    print(f"SHAP: {CALLED[explainer]}, {len(question.x)} items for {subject.outputs} classes, background {size} items")
    try:
        numbers = tqdm(range(subject.outputs), "SHAP", leave=False, disable=None)
        maps = [each for k in numbers for each in class_maps(subject, question.x, classes=[k], **given)]
        return np.stack(maps), explainer
    except Refusal as e:
        if explainer == "gradient":
            raise
        print(f"The DeepExplainer does not fit this network ({e}).")
        return values(network, question, "gradient", seed)


@torch.inference_mode()
def _logits(network, x, size=64):
    """Logits (B, K) of items x (B, C, S, S), NumPy."""
    device = next(network.parameters()).device
    return torch.cat([network(part.to(device)).float().cpu() for part in x.split(size)]).numpy()


def _answer(classes, name, row, score):
    """What the network says of one item with logits `score` (K,)."""
    p = torch.from_numpy(score).double().softmax(0).numpy()
    said = {"predicted": classes[p.argmax()], "probability": p.max()}
    return {"name": name, "row": int(row)} | said | {"probabilities": dict(zip(classes, p, strict=True))}


def _brief(name, most=14):
    """A name that does not run into the next column of the plot."""
    return name if len(name) <= most else f"{name[: most - 1]}\u2026"


def _draw(maps, question, classes, told, folder):
    """A plot of the held-out items and one of the picture file: rows are items, columns classes."""
    labels = [f"{_brief(t['name'])}, said {t['predicted']} {t['probability']:.0%}" for t in told]
    for kind, chosen in (("items", question.row >= 0), ("picture", question.row < 0)):
        if chosen.any():
            some = [text for text, c in zip(labels, chosen, strict=True) if c]
            figure = shapley.shap_figure(list(maps[:, chosen]), question.x[chosen], classes, some)
            figure.savefig(folder / PLOTS[kind], dpi=130, bbox_inches="tight")
