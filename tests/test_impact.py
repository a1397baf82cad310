"""Laws of the impact: how far a position follows the planted factor, over all items and inside each class."""

import numpy as np
import pytest

from xaae.latent_nav import impact


def test_the_class_alone_gives_the_plain_correlation_but_none_within():
    rng = np.random.default_rng(0)
    label = np.repeat(["cat", "dog"], 2000)
    value = rng.uniform(0, 90, 4000) + 90 * (label == "dog")
    numbers, curve = impact.impact((label == "dog") * 0.9 + rng.uniform(0, 0.1, 4000), value, label)
    assert numbers["spearman"] == pytest.approx(0.75, abs=0.03)
    assert abs(numbers["within_class_spearman"]) < 0.05
    assert curve["difference"][-1] == pytest.approx(90, abs=4)
    assert impact.impact(value / 180, value, label)[0]["within_class_spearman"] == pytest.approx(1)


def test_impact_without_a_factor_is_no_number():
    numbers, _ = impact.impact(np.linspace(0, 1, 50), np.zeros(50), np.repeat(["a", "b"], 25))
    assert np.isnan(numbers["spearman"]) and numbers["slope"] == 0


def test_the_slope_of_the_impact_is_the_planted_one():
    position = np.random.default_rng(0).uniform(size=400)
    numbers, _ = impact.impact(position, 10 - 70 * position, np.repeat(["a", "b"], 200))
    assert numbers["slope"] == pytest.approx(-70) and numbers["within_class_spearman"] == pytest.approx(-1)
