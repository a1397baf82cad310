"""Laws of the audit's factor scan: what is planted where, what it names, and when it reveals."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from xaae.audit import arm_scans, audit_results, chance
from xaae.audit.arms import Condition, digest
from xaae.audit.cells import cell_verdict, correct_p_values
from xaae.audit.questions import QuestionPlan, ScanQuestion
from xaae.audit.scan_cells import scan_cell
from xaae.audit.swing_figure import as_canvas, swing_dots
from xaae.audit.verdict import DOES_NOT, REVEALS, UNDECIDED, Thresholds
from xaae.experiment.kinds import PICTURE
from xaae.experiment.vocabulary import ARMS, MODELS
from xaae.factors.bias import make_bias
from xaae.factors.registry import FACTORS
from xaae.scan.value_ranges import readings_of
from xaae.scan.verdicts import NOT_USED, USED

N, SIDE = 40, 16
LIGHT = Condition("brightness")


# ---- what an arm is asked ---------------------------------------------------------------------------------------


class ByLight(nn.Module):
    """Logits by the mean light of an item."""

    def __init__(self):
        super().__init__()
        self.steep = nn.Parameter(torch.tensor(40.0))

    def forward(self, x):
        z = self.steep * (x.mean((1, 2, 3)) - 0.5)
        return torch.stack([-z, z], 1)


def opened(arm, factor="brightness"):
    """As much of an OpenedArm as a scan reads: soft pictures of two classes, a model that goes by their light."""
    coarse = torch.from_numpy(np.random.default_rng(0).uniform(0.3, 0.7, (N, 3, 4, 4))).float()
    x, labels = nn.functional.interpolate(coarse, SIDE, mode="bicubic").clamp(0, 1), np.array(["cat", "dog"] * (N // 2))
    bias = make_bias(["cat", "dog"], arm="biased", factor=factor)
    values = torch.from_numpy(make_bias(["cat", "dog"], arm=arm, factor=factor).draw(labels, np.random.default_rng(1)))
    trained = SimpleNamespace(
        config=SimpleNamespace(arm=arm, seed=3, input_channels=3, rate=None),
        kind=PICTURE,
        table=pd.DataFrame({"label": labels}),
        upright=lambda rows: x[rows],
        planted=lambda rows: bias.plant(x[rows], values[rows].float()),
        rows=lambda split: np.arange(N),
    )
    rows = lambda n: np.arange(min(n, N))  # noqa: E731
    return SimpleNamespace(trained=trained, bias=bias, held_out_rows=rows, target=1, network=lambda model: ByLight())


@pytest.fixture
def answer_of(monkeypatch):
    """(answer to the scan of an arm, its ScanItems, {factor: ValueGrid}), of two factors alone."""
    monkeypatch.setattr(arm_scans, "factors_for", lambda kind, channels: ["brightness", "tag"])

    def ask(arm, items=N):
        monkeypatch.setattr(arm_scans, "open_arm", lambda folder, condition: opened(arm))
        question = ScanQuestion(f"{arm}-arm", LIGHT, "aae", 13, items)
        answer = arm_scans.give_scan(question)
        scanned, grids = arm_scans._scanned(question.folder, question.condition, question.items)
        return answer, scanned, {grid.factor: grid for grid in grids}

    yield ask
    arm_scans._scanned.cache_clear()


@pytest.mark.parametrize("arm", ["biased", "irrelevant"])
def test_the_factor_is_planted_without_regard_to_the_class_over_its_whole_range(answer_of, arm):
    answer, items, grids = answer_of(arm)
    (low, high), labels = items.bias.whole(), items.labels
    for label in ("cat", "dog"):
        own = items.values[labels == label]
        assert own.min() < low + 0.3 * (high - low) and own.max() > high - 0.3 * (high - low)
    assert grids["brightness"].source == "planted" and np.ptp(grids["brightness"].axis) == high - low
    assert answer["factor"].tolist() == ["brightness", "tag"] and answer["used"].tolist() == [USED, NOT_USED]
    assert answer["item_swing"].shape == (N, 2) and answer["item_swing"][:, 0].min() > 0.9


def test_in_arm_normal_nothing_is_planted_and_the_factor_keeps_to_its_own_data(answer_of):
    _, items, grids = answer_of("normal")
    assert items.values is None and torch.equal(items.base, opened("normal").trained.planted(np.arange(N)))
    light, grid = readings_of(FACTORS["brightness"], items.x), grids["brightness"]
    assert grid.source == "data" and light.min() <= grid.axis[0] < grid.axis[-1] <= light.max()


def test_an_answer_is_the_same_whichever_model_was_asked_before(answer_of):
    first, again = answer_of("biased", 24)[0], answer_of("biased", 24)[0]
    arm_scans._scanned.cache_clear()
    for other in (again, answer_of("biased", 24)[0]):
        assert first.keys() == other.keys() and all(np.array_equal(first[name], other[name]) for name in first)


def test_what_a_scan_says_is_read_as_it_was_written(answer_of, tmp_path):
    question, answer = ScanQuestion(str(tmp_path), LIGHT, "aae", 13), answer_of("biased", 24)[0]
    question.write(answer)
    read = question.read()
    assert read.keys() == answer.keys() and all(np.array_equal(read[name], answer[name]) for name in answer)


PLAN = QuestionPlan(tuple(MODELS), 13, ("head",), 19, {"aae": {"saliency": {}}, "baseline": {}}, 2)
FOLDERS = {arm: [f"{arm}-{i}" for i in range(2)] for arm in ARMS}


def test_both_models_of_every_arm_are_scanned_and_arm_normal_once_for_all_conditions():
    tag, rotation = (PLAN.questions(Condition(factor), FOLDERS) for factor in ("tag", "rotation"))
    for arm, number in product(ARMS, range(2)):
        both = [asked[arm][number].scans for asked in (tag, rotation)]
        assert list(both[0]) == list(MODELS) and set(both[0].values()) < set(tag[arm][number])
        same = {scans["aae"].path == both[0]["aae"].path for scans in both[1:]}
        assert same == {arm == "normal"}


def test_kept_answers_to_other_questions_keep_their_place():
    asked, of_scan = PLAN.questions(Condition("tag"), FOLDERS)["biased"][0], ScanQuestion("arm", LIGHT, "aae", 13)
    keys = [13, [13, ["head"], 19, "irrelevant-0", "arc"], [13, {}, ["with", "pair"], True]]
    others = asked.answers["aae"], asked.walks, asked.maps["saliency", "aae"]
    names = [f"tag-{digest(['tag', key])}" for key in keys]
    assert [each.path.parent.name for each in others] == names
    assert ScanQuestion("arm", LIGHT, "aae", 26).path == of_scan.path  # probe items are not scanned
    differing = [ScanQuestion("arm", LIGHT, *more) for more in (("aae", 13, 50), ("baseline", 13))]
    assert len({each.path for each in (of_scan, *differing)}) == 3


# ---- what is judged ---------------------------------------------------------------------------------------------


NAMES = ("brightness", "blur", "sharpening", "tag")


def scan_of(rng, *used):
    """The answer to a ScanQuestion by a model that goes by the factors `used` and by nothing else."""
    swing = np.array([0.9 if name in used else 0.05 for name in NAMES])
    verdict = np.array([USED if name in used else NOT_USED for name in NAMES])
    items = (swing + rng.normal(0, 0.03, (N, len(NAMES)))).clip(0, 1)
    return {"factor": np.array(NAMES), "used": verdict, "swing": swing, "item_swing": items}


def judged_by(biased, irrelevant=((), (), ()), normal=((), (), ()), factor="brightness"):
    """As much of a JudgedCondition as the cell reads, from the factors that each model of each arm goes by."""
    rng = np.random.default_rng(0)
    used = {"biased": biased, "irrelevant": irrelevant, "normal": normal}
    scans = {arm: [scan_of(rng, *names) for names in models] for arm, models in used.items()}
    return SimpleNamespace(
        condition=Condition(factor),
        factor=FACTORS[factor],
        questions=dict.fromkeys(scans),
        models=list(MODELS),
        methods=lambda model: [],
        scans=lambda model, arm, models=None: scans[arm][:models],
        rng=lambda *key: np.random.default_rng(5),
    )


def judge(*args, **more):
    """(Verdict, cell) of the scan of such a condition."""
    cell = scan_cell(judged_by(*args, **more), "aae")
    correct_p_values([cell])
    return cell_verdict(cell, None, Thresholds()), cell


OWN, BOTH = ("brightness",), ("brightness", "tag")


def test_a_scan_that_names_the_planted_factor_and_nothing_else_reveals():
    verdict, cell = judge([OWN] * 3)
    assert verdict.value == REVEALS
    assert cell["naming"] == "the scan names brightness in 3 of 3 biased models, nothing else in any"
    assert cell["scores"] == {"swing": 0.9, "swing_irrelevant": 0.05, "others_used": 0} and cell["gates"] == ["aae"]
    assert judge([OWN, OWN, ()])[1]["named"] and not judge([OWN, (), ()])[1]["named"]


def test_a_scan_that_names_another_factor_too_does_not():
    verdict, cell = judge([OWN, BOTH, OWN])
    assert verdict.value == DOES_NOT and "tag in 1" in verdict.clause and cell["scores"]["others_used"] == 1


def test_a_factor_with_the_same_meter_is_no_other():
    verdict, cell = judge([("blur", "sharpening")] * 3, factor="blur")
    assert verdict.value == REVEALS and "sharpening in 3" in cell["naming"]


@pytest.mark.parametrize("arm", ["irrelevant", "normal"])
def test_any_factor_that_an_unbiased_model_is_said_to_use_is_a_false_alarm(arm):
    verdict, cell = judge([OWN] * 3, **{arm: [(), ("tag",), ()]})
    assert cell["false_alarms"] >= 1 / 6 and verdict.value == UNDECIDED and "false alarms" in verdict.clause


def test_models_that_swing_alike_are_not_told_apart():
    verdict, cell = judge([()] * 3)
    assert cell["auroc"] < 0.9 and verdict.value != REVEALS


def test_the_table_has_a_row_for_both_models(monkeypatch):
    monkeypatch.setattr(audit_results, "walk_cells", lambda judged: [])
    for name in ("sorted_cell", "control_cell"):
        monkeypatch.setattr(audit_results, name, lambda judged, of: {"explanation": "another"})
    cells = audit_results.condition_cells(judged_by([OWN] * 3), {})
    assert [cell["model"] for cell in cells if cell["explanation"] == "scan"] == list(MODELS)


def test_chance_is_asked_of_the_scans_of_both_models():
    asked = list(chance._explained_by_scans(judged_by([OWN] * 3, irrelevant=[OWN] * 3 + [()] * 3), 6))
    assert [(each.explanation, each.model, len(each.features)) for each in asked] == [("scan", m, 6) for m in MODELS]
    assert asked[0].name((0, 1, 5))["named"] and not asked[0].name((0, 4, 5))["named"]


def test_the_figure_fills_the_marks_of_what_is_used():
    rng = np.random.default_rng(0)
    figure = swing_dots({"biased": [scan_of(rng, "tag")] * 3, "irrelevant": [scan_of(rng)] * 2}, "tag")
    (ax,) = figure.axes
    biased, _, irrelevant, *_ = ax.collections
    assert (len(biased.get_offsets()), len(irrelevant.get_offsets())) == (12, 8)
    filled = (biased.get_facecolors()[:, :3] < 1).any(1).reshape(3, 4)
    assert filled[:, 3].all() and not filled[:, :3].any() and (irrelevant.get_facecolors() == 1).all()
    assert [text.get_text().endswith("(planted)") for text in ax.get_yticklabels()] == [False] * 3 + [True]
    canvas = as_canvas(figure)
    assert canvas.dtype == np.uint8 and canvas.shape[2] == 3 and canvas.std() > 5
