"""SHAP of the tutorial: values of a trained network for held-out items and a picture file, and the library's plots."""

from dataclasses import dataclass

import numpy as np
import torch
from tqdm.auto import tqdm

from xaae.experiment import run_folder
from xaae.experiment.figure_style import save_png
from xaae.experiment.vocabulary import short_name
from xaae.explain.call import class_maps
from xaae.explain.method import Refusal
from xaae.explain.methods import shapley
from xaae.explain.network.subject import Subject

METHOD = {"deep": "shap_deep", "gradient": "shap_gradient"}  # option -> method of the registry
CALLED = {"deep": "DeepExplainer", "gradient": "GradientExplainer"}  # option -> name in the SHAP library
NAME = 14  # letters of an item's name, which must not run into the next column of the plot
PLOTS = {"items": "shap_items.png", "picture": "shap_picture.png"}


@dataclass
class ShapQuestion:
    """What SHAP is asked. x (B, C, S, S): items; name, row: what they are called and their rows (B,) of items.csv, -1
    for a picture file. background (N, C, S, S): items to compare with; background_row: their rows (N,)."""

    x: torch.Tensor
    name: list
    row: np.ndarray
    background: torch.Tensor
    background_row: np.ndarray


def explain_by_shap(network, question, classes, folder, explainer="deep", seed=0):
    """Write `shap.npz` and the plots into `folder`; returns the results for tutorial.json.

    The arrays: x, maps (K, B, C, S, S) for each class, logits (B, K), background_logits (K,), the mean over the
    background, name, row, background_row, classes. In the results, largest_gap is the largest difference between the
    sum of a map and the difference of the two logits: rounding for the DeepExplainer, which is exact; sampling error
    for the GradientExplainer.
    """
    maps, used = shap_values(network, question, explainer, seed)
    logits, typical = _logits(network, question.x), _logits(network, question.background).mean(0)
    arrays = {"maps": maps, "logits": logits, "background_logits": typical, "classes": np.array(classes)}
    asked = {"x": question.x.numpy(), "name": np.array(question.name), "row": question.row}
    run_folder.write_arrays(folder / "shap.npz", **arrays, **asked, background_row=question.background_row)
    gap = np.abs(maps.sum(tuple(range(2, maps.ndim))).T - (logits - typical)).max()
    answers = [_answer(classes, *each) for each in zip(question.name, question.row, logits, strict=True)]
    _draw(maps, question, classes, answers, folder)
    return {"explainer": used, "largest_gap": gap, "background": len(question.background), "told": answers}


def shap_values(network, question, explainer, seed):
    """(SHAP's values (K, B, C, S, S) for each class, the explainer that was used).

    If the DeepExplainer has no rule for a step of the network, the GradientExplainer is used in its place.
    """
    subject, size = Subject(network, question.x), len(question.background)
    options = {"method": METHOD[explainer], "background": question.background, "seed": seed}
    print(f"SHAP: {CALLED[explainer]}, {len(question.x)} items for {subject.outputs} classes, background {size} items")
    try:
        numbers = tqdm(range(subject.outputs), "SHAP", leave=False, disable=None)
        maps = [each for k in numbers for each in class_maps(subject, question.x, classes=[k], **options)]
        return np.stack(maps), explainer
    except Refusal as e:
        if explainer == "gradient":
            raise
        print(f"The DeepExplainer does not fit this network ({e}).")
        return shap_values(network, question, "gradient", seed)


@torch.inference_mode()
def _logits(network, x, size=64):
    """Logits (B, K) of items x (B, C, S, S), NumPy."""
    device = next(network.parameters()).device
    return torch.cat([network(part.to(device)).float().cpu() for part in x.split(size)]).numpy()


def _answer(classes, name, row, logits):
    """What the network answers to one item with these logits (K,), for tutorial.json."""
    p = torch.from_numpy(logits).double().softmax(0).numpy()
    answer = {"predicted": classes[p.argmax()], "probability": p.max()}
    return {"name": name, "row": int(row)} | answer | {"probabilities": dict(zip(classes, p, strict=True))}


def _draw(maps, question, classes, answers, folder):
    """A plot of the held-out items and one of the picture file: rows are items, columns classes."""
    labels = [f"{short_name(a['name'], NAME)}, said {a['predicted']} {a['probability']:.0%}" for a in answers]
    for plot, chosen in (("items", question.row >= 0), ("picture", question.row < 0)):
        if chosen.any():
            chosen_labels = [text for text, c in zip(labels, chosen, strict=True) if c]
            figure = shapley.shap_figure(list(maps[:, chosen]), question.x[chosen], classes, chosen_labels)
            save_png(figure, folder / PLOTS[plot], dpi=130, bbox_inches="tight")
