"""Evaluation: numbers that can be worked out by hand, laws of calibration, and the command from the door."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import refused
from helpers.sharing import copy_of, in_bf16
from matplotlib.figure import Figure
from sklearn.metrics import balanced_accuracy_score

from xaae.evaluation.class_scores import classifier_scores, wilson_interval
from xaae.evaluation.evaluation_figure import evaluation_figure
from xaae.evaluation.evaluation_run import FIGURES, _presentation, _what_was_shown, evaluation_in_words
from xaae.experiment.class_balance import weakness_in_words
from xaae.experiment.tasks import CLASSES as CLASS_TASK

CLASSES = ["cat", "dog", "owl"]


def logits_of(said, sure=9.0, k=3):
    """Logits (N, k) that say the classes `said` (N,) with `sure` above the rest."""
    return sure * torch.nn.functional.one_hot(torch.as_tensor(said), k).float()


def logits_from(p):
    """Logits of the probabilities p (N, K)."""
    return torch.as_tensor(p, dtype=torch.float64).clamp_min(1e-12).log()


def test_a_perfect_model():
    target = torch.tensor([0, 1, 2] * 10)
    found = classifier_scores(logits_of(target, 40.0), target, CLASSES)
    assert found["accuracy"] == 1 and found["loss"] < 1e-6 and found["calibration"]["brier"] < 1e-9
    assert all(found[name]["macro"] == pytest.approx(1) for name in ("precision", "recall", "f1", "auroc"))
    assert found["calibration"]["expected_error"] < 1e-6 and found["calibration"]["maximum_error"] < 1e-6
    assert np.array_equal(found["confusion"], 10 * np.eye(3))
    assert [b["count"] for b in found["calibration"]["bins"]] == [30]


def test_a_model_that_knows_nothing():
    target = torch.tensor([0, 1] * 10)
    found = classifier_scores(torch.zeros(20, 2), target, CLASSES[:2])
    assert found["loss"] == pytest.approx(np.log(2)) and found["calibration"]["brier"] == pytest.approx(0.5)
    assert found["accuracy"] == 0.5 and found["auroc"]["macro"] == 0.5
    assert found["calibration"]["expected_error"] < 1e-9  # it says one half, and is right in one half


def test_a_known_confusion():
    confusion = np.array([[5, 2, 1], [0, 6, 2], [3, 0, 1]])
    target, said = (torch.as_tensor(np.repeat(each.ravel(), confusion.ravel())) for each in np.indices((3, 3)))
    found = classifier_scores(logits_of(said), target, CLASSES)
    assert np.array_equal(found["confusion"], confusion)
    hits = np.diag(confusion)
    precision, recall = hits / confusion.sum(0), hits / confusion.sum(1)
    wanted = {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall)}
    for name, each in wanted.items():
        assert list(found[name]["per_class"].values()) == pytest.approx(each)
        assert found[name]["macro"] == pytest.approx(each.mean())
    assert found["accuracy"] == pytest.approx(hits.sum() / confusion.sum())


@pytest.mark.parametrize("said", [0, 1, 2])
def test_one_answer_to_everything_is_called_so(said):
    target = torch.tensor([0] * 12 + [1] * 5 + [2] * 3)
    found = classifier_scores(logits_of(torch.full((20,), said)), target, CLASSES)
    assert found["balanced_accuracy"] == pytest.approx(1 / 3) and found["constant_answer"] == CLASSES[said]
    assert (found["majority_class"], found["majority_share"]) == ("cat", 0.6)
    results = {"aae": found, "items": 20, "split": "valid", "values": "nothing planted"}
    told = evaluation_in_words(results)
    assert "always cat, the most frequent class, would be right in 60.0 %" in told
    assert f"The AAE answers {CLASSES[said]} to every item" in told and "full precision" in told


def test_balanced_accuracy_is_sklearns_and_a_useful_model_is_not_called_weak():
    rng = np.random.default_rng(0)
    target = rng.choice(3, 200, p=[0.7, 0.2, 0.1])
    said = np.where(rng.random(200) < 0.9, target, rng.integers(0, 3, 200))
    found = classifier_scores(logits_of(said), torch.as_tensor(target), CLASSES)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(target, said))
    assert found["constant_answer"] is None and weakness_in_words("AAE", found["accuracy"], found) == ""
    assert "no more often" in weakness_in_words("AAE", found["majority_share"], found)


def test_auroc_counts_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    p, target = rng.random(60), rng.integers(0, 2, 60)
    found = classifier_scores(logits_from(np.stack([1 - p, p], 1)), torch.as_tensor(target), CLASSES[:2])
    pairs = p[target == 1][:, None] > p[target == 0]
    assert found["auroc"]["per_class"]["dog"] == pytest.approx(pairs.mean(), abs=1e-6)


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_calibration_finds_overconfidence_and_nothing_where_there_is_none(power):
    """Labels drawn from p: calibrated as they are; with logits times 3, overconfident, the order unchanged."""
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 1, 1], 20_000)
    target = torch.as_tensor((p.cumsum(1) < rng.random((len(p), 1))).sum(1))
    found = classifier_scores(power * logits_from(p), target, CLASSES)["calibration"]
    gap = found["mean_confidence"] - sum(b["right"] for b in found["bins"]) / len(p)
    if power == 1:
        assert found["expected_error"] < 0.015 and abs(gap) < 0.01
    else:
        assert found["expected_error"] > 0.1 and found["expected_error"] == pytest.approx(gap, abs=0.01)
    assert found["brier"] == pytest.approx(brier_by_hand(power, p, target), abs=1e-6)


def brier_by_hand(power, p, target):
    """Brier's sum over classes, of p sharpened by `power`."""
    sharp = p**power / (p**power).sum(1, keepdims=True)
    return ((sharp - np.eye(3)[target]) ** 2).sum(1).mean()


def test_the_reliability_curve_adds_up_to_torchmetrics_error():
    generator = torch.Generator().manual_seed(2)
    logits = 4 * torch.randn(500, 3, generator=generator)
    logits[:50] *= 100  # a confidence of exactly 1 too
    target = torch.randint(0, 3, (500,), generator=generator)
    found = classifier_scores(logits, target, CLASSES)["calibration"]
    gaps = [(b["count"] / 500, abs(b["accuracy"] - b["confidence"])) for b in found["bins"]]
    assert sum(b["count"] for b in found["bins"]) == 500
    assert sum(n * gap for n, gap in gaps) == pytest.approx(found["expected_error"], abs=1e-6)
    assert max(gap for _, gap in gaps) == pytest.approx(found["maximum_error"], abs=1e-6)
    assert all(b["low"] <= b["confidence"] <= b["high"] for b in found["bins"])


def test_a_class_that_no_item_has_is_left_out_of_the_means():
    target = torch.tensor([0, 1] * 8)
    found = classifier_scores(logits_of(target), target, CLASSES)
    assert found["recall"]["macro"] == 1 and np.isnan(found["recall"]["per_class"]["owl"])
    alone = classifier_scores(logits_of(target * 0), target * 0, CLASSES)
    assert np.isnan(alone["auroc"]["macro"]) and alone["recall"]["macro"] == 1


@pytest.mark.parametrize(("hits", "n"), [(20, 20), (0, 20), (57, 60)])
def test_the_interval_holds_the_proportion_and_is_never_a_point(hits, n):
    low, high = wilson_interval(hits, n)
    assert 0 <= low <= hits / n <= high <= 1 and high - low > 0.05
    assert np.isnan(wilson_interval(0, 0)).all()


@pytest.mark.parametrize("k", [2, 11, 60])
def test_the_figure_of_few_and_many_classes(k, tmp_path):
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, k, (300,), generator=generator)
    names = [f"a class of long name {i}" for i in range(k)]
    scores = classifier_scores(torch.randn(300, k, generator=generator), target, names)
    figure = evaluation_figure(scores, names, "A title")
    figure.savefig(tmp_path / "figure.png", dpi=60)
    panels = [ax for ax in figure.axes if ax.get_xlabel()]
    assert [ax.get_xlabel() for ax in panels] == ["predicted", "confidence", "confidence"]
    assert len(panels[0].texts) == (k * k if k <= 15 else 0)


# ---- from the door ----------------------------------------------------------------------------------------------


@pytest.fixture
def run(toy_run, tmp_path):
    """A copy of the toy run to write to."""
    return copy_of(toy_run, tmp_path / "run")


@pytest.fixture
def plain_figures(monkeypatch):
    """Figures are written empty, for tests that look at numbers and at names of files."""
    monkeypatch.setitem(FIGURES, CLASS_TASK.name, lambda scores, classes, title: Figure())


def evaluation(door, run, *options):
    """`evaluate` from the door, and what it wrote."""
    result = door("evaluate", run, *options)
    assert result.exit_code == 0, result.output
    return json.loads((run / "evaluate.json").read_text()), result.output


def test_evaluate_agrees_with_what_training_measured(door, run):
    found, told = evaluation(door, run)
    trained = json.loads((run / "train.json").read_text())
    table = pd.read_csv(run / "items.csv").query("split == 'valid'")
    for name in ("aae", "baseline"):
        mine = found[name]
        for number in ("accuracy", "balanced_accuracy", "majority_share", "majority_class", "constant_answer"):
            assert mine[number] == pytest.approx(trained[name][f"valid_{number}"])
        assert np.sum(mine["confusion"], 1).tolist() == [(table.label == c).sum() for c in found["classes"]]
        assert sum(b["count"] for b in mine["calibration"]["bins"]) == found["items"] == len(table)
        assert mine["accuracy"] == pytest.approx(np.trace(mine["confusion"]) / len(table))
        assert (run / f"evaluation_{name}.png").stat().st_size > 10_000
    assert found["aae"]["recon_mse"] == pytest.approx(trained["aae"]["recon_mse"], rel=1e-3)
    assert "recon_mse" not in found["baseline"]
    assert all(word in told for word in ("AAE", "ResNet34", "accuracy", "evaluate.json", "valid"))


@pytest.mark.usefixtures("plain_figures")
def test_numbers_are_in_full_precision_whatever_the_runs(door, run):
    """On any machine: whether it computes bf16 in hardware or not."""
    full, half = (evaluation(door, each)[0] for each in (run, in_bf16(run)))
    for name in ("aae", "baseline"):
        assert half[name]["loss"] == pytest.approx(full[name]["loss"], rel=1e-4)
        assert half[name]["calibration"]["brier"] == pytest.approx(full[name]["calibration"]["brier"], rel=1e-4)
    assert half["aae"]["recon_mse"] == pytest.approx(full["aae"]["recon_mse"], rel=1e-4)


@pytest.mark.usefixtures("plain_figures")
def test_what_is_shown_can_be_chosen(door, run):
    planted = evaluation(door, run, "--model", "aae")[0]
    upright = evaluation(door, run, "--model", "aae", "--upright")[0]
    turned = evaluation(door, run, "--model", "aae", "--value", 90)[0]
    zero = evaluation(door, run, "--model", "aae", "--value", 0)[0]
    assert len({f["aae"]["loss"] for f in (planted, upright, turned)}) == 3
    assert zero["aae"]["loss"] == pytest.approx(upright["aae"]["loss"], rel=1e-3)  # turned by 0 degrees
    assert "90" in turned["values"] and upright["values"] == "nothing planted"


@pytest.mark.parametrize("arm, shown", [("normal", "nothing planted"), ("biased", "planted as in the table")])
def test_in_arm_normal_nothing_is_said_to_be_planted(arm, shown):
    trained = SimpleNamespace(planted=len, upright=sum, config=SimpleNamespace(arm=arm))
    assert _presentation(trained, True, None) == (len, shown)
    scores = {"items": 1, "split": "test", "values": shown}
    assert _what_was_shown(scores) == f"1 item of the test split, {shown}"


@pytest.mark.usefixtures("plain_figures")
def test_one_model_leaves_no_figure_of_an_earlier_call(door, run):
    evaluation(door, run)
    found, told = evaluation(door, run, "--model", "baseline")
    assert "aae" not in found and "AAE" not in told
    assert not (run / "evaluation_aae.png").exists() and (run / "evaluation_baseline.png").exists()


@pytest.mark.usefixtures("plain_figures")
def test_evaluate_refuses_what_makes_no_sense(door, run, tmp_path):
    assert refused(door("evaluate", tmp_path / "nowhere"), "not a run folder")
    assert refused(door("evaluate", run, "--split", "test"), "no test items", "--split valid")
    assert refused(door("evaluate", run, "--upright", "--value", 3), "--upright", "--value")
    assert refused(door("evaluate", run, "--value", 1000), "--value 1000", "degrees")
    assert refused(door("evaluate", run, "--model", "dragon"), "--model")
    (run / "baseline.safetensors").unlink()
    assert refused(door("evaluate", run, "--model", "baseline"), "no ResNet34")
    assert not (run / "evaluate.json").exists()
    assert set(evaluation(door, run)[0]) >= {"aae"} and not (run / "evaluation_baseline.png").exists()


@pytest.mark.usefixtures("plain_figures")
def test_the_test_split_where_there_is_one(door, run):
    table = pd.read_csv(run / "items.csv")
    table.loc[table.query("split == 'train'").index[:12], "split"] = "test"
    table.to_csv(run / "items.csv", index=False)
    found, told = evaluation(door, run, "--split", "test")
    assert found["items"] == 12 and found["split"] == "test" and "test split" in told
