"""Laws of exemplars: in order and none twice, counter-exemplars of another class, tenths of a ramp, honest p values."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import kstest

from xaae.experiment.errors import InputError
from xaae.latent_nav import exemplars
from xaae.latent_nav.impact import within_class


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def cloud(rng):
    return rng.standard_normal((400, 6)) + 3


def test_exemplars_lie_in_order_along_the_direction(cloud, rng):
    direction, points = rng.standard_normal(6), np.linspace(-2, 2, 9)
    found = exemplars.nearest_along(cloud, direction, points)
    along = (cloud - cloud.mean(0)) @ direction / np.linalg.norm(direction)
    assert len(set(found)) == 9 and (np.diff(along[found]) > 0).all()
    np.testing.assert_allclose(along[found], points, atol=0.1)


def test_no_exemplar_twice_even_where_one_is_nearest_to_all(cloud):
    found = exemplars.nearest_along(cloud, np.ones(6), np.full(30, 1.5))
    gap = np.abs((cloud - cloud.mean(0)) @ np.ones(6) / 6**0.5 - 1.5)
    assert set(found) == set(np.argsort(gap)[:30])
    walk = exemplars.nearest_along(cloud, np.ones(6), np.linspace(50, 60, 30), start=cloud[0])
    assert len(set(walk)) == 30


def test_exemplars_of_one_start_are_near_its_own_walk(cloud):
    """Decoys lie at the right positions, but far off the walk: only the population version may take them."""
    direction, points, start = np.eye(6)[0], np.array([-1.0, 0, 1, 2]), np.array([3.0, -4, 0, 0, 0, 0])
    on_the_walk = start + points[:, None] * direction + 0.2 * np.eye(6)[1]
    z = np.vstack([cloud, on_the_walk])
    assert exemplars.nearest_along(z, 5 * direction, points, start=start).tolist() == [400, 401, 402, 403]
    population = exemplars.nearest_along(z, direction, points)
    assert np.linalg.norm(z[population] - on_the_walk, axis=1).mean() > 3


def test_at_nought_the_start_is_its_own_exemplar(cloud):
    assert exemplars.nearest_along(cloud, np.ones(6), [0.0], start=cloud[17]) == [17]


def test_counter_exemplars_are_the_nearest_of_another_class(cloud, rng):
    labels = rng.choice(["a", "b", "c"], 400)
    rows, distance = exemplars.counter_exemplars(cloud, labels, cloud[:20], labels[:20], k=4)
    assert rows.shape == distance.shape == (20, 4)
    for s in range(20):
        gap = np.linalg.norm(cloud - cloud[s], axis=1)
        others = np.flatnonzero(labels != labels[s])
        assert (labels[rows[s]] != labels[s]).all()
        assert rows[s].tolist() == others[np.argsort(gap[others])[:4]].tolist()
        np.testing.assert_allclose(distance[s], gap[rows[s]])


def test_tenth_means_of_a_ramp_are_its_steps():
    level = (np.arange(1000) + 0.5) / 1000
    asked = []

    def items(rows):
        asked.append(len(rows))
        return torch.from_numpy(level[rows]).view(-1, 1, 1, 1).expand(-1, 2, 3, 4)

    order = np.random.default_rng(0).permutation(1000)
    means, counts = exemplars.tenth_means(level[order], items, order, batch=128)
    np.testing.assert_allclose(means, np.broadcast_to(((np.arange(10) + 0.5) / 10)[:, None, None, None], (10, 2, 3, 4)))
    assert (counts == 100).all() and max(asked) <= 128 and sum(asked) == 1000


def test_an_empty_tenth_is_black_and_the_ends_are_inside():
    means, counts = exemplars.tenth_means([0, 0.05, 1.0], lambda rows: np.ones((len(rows), 1, 2, 2)) * 5, np.arange(3))
    assert counts.tolist() == [2] + [0] * 8 + [1]
    assert means[0].min() == means[9].min() == 5 and not means[1:9].any()


@pytest.fixture
def table(rng):
    """The position follows `turn` inside each class; `species` differs between the classes only."""
    labels, position = np.repeat(["cat", "dog"], 150), rng.uniform(size=300)
    columns = {
        "noise": rng.standard_normal(300),
        "species": (labels == "dog") * 90.0,
        "back": -position + 0.3 * rng.standard_normal(300),
        "turn": position**3 + 90 * (labels == "dog"),
        "name": labels,
    }
    columns["gaps"] = np.where(np.arange(300) % 3 == 0, np.nan, position)
    return position, pd.DataFrame(columns, index=range(1000, 1300)), labels


def test_what_changes_along_the_direction_comes_first(table, rng):
    found = exemplars.factor_correlations(*table, rng, permutations=499)
    assert set(found["factor"][:2]) == {"turn", "gaps"} and found["factor"][2:].tolist() == ["back", "noise", "species"]
    row = found.set_index("factor")
    assert row["within_class_spearman"]["turn"] == pytest.approx(1) and row["within_class_spearman"]["back"] < -0.5
    assert row["p"]["turn"] == row["p"]["back"] == 1 / 500 and row["p_holm"]["back"] == pytest.approx(4 / 500)
    assert row["p_holm"]["noise"] > 0.05 and row["items"]["gaps"] == 200
    assert np.isnan(row["within_class_spearman"]["species"]) and np.isnan(row["p"]["species"])


def test_shuffling_inside_the_classes_keeps_the_statistic(table, rng):
    """The null of the shuffles is that of `within_class` itself, with its spread of about 1 / sqrt(N)."""
    position, columns, labels = table
    value = columns["turn"].to_numpy()
    by_ranks = sum(
        exemplars.class_ranks(position[labels == c]) @ exemplars.class_ranks(value[labels == c]) for c in ("cat", "dog")
    )
    assert by_ranks / 300 == pytest.approx(within_class(position, value, labels))
    null = exemplars.permuted(position, value, labels, rng, 1000)
    assert abs(null.mean()) < 0.01 and null.std() == pytest.approx(300**-0.5, rel=0.1)


def test_few_items_are_shuffled_as_many_are(table, monkeypatch):
    """All at once or one shuffle at a time: the same draws, and the generator goes on from the same place."""
    position, columns, labels = table
    given, generators = (position, columns["turn"].to_numpy(), labels), [np.random.default_rng(3) for _ in range(2)]
    nulls = []
    for rng, most in zip(generators, (0, len(labels)), strict=True):
        monkeypatch.setattr(exemplars, "AT_ONCE", most)
        nulls.append(exemplars.permuted(*given, rng, 50))
    np.testing.assert_allclose(*nulls, atol=1e-12)
    assert len(set(nulls[0])) == 50 and generators[0].random() == generators[1].random()


def test_p_values_are_even_when_only_the_class_matters():
    rng = np.random.default_rng(6)
    labels = np.repeat([0, 1], 30)
    found = [
        exemplars.correlation(labels + rng.uniform(size=60), 5 * labels + rng.uniform(size=60), labels, rng, 99)[2]
        for _ in range(100)
    ]
    assert kstest(found, "uniform").pvalue > 0.01


def test_a_class_in_which_a_column_is_constant_does_not_spoil_the_other(table, rng):
    position, columns, labels = table
    half = pd.DataFrame({"half": np.where(labels == "cat", position, 7.0)})
    found = exemplars.factor_correlations(position, half, labels, rng, permutations=99).iloc[0]
    assert found["within_class_spearman"] == pytest.approx(1) and found["items"] == 150


def test_a_table_without_numbers_gives_an_empty_one(rng):
    found = exemplars.factor_correlations(np.linspace(0, 1, 4), pd.DataFrame({"a": list("wxyz")}), [0, 0, 1, 1], rng)
    assert found.empty and list(found) == ["factor", "items", "within_class_spearman", "p", "p_holm"]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda z: exemplars.nearest_along(z, np.zeros(6), [0.0]), "no length"),
        (lambda z: exemplars.nearest_along(z[:3], np.ones(6), np.arange(4)), "4 points but 3 items"),
        (lambda z: exemplars.counter_exemplars(z, np.zeros(400), z[:2], np.zeros(2)), "another class"),
        (lambda z: exemplars.counter_exemplars(z, np.zeros(399), z[:2], np.zeros(2)), "399 labels"),
        (lambda z: exemplars.tenth_means([0.5, 1.5], None, [0, 1]), "between 0 and 1"),
        (lambda z: exemplars.tenth_means([0.5, np.nan], None, [0, 1]), "between 0 and 1"),
        (lambda z: exemplars.factor_correlations(z[:, 0], pd.DataFrame({"a": [1]}), np.zeros(400), None), "rows of"),
    ],
)
def test_bad_input_is_said_in_one_sentence(cloud, call, words):
    with pytest.raises(InputError, match=words) as e:
        call(cloud)
    assert str(e.value).endswith(".") and "\n" not in str(e.value)
