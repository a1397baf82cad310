"""Laws of figures: a text is drawn as it stands, whatever a class is called, and nothing is changed outside."""

import io

import matplotlib as mpl
import numpy as np
import pytest
import torch

from xaae.evaluation.class_scores import classifier_scores
from xaae.evaluation.evaluation_figure import evaluation_figure
from xaae.explain.figures.sheets import side_by_side
from xaae.explain.methods.shapley import shap_figure
from xaae.latent_nav import plots

ODD = ["$0-$50", r"$\x$", "$", r"\frac{", "a_b^c", "50 %"]


def strip(text):
    return plots.strip(np.zeros((1, 2, 8, 8, 3), np.uint8), [[text, text]], text)


def maps(text):
    labels, z = np.array([text, "other"] * 4), np.random.default_rng(0).normal(size=(8, 2))
    return plots.maps_figure({"pca.xy": z}, labels, np.zeros((1, 8, 8, 3), np.uint8), [0])


def sheet(text):
    x = np.random.default_rng(0).random((2, 3, 8, 8)).astype(np.float32)
    return side_by_side(x, {"saliency": x}, titles={"saliency": text}, labels=[text, text], title=text)


def shap_plot(text):
    x = torch.rand(1, 3, 8, 8)
    return shap_figure([x.numpy(), -x.numpy()], x, [text, "other"], [text])


def evaluation(text):
    logits, target = torch.randn(20, 2, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2
    return evaluation_figure(classifier_scores(logits, target, [text, "other"]), [text, "other"], text)


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("draw", [strip, maps, sheet, shap_plot, evaluation])
def test_any_text_can_be_drawn(draw, text):
    before, file = dict(mpl.rcParams), io.BytesIO()
    draw(text).savefig(file, format="png")
    assert len(file.getvalue()) > 500 and dict(mpl.rcParams) == before
