"""Laws of the shared statistics: areas under the ROC curve, rank correlations, corrected p values, intervals."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import roc_auc_score

from xaae.experiment.statistics import (
    auroc,
    aurocs,
    bootstrap_interval,
    holm,
    largest_steps,
    median_of_known,
    rank_correlations,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_auroc_is_scikit_learns(rng):
    positive, negative = np.round(rng.normal(1, 1, 40), 1), np.round(rng.normal(0, 1, 30), 1)
    side = np.r_[np.ones(40), np.zeros(30)]
    assert auroc(positive, negative) == pytest.approx(roc_auc_score(side, np.r_[positive, negative]))
    assert auroc(np.zeros(4), np.zeros(5)) == 0.5


def test_aurocs_are_those_of_each_row(rng):
    positive, negative = rng.normal(1, 1, (3, 40)), rng.normal(0, 1, (3, 30))
    each = [auroc(*pair) for pair in zip(positive, negative, strict=True)]
    np.testing.assert_allclose(aurocs(positive, negative), each)


def test_rank_correlations_are_scipys_of_each_row(rng):
    order, values = rng.normal(size=9), np.round(rng.normal(size=(5, 9)), 1)  # with ties
    values[0], values[1] = np.exp(order), -order
    found = rank_correlations(order, values)
    np.testing.assert_allclose(found, [spearmanr(order, row).statistic for row in values])
    assert found[0] == pytest.approx(1) and found[1] == pytest.approx(-1) and np.abs(found).max() <= 1
    assert rank_correlations(order, np.ones((1, 9))) == 0 == rank_correlations(np.ones(9), values[:1])


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1, 1])


def test_holm_counts_no_test_that_has_no_p():
    np.testing.assert_allclose(holm([0.04, 0.01, np.nan, 0.03]), [0.06, 0.03, np.nan, 0.06])


def test_holm_keeps_the_order_and_lowers_no_p(rng):
    p = rng.uniform(size=20)
    corrected = holm(p)
    assert (corrected >= p).all() and corrected.max() <= 1
    below = corrected < 1
    np.testing.assert_array_equal(rankdata(p)[below].argsort(), rankdata(corrected)[below].argsort())


def test_holm_keeps_the_share_of_false_alarms(rng):
    alarms = [(holm(rng.uniform(size=20)) < 0.05).any() for _ in range(400)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.025)


def test_a_bootstrap_interval_leaves_out_what_is_no_number():
    low, high = bootstrap_interval([*np.linspace(0, 1, 101), np.nan])
    assert (low, high) == (pytest.approx(0.025), pytest.approx(0.975))
    assert np.isnan(bootstrap_interval([np.nan])).all()


@pytest.mark.parametrize(
    ("reading", "step", "share"),
    [
        ([0, 0, 90, 90], 90, 1),
        ([0, 30, 60, 90], 30, 1 / 3),
        ([0, -5, -20, -40], 20, 1 / 2),
        ([0, 90, 0, 10], 90, 1),  # swings further than it gets
        ([0, 30, np.nan, 90], 60, 2 / 3),
        ([5, 5, 5, 5], np.nan, np.nan),
        ([0, 1, 2, 3], np.nan, np.nan),  # no more than `least`
        ([np.nan, np.nan, np.nan, 1], np.nan, np.nan),
    ],
)
def test_the_largest_step_is_a_share_of_the_whole_change(reading, step, share):
    steps, shares = largest_steps([reading], least=3)
    np.testing.assert_allclose([steps[0], shares[0]], [step, share])


def test_the_median_of_the_known_leaves_out_what_is_not():
    assert median_of_known([1, np.nan, 3]) == 2 and median_of_known([np.nan]) is median_of_known([]) is None
