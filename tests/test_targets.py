"""Laws of targets other than one class: how they are read, learned, scored, opened as two sides, and refused."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import EXACT, call, refused, succeed
from helpers.pictures import save_pictures
from scipy.stats import spearmanr

from xaae import model as models
from xaae.callbacks.losses import class_loss, label_loss, severity_loss
from xaae.data import load_dataset
from xaae.experiment.errors import InputError
from xaae.experiment.settings import RunSettings
from xaae.experiment.tasks import CLASSES, LABELS, SEVERITY, UNKNOWN, Target, target_of
from xaae.latent_nav.contrasts import Evidence
from xaae.latent_nav.directions import fit_directions
from xaae.latent_nav.exemplars import tenth_numbers
from xaae.sources.target_columns import set_target
from xaae.training.balance import class_weights, label_weights
from xaae.training.preparation import resolve
from xaae.training.target_scores import label_scores, severity_scores
from xaae.training.two_sides import answers_to_sides, severity_of

SHORT = ["--preset", "smoke", "--no-pretrained", "--epochs", "2", "--starts", "4", "--random-directions", "4", *EXACT]
SMALL_BRIEFLY = ["--maps", "pca", "--counterfactuals", "4"]


def column(values, **more):
    """A table with a path for each value of the column x."""
    return pd.DataFrame({"path": [f"{i}.png" for i in range(len(values))], "label": "any", "x": values, **more})


# ---- reading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values, task",
    [
        ([*np.linspace(0, 1, 30)], SEVERITY.name),
        ([f"{v:.2f}" for v in np.linspace(-5, 5, 30)], SEVERITY.name),
        (["mild", "severe"] * 10, CLASSES.name),
        ([0, 1] * 10, CLASSES.name),
        ([1.0, 2.0, 3.0] * 10, CLASSES.name),
    ],
)
def test_the_task_follows_from_what_the_column_holds_and_can_be_overruled(values, task):
    table, target, notes, _ = set_target(column(values), ("x",))
    assert target.task == task and f"task {task}" in notes[0]
    assert set_target(column(values), ("x",), CLASSES.name)[1].task == CLASSES.name
    assert table.label.nunique() == (2 if task == SEVERITY.name else len({str(v) for v in values}))


def test_whole_numbers_that_a_table_keeps_as_floats_are_classes_without_a_point():
    assert sorted(set(set_target(column([1.0, 2.0] * 5), ("x",))[0].label)) == ["1", "2"]


def test_classes_that_are_long_numbers_stay_apart_beside_a_blank():
    codes = [12345678.0, 12345679.0, float("nan")] * 4
    table, _, _, out = set_target(column(codes), ("x",))
    assert sorted(set(table.label)) == ["12345678", "12345679"] and len(out) == 4


def test_a_class_may_be_called_as_a_blank_is_and_a_number_may_not():
    table, _, _, out = set_target(column(["None", "fracture", "NA"] * 4), ("x",))
    assert sorted(set(table.label)) == ["NA", "None", "fracture"] and not out
    table, target, _, out = set_target(column(["0.5", "NA", "None", *map(str, range(20))]), ("x",))
    assert target.task == SEVERITY.name and len(out) == 2


@pytest.mark.parametrize("blank", ["", "NA"])
def test_a_column_without_a_class_is_refused_in_a_sentence(tmp_path, blank):
    paths = [path.relative_to(tmp_path) for path in sorted(save_pictures(tmp_path, n=3).rglob("*.png"))]
    pd.DataFrame({"path": paths, "x": blank}).to_csv(tmp_path / "items.csv", index=False)
    assert refused(call("data", tmp_path / "items.csv", "--target", "x", "--out", tmp_path / "out"))


def test_the_sides_of_a_severity_are_halves_and_items_without_a_number_are_left_out_by_name():
    values = [*map(str, range(21)), "", "nan"]
    table, target, _, out = set_target(column(values), ("x",), unit="cm")
    assert len(table) == 21 and [path for path, _ in out] == ["21.png", "22.png"]
    assert target.classes == ("low x", "high x") and target.noun == "x (cm)" and target.middle == 10
    assert ((table.x > target.middle) == (table.label == "high x")).all()


def test_several_columns_are_labels_whose_blanks_and_uncertain_cells_are_not_known():
    table, target, _, out = set_target(column(["1", "0", "", "-1", ""], y=["0", "1", "1", "0", ""]), ("x", "y"))
    assert target.task == LABELS.name and target.names == ("x", "y") and target.outputs == 2
    assert list(table.label) == ["x", "no x", UNKNOWN, UNKNOWN] and len(out) == 1
    assert table.x.isna().tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    "values, names, task, word",
    [
        (["a", "b"] * 5, ("x",), SEVERITY.name, "no number"),
        ([1, 2] * 5, ("x",), SEVERITY.name, "distinct numbers"),
        ([1, 2] * 5, ("x", "y"), None, "1, 0 or a blank"),
        ([1, 1] * 5, ("x", "y"), None, "same answer"),
        ([1, 0] * 5, ("x", "z"), None, "no column 'z'"),
        ([1, 0] * 5, ("x", "y"), SEVERITY.name, "one column"),
    ],
)
def test_columns_that_cannot_be_such_a_target_are_refused_with_the_reason(values, names, task, word):
    with pytest.raises(InputError, match=word):
        set_target(column(values, y=[0, 1] * 5), names, task)


# ---- learning ---------------------------------------------------------------------------------------------------


def test_what_is_not_known_of_an_item_moves_nothing():
    logits = torch.randn(6, 3, requires_grad=True)
    y = torch.tensor([[1, 0, float("nan")]] * 6)
    label_loss(logits, y).sum().backward()
    assert (logits.grad[:, 2] == 0).all() and (logits.grad[:, :2] != 0).all()
    changed = logits.detach().clone()
    changed[:, 2] += 100
    assert torch.equal(label_loss(changed, y), label_loss(logits, y))


def test_an_item_of_which_no_label_is_known_costs_nothing():
    assert label_loss(torch.randn(2, 3), torch.full((2, 3), float("nan"))).eq(0).all()


def test_the_loss_of_a_severity_is_least_at_the_truth_and_outliers_do_not_rule_it():
    truth = torch.zeros(5, 1)
    at = lambda x: severity_loss(torch.full((5, 1), x), truth).mean()  # noqa: E731
    assert at(0.0) == 0 and at(0.5) < at(1.0)
    assert at(101.0) - at(100.0) == pytest.approx(1, abs=1e-4)  # it grows no faster than the error


def test_balanced_weights_make_all_classes_weigh_the_same():
    labels, classes = ["a"] * 30 + ["b"] * 10 + ["c"] * 2, ("a", "b", "c")
    weights = torch.tensor(class_weights(labels, classes))
    y = torch.tensor([classes.index(name) for name in labels])
    each = class_loss(torch.zeros(42, 3).double(), y, weights)
    sums = [float(each[y == k].sum()) for k in range(3)]
    assert sums == pytest.approx([sums[0]] * 3)
    assert torch.equal(class_loss(torch.zeros(42, 3), y), class_loss(torch.zeros(42, 3), y, torch.ones(3)))


def test_balanced_labels_weigh_as_much_present_as_absent_and_unknown_ones_do_not_count():
    truth = np.array([[1, 0]] * 4 + [[0, 1]] * 12 + [[np.nan, np.nan]] * 30)
    assert label_weights(truth) == pytest.approx([3, 1 / 3])


# ---- scores -----------------------------------------------------------------------------------------------------


def test_scores_of_a_severity_are_in_its_unit_and_follow_it():
    rng = np.random.default_rng(0)
    truth = rng.normal(50, 10, 200)
    answers = truth + rng.normal(0, 3, 200)
    scores, tenfold = severity_scores(answers, truth), severity_scores(10 * answers, 10 * truth)
    for name in ("mae", "rmse", "mae_of_median"):
        assert tenfold[name] == pytest.approx(10 * scores[name])
    assert scores["spearman"] == pytest.approx(spearmanr(answers, truth).statistic) == tenfold["spearman"]
    assert scores["mae"] < scores["mae_of_median"] and not scores["constant_answer"]
    assert severity_scores(np.full(200, 50.0), truth)["constant_answer"]


def test_unknown_labels_change_no_score():
    rng = np.random.default_rng(0)
    truth = (rng.random((60, 2)) < 0.4).astype(float)
    p = np.clip(0.3 * truth + rng.random((60, 2)) * 0.7, 0, 1)
    found = label_scores(p, truth, ("a", "b"))
    more = label_scores(np.vstack([p, rng.random((9, 2))]), np.vstack([truth, np.full((9, 2), np.nan)]), ("a", "b"))
    assert more["auroc"] == found["auroc"] and more["labels"]["a"]["unknown"] == 9
    assert np.isnan(label_scores(p, np.ones((60, 2)), ("a", "b"))["auroc"])


# ---- two sides --------------------------------------------------------------------------------------------------

LENGTH = Target(SEVERITY.name, ("x",), ("low x", "high x"), ("x",), "cm", mean=40.0, std=8.0, middle=38.0)
SIGNS = Target(LABELS.name, ("a", "b"), ("no a", "a"), ("a", "b"))


def small_model(outputs, task):
    """A small AAE in evaluation mode."""
    torch.manual_seed(0)
    return models.AAE(16, 1, 4, 4, classes=outputs, task=task).eval()


def test_a_model_of_a_severity_opened_as_two_sides_says_the_same_severity():
    model, x = small_model(1, SEVERITY.name), torch.rand(9, 1, 16, 16)
    said = model.classify(x)[:, 0].detach().double() * LENGTH.std + LENGTH.mean
    models.answering_sides(model, *answers_to_sides(LENGTH, error=2.0))
    logits = model.classify(x).detach()
    assert logits.shape == (9, 2)
    assert severity_of(LENGTH, logits.double(), 2.0).numpy() == pytest.approx(said.numpy(), rel=1e-4)
    assert ((logits.argmax(1) == 1) == (said > LENGTH.middle)).all()
    assert torch.equal(logits, model.head(model.encode(x)).detach())


@pytest.mark.parametrize("label", SIGNS.names)
def test_a_model_of_labels_opened_as_two_sides_has_the_probability_of_that_label(label):
    model, x = small_model(2, LABELS.name), torch.rand(9, 1, 16, 16)
    p = model.classify(x).sigmoid()[:, SIGNS.names.index(label)].detach()
    models.answering_sides(model, *answers_to_sides(SIGNS, label=label))
    assert model.classify(x).softmax(1)[:, 1].detach().numpy() == pytest.approx(p.numpy(), abs=1e-6)


def test_classes_are_sides_already():
    assert answers_to_sides(Target(classes=("a", "b"))) == ()


def test_a_smaller_error_makes_the_sides_surer():
    slopes = [answers_to_sides(LENGTH, error)[0][1][0] for error in (8.0, 4.0, 2.0)]
    assert slopes == sorted(slopes) and slopes[1] == pytest.approx(2 * slopes[0])


def test_the_target_of_a_config_is_what_was_written():
    config = json.loads(json.dumps({"classes": list(LENGTH.classes), "target": LENGTH.as_dict()}))
    assert target_of(config) == LENGTH
    assert target_of({"classes": ["a", "b"]}) == Target(classes=("a", "b"))


# ---- directions -------------------------------------------------------------------------------------------------


def severities(n=300, dims=6):
    """Codes (N, D) whose first dimension is the severity (N,), a skewed one, but for noise."""
    rng = np.random.default_rng(0)
    numbers = rng.gamma(2, 1, n)
    z = rng.standard_normal((n, dims))
    z[:, 0] = (numbers - numbers.mean()) / numbers.std() + 0.2 * z[:, 0]
    return Evidence(z, numbers > np.median(numbers), None, numbers), numbers


@pytest.mark.parametrize("kind", ["ridge", "severity"])
def test_regressions_point_to_where_the_severity_grows(kind):
    found, numbers = severities()
    (direction,) = fit_directions(found, [kind])
    assert spearmanr(found.z @ direction.vector, numbers).statistic > 0.95 and direction.vector[0] > 0.95
    (turned,) = fit_directions(Evidence(found.z, ~found.last, None, -numbers), [kind])
    assert turned.vector == pytest.approx(-direction.vector, abs=0.02)


def test_a_regression_reads_the_number_and_not_the_half_alone():
    found, numbers = severities()
    ranks = np.argsort(np.argsort(numbers)) / len(numbers)
    curved = Evidence(found.z, found.last, None, np.where(found.last, ranks + 5 * found.z[:, 1], ranks))
    (direction,) = fit_directions(curved, ["ridge"])
    assert abs(direction.vector[1]) > 0.5  # within the upper half another dimension counts, which no half shows
    assert abs(fit_directions(found, ["ridge"])[0].vector[1]) < 0.1


def test_tenths_have_the_mean_severity_of_their_items():
    means = tenth_numbers(np.array([0.0, 0.05, 0.55, 1.0]), np.array([1.0, 3.0, 7.0, 9.0]))
    assert means[[0, 5, 9]].tolist() == [2, 7, 9] and np.isnan(means[1:5]).all()
    assert tenth_numbers(np.zeros(3), None) is None


# ---- the whole way ----------------------------------------------------------------------------------------------


def test_a_dataset_with_a_target_keeps_what_its_labels_were(data_root):
    asked = {"columns": ("scale",), "task": None, "unit": ""}
    found = load_dataset("synthpets", data_root, items=40, size=32, asked=asked)
    assert set(found.table.given_label) == {"cat", "dog"} and set(found.table.label) == {"low scale", "high scale"}
    train = found.table[found.table.split == "train"].scale
    assert found.target.mean == pytest.approx(train.mean()) and found.target.std == pytest.approx(train.std(ddof=0))


@pytest.fixture
def listed(tmp_path):
    """A CSV file of pictures with a severity and two labels, one of them not always known."""
    rng = np.random.default_rng(0)
    folder = save_pictures(tmp_path / "pictures", n=24)
    paths = sorted(str(path.relative_to(tmp_path)) for path in folder.rglob("*.png"))
    table = pd.DataFrame({"path": paths, "label": rng.normal(5, 2, len(paths)).round(2)})
    table["left"] = ["1" if "left" in path else "0" for path in paths]
    table["odd"] = [["1", "0", ""][i % 3] for i in range(len(paths))]
    table.to_csv(tmp_path / "items.csv", index=False)
    return tmp_path


def test_a_severity_goes_from_a_csv_to_a_report(listed, small_baseline):
    run = listed / "run"
    said = succeed("train", *SHORT, "--dataset", listed / "items.csv", "--target", "label", "--unit", "mm",
                   "--size", "16", "--out", run)  # fmt: skip
    assert "task severity" in said and "label answered within" in said and " mm" in said
    succeed("navigate", run, *SMALL_BRIEFLY, "--directions", "ridge,severity,led")
    succeed("explain", run, "--methods", "saliency", "--items", "2", "--model", "aae")
    assert "Spearman" in succeed("evaluate", run)
    assert "median" in succeed("predict", run, listed / "pictures")
    assert pd.read_csv(run / "predictions.csv").predicted.notna().all()
    assert "(mm)" in succeed("report", run)
    summary = json.loads((run / "summary.json").read_text())
    numbers, about = summary["aae"], summary["directions"]["ridge"]
    assert summary["target"]["task"] == SEVERITY.name and summary["aae"]["valid_accuracy"] is None
    held = pd.read_csv(run / "positions.csv").query("split == 'valid'")
    truth = pd.read_csv(run / "items.csv").given_label[held.index]
    assert about["spearman"] == pytest.approx(spearmanr(held.position, truth).statistic, abs=1e-3)
    walk = np.load(run / "walks" / "ridge.npz")
    assert summary["walk"]["severity_last"] == pytest.approx(walk["severity"][:, -1].mean())
    assert {"mae", "mae_of_median", "r2"} <= {name.removeprefix("valid_") for name in numbers}
    page = (run / "report.html").read_text()
    assert "What is predicted" in page and "label (mm)" in page and "given_label (" not in page
    assert refused(call("navigate", run, "--contrast", "cat:dog"), "no class")
    assert refused(call("explain", run, "--methods", "saliency", "--target", "cat"))


def test_labels_go_from_a_csv_to_a_report(listed, small_baseline):
    run = listed / "run"
    said = succeed("train", *SHORT, "--dataset", listed / "items.csv", "--target", "odd,left", "--balance", "loss",
                   "--size", "16", "--out", run)  # fmt: skip
    assert "task labels" in said and "AUROC" in said
    succeed("navigate", run, *SMALL_BRIEFLY, "--directions", "lda,lda@left")
    summary = json.loads((run / "navigate.json").read_text())
    assert summary["directions"]["lda"]["contrast"] == "no odd to odd"
    assert summary["directions"]["lda.left"]["leads_to"] == ["left"]
    succeed("evaluate", run)
    scores = json.loads((run / "evaluate.json").read_text())["aae"]["labels"]
    assert list(scores) == ["odd", "left"] and scores["odd"]["unknown"] > 0 == scores["left"]["unknown"]
    succeed("predict", run, listed / "pictures")
    assert {"probability_odd", "deviation_left"} <= set(pd.read_csv(run / "predictions.csv"))
    assert "Mean AUROC of the 2 labels" in succeed("report", run)


@pytest.mark.parametrize(
    "options, words",
    [
        (["--target", "nothing"], ["--target", "no column 'nothing'"]),
        (["--task", "severity"], ["--target"]),
        (["--target", "label", "--one-hot"], ["--one-hot", "severity"]),
        (["--target", "label", "--prior", "class"], ["--prior class", "severity"]),
        (["--target", "label", "--balance", "loss"], ["--balance"]),
        (["--target", "odd,left", "--arm", "biased"], ["odd", "--arm normal"]),
    ],
)
def test_what_makes_no_sense_for_a_task_is_refused(listed, options, words):
    assert refused(call("train", *SHORT, "--dataset", listed / "items.csv", "--size", "16", "--dry-run", *options),
                   *words)  # fmt: skip


@pytest.mark.parametrize("given, arm", [(None, "normal"), ("biased", "biased")])
def test_with_a_target_nothing_is_planted_unasked(data_root, given, arm):
    named = {"dataset": "synthpets", "data_root": str(data_root)}
    assert resolve(RunSettings(**named, predict=("scale",), arm=given))[0].arm == arm
    assert resolve(RunSettings(**named))[0].arm == "biased"


def test_numbers_as_classes_without_items_name_the_option(listed):
    said = refused(
        call("train", *SHORT, "--dataset", listed / "items.csv", "--size", "16", "--dry-run"), "--target label"
    )
    assert said


def test_a_csv_without_labels_names_the_option(listed):
    pd.read_csv(listed / "items.csv").drop(columns="label").to_csv(listed / "bare.csv", index=False)
    assert refused(call("train", *SHORT, "--dataset", listed / "bare.csv", "--dry-run"), "label", "--target")
