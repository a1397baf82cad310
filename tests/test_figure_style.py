"""Laws of figures: a text is drawn as it stands, whatever a class is called, and nothing is changed outside."""

import io
import warnings

import matplotlib as mpl
import numpy as np
import pytest
import torch
from helpers import source
from matplotlib.text import Text

from xaae.evaluation.class_scores import classifier_scores
from xaae.evaluation.evaluation_figure import evaluation_figure
from xaae.experiment import figure_style
from xaae.experiment.vocabulary import short_name
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
    draw(text).savefig(file, format="png", dpi=30)
    assert len(file.getvalue()) > 100 and dict(mpl.rcParams) == before


FOREIGN = ["\u732b \u0642\u0637\u0629 \U0001f408 \x1b[31m", "_hidden" + "a" * 300]


@pytest.mark.parametrize("text", FOREIGN)
@pytest.mark.parametrize("draw", [strip, maps, sheet, shap_plot, evaluation])
def test_letters_that_no_font_has_are_said_once_and_long_names_have_room(draw, text, capsys, monkeypatch):
    monkeypatch.setattr(figure_style, "_SAID", set())
    for _ in range(2):
        figure = draw(text)
        with warnings.catch_warnings(record=True) as seen:
            figure.savefig(io.BytesIO(), format="png", dpi=30)
    said = capsys.readouterr().out
    assert not [w for w in seen if "Glyph" in str(w.message)]
    without = {letter for letter in text if letter > "\x7f" and not figure_style.font_with(letter)}
    assert said.count("No font of this machine") == bool(without) and all(letter in said for letter in without)
    assert max(figure.get_size_inches()) < 30


def test_a_font_that_has_the_letters_is_chosen(monkeypatch):
    """Where the first font lacks a letter, another of this machine draws it."""
    lacking = "\u05d0"  # as if DejaVu lacked it, and another family had it
    real = figure_style._has
    monkeypatch.setattr(figure_style, "font_with", lambda letter: "DejaVu Serif")
    monkeypatch.setattr(figure_style, "_has", lambda path, letter: letter != lacking and real(path, letter))
    figure = strip(lacking)
    assert all("DejaVu Serif" in text.get_fontfamily() for text in figure.findobj(Text) if lacking in text.get_text())
    assert any(lacking in text.get_text() for text in figure.findobj(Text))


def test_a_long_name_keeps_both_its_ends_on_one_line():
    assert short_name("cat") == "cat" and short_name("a\nb") == "a b"
    short = short_name("begin" + "x" * 300 + "end", 21)
    assert len(short) == 21 and short.startswith("begin") and short.endswith("end")


def test_a_figure_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path, figure = tmp_path / "figure.png", strip("a")
    figure_style.save_png(figure, path, dpi=30)
    before = path.read_bytes()

    def interrupted(file, **options):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", interrupted)
    with pytest.raises(OSError, match="No space"):
        figure_style.save_png(figure, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_every_figure_on_disk_is_written_so():
    saving = [p.name for p in source.product_files() if ".savefig(" in p.read_text()]
    assert sorted(saving) == ["figure_style.py", "page.py"]  # that of the app writes into memory
