"""Laws of a scan of models that have learned nothing: what moves their answers was not learned from the labels."""

import numpy as np
import pytest
import torch

from xaae.factors.bias import make_bias
from xaae.scan.factor_scan import ScanItems
from xaae.scan.learned_labels import CHANCE, answers_as_trained, chance_of_labels, without_use
from xaae.scan.verdicts import CANNOT_TELL, NOT_USED, USED

ROWS = [{"factor": "tint", "used": USED}, {"factor": "blur", "used": NOT_USED}]


@pytest.mark.parametrize("classes", [2, 4])
def test_answers_by_chance_seldom_pass_for_learned_ones_and_learned_ones_do(classes):
    rng = np.random.default_rng(3)
    labels = rng.integers(classes, size=(300, 200))
    by_chance = [chance_of_labels(rng.integers(classes, size=200), each) for each in labels]
    assert np.mean(np.array(by_chance) <= CHANCE) < 0.03
    often_right = [np.where(rng.random(200) < 0.5, each, rng.integers(classes, size=200)) for each in labels]
    assert all(chance_of_labels(answers, each) <= CHANCE for answers, each in zip(often_right, labels, strict=True))


def test_one_answer_to_all_and_outputs_in_another_order():
    labels = np.repeat([0, 1], 50)
    assert chance_of_labels(np.zeros(100), labels) == 1 == chance_of_labels(labels, np.zeros(100))
    assert chance_of_labels(1 - labels, labels) < CHANCE


def test_items_are_answered_as_they_were_trained_on():
    """A model that goes by what was planted alone has learned the labels, though items of random values hide that."""
    labels = np.repeat(["cat", "dog"], 60)
    bias = make_bias(["cat", "dog"], factor="brightness")
    rng = np.random.default_rng(0)
    x = torch.full((120, 3, 16, 16), 0.5)
    by_light = lambda x: torch.stack([-x.mean((1, 2, 3)), x.mean((1, 2, 3)) - 1], 1)  # noqa: E731
    planted = ScanItems(x, labels, rng.uniform(*bias.whole(), 120), bias)
    assert chance_of_labels(answers_as_trained(by_light, planted, by_light(planted.base), rng), labels) < CHANCE
    assert chance_of_labels(by_light(planted.base).argmax(1), labels) > CHANCE
    base = rng.random((120, 2))
    assert (answers_as_trained(None, ScanItems(x, labels), base, rng) == base.argmax(1)).all()


@pytest.mark.parametrize(("p", "verdicts"), [(0.5, [CANNOT_TELL, NOT_USED]), (0.001, [USED, NOT_USED])])
def test_what_learned_nothing_uses_nothing(p, verdicts):
    rows, why = without_use(ROWS, p)
    assert [row["used"] for row in rows] == verdicts and ("nothing to do with" in why) == (p > CHANCE)
    assert ROWS[0]["used"] == USED
