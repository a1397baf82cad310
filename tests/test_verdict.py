"""Laws of the verdict: gates come first, each clause decides alone, and a number is told beside its limit."""

import pytest

from xaae.audit import verdict as judge
from xaae.audit.arms import Condition
from xaae.audit.cells import correct_p_values, judge_cells, make_cell

GOOD = {"auroc": 0.97, "low": 0.93, "high": 0.99, "false_alarms": 0.0, "named": True}
WALK = {"spearman": -0.9, "span": 0.8, "p": 0.01, "non_trivial": 0.9, "largest_step": 0.1, "ends_explain": 0.5}
ASKED = judge.Thresholds()


@pytest.mark.parametrize(
    ("numbers", "walk", "value", "clause"),
    [
        ({}, {}, judge.REVEALS, "0.97"),
        ({"auroc": 0.6, "high": 0.69}, {}, judge.DOES_NOT, "0.69"),
        ({"named": False}, {}, judge.DOES_NOT, "named"),
        ({"named": None}, {}, judge.UNDECIDED, "names the factor"),
        ({"auroc": 0.85, "high": 0.95}, {}, judge.UNDECIDED, "0.85"),
        ({"false_alarms": 0.2}, {}, judge.UNDECIDED, "false alarms"),
        ({"false_alarms": float("nan")}, {}, judge.UNDECIDED, "three seeds"),
        ({"p_holm": 0.06}, {}, judge.UNDECIDED, "Holm"),
        ({"randomised": 0.95}, {}, judge.UNDECIDED, "random weights"),
        ({}, {"spearman": 0.5}, judge.UNDECIDED, "Spearman"),
        ({}, {"span": 0.3}, judge.UNDECIDED, "span"),
        ({}, {"p": 0.05}, judge.UNDECIDED, "p 0.05"),
        ({}, {"largest_step": 0.26}, judge.UNDECIDED, "it jumps"),
        ({}, {"ends_explain": 0.91, "largest_step": 0.9}, judge.UNDECIDED, "a cross-fade"),
        ({}, {"largest_step": None, "ends_explain": None}, judge.REVEALS, "factor named"),
        ({}, {"non_trivial": 0.1}, judge.UNDECIDED, "non-trivial"),
    ],
)
def test_each_clause_decides(numbers, walk, value, clause):
    verdict = judge.decide_verdict(None, GOOD | numbers, ASKED, WALK | walk)
    assert verdict.value == value and clause in verdict.clause


def test_gates_come_first():
    used = {"biased": 0.95, "normal": 0.0, "irrelevant": 0.05}
    assert judge.gate_use(used, ASKED) is None and judge.gate_shown(3.0, 15.0) is None
    unused, leaking = judge.gate_use(used | {"biased": 0.3}, ASKED), judge.gate_use(used | {"irrelevant": 0.4}, ASKED)
    assert judge.gate_use(used | {"normal": 0.5}, ASKED) is None  # it never met the factor: reported, not judged
    assert "no bias learned" in unused and "irrelevant" in leaking
    assert "faithfully enough" in judge.gate_shown(40.0, 15.0) and judge.gate_shown(float("nan"), 15.0)
    assert judge.decide_verdict(unused, GOOD, ASKED) == judge.Verdict(judge.UNDECIDED, unused)


def test_a_number_that_just_missed_its_limit_is_told_with_enough_digits():
    assert judge.number_beside_limit(0.1017, 0.1) == "0.102, at most 0.100"
    assert judge.number_beside_limit(0.8, 0.9, "asked for") == "0.80, asked for 0.90"
    assert "0.102, at most 0.100" in judge.gate_use({"biased": 1.0, "irrelevant": 0.1017}, ASKED)
    assert judge.gate_shown(0.3, 0.2, "octaves").endswith("0.3, at most 0.2 octaves")


# ---- cells ------------------------------------------------------------------------------------------------------


def tag_cell(**more):
    """A cell of a map that reveals the factor, with something else."""
    return make_cell(Condition("tag"), "saliency", "aae", **(GOOD | {"p": 0.001, "p_holm": 0.001} | more))


@pytest.mark.parametrize(
    ("cell", "closed", "verdict", "clause"),
    [
        (tag_cell(), None, judge.REVEALS, "factor named"),
        (tag_cell(), "no bias learned", judge.UNDECIDED, "no bias learned"),
        (tag_cell(gates=["shown"]), "no bias learned", judge.REVEALS, "factor named"),
        (tag_cell(status="refused", reason="no ReLU"), None, judge.UNDECIDED, "refused: no ReLU"),
        (tag_cell(scores={"randomised": 0.99}), None, judge.UNDECIDED, "random weights"),
    ],
)
def test_a_cell_depends_on_its_own_gates_and_scores(cell, closed, verdict, clause):
    gates = {"tag": {"aae": {"clause": closed}, "shown": {"clause": None}}}
    (judged,) = judge_cells([cell], gates, ASKED)
    assert judged["verdict"] == verdict and clause in judged["clause"]


def test_p_is_corrected_for_the_cells_that_have_one():
    cells = [tag_cell(p=0.02), make_cell(Condition("tag"), "gradcam", "aae", status="refused"), tag_cell(p=0.04)]
    correct_p_values(cells)
    assert [cell.get("p_holm") for cell in cells] == [pytest.approx(0.04), None, pytest.approx(0.04)]
